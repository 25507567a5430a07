/**
 * Logs the model calls of programs that report them as spans of OpenTelemetry.
 *
 * @module
 */
import type { AuditLogger } from "../audit_logger.ts";
import { checkOptions } from "../options/option_checks.ts";
import { CallLog } from "./call_log.ts";
import { RecentKeys } from "./recent_keys.ts";
import {
  kindOf,
  modelFacts,
  type OtelSpan,
  placeOf,
  responseIdOf,
  textIn,
  toolFields,
} from "./span_call.ts";
import { TELEMETRY_CHECKS, type TelemetryOptions } from "./telemetry_options.ts";

/** Called with the result of an export: code 0 for success, 1 for a failure. */
export type ExportResultCallback = (result: { code: number; error?: Error }) => void;

/** An exporter of spans, which `SimpleSpanProcessor` and `BatchSpanProcessor` of OpenTelemetry accept. */
export interface OtelSpanExporter {
  /**
   * Logs the model calls among the spans.
   *
   * @param spans The finished spans.
   * @param done Called when the events are written, or when one of them cannot be written.
   */
  export(spans: readonly OtelSpan[], done: ExportResultCallback): void;
  /**
   * Waits for the events that are being written.
   *
   * @returns A promise that resolves when each event is written or its writing has failed.
   */
  forceFlush(): Promise<void>;
  /**
   * Waits for the events that are being written. The log stays open.
   *
   * @returns A promise that resolves when each event is written or its writing has failed.
   */
  shutdown(): Promise<void>;
}

const ACTION = "log spans";

/**
 * Returns a span exporter for OpenTelemetry that logs each model call as an event `llm_call` and each tool call as
 * `tool_call`, with the IDs of the span. It reads the attributes `gen_ai.*`, under their old and new names, and those
 * of OpenInference. All other spans are dropped. Spans of agents, chains and workflows, for example, repeat the usage
 * of the calls in them, so their tokens would count twice.
 *
 * The time of an event is the time at which its span is exported. So use a `SimpleSpanProcessor`, or a
 * `BatchSpanProcessor` with a short delay. Only sampled spans are exported. A call that {@linkcode auditedFetch} or
 * {@linkcode aiTelemetry} of the same log has logged is not logged again.
 *
 * @param log The log, or a logger with bound fields.
 * @param options Prices and fields; by default none.
 * @returns The exporter.
 * @throws {TypeError} If `log` is not a log, an option is unknown or of the wrong type, or a price is not a number.
 *
 * @example
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { otelSpanExporter } from "@vivarium/scout/llm";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const exporter = otelSpanExporter(log);
 * // With OpenTelemetry: new SimpleSpanProcessor(exporter). It then exports spans such as this one.
 * const span = {
 *   name: "chat small",
 *   spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" }),
 *   startTime: [1_770_993_022, 0] as const,
 *   endTime: [1_770_993_023, 500_000_000] as const,
 *   status: { code: 0 },
 *   attributes: {
 *     "gen_ai.operation.name": "chat",
 *     "gen_ai.response.model": "small",
 *     "gen_ai.usage.input_tokens": 812,
 *     "gen_ai.usage.output_tokens": 40,
 *   },
 *   events: [],
 * };
 * exporter.export([span], ({ code }) => assertEquals(code, 0));
 * await exporter.forceFlush();
 *
 * const [event] = await log.lastEvents(1);
 * assertEquals([event?.model, event?.input_t, event?.duration_ms], ["small", 812, 1500]);
 * ```
 */
export function otelSpanExporter(
  log: AuditLogger,
  options: TelemetryOptions = {},
): OtelSpanExporter {
  checkOptions(options, TELEMETRY_CHECKS, ACTION);
  const calls = new CallLog(log, options, ACTION);
  const inner = new InnerSpans();
  const { toolCalls = true } = options;
  const writing = new Set<Promise<void>>();

  async function write(span: OtelSpan): Promise<void> {
    const kind = kindOf(span);
    if (kind === "model" && !inner.repeats(span)) await recordModel(calls, span);
    else if (kind === "tool" && toolCalls) await recordTool(calls, span);
  }

  const settled = async () => void await Promise.allSettled([...writing]);
  return {
    export(spans, done) {
      const all = Promise.all(spans.map(write)).then(() => {});
      writing.add(all);
      all.then(() => done({ code: 0 }), (error) => done({ code: 1, error }))
        .finally(() => writing.delete(all));
    },
    forceFlush: settled,
    shutdown: settled,
  };
}

/** Number of spans of model calls to remember. An outer span ends right after the span inside it, so few are needed. */
const INNER_MAX = 1_000;

/**
 * The last spans of model calls. Two instrumentations may report the same call as two spans, one inside the other; only
 * the inner span is logged.
 */
class InnerSpans {
  /** The IDs of the trace, the parent and the response of each span, oldest first. */
  readonly #keys = new RecentKeys(INNER_MAX);

  /** Checks whether a span has the same response ID as a span inside it, and remembers the span. */
  repeats(span: OtelSpan): boolean {
    const responseId = responseIdOf(span);
    if (responseId === undefined) return false;
    const { traceId, spanId } = span.spanContext();
    const isRepeated = this.#keys.has(JSON.stringify([traceId, spanId, responseId]));
    this.#keys.add(JSON.stringify([traceId, span.parentSpanContext?.spanId, responseId]));
    return isRepeated;
  }
}

/**
 * Maximum difference in milliseconds between the clock of the spans and the clock of `auditedFetch()`. A call that
 * began up to this much earlier may be the same call.
 */
const CLOCKS_DIFFER_MS = 5;

/** Logs the span of a model call, unless another observer, such as `auditedFetch()`, has logged the call. */
function recordModel(calls: CallLog, span: OtelSpan): Promise<void> | undefined {
  const { finishReason, ...facts } = modelFacts(span);
  const { model, error, responseId } = facts;
  const beganMs = performance.now() - (Date.now() - epochMs(span.startTime)) - CLOCKS_DIFFER_MS;
  const outcome = error === undefined ? "ok" : "failed";
  if (calls.isLogged({ id: responseId, model, beganMs, outcome })) return undefined;
  return calls.record({
    ...facts,
    more: {
      ...placeOf(span),
      finish_reason: finishReason,
      conversation_id: textIn(span.attributes, ["gen_ai.conversation.id", "session.id"]),
    },
  });
}

function recordTool(calls: CallLog, span: OtelSpan): Promise<void> {
  return calls.log("tool_call", { ...placeOf(span), ...toolFields(span) });
}

function epochMs([seconds, nanoseconds]: readonly [number, number]): number {
  return seconds * 1000 + nanoseconds / 1e6;
}
