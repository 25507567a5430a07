#!/usr/bin/env -S deno run --allow-env --allow-read=.demo --allow-write=.demo
/**
 * OpenTelemetry: spans of model calls and tools become events, from any instrumentation that follows the GenAI
 * conventions or OpenInference.
 *
 * @module
 */
import { SpanStatusCode } from "@opentelemetry/api";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { AuditLog } from "@vivarium/scout";
import { otelSpanExporter } from "@vivarium/scout/llm";
import prices from "../prices.json" with { type: "json" };

await using log = await AuditLog.open(".demo/sdks/open_telemetry/audit.jsonl");
const exporter = otelSpanExporter(log, { prices, fields: { agent: "mapper" } });
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

// Stands in for an instrumentation library, which would create these spans itself.
const tracer = provider.getTracer("example");
const attributes = { "gen_ai.operation.name": "chat", "gen_ai.request.model": "small" };
const span = tracer.startSpan("chat small", { attributes });
span.setAttributes({ "gen_ai.usage.input_tokens": 812, "gen_ai.usage.output_tokens": 40 });
span.end();
const failed = tracer.startSpan("chat small", { attributes });
failed.setStatus({ code: SpanStatusCode.ERROR, message: "Overloaded" });
failed.end();

await provider.forceFlush();
for (const { status, input_t, cost, error } of await log.lastEvents(2)) {
  console.log(status, input_t, cost, error);
}
