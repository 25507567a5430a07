import { assert, assertEquals } from "@std/assert";
import Anthropic, { type ClientOptions } from "@anthropic-ai/sdk";
import {
  assertHeldBudgetDelays,
  assertSpentBudgetRefuses,
  collected,
  compareErrors,
  compareValues,
  type Connection,
  DATED_MODEL,
  failure,
  json,
  loggedError,
  MODEL,
  silence,
  stream,
  type StreamEvent,
  visibleOf,
  withoutErrors,
} from "./compared_runs.ts";

function clientOf({ origin, fetch }: Connection, options: ClientOptions = {}): Anthropic {
  return new Anthropic({ apiKey: "key", baseURL: origin, fetch, ...options });
}

const PIECES = ["The module ", "parses the log – 日誌 📜 ", "from its end."];
const TEXT = PIECES.join("");

const REQUEST = {
  model: MODEL,
  max_tokens: 500,
  messages: [{ role: "user" as const, content: "What does the module do?" }],
};
const STREAM = { ...REQUEST, stream: true as const };

/**
 * The token usage that Anthropic states. Its `input_tokens` do not include tokens that were read from or written to a
 * cache.
 */
const INPUT_USAGE = {
  input_tokens: 200,
  cache_creation_input_tokens: 300,
  cache_read_input_tokens: 1_500,
  cache_creation: { ephemeral_5m_input_tokens: 300, ephemeral_1h_input_tokens: 0 },
  service_tier: "standard",
};

const HEAD = { id: "msg_1", type: "message", role: "assistant", model: DATED_MODEL };

const MESSAGE = {
  ...HEAD,
  content: [{ type: "text", text: TEXT }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { ...INPUT_USAGE, output_tokens: 80 },
};

const EVENTS = events([
  ["message_start", {
    message: {
      ...HEAD,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...INPUT_USAGE, output_tokens: 1 },
    },
  }],
  ["content_block_start", { index: 0, content_block: { type: "text", text: "" } }],
  ["ping", {}],
  ...PIECES.map((text): [string, object] => [
    "content_block_delta",
    { index: 0, delta: { type: "text_delta", text } },
  ]),
  ["content_block_stop", { index: 0 }],
  ["message_delta", {
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: { output_tokens: 80 },
  }],
  ["message_stop", {}],
]);

/** The first events of the stream, with the first two pieces of the text. */
const BEGINNING = EVENTS.slice(0, 5);

function events(pairs: readonly [type: string, data: object][]): StreamEvent[] {
  return pairs.map(([type, data]) => ({ type, data: { type, ...data } }));
}

/** Returns an error of Anthropic as the body of a response. */
function errorBody(type: string, message: string): object {
  return { type: "error", error: { type, message }, request_id: "req_1" };
}

/** The logged fields of a complete call. The cost in USD is 200 * 1e-6 + 300 * 1.25e-6 + 1500 * 0.1e-6 + 80 * 4e-6. */
const FACTS = {
  model: DATED_MODEL,
  provider: "anthropic",
  input_t: 2_000,
  output_t: 80,
  cache_read_t: 1_500,
  cache_write_t: 300,
  cost: 0.001045,
  cost_source: "prices",
  status: "ok",
  response_id: "msg_1",
  api: "anthropic.messages",
  finish_reason: "end_turn",
};

/** The logged fields of a call that got no response. */
const UNANSWERED = {
  model: MODEL,
  provider: "anthropic",
  api: "anthropic.messages",
  usage: "missing",
};

/** The logged fields of a stream that has begun, but has not ended. */
const BEGUN = { ...UNANSWERED, model: DATED_MODEL, response_id: "msg_1" };

Deno.test("auditedFetch logs @anthropic-ai/sdk's messages.create() with its cached tokens in input_t", async () => {
  const { value, calls } = await compareValues({
    answers: [json(MESSAGE)],
    run: (connection) => clientOf(connection).messages.create(REQUEST),
  });
  assertEquals(value.usage.input_tokens, 200);
  assertEquals(calls, [FACTS]);
});

Deno.test("auditedFetch logs a streamed message of @anthropic-ai/sdk with the tokens of its last event", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(EVENTS)],
    run: async (connection) => await collected(await clientOf(connection).messages.create(STREAM)),
  });
  assertEquals(value.at(-1)?.type, "message_stop");
  assertEquals(calls, [FACTS]);
});

Deno.test("auditedFetch logs @anthropic-ai/sdk's messages.stream().finalMessage() once", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(EVENTS)],
    run: async (connection) => await clientOf(connection).messages.stream(REQUEST).finalMessage(),
  });
  const [block] = value.content;
  assertEquals(block?.type === "text" && block.text, TEXT);
  assertEquals(value.usage.output_tokens, 80);
  assertEquals(calls, [FACTS]);
});

for (
  const [name, answer, request] of [
    ["JSON", json(MESSAGE), REQUEST],
    ["a stream", stream(EVENTS), STREAM],
  ] as const
) {
  Deno.test(`auditedFetch leaves the bytes, headers and URL of ${name} of @anthropic-ai/sdk unchanged`, async () => {
    const { calls } = await compareValues({
      answers: [answer],
      run: async (connection) =>
        await visibleOf(await clientOf(connection).messages.create(request).asResponse()),
    });
    assertEquals(calls, [FACTS]);
  });
}

Deno.test("auditedFetch logs nothing for @anthropic-ai/sdk's messages.countTokens()", async () => {
  const { value, calls } = await compareValues({
    answers: [json({ input_tokens: 12 })],
    run: async (connection) => {
      const { model, messages } = REQUEST;
      return await clientOf(connection).messages.countTokens({ model, messages });
    },
    modelCalls: 0,
  });
  assertEquals([value.input_tokens, calls], [12, []]);
});

Deno.test("auditedFetch logs each retry of @anthropic-ai/sdk after the status 529 with the same parent and its retry number", async () => {
  const overloaded = failure(529, errorBody("overloaded_error", "Overloaded"));
  const { value, calls } = await compareValues({
    answers: [overloaded, overloaded, json(MESSAGE)],
    options: async (log) => ({ fields: { parent: (await log.begin("step")).id } }),
    run: (connection) => clientOf(connection).messages.create(REQUEST),
  });
  assertEquals(value.id, "msg_1");
  const parents = new Set(calls.map(({ parent }) => parent));
  assertEquals([parents.size, typeof [...parents][0]], [1, "string"]);
  assertEquals(calls.map(({ retry }) => retry), [undefined, 1, 2]);
  assertEquals(calls.map(({ cost }) => cost), [undefined, undefined, 0.001045]);
});

Deno.test("auditedFetch logs the status 529 as an error, if @anthropic-ai/sdk cancels its body to retry", async () => {
  const { calls } = await compareValues({
    answers: [failure(529, errorBody("overloaded_error", "Overloaded")), json(MESSAGE)],
    run: (connection) => clientOf(connection).messages.create(REQUEST),
  });
  // The SDK does not read the body of the error response, so the message of the error is not logged.
  assertEquals(calls, [
    { ...UNANSWERED, status: "error", error: { status: 529 } },
    { ...FACTS, retry: 1 },
  ]);
});

Deno.test("auditedFetch logs the status and message of an error that @anthropic-ai/sdk throws", async () => {
  const { error, calls } = await compareErrors({
    answers: [failure(529, errorBody("overloaded_error", "Overloaded"))],
    run: (connection) => clientOf(connection, { maxRetries: 0 }).messages.create(REQUEST),
  });
  assertEquals([error.type, error.status], ["OverloadedError", 529]);
  assertEquals(calls, [{
    ...UNANSWERED,
    status: "error",
    error: { status: 529, type: "overloaded_error", message: "Overloaded" },
  }]);
});

Deno.test("auditedFetch logs an error event inside a stream of @anthropic-ai/sdk as an error", async () => {
  const data = errorBody("overloaded_error", "Overloaded");
  const { error, calls } = await compareErrors({
    answers: [stream([...BEGINNING, { type: "error", data }], "hangs")],
    run: async (connection) => await collected(await clientOf(connection).messages.create(STREAM)),
  });
  assertEquals(error.type, "APIError");
  assertEquals(calls, [{
    ...BEGUN,
    status: "error",
    error: { status: 200, type: "overloaded_error", message: "Overloaded" },
  }]);
});

Deno.test("auditedFetch logs a timeout of @anthropic-ai/sdk as aborted, because the SDK aborts without a reason", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: (connection) =>
      clientOf(connection, { timeout: 100, maxRetries: 0 }).messages.create(REQUEST),
  });
  assertEquals(error.type, "APIConnectionTimeoutError");
  assertEquals(withoutErrors(calls), [{ ...UNANSWERED, status: "aborted" }]);
});

Deno.test("auditedFetch logs a call that the caller of @anthropic-ai/sdk aborts before the response as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const message = clientOf(connection).messages.create(REQUEST, { signal });
      void connection.received.then(() => aborter.abort());
      return await message;
    },
  });
  assertEquals(error.type, "APIUserAbortError");
  assertEquals(withoutErrors(calls), [{ ...UNANSWERED, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream that the caller of @anthropic-ai/sdk aborts as aborted", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(BEGINNING, "hangs")],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const seen = [];
      for await (const event of await clientOf(connection).messages.create(STREAM, { signal })) {
        seen.push(event);
        if (seen.length === 2) aborter.abort();
      }
      return seen;
    },
  });
  assert(value.length >= 2);
  assertEquals(withoutErrors(calls), [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch logs @anthropic-ai/sdk's MessageStream.abort() as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream(BEGINNING, "hangs")],
    run: async (connection) => {
      const message = clientOf(connection).messages.stream(REQUEST);
      message.on("text", () => message.abort());
      return await message.finalMessage();
    },
  });
  assertEquals(error.type, "APIUserAbortError");
  assertEquals(withoutErrors(calls), [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream of @anthropic-ai/sdk that the caller leaves with break as aborted", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(BEGINNING, "hangs")],
    run: async (connection) => {
      for await (const event of await clientOf(connection).messages.create(STREAM)) return event;
    },
  });
  assertEquals(value?.type, "message_start");
  assertEquals(calls, [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream of @anthropic-ai/sdk whose connection fails as an error", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream(BEGINNING, "fails")],
    run: async (connection) => await collected(await clientOf(connection).messages.create(STREAM)),
  });
  assertEquals(calls, [{ ...BEGUN, status: "error", error: loggedError(error) }]);
});

Deno.test("auditedFetch refuses a call of @anthropic-ai/sdk if the budget is spent, and the SDK does not retry on the status 402", async () => {
  await assertSpentBudgetRefuses({
    run: (connection, maxRetries) => clientOf(connection, { maxRetries }).messages.create(REQUEST),
    apiError: "PaymentRequiredError",
  });
});

Deno.test("auditedFetch answers a call of @anthropic-ai/sdk with the status 429 while another call holds the budget, and the SDK retries", async () => {
  const { value, calls } = await assertHeldBudgetDelays({
    answer: json(MESSAGE),
    run: (connection) => clientOf(connection).messages.create(REQUEST),
  });
  assertEquals(value.id, "msg_1");
  assertEquals(calls, [{ ...FACTS, retry: 1 }]);
});
