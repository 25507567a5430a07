import { assert, assertEquals } from "@std/assert";
import OpenAI, { type ClientOptions } from "openai";
import {
  assertHeldBudgetDelays,
  assertSpentBudgetRefuses,
  collected,
  compare,
  compareErrors,
  compareValues,
  type Connection,
  failure,
  gzippedJson,
  json,
  loggedError,
  MODEL,
  refusedOrigin,
  silence,
  stream,
  visibleOf,
  withoutErrors,
} from "./compared_runs.ts";
import {
  BEGUN,
  CHAT_BEGINNING,
  CHAT_COMPLETION,
  CHAT_FACTS,
  chatEvents,
  errorBody,
  RESPONSE,
  RESPONSE_BEGINNING,
  RESPONSE_EVENTS,
  RESPONSE_FACTS,
  SERVER_ERROR,
  SERVER_ERROR_EVENT,
  SERVER_ERROR_FACTS,
  TEXT,
  UNANSWERED,
  UNKNOWN_MODEL,
  UNKNOWN_MODEL_FACTS,
  withoutUsage,
} from "./openai_answers.ts";

function clientOf({ origin, fetch }: Connection, options: ClientOptions = {}): OpenAI {
  return new OpenAI({ apiKey: "key", baseURL: `${origin}/v1`, fetch, ...options });
}

const MESSAGES = [{ role: "user" as const, content: "What does the module do? 日誌" }];
const CHAT = { model: MODEL, messages: MESSAGES, max_completion_tokens: 500 };
const CHAT_STREAM = { ...CHAT, stream: true as const };
const WITH_USAGE = { ...CHAT_STREAM, stream_options: { include_usage: true } };
const QUESTION = { model: MODEL, input: "What does the module do?" };

Deno.test("auditedFetch logs openai's chat.completions.create() with tokens and cost", async () => {
  const { value, calls } = await compareValues({
    answers: [json(CHAT_COMPLETION)],
    run: (connection) => clientOf(connection).chat.completions.create(CHAT),
  });
  assertEquals(value.choices[0]?.message.content, TEXT);
  assertEquals(calls, [CHAT_FACTS]);
});

Deno.test("auditedFetch logs openai's streamed chat with the usage that the request asks for", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(chatEvents(true))],
    run: async (connection) =>
      await collected(await clientOf(connection).chat.completions.create(WITH_USAGE)),
  });
  assertEquals(value.map(({ choices: [choice] }) => choice?.delta.content ?? "").join(""), TEXT);
  assertEquals(value.at(-1)?.usage?.prompt_tokens, 2_000);
  assertEquals(calls, [CHAT_FACTS]);
});

Deno.test("auditedFetch logs openai's streamed chat without include_usage as usage missing, without a cost", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(chatEvents(false))],
    run: async (connection) =>
      await collected(await clientOf(connection).chat.completions.create(CHAT_STREAM)),
  });
  assertEquals(value.at(-1)?.choices[0]?.finish_reason, "stop");
  assertEquals(calls, [withoutUsage(CHAT_FACTS)]);
});

Deno.test("auditedFetch logs the usage of a stream of openai that has hundreds of events", async () => {
  const pieces = Array.from({ length: 500 }, (_, n) => `${n} `);
  const { value, calls } = await compareValues({
    answers: [stream(chatEvents(true, pieces), "ends", { perEvent: true })],
    run: async (connection) =>
      await collected(await clientOf(connection).chat.completions.create(WITH_USAGE)),
  });
  // The SDK yields the pieces of the text, and one chunk each for the role, the finish reason and the usage.
  assertEquals(value.length, pieces.length + 3);
  assertEquals(calls, [CHAT_FACTS]);
});

Deno.test("auditedFetch logs openai's chat.completions.stream() once", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(chatEvents(true))],
    run: async (connection) =>
      await clientOf(connection).chat.completions.stream(WITH_USAGE).finalChatCompletion(),
  });
  assertEquals(value.choices[0]?.message.content, TEXT);
  assertEquals(calls, [CHAT_FACTS]);
});

Deno.test("auditedFetch logs a stream of openai once, if tee() splits it", async () => {
  const { calls } = await compareValues({
    answers: [stream(chatEvents(true))],
    run: async (connection) => {
      const [a, b] = (await clientOf(connection).chat.completions.create(WITH_USAGE)).tee();
      return await Promise.all([collected(a), collected(b)]);
    },
  });
  assertEquals(calls, [CHAT_FACTS]);
});

Deno.test("auditedFetch logs openai's responses.create() with tokens and cost", async () => {
  const { value, calls } = await compareValues({
    answers: [json(RESPONSE)],
    run: (connection) => clientOf(connection).responses.create(QUESTION),
  });
  assertEquals(value.output_text, TEXT);
  assertEquals(calls, [RESPONSE_FACTS]);
});

Deno.test("auditedFetch logs openai's streamed response with tokens and cost", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(RESPONSE_EVENTS)],
    run: async (connection) =>
      await collected(await clientOf(connection).responses.create({ ...QUESTION, stream: true })),
  });
  assertEquals(value.length, RESPONSE_EVENTS.length);
  assertEquals(calls, [RESPONSE_FACTS]);
});

Deno.test("auditedFetch logs openai's embeddings.create() with the cost of its input", async () => {
  const embedding = new Float32Array([0.25, -1, 3]);
  const body = {
    object: "list",
    // The SDK requests embeddings in Base64 and decodes them, so the answer has Base64.
    data: [{
      object: "embedding",
      index: 0,
      embedding: new Uint8Array(embedding.buffer).toBase64(),
    }],
    model: "embedder",
    usage: { prompt_tokens: 800, total_tokens: 800 },
  };
  const { value, calls } = await compareValues({
    answers: [json(body)],
    run: (connection) =>
      clientOf(connection).embeddings.create({ model: "embedder", input: ["a", "b"] }),
  });
  assertEquals([...value.data[0]!.embedding], [...embedding]);
  assertEquals(calls, [{
    model: "embedder",
    provider: "openai",
    input_t: 800,
    output_t: 0,
    cost: 0.0004,
    cost_source: "prices",
    status: "ok",
    api: "openai.embeddings",
  }]);
});

for (
  const [name, answer, request] of [
    ["JSON", json(CHAT_COMPLETION), CHAT],
    ["a compressed JSON", gzippedJson(CHAT_COMPLETION), CHAT],
    ["a stream", stream(chatEvents(true)), WITH_USAGE],
  ] as const
) {
  Deno.test(`auditedFetch leaves the bytes, headers and URL of ${name} of openai unchanged`, async () => {
    const { calls } = await compareValues({
      answers: [answer],
      run: async (connection) =>
        await visibleOf(await clientOf(connection).chat.completions.create(request).asResponse()),
    });
    assertEquals(calls, [CHAT_FACTS]);
  });
}

Deno.test("auditedFetch logs each retry of openai with the same parent and its retry number", async () => {
  const failures = [errorBody("Broken", "server_error"), errorBody("Slow down", "requests")];
  const { calls, value } = await compareValues({
    answers: [failure(500, failures[0]!), failure(429, failures[1]!), json(CHAT_COMPLETION)],
    options: async (log) => ({ fields: { parent: (await log.begin("step")).id } }),
    run: (connection) => clientOf(connection).chat.completions.create(CHAT),
  });
  assertEquals(value.id, "chatcmpl-1");
  const parents = new Set(calls.map(({ parent }) => parent));
  assertEquals([parents.size, typeof [...parents][0]], [1, "string"]);
  assertEquals(calls.map(({ retry }) => retry), [undefined, 1, 2]);
  assertEquals(calls.map(({ cost }) => cost), [undefined, undefined, 0.00185]);
});

Deno.test("auditedFetch logs a response with an error status as an error, even if the openai SDK cancels the response body and retries the request", async () => {
  const { calls } = await compareValues({
    answers: [failure(500, errorBody("Broken", "server_error")), json(CHAT_COMPLETION)],
    run: (connection) => clientOf(connection).chat.completions.create(CHAT),
  });
  // The SDK does not read the body of the error response, so the message of the error is not logged.
  assertEquals(calls, [
    { ...UNANSWERED, status: "error", error: { status: 500 } },
    { ...CHAT_FACTS, retry: 1 },
  ]);
});

Deno.test("auditedFetch logs the status and message of an error that openai throws", async () => {
  const { error, calls } = await compareErrors({
    answers: [json(UNKNOWN_MODEL, { status: 400 })],
    run: (connection) => clientOf(connection).chat.completions.create(CHAT),
  });
  assertEquals([error.type, error.message], ["BadRequestError", "400 Unknown model"]);
  assertEquals(calls, [UNKNOWN_MODEL_FACTS]);
});

Deno.test("auditedFetch logs an error inside a stream of openai as an error", async () => {
  const { error, calls } = await compareErrors({
    answers: [
      stream([...CHAT_BEGINNING, SERVER_ERROR_EVENT], "hangs"),
    ],
    run: async (connection) =>
      await collected(await clientOf(connection).chat.completions.create(WITH_USAGE)),
  });
  assertEquals([error.type, error.message], ["APIError", SERVER_ERROR]);
  assertEquals(calls, [SERVER_ERROR_FACTS]);
});

Deno.test("auditedFetch logs a failed response inside a stream of openai as an error", async () => {
  const failed = {
    type: "response.failed",
    sequence_number: 6,
    response: {
      ...RESPONSE,
      status: "failed",
      output: [],
      usage: null,
      error: { code: "server_error", message: "The model failed" },
    },
  };
  const { calls } = await compareValues({
    answers: [stream([...RESPONSE_BEGINNING, { type: failed.type, data: failed }])],
    run: async (connection) =>
      await collected(await clientOf(connection).responses.create({ ...QUESTION, stream: true })),
  });
  assertEquals(calls, [{
    ...withoutUsage(RESPONSE_FACTS),
    status: "error",
    finish_reason: "failed",
    error: { status: 200, code: "server_error", message: "The model failed" },
  }]);
});

Deno.test("auditedFetch logs a stream of openai whose connection fails as an error", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream(CHAT_BEGINNING, "fails")],
    run: async (connection) =>
      await collected(await clientOf(connection).chat.completions.create(WITH_USAGE)),
  });
  assertEquals(calls, [{ ...BEGUN, status: "error", error: loggedError(error) }]);
});

Deno.test("auditedFetch logs a stream of openai that ends before its last event as an error", async () => {
  const { calls } = await compareValues({
    answers: [stream(CHAT_BEGINNING)],
    run: async (connection) =>
      await collected(await clientOf(connection).chat.completions.create(WITH_USAGE)),
  });
  const error = { message: "The stream ended before its last event" };
  assertEquals(calls, [{ ...BEGUN, status: "error", error }]);
});

Deno.test("auditedFetch logs a refused connection of openai as an error", async () => {
  const origin = refusedOrigin();
  const { error, calls } = await compareErrors({
    answers: [],
    httpCalls: 1,
    run: (connection) =>
      clientOf({ ...connection, origin }, { maxRetries: 0 }).chat.completions.create(CHAT),
  });
  assertEquals([error.type, error.cause?.type], ["APIConnectionError", "TypeError"]);
  assertEquals(calls, [{ ...UNANSWERED, status: "error", error: loggedError(error.cause!) }]);
});

Deno.test("auditedFetch logs a timeout of openai as aborted, because the SDK aborts without a reason", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: (connection) =>
      clientOf(connection, { timeout: 100, maxRetries: 0 }).chat.completions.create(CHAT),
  });
  assertEquals(error.type, "APIConnectionTimeoutError");
  assertEquals(calls, [{ ...UNANSWERED, status: "aborted", error: loggedError(error.cause!) }]);
});

Deno.test("auditedFetch logs nothing, if the caller of openai aborts before the call", async () => {
  const { error, calls } = await compareErrors({
    answers: [],
    run: (connection) =>
      clientOf(connection).chat.completions.create(CHAT, { signal: AbortSignal.abort() }),
  });
  assertEquals([error.type, calls], ["APIUserAbortError", []]);
});

Deno.test("auditedFetch logs a call that the caller of openai aborts before the response as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const completion = clientOf(connection).chat.completions.create(CHAT, { signal });
      void connection.received.then(() => aborter.abort());
      return await completion;
    },
  });
  assertEquals(error.type, "APIUserAbortError");
  assertEquals(calls, [{ ...UNANSWERED, status: "aborted", error: loggedError(error.cause!) }]);
});

Deno.test("auditedFetch logs a stream that the caller of openai aborts as aborted", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(CHAT_BEGINNING, "hangs")],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const chunks = await clientOf(connection).chat.completions.create(WITH_USAGE, { signal });
      const seen = [];
      for await (const chunk of chunks) {
        seen.push(chunk);
        if (seen.length === 2) aborter.abort();
      }
      return seen;
    },
  });
  assert(value.length >= 2);
  assertEquals(withoutErrors(calls), [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream of openai as aborted when its signal aborts, even if the caller does not read the stream", async () => {
  const { calls } = await compareValues({
    answers: [stream(CHAT_BEGINNING, "hangs")],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      await clientOf(connection).chat.completions.create(WITH_USAGE, { signal });
      aborter.abort();
    },
  });
  assertEquals(withoutErrors(calls), [{ ...UNANSWERED, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream of openai that the caller leaves with break as aborted", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(CHAT_BEGINNING, "hangs")],
    run: async (connection) => {
      for await (const chunk of await clientOf(connection).chat.completions.create(WITH_USAGE)) {
        return chunk;
      }
    },
  });
  assertEquals(value?.id, "chatcmpl-1");
  assertEquals(calls, [{ ...BEGUN, status: "aborted" }]);
});

for (
  const [name, answer, spent] of [
    ["the cost of a call", json(CHAT_COMPLETION), 0.00185],
    ["nothing for a call that the server refuses", json({}, { status: 400 }), 0],
    ["the amount of the hold for an error of the server", json({}, { status: 500 }), 0.5],
    ["the amount of the hold for a call without usage", stream(chatEvents(false)), 0.5],
    ["the amount of the hold for a stream that fails", stream(CHAT_BEGINNING, "fails"), 0.5],
    ["nothing for a connection that is refused", null, 0],
  ] as const
) {
  Deno.test(`auditedFetch charges the budget of a call of openai with ${name}`, async () => {
    const origin = refusedOrigin();
    const { budget, calls } = await compare({
      answers: answer === null ? [] : [answer],
      httpCalls: 1,
      options: async (log) => ({
        budget: await log.budget({ name: "run", limit: { usd: 1 } }),
        estimate: () => ({ usd: 0.5 }),
      }),
      run: async (connection) => {
        const server = answer === null ? { ...connection, origin } : connection;
        const client = clientOf(server, { maxRetries: 0 });
        return await collected(await client.chat.completions.create(CHAT_STREAM));
      },
    });
    assertEquals([budget?.spent, budget?.held, calls.length], [spent, 0, 1]);
  });
}

Deno.test("auditedFetch refuses a call of openai if the budget is spent, and the SDK does not retry on the status 402", async () => {
  await assertSpentBudgetRefuses({
    run: (connection, maxRetries) =>
      clientOf(connection, { maxRetries }).chat.completions.create(CHAT),
    apiError: "APIError",
  });
});

Deno.test("auditedFetch answers a call of openai with the status 429 while another call holds the budget, and the SDK retries", async () => {
  const { value, calls } = await assertHeldBudgetDelays({
    answer: json(CHAT_COMPLETION),
    run: (connection) => clientOf(connection).chat.completions.create(CHAT),
  });
  assertEquals(value.id, "chatcmpl-1");
  assertEquals(calls, [{ ...CHAT_FACTS, retry: 1 }]);
});
