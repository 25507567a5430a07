import { assertEquals } from "@std/assert";
import { ChatOpenAI, type ChatOpenAIFields } from "@langchain/openai";
import {
  assertSpentBudgetRefuses,
  compareErrors,
  compareValues,
  type Connection,
  json,
  loggedError,
  MODEL,
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
  RESPONSE,
  RESPONSE_EVENTS,
  RESPONSE_FACTS,
  SERVER_ERROR,
  SERVER_ERROR_EVENT,
  SERVER_ERROR_FACTS,
  TEXT,
  UNANSWERED,
  UNKNOWN_MODEL,
  UNKNOWN_MODEL_FACTS,
} from "./openai_answers.ts";

const QUESTION = "What does the module do?";

/** Returns a model that does not retry failed calls, because LangChain waits a second before each retry. */
function modelOf({ origin, fetch }: Connection, fields: ChatOpenAIFields = {}): ChatOpenAI {
  return new ChatOpenAI({
    model: MODEL,
    apiKey: "key",
    maxTokens: 500,
    maxRetries: 0,
    configuration: { baseURL: `${origin}/v1`, fetch },
    ...fields,
  });
}

for (
  const [api, answer, facts] of [
    ["chat", json(CHAT_COMPLETION), CHAT_FACTS],
    ["responses", json(RESPONSE), RESPONSE_FACTS],
  ] as const
) {
  Deno.test(`auditedFetch logs ChatOpenAI.invoke() of @langchain/openai over ${api} with tokens and cost`, async () => {
    const useResponsesApi = api === "responses";
    const { value, calls } = await compareValues({
      answers: [answer],
      run: async (connection) => {
        const message = await modelOf(connection, { useResponsesApi }).invoke(QUESTION);
        return { ...message.toDict(), text: message.text };
      },
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
  Deno.test(`auditedFetch logs ChatOpenAI.stream() of @langchain/openai over ${api} with tokens and cost`, async () => {
    const useResponsesApi = api === "responses";
    const { value, calls } = await compareValues({
      answers: [answer],
      run: async (connection) => {
        const chunks = await modelOf(connection, { useResponsesApi }).stream(QUESTION);
        return await Array.fromAsync(chunks, (chunk) => ({ ...chunk.toDict(), text: chunk.text }));
      },
    });
    assertEquals(value.map(({ text }) => text).join(""), TEXT);
    assertEquals(calls, [facts]);
  });
}

Deno.test("auditedFetch logs the status and message of an error that @langchain/openai throws", async () => {
  const { error, calls } = await compareErrors({
    answers: [json(UNKNOWN_MODEL, { status: 400 })],
    run: (connection) => modelOf(connection).invoke(QUESTION),
  });
  assertEquals([error.type, error.status], ["BadRequestError", 400]);
  assertEquals(calls, [UNKNOWN_MODEL_FACTS]);
});

Deno.test("auditedFetch logs an error inside a stream of @langchain/openai as an error", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream([...CHAT_BEGINNING, SERVER_ERROR_EVENT], "hangs")],
    run: async (connection) => {
      await Array.fromAsync(await modelOf(connection).stream(QUESTION));
    },
  });
  assertEquals([error.type, error.message], ["APIError", SERVER_ERROR]);
  assertEquals(calls, [SERVER_ERROR_FACTS]);
});

Deno.test("auditedFetch logs a refused connection of @langchain/openai as an error", async () => {
  const origin = refusedOrigin();
  const { error, calls } = await compareErrors({
    answers: [],
    httpCalls: 1,
    run: (connection) => modelOf({ ...connection, origin }).invoke(QUESTION),
  });
  assertEquals(error.type, "APIConnectionError");
  assertEquals(calls, [{ ...UNANSWERED, status: "error", error: loggedError(error.cause!) }]);
});

Deno.test("auditedFetch logs a call that the caller of @langchain/openai aborts before the response as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [silence],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const message = modelOf(connection).invoke(QUESTION, { signal });
      void connection.received.then(() => aborter.abort());
      return await message;
    },
  });
  assertEquals(error.name, "AbortError");
  assertEquals(withoutErrors(calls), [{ ...UNANSWERED, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream that the caller of @langchain/openai aborts as aborted", async () => {
  const { error, calls } = await compareErrors({
    answers: [stream(CHAT_BEGINNING, "hangs")],
    run: async (connection) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      for await (const _ of await modelOf(connection).stream(QUESTION, { signal })) aborter.abort();
    },
  });
  assertEquals(error.name, "AbortError");
  assertEquals(withoutErrors(calls), [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch logs a stream of @langchain/openai that the caller leaves with break as aborted", async () => {
  const { value, calls } = await compareValues({
    answers: [stream(CHAT_BEGINNING, "hangs")],
    run: async (connection) => {
      for await (const chunk of await modelOf(connection).stream(QUESTION)) return chunk.toDict();
    },
  });
  assertEquals(value?.data.id, "chatcmpl-1");
  assertEquals(calls, [{ ...BEGUN, status: "aborted" }]);
});

Deno.test("auditedFetch refuses a call of @langchain/openai if the budget is spent, and the SDK does not retry on the status 402", async () => {
  await assertSpentBudgetRefuses({
    run: (connection, maxRetries) => modelOf(connection, { maxRetries }).invoke(QUESTION),
    apiError: "APIError",
  });
});
