/**
 * A server on this machine that answers as model providers do, for the examples: OpenAI's chat completions and
 * responses, Anthropic's messages, Gemini, and each as a stream of events. The answers are invented, and so are their
 * token counts: an input token for every four characters, and an output token for every word.
 *
 * @module
 */

/** Options of {@linkcode startProvider}. */
export interface ProviderOptions {
  /** Milliseconds between the pieces of a stream, and before each answer. */
  delayMs?: number;
  /** Port on 127.0.0.1; by default a free one. */
  port?: number;
}

/** A server that runs until it is disposed. */
export interface Provider extends AsyncDisposable {
  /** The origin of the server: `http://127.0.0.1:PORT`. */
  readonly origin: string;
}

const WORDS = "The module parses the log from its end and yields each event once.".split(" ");

/** Starts the server. */
export function startProvider({ delayMs = 0, port = 0 }: ProviderOptions = {}): Provider {
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const text = await request.text();
    const { pathname } = new URL(request.url);
    const answerOf = APIS.find(([path]) => path.test(pathname))?.[1];
    if (answerOf === undefined) {
      return Response.json({ error: { message: "Not found" } }, { status: 404 });
    }
    await pause(delayMs);
    const call = callOf(text, pathname);
    const answer = answerOf(call);
    return call.isStream ? streamOf(answer.events, delayMs) : Response.json(answer.whole);
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The parts of a request that the server uses. */
interface Call {
  readonly model: string;
  readonly inputTokens: number;
  readonly words: readonly string[];
  readonly isStream: boolean;
  /** `true` if a request for OpenAI's chat completions asks for the token usage at the end of the stream. */
  readonly wantsUsage: boolean;
}

/** An answer, as a whole and as the events of a stream. */
interface Answer {
  readonly whole: object;
  readonly events: readonly (readonly [type: string | null, data: object | string])[];
}

const APIS: readonly (readonly [path: RegExp, answerOf: (call: Call) => Answer])[] = [
  [/\/chat\/completions$/, chatAnswer],
  [/\/responses$/, responsesAnswer],
  [/\/messages$/, anthropicAnswer],
  [/:(generateContent|streamGenerateContent)$/, geminiAnswer],
];

function callOf(text: string, path: string): Call {
  const body = JSON.parse(text);
  const max = body.max_tokens ?? body.max_completion_tokens ?? body.max_output_tokens ??
    body.generationConfig?.maxOutputTokens ?? WORDS.length;
  return {
    // Providers answer with the full name of the model, which ends in a date, so this server does too.
    model: `${body.model ?? /models\/([^:]+):/.exec(path)?.[1]}-2026-02-13`,
    inputTokens: Math.ceil(text.length / 4),
    words: WORDS.slice(0, max),
    isStream: body.stream === true || path.endsWith(":streamGenerateContent"),
    wantsUsage: body.stream_options?.include_usage === true,
  };
}

let count = 0;

function nextId(prefix: string): string {
  return `${prefix}${String(++count).padStart(6, "0")}`;
}

function chatAnswer({ model, inputTokens, words, wantsUsage }: Call): Answer {
  const id = nextId("chatcmpl-");
  const usage = {
    prompt_tokens: inputTokens,
    completion_tokens: words.length,
    total_tokens: inputTokens + words.length,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
  const common = { id, created: 1_770_000_000, model };
  const message = { role: "assistant", content: words.join(" "), refusal: null };
  const choice = (delta: object, finish_reason: string | null = null) => ({
    ...common,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason }],
    ...(wantsUsage ? { usage: null } : {}),
  });
  return {
    whole: {
      ...common,
      object: "chat.completion",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage,
    },
    events: [
      [null, choice({ role: "assistant", content: "" })],
      ...words.map((word, n) => [null, choice({ content: n > 0 ? ` ${word}` : word })] as const),
      [null, choice({}, "stop")],
      ...(wantsUsage
        ? [[null, { ...common, object: "chat.completion.chunk", choices: [], usage }] as const]
        : []),
      [null, "[DONE]"],
    ],
  };
}

function responsesAnswer({ model, inputTokens, words }: Call): Answer {
  const id = nextId("resp_");
  const item_id = nextId("msg_");
  const text = words.join(" ");
  const part = { type: "output_text", text, annotations: [] };
  const output = [{
    id: item_id,
    type: "message",
    status: "completed",
    role: "assistant",
    content: [part],
  }];
  const common = { id, object: "response", created_at: 1_770_000_000, model, error: null };
  const whole = {
    ...common,
    status: "completed",
    incomplete_details: null,
    output,
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: words.length,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + words.length,
    },
  };
  const place = { item_id, output_index: 0, content_index: 0 };
  const empty = { ...output[0], status: "in_progress", content: [] };
  const events: [string, object][] = [
    ["response.created", { response: { ...common, status: "in_progress", output: [] } }],
    ["response.output_item.added", { output_index: 0, item: empty }],
    ["response.content_part.added", { ...place, part: { ...part, text: "" } }],
    ...words.map((word, n): [string, object] => [
      "response.output_text.delta",
      { ...place, delta: n > 0 ? ` ${word}` : word },
    ]),
    ["response.output_text.done", { ...place, text }],
    ["response.content_part.done", { ...place, part }],
    ["response.output_item.done", { output_index: 0, item: output[0] }],
    ["response.completed", { response: whole }],
  ];
  return {
    whole,
    events: events.map(([type, data], sequence_number) => [
      type,
      { type, sequence_number, ...data },
    ]),
  };
}

function anthropicAnswer({ model, inputTokens, words }: Call): Answer {
  const id = nextId("msg_");
  const input = {
    input_tokens: inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    service_tier: "standard",
  };
  const common = { id, type: "message", role: "assistant", model };
  const events: [string, object][] = [
    ["message_start", {
      message: {
        ...common,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...input, output_tokens: 1 },
      },
    }],
    ["content_block_start", { index: 0, content_block: { type: "text", text: "" } }],
    ...words.map((word, n): [string, object] => [
      "content_block_delta",
      { index: 0, delta: { type: "text_delta", text: n > 0 ? ` ${word}` : word } },
    ]),
    ["content_block_stop", { index: 0 }],
    ["message_delta", {
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: words.length },
    }],
    ["message_stop", {}],
  ];
  return {
    whole: {
      ...common,
      content: [{ type: "text", text: words.join(" ") }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { ...input, output_tokens: words.length },
    },
    events: events.map(([type, data]) => [type, { type, ...data }]),
  };
}

function geminiAnswer({ model, inputTokens, words }: Call): Answer {
  const responseId = nextId("gemini-");
  const usageOf = (count: number) => ({
    promptTokenCount: inputTokens,
    candidatesTokenCount: count,
    totalTokenCount: inputTokens + count,
  });
  const partOf = (text: string, usageMetadata: object, finishReason?: string) => ({
    candidates: [{ index: 0, content: { role: "model", parts: [{ text }] }, finishReason }],
    usageMetadata,
    modelVersion: model,
    responseId,
  });
  return {
    whole: partOf(words.join(" "), usageOf(words.length), "STOP"),
    events: words.map((word, n) => [
      null,
      partOf(
        n > 0 ? ` ${word}` : word,
        usageOf(n + 1),
        n === words.length - 1 ? "STOP" : undefined,
      ),
    ]),
  };
}

function streamOf(events: Answer["events"], delayMs: number): Response {
  const encoder = new TextEncoder();
  const pieces = (async function* () {
    for (const [type, data] of events) {
      await pause(delayMs);
      const json = typeof data === "string" ? data : JSON.stringify(data);
      yield encoder.encode(`${type === null ? "" : `event: ${type}\n`}data: ${json}\n\n`);
    }
  })();
  return new Response(ReadableStream.from(pieces), {
    headers: { "content-type": "text/event-stream; charset=utf-8" },
  });
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
