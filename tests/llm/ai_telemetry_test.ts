import { assert, assertEquals, assertThrows } from "@std/assert";
import { type AuditEvent, AuditLog, BudgetError } from "@vivarium/scout";
import { type AiTelemetry, aiTelemetry, auditedFetch } from "@vivarium/scout/llm";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { CHAT, chatRequest } from "./calls.ts";

/** Prices of the model "small", in USD per token. */
const PRICES = { small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 } };
const USAGE = {
  inputTokens: 100,
  inputTokenDetails: { noCacheTokens: 40, cacheReadTokens: 60 },
  outputTokens: 10,
  outputTokenDetails: { textTokens: 10 },
  totalTokens: 110,
};

async function eventsOf(
  run: (telemetry: AiTelemetry, log: AuditLog) => unknown,
): Promise<AuditEvent[]> {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  {
    using telemetry = aiTelemetry(log, { prices: PRICES, fields: { agent: "critic" } });
    await run(telemetry, log);
  }
  return await log.query({ eventType: ["llm_call", "tool_call"] }).toArray();
}

// These objects have the shapes of the telemetry events of AI SDK 7.0.173 and 6.0.326. The tests in tests/llm/sdks run
// these SDKs.
const CALL_7 = {
  callId: "call-1",
  functionId: "review",
  provider: "openai.chat",
  modelId: "small",
};
const END_7 = {
  ...CALL_7,
  modelId: "small-2026-02-13",
  finishReason: "stop",
  usage: USAGE,
  responseId: "r1",
  performance: { responseTimeMs: 812.3456, timeToFirstOutputMs: 120.5 },
};
const STEP_6 = {
  model: { provider: "openai.chat", modelId: "small" },
  stepNumber: 0,
  functionId: "review",
};
const END_6 = {
  ...STEP_6,
  model: { ...STEP_6.model },
  finishReason: "stop",
  usage: USAGE,
  response: { id: "r6", modelId: "small-2026-02-13" },
};

/** The logged fields of a call that are the same with versions 6 and 7 of the AI SDK. */
const EXPECTED = {
  event: "llm_call",
  agent: "critic",
  model: "small-2026-02-13",
  provider: "openai",
  input_t: 100,
  output_t: 10,
  cache_read_t: 60,
  cost: 0.00028,
  cost_source: "prices",
  status: "ok",
  finish_reason: "stop",
  function_id: "review",
};

function shared(event: AuditEvent | undefined): object {
  return Object.fromEntries(Object.keys(EXPECTED).map((name) => [name, event?.[name]]));
}

Deno.test("aiTelemetry() logs the end of a model call of AI SDK 7", async () => {
  const events = await eventsOf((telemetry) => {
    telemetry.onLanguageModelCallStart(CALL_7);
    telemetry.onLanguageModelCallEnd(END_7);
    // The SDK also reports the step and the whole generation, whose usage repeats that of the call. It must not be
    // logged again.
    telemetry.onStepFinish({ ...END_7, model: STEP_6.model });
    telemetry.onEnd({ ...END_7, totalUsage: USAGE });
  });
  assertEquals(events.length, 1);
  assertEquals(shared(events[0]), EXPECTED);
  const { duration_ms, ttft_ms, response_id, call_id } = events[0]!;
  assertEquals([duration_ms, ttft_ms, response_id, call_id], [812.346, 120.5, "r1", "call-1"]);
});

Deno.test("aiTelemetry() logs the end of a step of AI SDK 6", async () => {
  const events = await eventsOf((telemetry) => {
    telemetry.onStepStart(STEP_6);
    telemetry.onStepFinish(END_6);
  });
  assertEquals(events.length, 1);
  assertEquals(shared(events[0]), EXPECTED);
  assertEquals([events[0]?.response_id, typeof events[0]?.duration_ms], ["r6", "number"]);
});

Deno.test("aiTelemetry() logs a failed call of AI SDK 7 once, and an aborted call once", async () => {
  const events = await eventsOf((telemetry) => {
    const error = new Error("Overloaded");
    telemetry.onLanguageModelCallStart(CALL_7);
    telemetry.onStepError({ ...CALL_7, error });
    telemetry.onError({ callId: CALL_7.callId, error });
    telemetry.onEnd({ callId: CALL_7.callId });
    telemetry.onLanguageModelCallStart({ ...CALL_7, callId: "call-2" });
    telemetry.onAbort({ callId: "call-2" });
    telemetry.onLanguageModelCallStart({ ...CALL_7, callId: "call-3" });
    telemetry.onError({ callId: "call-3", error: new DOMException("stop", "AbortError") });
  });
  assertEquals(events.map(({ status, usage }) => [status, usage]), [
    ["error", "missing"],
    ["aborted", "missing"],
    ["aborted", "missing"],
  ]);
  assertEquals(events[0]?.error, { name: "Error", message: "Overloaded" });
  assertEquals(events.map(({ model }) => model), ["small", "small", "small"]);
});

Deno.test("aiTelemetry() logs a step of AI SDK 6 as aborted if its signal aborts before the step ends, and not if it aborts later", async () => {
  const events = await eventsOf((telemetry) => {
    const controller = new AbortController();
    const ended = new AbortController();
    telemetry.onStepStart({ ...STEP_6, stepNumber: 1, abortSignal: ended.signal });
    telemetry.onStepStart({ ...STEP_6, abortSignal: controller.signal });
    telemetry.onStepFinish({ ...END_6, stepNumber: 1 });
    ended.abort();
    controller.abort();
    controller.abort();
  });
  assertEquals(events.map(({ status }) => status), ["ok", "aborted"]);
});

Deno.test("aiTelemetry() logs calls without an end when it is disposed", async () => {
  const events = await eventsOf((telemetry) => {
    telemetry.onStepStart({ ...STEP_6 });
    telemetry.onStepStart({ ...STEP_6 });
    telemetry.onStepFinish(END_6);
    telemetry.onLanguageModelCallStart(CALL_7);
  });
  assertEquals(events.map(({ status }) => status).sort(), ["aborted", "aborted", "ok"]);
});

Deno.test("aiTelemetry() logs the end of a call even if it has not seen the start of the call", async () => {
  const events = await eventsOf((telemetry) => telemetry.onLanguageModelCallEnd(END_7));
  assertEquals(events.map(shared), [EXPECTED]);
});

Deno.test("aiTelemetry() logs each call of an embedding", async () => {
  const events = await eventsOf((telemetry) => {
    for (const embedCallId of ["e1", "e2"]) {
      const call = {
        callId: "call-1",
        embedCallId,
        provider: "openai.embedding",
        modelId: "small",
      };
      telemetry.onEmbedStart(call);
      if (embedCallId === "e1") telemetry.onEmbedEnd({ ...call, usage: { tokens: 500 } });
    }
    telemetry.onError({ callId: "call-1", error: new Error("Overloaded") });
  });
  assertEquals(events.map(({ status, input_t, cost }) => [status, input_t, cost]), [
    ["ok", 500, 0.001],
    ["error", undefined, undefined],
  ]);
});

Deno.test("aiTelemetry() prefers the provider's own usage and cost", async () => {
  const raw = {
    input_tokens: 40,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 60,
    cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 50 },
    output_tokens: 10,
  };
  const events = await eventsOf((telemetry) => {
    telemetry.onLanguageModelCallEnd({
      ...END_7,
      usage: { ...USAGE, raw },
      callId: "a",
      responseId: "a",
    });
    const gateway = { gateway: { cost: "0.0045" } };
    telemetry.onLanguageModelCallEnd({
      ...END_7,
      providerMetadata: gateway,
      callId: "b",
      responseId: "b",
    });
    const openrouter = { openrouter: { usage: { cost: 0.5 } } };
    telemetry.onLanguageModelCallEnd({
      ...END_7,
      providerMetadata: openrouter,
      callId: "c",
      responseId: "c",
    });
    // The raw usage has other totals than `usage`. So it belongs to another call, and must be ignored.
    telemetry.onLanguageModelCallEnd({
      ...END_7,
      usage: { ...USAGE, raw: { ...raw, output_tokens: 1 } },
      callId: "d",
      responseId: "d",
    });
  });
  assertEquals(events.map(({ cache_write_1h_t, cost }) => [cache_write_1h_t, cost]), [
    [50, undefined],
    [undefined, 0.0045],
    [undefined, 0.5],
    [undefined, 0.00028],
  ]);
});

Deno.test("aiTelemetry() logs the usage as missing if the SDK reports none", async () => {
  const events = await eventsOf((telemetry) => {
    const usage = { inputTokens: undefined, outputTokens: undefined };
    telemetry.onLanguageModelCallEnd({ ...END_7, usage });
  });
  assertEquals(events.map(({ usage, input_t, cost }) => [usage, input_t, cost]), [
    ["missing", undefined, undefined],
  ]);
});

Deno.test("aiTelemetry() does not log a call again that auditedFetch() has logged as successful or failed", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    const answers = [
      Response.json({
        id: "r1",
        model: "small-2026-02-13",
        usage: { prompt_tokens: 100, completion_tokens: 10 },
      }),
      Response.json({ error: { message: "Overloaded" } }, { status: 529 }),
      Response.json({ error: { message: "Overloaded" } }, { status: 529 }),
    ];
    const fetch = auditedFetch(log, { fetch: () => Promise.resolve(answers.shift()!) });
    const call = async () => {
      const body = JSON.stringify({ model: "small", messages: [] });
      await (await fetch("http://localhost/v1/chat/completions", { method: "POST", body })).text();
    };
    telemetry.onLanguageModelCallStart(CALL_7);
    await call();
    telemetry.onLanguageModelCallEnd(END_7);
    // auditedFetch() sees a call and its retry, which the SDK reports as one failed call.
    telemetry.onLanguageModelCallStart(CALL_7);
    await call();
    await call();
    telemetry.onError({ callId: CALL_7.callId, error: new Error("Overloaded") });
    // This call fails before the SDK calls auditedFetch(), so only the telemetry can log it.
    telemetry.onLanguageModelCallStart(CALL_7);
    telemetry.onError({ callId: CALL_7.callId, error: new Error("no key") });
  });
  assertEquals(events.map(({ status, api }) => [status, api]), [
    ["ok", "openai.chat"],
    ["error", "openai.chat"],
    ["error", "openai.chat"],
    ["error", undefined],
  ]);
});

Deno.test("aiTelemetry() does not log a call that a budget refused, because it was not made", async () => {
  const refusal = new BudgetError("Cannot hold", { kind: "spent", budget: "run" });
  const responseBody = JSON.stringify({ error: { type: "budget_error" } });
  const events = await eventsOf((telemetry) => {
    const errors = [
      refusal,
      new Error("x", { cause: refusal }),
      Object.assign(new Error("402"), { responseBody }),
    ];
    for (const error of errors) {
      telemetry.onLanguageModelCallStart(CALL_7);
      telemetry.onError({ callId: CALL_7.callId, error });
    }
  });
  assertEquals(events, []);
});

Deno.test("aiTelemetry() logs tool calls of AI SDK 6 and 7", async () => {
  const toolCall = () => ({ toolName: "search", toolCallId: "t1" });
  const error = new Error("no such file");
  const events = await eventsOf((telemetry) => {
    telemetry.onToolCallFinish({ toolCall: toolCall(), success: true, durationMs: 5 });
    telemetry.onToolCallFinish({ toolCall: toolCall(), success: false, error, durationMs: 6 });
    telemetry.onToolExecutionEnd({
      callId: "c",
      toolCall: toolCall(),
      toolOutput: { type: "tool-result" },
      toolExecutionMs: 7,
    });
    telemetry.onToolExecutionEnd({
      callId: "c",
      toolCall: toolCall(),
      toolOutput: { type: "tool-error", error },
      toolExecutionMs: 8,
    });
  });
  assertEquals(
    events.map(({ event, tool, status, duration_ms }) => [event, tool, status, duration_ms]),
    [
      ["tool_call", "search", "ok", 5],
      ["tool_call", "search", "error", 6],
      ["tool_call", "search", "ok", 7],
      ["tool_call", "search", "error", 8],
    ],
  );
  assertEquals(events[3]?.error, { name: "Error", message: "no such file" });
});

Deno.test("aiTelemetry() ignores arguments that are not telemetry events", async () => {
  const events = await eventsOf((telemetry) => {
    for (const [name, callback] of Object.entries(telemetry)) {
      if (name === "executeLanguageModelCall") continue;
      assert(name.startsWith("on"), name);
      for (const value of [undefined, null, 5, "x", [], {}]) {
        if (
          name !== "onStepFinish" && name !== "onStepStart" && name !== "onToolCallFinish" ||
          typeof value !== "object"
        ) callback(value);
      }
    }
  });
  assertEquals(events, []);
});

Deno.test("aiTelemetry() rejects invalid arguments, and names them", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  assertThrows(
    () => aiTelemetry(log, { price: {} } as object),
    TypeError,
    'unknown option "price"',
  );
  assertThrows(() => aiTelemetry(log, { prices: {} }), TypeError, "prices must have a model");
  assertThrows(() => aiTelemetry({} as AuditLog), TypeError, "log must be an AuditLog");
});

/** Responses of a server of OpenAI's chat API: OVERLOADED is an error, and {@linkcode ANSWER} is a completion. */
const OVERLOADED = () => Response.json({ error: { message: "Overloaded" } }, { status: 529 });
const ANSWER = (id?: string) => () =>
  Response.json({ id, model: "small", usage: { prompt_tokens: 100, completion_tokens: 10 } });

/** Calls a server of OpenAI's chat API through `auditedFetch()`. */
async function callAudited(log: AuditLog, answer: () => Response): Promise<void> {
  const fetch = auditedFetch(log, { fetch: () => Promise.resolve(answer()) });
  const response = await fetch(CHAT, chatRequest());
  await response.text();
}

/**
 * Returns the statuses of the events, in their order. A status that `auditedFetch()` has logged follows the word
 * "fetch".
 */
function sources(events: readonly AuditEvent[]): string[] {
  return events.map(({ api, status }) => `${api === undefined ? "telemetry" : "fetch"}: ${status}`);
}

Deno.test("aiTelemetry() logs a call that is made without auditedFetch() while a call through auditedFetch() fails", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    telemetry.onLanguageModelCallStart(CALL_7);
    await callAudited(log, OVERLOADED);
    telemetry.onLanguageModelCallEnd({ ...END_7, modelId: "small" });
  });
  assertEquals(sources(events), ["fetch: error", "telemetry: ok"]);
});

Deno.test("aiTelemetry() logs a failed call that is made without auditedFetch() while a call through auditedFetch() succeeds", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    telemetry.onLanguageModelCallStart(CALL_7);
    await callAudited(log, ANSWER("r2"));
    telemetry.onError({ callId: CALL_7.callId, error: new Error("no key") });
  });
  assertEquals(sources(events), ["fetch: ok", "telemetry: error"]);
});

Deno.test("aiTelemetry() finds the request of a response without an ID among those of auditedFetch() by the async context, and not by the model", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    const within = (callId: string, execute: () => Promise<void>) =>
      telemetry.executeLanguageModelCall({ callId, execute });
    for (const callId of ["a", "b", "c"]) {
      telemetry.onLanguageModelCallStart({ ...CALL_7, callId });
    }
    // The first attempt of call "a" fails. Calls "b" and "c" use another fetch than auditedFetch().
    await within("a", () => callAudited(log, OVERLOADED));
    await within("a", () => callAudited(log, ANSWER()));
    await within("b", () => Promise.resolve());
    await within("c", () => Promise.resolve());
    telemetry.onError({ callId: "c", error: new Error("no key") });
    for (const callId of ["b", "a"]) {
      telemetry.onLanguageModelCallEnd({ ...END_7, callId, responseId: `aitxt-${callId}` });
    }
  });
  assertEquals(sources(events), ["fetch: error", "fetch: ok", "telemetry: error", "telemetry: ok"]);
  assertEquals(events.at(-1)?.call_id, "b");
});

Deno.test("aiTelemetry() logs a call once if two telemetry integrations of one log report it", async () => {
  const events = await eventsOf((telemetry, log) => {
    using other = aiTelemetry(log, { fields: { agent: "mapper" } });
    const both = [telemetry, other];
    const error = new Error("Overloaded");
    for (const each of both) each.onLanguageModelCallStart(CALL_7);
    for (const each of both) each.onLanguageModelCallEnd({ ...END_7, responseId: "aitxt-1" });
    for (const each of both) each.onLanguageModelCallStart(CALL_7);
    for (const each of both) each.onError({ callId: CALL_7.callId, error });
    const start = { ...STEP_6 };
    const end = { ...END_6, response: {} };
    for (const each of both) each.onStepStart(start);
    for (const each of both) each.onStepFinish(end);
  });
  assertEquals(events.map(({ agent, status }) => [agent, status]), [
    ["critic", "ok"],
    ["critic", "error"],
    ["critic", "ok"],
  ]);
});

Deno.test("aiTelemetry() logs every call of two telemetry integrations, even if both use the same model", async () => {
  const events = await eventsOf((telemetry, log) => {
    using other = aiTelemetry(log, { fields: { agent: "mapper" } });
    const embed = {
      callId: "e",
      embedCallId: "1",
      provider: "openai.embedding",
      modelId: "small",
    };
    telemetry.onLanguageModelCallStart(CALL_7);
    other.onLanguageModelCallStart({ ...CALL_7, callId: "call-2" });
    telemetry.onLanguageModelCallEnd(END_7);
    other.onError({ callId: "call-2", error: new Error("Overloaded") });
    telemetry.onEmbedStart(embed);
    other.onEmbedStart({ ...embed, callId: "f" });
    telemetry.onEmbedEnd({ ...embed, usage: { tokens: 5 } });
    other.onEmbedEnd({ ...embed, callId: "f", usage: { tokens: 500 } });
  });
  assertEquals(events.map(({ agent, status, input_t }) => [agent, status, input_t]), [
    ["critic", "ok", 100],
    ["mapper", "error", undefined],
    ["critic", "ok", 5],
    ["mapper", "ok", 500],
  ]);
});

Deno.test("aiTelemetry() does not log a call of AI SDK 6 that a budget refused or that auditedFetch() has logged", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    const budget = await log.budget({ name: "run", limit: { usd: 1e-9 } });
    const estimate = () => ({ usd: 1 });
    const fetch = auditedFetch(log, { estimate, budget, refusal: "respond" });
    telemetry.onStepStart({ ...STEP_6, model: { ...STEP_6.model, modelId: "large" } });
    assertEquals((await fetch(CHAT, chatRequest({ model: "large" }))).status, 402);
    // The SDK has read the stream to its end, but the caller stops reading it.
    telemetry.onStepStart({ ...STEP_6 });
    await callAudited(log, ANSWER("r2"));
  });
  assertEquals(sources(events), ["fetch: ok"]);
});

Deno.test("aiTelemetry() measures a step of AI SDK 6 from its own start, and not from the start of an earlier failed step", async () => {
  const { now } = performance;
  const events = await eventsOf((telemetry) => {
    const began = performance.now();
    const at = (ms: number, run: () => void) => {
      performance.now = () => began + ms;
      try {
        run();
      } finally {
        performance.now = now;
      }
    };
    at(0, () => telemetry.onStepStart({ ...STEP_6 }));
    at(60_000, () => telemetry.onStepStart({ ...STEP_6 }));
    at(60_005, () => telemetry.onStepFinish(END_6));
  });
  assertEquals(events.map(({ status }) => status), ["ok", "aborted"]);
  assertEquals(events[0]?.duration_ms, 5);
});

Deno.test("aiTelemetry() logs an object generation of AI SDK 7 once", async () => {
  const events = await eventsOf((telemetry) => {
    const step = { ...CALL_7, stepNumber: 0 };
    telemetry.onObjectStepStart(step);
    telemetry.onObjectStepEnd({
      ...step,
      finishReason: "stop",
      usage: USAGE,
      response: { id: "r" },
    });
    telemetry.onEnd({ callId: CALL_7.callId, usage: USAGE });
    telemetry.onObjectStepStart({ ...step, callId: "call-2" });
    telemetry.onError({ callId: "call-2", error: new Error("Overloaded") });
    // The answer of the model is not a valid object. The SDK reports an error, which states the usage of the call.
    telemetry.onObjectStepStart({ ...step, callId: "call-3" });
    const invalid = Object.assign(new Error("No object generated"), { usage: USAGE });
    telemetry.onError({ callId: "call-3", error: invalid });
  });
  assertEquals(events.map(({ status, input_t }) => [status, input_t]), [
    ["ok", 100],
    ["error", undefined],
    ["error", 100],
  ]);
});

Deno.test("aiTelemetry() does not log a call whose last attempt was refused by a budget", async () => {
  const lastError = Object.assign(new Error("429"), {
    responseBody: JSON.stringify({ error: { type: "budget_error" } }),
  });
  const events = await eventsOf((telemetry) => {
    telemetry.onLanguageModelCallStart(CALL_7);
    telemetry.onError({
      callId: CALL_7.callId,
      error: Object.assign(new Error("Failed after 3 attempts"), { lastError }),
    });
  });
  assertEquals(events, []);
});

Deno.test("aiTelemetry() logs a call that asks one model with auditedFetch(), and then another model without it", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    const within = (callId: string, answer: () => Response) =>
      telemetry.executeLanguageModelCall({ callId, execute: () => callAudited(log, answer) });
    const guard = () =>
      Response.json({
        id: "g1",
        model: "guard",
        usage: { prompt_tokens: 1, completion_tokens: 1 },
      });
    // In call "a", the audited request fails, and another model answers. In call "b", the audited request asks a guard
    // model, and then another model answers.
    for (const [callId, answer] of [["a", OVERLOADED], ["b", guard]] as const) {
      telemetry.onLanguageModelCallStart({ ...CALL_7, callId });
      await within(callId, answer);
      telemetry.onLanguageModelCallEnd({ ...END_7, callId, responseId: `f-${callId}` });
    }
  });
  assertEquals(sources(events), ["fetch: error", "telemetry: ok", "fetch: ok", "telemetry: ok"]);
});

Deno.test("aiTelemetry() logs a call whose response has the ID of an earlier response", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    await callAudited(log, ANSWER("r1"));
    telemetry.onLanguageModelCallStart(CALL_7);
    telemetry.onLanguageModelCallEnd(END_7);
  });
  assertEquals(sources(events), ["fetch: ok", "telemetry: ok"]);
});

Deno.test("aiTelemetry() logs a step of AI SDK 6 once if its signal aborts while a tool runs", async () => {
  const events = await eventsOf(async (telemetry, log) => {
    for (const isAudited of [true, false]) {
      const controller = new AbortController();
      telemetry.onStepStart({ ...STEP_6, abortSignal: controller.signal });
      if (isAudited) await callAudited(log, ANSWER("r6"));
      controller.abort();
      telemetry.onStepFinish({ ...END_6, model: { ...STEP_6.model } });
    }
  });
  assertEquals(sources(events), ["fetch: ok", "telemetry: aborted"]);
});

Deno.test("aiTelemetry() logs a call once if it is disposed before the call ends", async () => {
  const events = await eventsOf((telemetry, log) => {
    {
      using other = aiTelemetry(log);
      for (const each of [other, telemetry]) each.onLanguageModelCallStart(CALL_7);
    }
    telemetry.onLanguageModelCallEnd(END_7);
  });
  assertEquals(sources(events), ["telemetry: aborted"]);
});

Deno.test("aiTelemetry() logs the service tier that OpenAI states, and no cost if this tier has no price", async () => {
  const events = await eventsOf((telemetry) => {
    const providerMetadata = { openai: { serviceTier: "priority" } };
    telemetry.onLanguageModelCallEnd({ ...END_7, providerMetadata });
  });
  assertEquals(events.map(({ service_tier, cost }) => [service_tier, cost]), [
    ["priority", undefined],
  ]);
});

Deno.test("aiTelemetry() logs a call after a request of auditedFetch() for the call failed and the error response was not read", async () => {
  let left: Response | undefined;
  const events = await eventsOf(async (telemetry, log) => {
    const fetch = auditedFetch(log, { fetch: () => Promise.resolve(OVERLOADED()) });
    telemetry.onLanguageModelCallStart(CALL_7);
    await telemetry.executeLanguageModelCall({
      callId: CALL_7.callId,
      execute: async () => {
        left = await fetch(CHAT, chatRequest());
      },
    });
    // The program then calls another server without auditedFetch(), and the SDK reports this call.
    telemetry.onLanguageModelCallEnd(END_7);
    await left?.body?.cancel();
  });
  assertEquals(sources(events), ["telemetry: ok", "fetch: error"]);
});
