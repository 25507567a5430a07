/**
 * Runs the real AI SDK and OpenTelemetry SDK with the functions of this library that receive their telemetry.
 *
 * @module
 */
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAI as createOpenAI6 } from "@ai-sdk/openai-6";
import { SpanStatusCode } from "@opentelemetry/api";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { assert, assertEquals } from "@std/assert";
import { type AuditEvent, AuditLog } from "@vivarium/scout";
import { type AiTelemetry, aiTelemetry, auditedFetch, otelSpanExporter } from "@vivarium/scout/llm";
import * as ai7 from "ai";
import * as ai6 from "ai-6";
import { z } from "zod";
import { startProvider } from "../../../examples/llm/provider.ts";
import prices from "../../../examples/prices.json" with { type: "json" };
import { silent } from "../../loggers.ts";
import { tempDir } from "../../temp_dir.ts";

globalThis.AI_SDK_LOG_WARNINGS = false;

/**
 * Versions 6 and 7 of the AI SDK, with the functions that the tests use. These functions have the same names and
 * arguments in both.
 */
const VERSIONS = {
  6: {
    // The cast is needed because the TypeScript types of AI SDK 6 (the package `ai`) differ from those of AI SDK 7.
    ai: ai6 as unknown as typeof ai7,
    createOpenAI: createOpenAI6 as unknown as typeof createOpenAI,
    register: (telemetry: AiTelemetry) => ai6.registerTelemetryIntegration(telemetry),
  },
  7: {
    ai: ai7,
    createOpenAI,
    register: (telemetry: AiTelemetry) => ai7.registerTelemetry(telemetry),
  },
};
type Version = typeof VERSIONS[7];
type Fetch = typeof globalThis.fetch;

/** Runs calls with the telemetry of one version, and returns the events of the log. */
async function eventsOf(
  version: 6 | 7,
  run: (
    tools: {
      ai: Version["ai"];
      model: (fetch?: Fetch) => ReturnType<ReturnType<typeof createOpenAI>>;
      log: AuditLog;
    },
  ) => Promise<unknown>,
  options: { delayMs?: number } = {},
): Promise<AuditEvent[]> {
  using dir = tempDir();
  await using provider = startProvider(options);
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const { ai, createOpenAI, register } = VERSIONS[version];
  {
    using telemetry = aiTelemetry(log, { prices });
    register(telemetry);
    try {
      const model = (fetch?: Fetch) =>
        createOpenAI({
          apiKey: "none",
          baseURL: `${provider.origin}/v1`,
          ...(fetch === undefined ? {} : { fetch }),
        }).chat("small");
      await run({ ai, model, log });
    } finally {
      globalThis.AI_SDK_TELEMETRY_INTEGRATIONS = undefined;
    }
  }
  return await log.query({ eventType: ["llm_call", "tool_call"] }).toArray();
}

const failing: Fetch = () =>
  Promise.resolve(Response.json({ error: { message: "Overloaded" } }, { status: 503 }));

for (const version of [6, 7] as const) {
  Deno.test(`aiTelemetry() logs generateText() and streamText() of AI SDK ${version}`, async () => {
    const events = await eventsOf(version, async ({ ai, model }) => {
      await ai.generateText({ model: model(), prompt: "Hi" });
      const { textStream, usage } = ai.streamText({ model: model(), prompt: "Hi" });
      for await (const piece of textStream) assert(piece.length > 0);
      await usage;
    });
    assertEquals(events.length, 2);
    for (const { model, provider, status, output_t, cost_source, response_id } of events) {
      assertEquals([model, provider, status, output_t, cost_source], [
        "small-2026-02-13",
        "openai",
        "ok",
        13,
        "prices",
      ]);
      assert(String(response_id).startsWith("chatcmpl-"));
    }
  });

  Deno.test(`aiTelemetry() logs each step of AI SDK ${version} once, and its tools`, async () => {
    // The first answer of the server calls a tool, and the second answer is the text.
    let calls = 0;
    const answer: Fetch = () => {
      const message = calls++ === 0
        ? {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "t1", type: "function", function: { name: "grep", arguments: "{}" } }],
        }
        : { role: "assistant", content: "done" };
      return Promise.resolve(Response.json({
        id: `c${calls}`,
        model: "small",
        created: 1,
        choices: [{ index: 0, message, finish_reason: calls === 1 ? "tool_calls" : "stop" }],
        usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
      }));
    };
    const events = await eventsOf(version, async ({ ai, model, log }) => {
      // The log has two telemetry integrations, and the SDK passes each event to both.
      using own = aiTelemetry(log);
      globalThis.AI_SDK_TELEMETRY_INTEGRATIONS!.push(own as never);
      const grep = ai.tool({
        description: "Searches",
        inputSchema: z.object({}),
        execute: () => "3 hits",
      });
      const { text } = await ai.generateText({
        model: model(answer),
        prompt: "Hi",
        tools: { grep },
        stopWhen: ai.stepCountIs(3),
      });
      assertEquals(text, "done");
    });
    assertEquals(
      events.map(({ event, response_id, tool, status }) => [event, response_id ?? tool, status])
        .sort(),
      [
        ["llm_call", "c1", "ok"],
        ["llm_call", "c2", "ok"],
        ["tool_call", "grep", "ok"],
      ],
    );
  });

  Deno.test(`aiTelemetry() logs a call of AI SDK ${version} once if the same integration is registered twice`, async () => {
    const events = await eventsOf(version, async ({ ai, model }) => {
      const [registered] = globalThis.AI_SDK_TELEMETRY_INTEGRATIONS!;
      globalThis.AI_SDK_TELEMETRY_INTEGRATIONS!.push(registered!);
      await ai.generateText({ model: model(), prompt: "Hi" });
    });
    assertEquals(events.map(({ status }) => status), ["ok"]);
  });

  Deno.test(`aiTelemetry() logs a failed call of AI SDK ${version} once`, async () => {
    const events = await eventsOf(version, async ({ ai, model }) => {
      await ai.generateText({ model: model(failing), prompt: "Hi", maxRetries: 0 }).catch(() => {});
      const { textStream } = ai.streamText({
        model: model(failing),
        prompt: "Hi",
        maxRetries: 0,
        onError() {},
      });
      for await (const _ of textStream) assert(false, "no text was expected");
    });
    // AI SDK 6 does not report errors, so its failed calls are logged when the telemetry is disposed.
    const status = version === 6 ? "aborted" : "error";
    assertEquals(
      events.map(({ status, usage, model }) => [status, usage, model]),
      Array(2).fill([
        status,
        "missing",
        "small",
      ]),
    );
  });

  Deno.test(`aiTelemetry() logs an aborted stream of AI SDK ${version} once`, async () => {
    const events = await eventsOf(version, async ({ ai, model }) => {
      const controller = new AbortController();
      const { textStream } = ai.streamText({
        model: model(),
        prompt: "Hi",
        abortSignal: controller.signal,
        onError() {},
      });
      for await (const _ of textStream) controller.abort();
    }, { delayMs: 1 });
    assertEquals(events.map(({ status, usage }) => [status, usage]), [["aborted", "missing"]]);
  });

  Deno.test(`aiTelemetry() logs a stream of AI SDK ${version} once if the caller stops reading it`, async () => {
    const events = await eventsOf(version, async ({ ai, model }) => {
      const { textStream } = ai.streamText({ model: model(), prompt: "Hi" });
      for await (const _ of textStream) break;
    }, { delayMs: 1 });
    assertEquals(events.length, 1);
  });

  Deno.test(`A call of AI SDK ${version} that auditedFetch() sees too is logged once`, async () => {
    const events = await eventsOf(version, async ({ ai, model, log }) => {
      const fetch = auditedFetch(log, { prices });
      await ai.generateText({ model: model(fetch), prompt: "Hi" });
      const { textStream, usage } = ai.streamText({ model: model(fetch), prompt: "Hi" });
      for await (const piece of textStream) assert(piece.length > 0);
      await usage;
      const failed = model(auditedFetch(log, { fetch: failing }));
      await ai.generateText({ model: failed, prompt: "Hi", maxRetries: 0 }).catch(() => {});
    });
    assertEquals(events.map(({ status, api }) => [status, api]), [
      ["ok", "openai.chat"],
      ["ok", "openai.chat"],
      ["error", "openai.chat"],
    ]);
  });
}

Deno.test("Calls of AI SDK 7 at the same time are each logged once, with and without auditedFetch()", async () => {
  const ids = new Set<string>();
  const early = Promise.withResolvers<void>();
  let earlyCount = 0;
  const answer: Fetch = async (_, init) => {
    const body = String(init?.body);
    // The server delays one answer, so the answers come in another order than the calls.
    if (body.includes("late")) await early.promise;
    else if (++earlyCount === 32) early.resolve();
    if (body.includes("fail")) return await failing("");
    // Half of the answers have no ID, so the telemetry cannot recognize these calls by an ID.
    const id = body.includes("no id") ? undefined : crypto.randomUUID();
    if (id !== undefined) ids.add(id);
    return Response.json({
      id,
      model: "small",
      created: 1,
      choices: [{ index: 0, message: { role: "assistant", content: "a" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
    });
  };
  const events = await eventsOf(7, async ({ ai, model, log }) => {
    const audited = model(auditedFetch(log, { fetch: answer }));
    const plain = model(answer);
    await Promise.all(Array.from({ length: 64 }, (_, n) => {
      const words = [n & 1 ? "fail" : "", n & 2 ? "late" : "", n & 4 ? "no id" : ""];
      return ai.generateText({
        model: n & 8 ? audited : plain,
        prompt: words.join(" "),
        maxRetries: 0,
      }).catch(() => {});
    }));
  });
  const counts = Map.groupBy(events, ({ api, status }) => `${api ?? "telemetry"} ${status}`);
  assertEquals(
    Object.fromEntries([...counts].map(([kind, { length }]) => [kind, length])),
    { "openai.chat ok": 16, "openai.chat error": 16, "telemetry ok": 16, "telemetry error": 16 },
  );
  assertEquals(ids.size, 16);
});

Deno.test("aiTelemetry() logs generateObject() and streamObject() of AI SDK 7 once", async () => {
  const answer: Fetch = () =>
    Promise.resolve(Response.json({
      id: "c1",
      model: "small",
      created: 1,
      choices: [{
        index: 0,
        message: { role: "assistant", content: '{"a":"b"}' },
        finish_reason: "stop",
      }],
      usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
    }));
  const events = await eventsOf(7, async ({ ai, model }) => {
    const schema = z.object({ a: z.string() });
    const { object } = await ai.generateObject({ model: model(answer), schema, prompt: "Hi" });
    assertEquals(object, { a: "b" });
    const streamed = ai.streamObject({ model: model(), schema, prompt: "Hi", onError() {} });
    for await (const part of streamed.partialObjectStream) assert(part !== undefined);
    await streamed.object.catch(() => {});
  });
  assertEquals(events.map(({ status, input_t }) => [status, typeof input_t]), [
    ["ok", "number"],
    ["ok", "number"],
  ]);
});

Deno.test("otelSpanExporter() logs spans of the OpenTelemetry SDK, with their parents", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const exporter = otelSpanExporter(log, { prices });
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracer = provider.getTracer("test");
  const { context, trace } = await import("@opentelemetry/api");
  const agent = tracer.startSpan("invoke_agent mapper", {
    attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 812 },
  });
  const within = trace.setSpan(context.active(), agent);
  const attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "small",
    "gen_ai.usage.input_tokens": 812,
    "gen_ai.usage.output_tokens": 40,
  };
  tracer.startSpan("chat small", { attributes }, within).end();
  const failed = tracer.startSpan("chat small", {
    attributes: { "gen_ai.operation.name": "chat", "gen_ai.request.model": "small" },
  }, within);
  failed.recordException(new TypeError("no route"));
  failed.setStatus({ code: SpanStatusCode.ERROR });
  failed.end();
  agent.end();
  await provider.forceFlush();
  await provider.shutdown();

  const events = await log.query({ eventType: "llm_call" }).toArray();
  const { spanId, traceId } = agent.spanContext();
  assertEquals(
    events.map((
      { status, cost, error, parent, trace_id },
    ) => [status, cost, error, parent, trace_id]),
    [
      ["ok", 0.000253, undefined, spanId, traceId],
      ["error", undefined, { type: "TypeError", message: "no route" }, spanId, traceId],
    ],
  );
});
