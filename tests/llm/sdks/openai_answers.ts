/**
 * Answers in the form of OpenAI's API references of November 2026, for the SDKs that use these APIs. Also states the
 * facts that the log must contain about the answers.
 *
 * @module
 */
import { DATED_MODEL, MODEL, type StreamEvent } from "./compared_runs.ts";

/** The pieces of the text of each answer. One piece has characters of several bytes. */
const PIECES = ["The module ", "parses ", "the log – 日誌 📜 ", "from its end."];

/** The text of each answer. */
export const TEXT = PIECES.join("");

const CHAT = { id: "chatcmpl-1", created: 1_770_000_000, model: DATED_MODEL };

/** The token usage of a chat completion. Its totals include the cached tokens and the tokens of reasoning. */
const CHAT_USAGE = {
  prompt_tokens: 2_000,
  completion_tokens: 300,
  total_tokens: 2_300,
  prompt_tokens_details: { cached_tokens: 1_500, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 100, audio_tokens: 0 },
};

/** The logged fields of the usage of each answer. The cost in USD is 500 * 1e-6 + 1500 * 0.1e-6 + 300 * 4e-6. */
const USAGE_FACTS = {
  input_t: 2_000,
  output_t: 300,
  cache_read_t: 1_500,
  reasoning_t: 100,
  cost: 0.00185,
  cost_source: "prices",
};

/** The logged fields of a chat completion. */
export const CHAT_FACTS = {
  model: DATED_MODEL,
  provider: "openai",
  ...USAGE_FACTS,
  status: "ok",
  response_id: "chatcmpl-1",
  api: "openai.chat",
  finish_reason: "stop",
};

/** The logged fields of a response of the responses API. */
export const RESPONSE_FACTS = {
  ...CHAT_FACTS,
  response_id: "resp_1",
  api: "openai.responses",
  finish_reason: "completed",
};

/** The logged fields of a call that got no response. */
export const UNANSWERED = {
  model: MODEL,
  provider: "openai",
  api: "openai.chat",
  usage: "missing",
};

/** The logged fields of a streamed chat completion that has begun, but has not ended. */
export const BEGUN = { ...UNANSWERED, model: DATED_MODEL, response_id: "chatcmpl-1" };

/** Returns the logged fields of a call without its usage. */
export function withoutUsage(facts: Record<string, unknown>): Record<string, unknown> {
  const rest = Object.entries(facts).filter(([name]) => !(name in USAGE_FACTS));
  return { ...Object.fromEntries(rest), usage: "missing" };
}

/** A chat completion. */
export const CHAT_COMPLETION = {
  ...CHAT,
  object: "chat.completion",
  service_tier: "default",
  choices: [{
    index: 0,
    message: { role: "assistant", content: TEXT, refusal: null, annotations: [] },
    logprobs: null,
    finish_reason: "stop",
  }],
  usage: CHAT_USAGE,
};

/** The first events of a chat completion, with the first two pieces of the text. */
export const CHAT_BEGINNING: readonly StreamEvent[] = chatEvents(false).slice(0, 3);

/** Returns the events of a chat completion, which end with the usage if the request asks for it. */
export function chatEvents(
  includesUsage: boolean,
  pieces: readonly string[] = PIECES,
): StreamEvent[] {
  const chunk = (choices: object[], usage: object | null = null): StreamEvent => ({
    data: {
      ...CHAT,
      object: "chat.completion.chunk",
      choices,
      ...(includesUsage ? { usage } : {}),
    },
  });
  const choice = (delta: object, finish_reason: string | null = null) =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason }]);
  return [
    choice({ role: "assistant", content: "", refusal: null }),
    ...pieces.map((content) => choice({ content })),
    choice({}, "stop"),
    ...(includesUsage ? [chunk([], CHAT_USAGE)] : []),
    { data: "[DONE]" },
  ];
}

const OUTPUT_TEXT = { type: "output_text", text: TEXT, annotations: [], logprobs: [] };

const MESSAGE = {
  id: "msg_1",
  type: "message",
  status: "completed",
  role: "assistant",
  content: [OUTPUT_TEXT],
};

const RESPONSE_HEAD = {
  id: "resp_1",
  object: "response",
  created_at: 1_770_000_000,
  model: DATED_MODEL,
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: "auto",
  tools: [],
  top_p: 1,
};

/** A response of the responses API. */
export const RESPONSE = {
  ...RESPONSE_HEAD,
  status: "completed",
  output: [MESSAGE],
  usage: {
    input_tokens: 2_000,
    input_tokens_details: { cached_tokens: 1_500, cache_write_tokens: 0 },
    output_tokens: 300,
    output_tokens_details: { reasoning_tokens: 100 },
    total_tokens: 2_300,
  },
};

/** The events of a response of the responses API. */
export const RESPONSE_EVENTS: readonly StreamEvent[] = responseEvents();

/** The first events of a response of the responses API, with the first two pieces of the text. */
export const RESPONSE_BEGINNING: readonly StreamEvent[] = RESPONSE_EVENTS.slice(0, 6);

function responseEvents(): StreamEvent[] {
  const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const begun = { ...RESPONSE_HEAD, status: "in_progress", output: [], usage: null };
  const events: [type: string, data: object][] = [
    ["response.created", { response: begun }],
    ["response.in_progress", { response: begun }],
    ["response.output_item.added", {
      output_index: 0,
      item: { ...MESSAGE, status: "in_progress", content: [] },
    }],
    ["response.content_part.added", { ...place, part: { ...OUTPUT_TEXT, text: "" } }],
    ...PIECES.map((delta): [string, object] => [
      "response.output_text.delta",
      { ...place, delta, logprobs: [] },
    ]),
    ["response.output_text.done", { ...place, text: TEXT, logprobs: [] }],
    ["response.content_part.done", { ...place, part: OUTPUT_TEXT }],
    ["response.output_item.done", { output_index: 0, item: MESSAGE }],
    ["response.completed", { response: RESPONSE }],
  ];
  return events.map(([type, data], sequence_number) => ({
    type,
    data: { type, sequence_number, ...data },
  }));
}

/** Returns an error of OpenAI as the body of a response. */
export function errorBody(message: string, type: string, code: string | null = null): object {
  return { error: { message, type, param: null, code } };
}

/** The body of an answer with the status 400: OpenAI sends it if a request asks for a model that does not exist. */
export const UNKNOWN_MODEL = errorBody("Unknown model", "invalid_request_error", "model");

/** The logged fields of a call that is answered with {@linkcode UNKNOWN_MODEL}. */
export const UNKNOWN_MODEL_FACTS = {
  ...UNANSWERED,
  status: "error",
  error: { status: 400, type: "invalid_request_error", code: "model", message: "Unknown model" },
};

/** The message of an error that OpenAI sends after the first events of a stream. */
export const SERVER_ERROR = "The server had an error";

/** The event of a stream that reports {@linkcode SERVER_ERROR}. */
export const SERVER_ERROR_EVENT: StreamEvent = { data: errorBody(SERVER_ERROR, "server_error") };

/** The logged fields of a stream that ends with {@linkcode SERVER_ERROR_EVENT}. */
export const SERVER_ERROR_FACTS = {
  ...BEGUN,
  status: "error",
  error: { status: 200, type: "server_error", code: null, message: SERVER_ERROR },
};
