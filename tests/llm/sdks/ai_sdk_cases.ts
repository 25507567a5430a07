/**
 * The tests that run with each major version of the AI SDK.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  assertHeldBudgetDelays,
  assertSpentBudgetRefuses,
  collected,
  compareErrors,
  compareValues,
  type Connection,
  failure,
  json,
  loggedError,
  MODEL,
  plainError,
  refusedOrigin,
  silence,
  stream,
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
  RESPONSE_EVENTS,
  RESPONSE_FACTS,
  SERVER_ERROR_EVENT,
  SERVER_ERROR_FACTS,
  TEXT,
  UNANSWERED,
  UNKNOWN_MODEL,
  UNKNOWN_MODEL_FACTS,
} from "./openai_answers.ts";

/** The API of OpenAI that the AI SDK calls in a test. */
type OpenAiApi = "chat" | "responses";

/** A call with the AI SDK. */
export interface AiCall {
  readonly connection: Connection;
  readonly api: OpenAiApi;
  readonly model: string;
  readonly prompt: string;
  readonly maxRetries: number;
  readonly abortSignal: AbortSignal;
}

/** The parts of an AI SDK's result that tests compare. */
export interface AiResult {
  readonly text: string;
  readonly finishReason: string;
  readonly usage: object;
  readonly response: { readonly id: string; readonly modelId: string };
}

/** A part of a stream of the AI SDK. */
export interface AiPart {
  readonly type: string;
}

/** A major version of the AI SDK. */
export interface AiSdk {
  /** Name of the version, as it appears in the names of tests. */
  readonly name: string;
  readonly generateText: (call: AiCall) => Promise<AiResult>;
  /** Returns the parts of the stream. */
  readonly streamText: (call: AiCall) => AsyncIterable<AiPart>;
}

/** Registers the tests for one version of the AI SDK. */
export function testAiSdk(sdk: AiSdk): void {
  const { name } = sdk;

  for (
    const [api, answer, facts] of [
      ["chat", json(CHAT_COMPLETION), CHAT_FACTS],
      ["responses", json(RESPONSE), RESPONSE_FACTS],
    ] as const
  ) {
    Deno.test(`auditedFetch logs generateText() of ${name} over ${api} with tokens and cost`, async () => {
      const { value, calls } = await compareValues({
        answers: [answer],
        run: async (connection) => statedOf(await sdk.generateText(callOf(connection, { api }))),
      });
      assertEquals(value.text, TEXT);
      assertEquals(calls, [facts]);
    });
  }

  for (
    const [api, answer, facts] of [
      ["chat", stream(chatEvents(true)), CHAT_FACTS],
      ["responses", stream(RESPONSE_EVENTS), RESPONSE_FACTS],
    ] as const
  ) {
    Deno.test(`auditedFetch logs streamText() of ${name} over ${api} with tokens and cost`, async () => {
      const { value, calls } = await compareValues({
        answers: [answer],
        run: async (connection) => await partsOf(sdk.streamText(callOf(connection, { api }))),
      });
      assertEquals(textOf(value), TEXT);
      assertEquals(calls, [facts]);
    });
  }

  Deno.test(`auditedFetch logs each retry of ${name} with its error and the same parent`, async () => {
    const { calls, value } = await compareValues({
      answers: [
        failure(500, errorBody("Broken", "server_error")),
        failure(429, errorBody("Slow down", "requests")),
        json(CHAT_COMPLETION),
      ],
      options: async (log) => ({ fields: { parent: (await log.begin("step")).id } }),
      run: async (connection) => statedOf(await sdk.generateText(callOf(connection))),
    });
    assertEquals(value.text, TEXT);
    const [parent] = calls.map(({ parent }) => parent);
    assertEquals(typeof parent, "string");
    const error = { code: null };
    assertEquals(calls, [
      {
        ...UNANSWERED,
        parent,
        status: "error",
        error: { ...error, status: 500, type: "server_error", message: "Broken" },
      },
      {
        ...UNANSWERED,
        parent,
        status: "error",
        error: { ...error, status: 429, type: "requests", message: "Slow down" },
      },
      { ...CHAT_FACTS, parent },
    ]);
  });

  Deno.test(`auditedFetch logs the status and message of an error that ${name} throws`, async () => {
    const { error, calls } = await compareErrors({
      answers: [json(UNKNOWN_MODEL, { status: 400 })],
      run: async (connection) => statedOf(await sdk.generateText(callOf(connection))),
    });
    assertEquals([error.name, error.status], ["AI_APICallError", 400]);
    assertEquals(calls, [UNKNOWN_MODEL_FACTS]);
  });

  Deno.test(`auditedFetch logs an error inside a stream of ${name} as an error`, async () => {
    const { value, calls } = await compareValues({
      answers: [stream([...CHAT_BEGINNING, SERVER_ERROR_EVENT, { data: "[DONE]" }])],
      run: async (connection) => await partsOf(sdk.streamText(callOf(connection))),
    });
    assertEquals(value.filter(({ type }) => type === "error").length, 1);
    assertEquals(calls, [SERVER_ERROR_FACTS]);
  });

  Deno.test(`auditedFetch logs a stream of ${name} whose connection fails as an error`, async () => {
    const { error, calls } = await compareErrors({
      answers: [stream(CHAT_BEGINNING, "fails")],
      run: async (connection) => await partsOf(sdk.streamText(callOf(connection))),
    });
    assertEquals(calls, [{ ...BEGUN, status: "error", error: loggedError(error.cause!) }]);
  });

  Deno.test(`auditedFetch logs a refused connection of ${name} as an error`, async () => {
    const origin = refusedOrigin();
    const { error, calls } = await compareErrors({
      answers: [],
      httpCalls: 1,
      run: async (connection) => {
        const call = callOf({ ...connection, origin }, { maxRetries: 0 });
        return statedOf(await sdk.generateText(call));
      },
    });
    assertEquals(error.name, "AI_APICallError");
    const logged = { name: "TypeError", message: "fetch failed", cause: error.cause?.message };
    assertEquals(calls, [{ ...UNANSWERED, status: "error", error: logged }]);
  });

  Deno.test(`auditedFetch logs a call that the caller of ${name} aborts before the response as aborted`, async () => {
    const { error, calls } = await compareErrors({
      answers: [silence],
      run: async (connection) => {
        const aborter = new AbortController();
        const { signal } = aborter;
        const result = sdk.generateText(callOf(connection, { abortSignal: signal }));
        void connection.received.then(() => aborter.abort());
        return statedOf(await result);
      },
    });
    assertEquals(error.name, "AbortError");
    assertEquals(calls, [{ ...UNANSWERED, status: "aborted", error: loggedError(error) }]);
  });

  Deno.test(`auditedFetch logs a stream that the caller of ${name} aborts as aborted`, async () => {
    const { value, calls } = await compareValues({
      answers: [stream(CHAT_BEGINNING, "hangs")],
      run: async (connection) => {
        const aborter = new AbortController();
        const parts = sdk.streamText(callOf(connection, { abortSignal: aborter.signal }));
        const seen: AiPart[] = [];
        for await (const part of parts) {
          seen.push(part);
          if (part.type === "text-delta") aborter.abort();
        }
        return seen;
      },
    });
    assertEquals(value.at(-1)?.type, "abort");
    assertEquals(withoutErrors(calls), [{ ...BEGUN, status: "aborted" }]);
  });

  Deno.test(`auditedFetch refuses a call of ${name} if the budget is spent, and the SDK does not retry on the status 402`, async () => {
    await assertSpentBudgetRefuses({
      run: async (connection, maxRetries) =>
        await sdk.generateText(callOf(connection, { maxRetries })),
      apiError: "APICallError",
    });
  });

  Deno.test(`auditedFetch answers a call of ${name} with the status 429 while another call holds the budget, and the SDK retries`, async () => {
    const { value, calls } = await assertHeldBudgetDelays({
      answer: json(CHAT_COMPLETION),
      run: async (connection) => await sdk.generateText(callOf(connection)),
    });
    assertEquals(value.text, TEXT);
    assertEquals(calls, [CHAT_FACTS]);
  });
}

/** Returns a call of OpenAI's chat completions that can be retried. */
function callOf(connection: Connection, options: Partial<AiCall> = {}): AiCall {
  return {
    connection,
    api: "chat",
    model: MODEL,
    prompt: "What does the module do?",
    maxRetries: 2,
    abortSignal: new AbortController().signal,
    ...options,
  };
}

/** Returns the parts of a result that are the same in each run. */
function statedOf({ text, finishReason, usage, response: { id, modelId } }: AiResult): AiResult {
  return { text, finishReason, usage, response: { id, modelId } };
}

/** Returns the parts of a stream without the measured times. An error is returned as plain data. */
async function partsOf(stream: AsyncIterable<AiPart>): Promise<AiPart[]> {
  const parts: (AiPart & { performance?: object; error?: unknown })[] = await collected(stream);
  return parts.map(({ performance: _, ...part }) =>
    part.error instanceof Error ? { ...part, error: plainError(part.error) } : part
  );
}

/** Returns the text in the parts of a stream. */
function textOf(parts: readonly (AiPart & { text?: string })[]): string {
  return parts.map(({ type, text }) => type === "text-delta" ? text : "").join("");
}
