import { assertEquals, assertThrows } from "@std/assert";
import { type AuditEvent, AuditLog } from "@vivarium/scout";
import {
  auditedFetch,
  type OtelSpan,
  type OtelSpanExporter,
  otelSpanExporter,
} from "@vivarium/scout/llm";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

/** Prices of the model "small", in USD per token. */
const PRICES = { small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 } };

function spanOf(attributes: OtelSpan["attributes"], more: Partial<OtelSpan> = {}): OtelSpan {
  return {
    name: "chat small",
    spanContext: () => ({ traceId: "t1", spanId: "s1" }),
    parentSpanContext: { spanId: "p1" },
    startTime: [1_770_993_022, 999_000_000],
    endTime: [1_770_993_024, 249_500_000],
    status: { code: 0 },
    events: [],
    attributes,
    ...more,
  };
}

async function eventsOf(
  run: (exporter: OtelSpanExporter, log: AuditLog) => unknown,
): Promise<AuditEvent[]> {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const exporter = otelSpanExporter(log, { prices: PRICES, fields: { agent: "critic" } });
  await run(exporter, log);
  await exporter.shutdown();
  return await log.query({ eventType: ["llm_call", "tool_call"] }).toArray();
}

function exported(...spans: readonly OtelSpan[]): Promise<AuditEvent[]> {
  return eventsOf((exporter) => exporter.export(spans, ({ code }) => assertEquals(code, 0)));
}

const NEW_NAMES = {
  "gen_ai.operation.name": "chat",
  "gen_ai.provider.name": "openai",
  "gen_ai.request.model": "small",
  "gen_ai.response.model": "small-2026-02-13",
  "gen_ai.response.id": "r1",
  "gen_ai.response.finish_reasons": ["stop"],
  "gen_ai.response.time_to_first_chunk": 0.25,
  "gen_ai.conversation.id": "conv-1",
  "gen_ai.usage.input_tokens": 100,
  "gen_ai.usage.output_tokens": 10,
  "gen_ai.usage.cache_read.input_tokens": 60,
  "gen_ai.usage.cache_write.input_tokens": 20,
  "gen_ai.usage.reasoning.output_tokens": 5,
};
const OLD_NAMES = {
  "gen_ai.system": "openai",
  "gen_ai.request.model": "small",
  "gen_ai.usage.prompt_tokens": 100,
  "gen_ai.usage.completion_tokens": 10,
  "gen_ai.usage.cache_creation.input_tokens": 20,
  "gen_ai.usage.cache_read_input_tokens": 60,
};
const OPEN_INFERENCE = {
  "openinference.span.kind": "LLM",
  "llm.provider": "openai",
  "llm.model_name": "small",
  "llm.token_count.prompt": 100,
  "llm.token_count.completion": 10,
  "llm.token_count.prompt_details.cache_read": 60,
  "llm.token_count.prompt_details.cache_write": 20,
};

for (
  const [name, attributes] of [
    ["the new names of the GenAI conventions", NEW_NAMES],
    ["their old names", OLD_NAMES],
    ["the names of OpenInference", OPEN_INFERENCE],
  ] as const
) {
  Deno.test(`otelSpanExporter() logs a model call by ${name}`, async () => {
    const [event, ...others] = await exported(spanOf(attributes));
    assertEquals(others, []);
    const { event: type, agent, provider, status, cost, cost_source } = event!;
    assertEquals([type, agent, provider, status, cost, cost_source], [
      "llm_call",
      "critic",
      "openai",
      "ok",
      0.00028,
      "prices",
    ]);
    const { input_t, output_t, cache_read_t, cache_write_t } = event!;
    assertEquals([input_t, output_t, cache_read_t, cache_write_t], [100, 10, 60, 20]);
    const { trace_id, span, parent, duration_ms } = event!;
    assertEquals([trace_id, span, parent, duration_ms], ["t1", "s1", "p1", 1250.5]);
  });
}

Deno.test("otelSpanExporter() logs response ID, finish reason and conversation ID", async () => {
  const [event] = await exported(spanOf(NEW_NAMES));
  const { model, reasoning_t, response_id, finish_reason, ttft_ms, conversation_id } = event!;
  assertEquals([model, reasoning_t, response_id, finish_reason, ttft_ms, conversation_id], [
    "small-2026-02-13",
    5,
    "r1",
    "stop",
    250,
    "conv-1",
  ]);
});

Deno.test("otelSpanExporter() adds cached tokens that an instrumentation leaves out of the input", async () => {
  const [event] = await exported(spanOf({ ...NEW_NAMES, "gen_ai.usage.input_tokens": 20 }));
  assertEquals(event?.input_t, 100);
});

Deno.test("otelSpanExporter() drops spans of agents, chains and the like, which repeat the usage of model calls", async () => {
  const usage = { "gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1 };
  const model = { "gen_ai.system": "openai", "gen_ai.request.model": "small", ...usage };
  const events = await exported(
    spanOf({ ...model, "gen_ai.operation.name": "invoke_agent" }),
    spanOf({ ...model, "gen_ai.operation.name": "invoke_workflow" }),
    spanOf({ ...model, "openinference.span.kind": "AGENT" }),
    spanOf({ ...model, "openinference.span.kind": "CHAIN" }),
    spanOf({ ...model, "ai.operationId": "ai.generateText" }),
    spanOf({ "http.request.method": "POST" }),
    spanOf(usage),
  );
  assertEquals(events, []);
  const [event] = await exported(
    spanOf({ ...model, "ai.operationId": "ai.generateText.doGenerate" }),
  );
  assertEquals(event?.input_t, 1);
});

Deno.test("otelSpanExporter() logs an error, an abort and missing usage", async () => {
  const { "gen_ai.response.id": _, ...attributes } = NEW_NAMES;
  const exception = { "exception.type": "APIError", "exception.message": "Overloaded" };
  const noUsage = { "gen_ai.operation.name": "chat", "gen_ai.request.model": "small" };
  const events = await exported(
    spanOf({ ...noUsage, "error.type": "429" }),
    spanOf(noUsage, {
      status: { code: 2 },
      events: [{ name: "exception", attributes: exception }],
    }),
    spanOf({ ...noUsage, "error.type": "AbortError" }, { status: { code: 2, message: "stopped" } }),
    spanOf(noUsage),
    spanOf(attributes),
  );
  assertEquals(events.map(({ status, usage, error }) => [status, usage, error]), [
    ["error", "missing", { type: "429" }],
    ["error", "missing", { type: "APIError", message: "Overloaded" }],
    ["aborted", "missing", { type: "AbortError", message: "stopped" }],
    ["ok", "missing", undefined],
    ["ok", undefined, undefined],
  ]);
});

Deno.test("otelSpanExporter() logs the cost that a provider states, in USD", async () => {
  const cost = (attributes: object) => spanOf({ ...OLD_NAMES, ...attributes });
  const events = await exported(
    cost({ "gen_ai.usage.cost": 0.5 }),
    cost({ "gen_ai.usage.cost.amount": 0.25, "gen_ai.usage.cost.source": "provider" }),
    cost({ "gen_ai.usage.cost.amount": 0.25, "gen_ai.usage.cost.source": "local" }),
    cost({ "gen_ai.usage.cost.amount": 0.25, "gen_ai.usage.cost.currency": "EUR" }),
    cost({ "llm.cost.total": 0.125 }),
  );
  assertEquals(events.map(({ cost, cost_source }) => [cost, cost_source]), [
    [0.5, "provider"],
    [0.25, "provider"],
    [0.00028, "prices"],
    [0.00028, "prices"],
    [0.125, "provider"],
  ]);
});

Deno.test("otelSpanExporter() logs embeddings and tools", async () => {
  const events = await exported(
    spanOf({
      "gen_ai.operation.name": "embeddings",
      "gen_ai.request.model": "small",
      "gen_ai.usage.input_tokens": 500,
    }),
    spanOf({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "search",
      "gen_ai.tool.call.id": "c1",
    }),
    spanOf({ "openinference.span.kind": "TOOL" }, {
      name: "grep",
      status: { code: 2, message: "no such file" },
    }),
  );
  assertEquals(events.map(({ event, tool, status, cost }) => [event, tool, status, cost]), [
    ["llm_call", undefined, "ok", 0.001],
    ["tool_call", "search", "ok", undefined],
    ["tool_call", "grep", "error", undefined],
  ]);
});

Deno.test("otelSpanExporter() leaves out a call that auditedFetch() has logged", async () => {
  const events = await eventsOf(async (exporter, log) => {
    const usage = { prompt_tokens: 100, completion_tokens: 10 };
    const fetch = auditedFetch(log, {
      fetch: () => Promise.resolve(Response.json({ id: "r1", usage })),
    });
    const body = JSON.stringify({ model: "small", messages: [] });
    await (await fetch("http://localhost/v1/chat/completions", { method: "POST", body })).text();
    const other = spanOf({ ...NEW_NAMES, "gen_ai.response.id": "r2" });
    exporter.export([spanOf(NEW_NAMES), other], () => {});
  });
  assertEquals(events.map(({ response_id }) => response_id), ["r1", "r2"]);
});

Deno.test("otelSpanExporter() logs a call once if nested spans report it", async () => {
  const span = (spanId: string, parent: string | undefined, responseId: string) =>
    spanOf({ ...NEW_NAMES, "gen_ai.response.id": responseId }, {
      spanContext: () => ({ traceId: "t", spanId }),
      parentSpanContext: parent === undefined ? undefined : { spanId: parent },
    });
  const events = await exported(
    span("c", "b", "r1"),
    span("b", "a", "r1"),
    span("a", undefined, "r1"),
    // Spans "d" and "e" are nested, but have different responses, so both are logged. Span "f" is not nested, so it is
    // logged although its response has the ID "r1" again.
    span("e", "d", "r2"),
    span("d", undefined, "r3"),
    span("f", undefined, "r1"),
  );
  assertEquals(events.map(({ span }) => span), ["c", "e", "d", "f"]);
});

Deno.test("otelSpanExporter() reports events that could not be written", async () => {
  using dir = tempDir();
  const log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const exporter = otelSpanExporter(log);
  await log.close();
  const { promise, resolve } = Promise.withResolvers<{ code: number; error?: Error }>();
  exporter.export([spanOf(NEW_NAMES)], resolve);
  const { code, error } = await promise;
  assertEquals([code, error?.name], [1, "AuditClosedError"]);
  await exporter.forceFlush();
});

Deno.test("otelSpanExporter() logs the other spans of a batch if one span cannot be read", async () => {
  const broken = spanOf(NEW_NAMES, {
    spanContext() {
      throw new Error("no context");
    },
  });
  const results: number[] = [];
  const events = await eventsOf((exporter) => {
    exporter.export([broken, spanOf({ ...NEW_NAMES, "gen_ai.response.id": "r2" })], ({ code }) => {
      results.push(code);
    });
  });
  assertEquals([events.map(({ response_id }) => response_id), results], [["r2"], [1]]);
});

Deno.test("otelSpanExporter() logs a provider named constructor", async () => {
  const [event] = await exported(spanOf({ ...NEW_NAMES, "gen_ai.provider.name": "constructor" }));
  assertEquals(event?.provider, "constructor");
});

Deno.test("otelSpanExporter() rejects invalid arguments, and names them", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  assertThrows(
    () => otelSpanExporter(log, { field: {} } as object),
    TypeError,
    'unknown option "field"',
  );
  assertThrows(
    () => otelSpanExporter(log, { toolCalls: 1 as unknown as boolean }),
    TypeError,
    "toolCalls must be true or false",
  );
});
