import { assertEquals } from "@std/assert";
import {
  type GenerateContentResponse,
  GoogleGenAI,
  type HttpOptions,
  type Models,
} from "@google/genai";
import {
  assertSpentBudgetRefuses,
  compareErrors,
  compareValues,
  type Connection,
  DATED_MODEL,
  json,
  loggedError,
  MODEL,
  refusedOrigin,
  silence,
  stream,
  type StreamEvent,
  visibleOf,
  withoutErrors,
} from "./compared_runs.ts";

function modelsOf({ origin, fetch }: Connection, options: HttpOptions = {}): Models {
  const httpOptions = { baseUrl: origin, fetch, ...options };
  return new GoogleGenAI({ apiKey: "key", httpOptions }).models;
}

/** Returns the fields and the text of an answer. Leaves out its getters, because these print warnings. */
function statedOf(answer: GenerateContentResponse): object & { text: string | undefined } {
  return { ...answer, text: answer.text };
}

const PIECES = ["The module ", "parses the log – 日誌 📜 ", "from its end."];
const TEXT = PIECES.join("");

const REQUEST = {
  model: MODEL,
  contents: "What does the module do?",
  config: { maxOutputTokens: 500 },
};

/** The token usage that Gemini states. Its `candidatesTokenCount` does not include tokens of thinking. */
const USAGE = {
  promptTokenCount: 2_000,
  cachedContentTokenCount: 1_500,
  candidatesTokenCount: 200,
  thoughtsTokenCount: 100,
  totalTokenCount: 2_300,
};

function answerOf(text: string, usageMetadata: object, finishReason?: string): object {
  return {
    candidates: [{ index: 0, content: { role: "model", parts: [{ text }] }, finishReason }],
    usageMetadata,
    modelVersion: DATED_MODEL,
    responseId: "gemini-1",
  };
}

const ANSWER = answerOf(TEXT, USAGE, "STOP");

/** The events of a stream. Each event states the usage so far. */
const EVENTS: readonly StreamEvent[] = PIECES.map((text, n) => ({
  data: n < PIECES.length - 1
    ? answerOf(text, { ...USAGE, candidatesTokenCount: n + 1, totalTokenCount: 2_101 + n })
    : answerOf(text, USAGE, "STOP"),
}));

/** The first events of the stream. */
const BEGINNING = EVENTS.slice(0, 2);

/** Returns an error of Gemini as the body of a response. */
function errorBody(code: number, status: string, message: string): object {
  return { error: { code, message, status } };
}

/** The logged fields of a complete call. The cost in USD is 500 * 1e-6 + 1500 * 0.1e-6 + 300 * 4e-6. */
const FACTS = {
  model: DATED_MODEL,
  provider: "gemini",
  input_t: 2_000,
  output_t: 300,
  cache_read_t: 1_500,
  reasoning_t: 100,
  cost: 0.00185,
  cost_source: "prices",
  status: "ok",
  response_id: "gemini-1",
  api: "gemini.generate",
  finish_reason: "STOP",
};

/** The logged fields of a call that got no response. */
const UNANSWERED = { model: MODEL, provider: "gemini", api: "gemini.generate", usage: "missing" };

/** The logged fields of a stream that has begun, but has not ended. */
const BEGUN = { ...UNANSWERED, model: DATED_MODEL, response_id: "gemini-1" };

Deno.test("auditedFetch logs @google/genai's generateContent() with tokens and cost", async () => {
  const { value, calls } = await compareValues({
    answers: [json(ANSWER)],
    run: async (connection) => statedOf(await modelsOf(connection).generateContent(REQUEST)),
  });
  assertEquals(value.text, TEXT);
  assertEquals(calls, [FACTS]);
});

Deno.test("auditedFetch logs @google/genai's generateContentStream() with the tokens of its last event", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(EVENTS)],
    run: async (connection) =>
      await Array.fromAsync(await modelsOf(connection).generateContentStream(REQUEST), statedOf),
  });
  assertEquals(value.map(({ text }) => text).join(""), TEXT);
  assertEquals(calls, [FACTS]);
});

for (
  const [name, method, answer] of [
    ["JSON", "generateContent", json(ANSWER)],
    ["a stream", "streamGenerateContent?alt=sse", stream(EVENTS)],
    ["a stream as an array of JSON", "streamGenerateContent", json(EVENTS.map(({ data }) => data))],
  ] as const
) {
  Deno.test(`auditedFetch leaves the bytes, headers and URL of ${name} of Gemini unchanged`, async () => {
    const body = JSON.stringify({ contents: [{ role: "user", parts: [{ text: "Hi" }] }] });
    const { calls } = await compareValues({
      answers: [answer],
      run: async ({ origin, fetch }) => {
        const url = `${origin}/v1beta/models/${MODEL}:${method}`;
        return await visibleOf(await fetch(url, { method: "POST", body }));
      },
    });
    assertEquals(calls, [FACTS]);
  });
}

Deno.test("auditedFetch logs the status and message of an error that @google/genai throws", async () => {
  const { error, calls } = await compareErrors({
    answers: [json(errorBody(400, "INVALID_ARGUMENT", "Unknown model"), { status: 400 })],
    run: async (connection) => await modelsOf(connection).generateContent(REQUEST),
  });
  assertEquals([error.type, error.status], ["ApiError", 400]);
  assertEquals(calls, [{
    ...UNANSWERED,
    status: "error",
    error: { status: 400, code: 400, message: "Unknown model" },
  }]);
});

Deno.test("auditedFetch logs each retry of @google/genai", async () => {
  const { calls } = await compareValues({
    answers: [json(errorBody(503, "UNAVAILABLE", "Overloaded"), { status: 503 }), json(ANSWER)],
    run: async (connection) => {
      const retryOptions = { attempts: 2, initialDelay: 0.001, maxDelay: 0.001 };
      return statedOf(await modelsOf(connection, { retryOptions }).generateContent(REQUEST));
    },
  });
  const error = { status: 503, code: 503, message: "Overloaded" };
  assertEquals(calls, [{ ...UNANSWERED, status: "error", error }, FACTS]);
});

Deno.test("auditedFetch logs an error inside a stream of @google/genai as an error", async () => {
  const failed = { data: errorBody(503, "UNAVAILABLE", "Overloaded") };
  const { error, calls } = await compareErrors({
    answers: [stream([...BEGINNING, failed])],
    run: async (connection) => {
      const aborter = new AbortController();
      const config = { ...REQUEST.config, abortSignal: aborter.signal };
      const answers = await modelsOf(connection).generateContentStream({ ...REQUEST, config });
      try {
        for await (const _ of answers);
      } finally {
        // After an abort, the SDK neither reads the rest of the body nor cancels it.
        aborter.abort();
      }
    },
  });
  assertEquals([error.type, error.status], ["ApiError", 503]);
  assertEquals(calls, [{
    ...BEGUN,
    status: "error",
    error: { status: 200, code: 503, message: "Overloaded" },
  }]);
});

Deno.test("auditedFetch logs a stream of @google/genai whose connection fails as an error", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream(BEGINNING, "fails")],
    run: async (connection) =>
      await Array.fromAsync(await modelsOf(connection).generateContentStream(REQUEST)),
  });
  assertEquals(calls, [{ ...BEGUN, status: "error", error: loggedError(error) }]);
});

Deno.test("auditedFetch logs a refused connection of @google/genai as an error", async () => {
  const origin = refusedOrigin();
  const { error, calls } = await compareErrors({
    answers: [],
    httpCalls: 1,
    run: async (connection) => await modelsOf({ ...connection, origin }).generateContent(REQUEST),
  });
  assertEquals(calls, [{ ...UNANSWERED, status: "error", error: loggedError(error) }]);
});

Deno.test("auditedFetch logs a timeout of @google/genai as aborted, because the SDK aborts without a reason", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: async (connection) =>
      await modelsOf(connection, { timeout: 100 }).generateContent(REQUEST),
  });
  assertEquals(error.name, "AbortError");
  assertEquals(calls, [{ ...UNANSWERED, status: "aborted", error: loggedError(error) }]);
});

Deno.test("auditedFetch logs a call that the caller of @google/genai aborts before the response as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: async (connection) => {
      const aborter = new AbortController();
      const config = { ...REQUEST.config, abortSignal: aborter.signal };
      const answer = modelsOf(connection).generateContent({ ...REQUEST, config });
      void connection.received.then(() => aborter.abort());
      return await answer;
    },
  });
  assertEquals(error.name, "AbortError");
  assertEquals(calls, [{ ...UNANSWERED, status: "aborted", error: loggedError(error) }]);
});

Deno.test("auditedFetch logs a stream that the caller of @google/genai aborts as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream(BEGINNING, "hangs")],
    run: async (connection) => {
      const aborter = new AbortController();
      const config = { ...REQUEST.config, abortSignal: aborter.signal };
      const answers = await modelsOf(connection).generateContentStream({ ...REQUEST, config });
      for await (const _ of answers) aborter.abort();
    },
  });
  assertEquals(error.name, "AbortError");
  assertEquals(calls, [{ ...BEGUN, status: "aborted", error: loggedError(error) }]);
});

Deno.test("auditedFetch logs a stream of @google/genai as aborted when its signal aborts, even if the caller leaves the loop", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(BEGINNING, "hangs")],
    run: async (connection) => {
      const aborter = new AbortController();
      const config = { ...REQUEST.config, abortSignal: aborter.signal };
      const answers = await modelsOf(connection).generateContentStream({ ...REQUEST, config });
      // The loop ends early, and the SDK does not cancel the body of the stream then.
      for await (const { responseId } of answers) {
        aborter.abort();
        return responseId;
      }
    },
  });
  assertEquals(value, "gemini-1");
  assertEquals(withoutErrors(calls), [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch refuses a call of @google/genai if the budget is spent, and the SDK does not retry on the status 402", async () => {
  await assertSpentBudgetRefuses({
    run: (connection, retries) => {
      const retryOptions = { attempts: retries + 1, initialDelay: 0.001 };
      return modelsOf(connection, { retryOptions }).generateContent(REQUEST);
    },
    apiError: "ApiError",
  });
});
