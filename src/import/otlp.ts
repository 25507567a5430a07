/**
 * Reads spans in the JSON encoding of OTLP, as the file exporter of the OpenTelemetry Collector writes them: each line
 * has a batch of spans of one signal, in any order. Pure.
 *
 * - Integers of 64 bits are strings.
 * - Spans of agents, chains and workflows repeat the usage of the calls in them. So may the span of a call: two
 *   instrumentations can report one call as two spans, one inside the other. Only the inner span counts.
 * - Spans have the attributes `gen_ai.*`, under old or new names, or those of OpenInference.
 *
 * @module
 */
import { type JsonObject, objectOf, objectsIn, textOf } from "../llm/json_values.ts";
import {
  kindOf,
  modelFacts,
  type OtelSpan,
  placeOf,
  responseIdOf,
  textIn,
  toolFields,
  usageIn,
} from "../llm/span_call.ts";
import { shown } from "../event.ts";
import { RecentMap } from "./recent_map.ts";
import {
  type CallFields,
  RecordError,
  type StatedCall,
  type TranscriptReader,
  type UsageListener,
} from "./stated_call.ts";

/**
 * Number of spans of model calls to keep, until a span inside one of them would surely have come. Spans are not in
 * order, but an outer span is exported soon after the span inside it, or before it.
 */
const SPANS_MAX = 10_000;

/** The members of records that have no spans. */
const OTHER_SIGNALS = ["resourceLogs", "resourceMetrics"];

/** A span of a model call, and the attributes of its resource, which describe the program. */
interface ModelSpan {
  readonly span: OtelSpan;
  readonly resource: JsonObject;
  readonly line: number;
}

/** Reads the calls from spans in OTLP JSON. */
export class OtlpReader implements TranscriptReader {
  readonly #listener: UsageListener;
  readonly #text: boolean;
  /** The spans of model calls, by the IDs of their trace and themselves. */
  readonly #models = new RecentMap<ModelSpan>(SPANS_MAX);
  /** The spans of model calls that are inside another span, by the IDs of their trace and of that span. */
  readonly #inner = new RecentMap<OtelSpan[]>(SPANS_MAX);
  readonly openTools = 0;
  #others = 0;

  /** @param text Whether the events get the prompts and answers. */
  constructor(listener: UsageListener, { text }: { text: boolean }) {
    this.#listener = listener;
    this.#text = text;
  }

  get otherSignals(): number {
    return this.#others;
  }

  *take(record: JsonObject, line: number): Generator<StatedCall> {
    if (OTHER_SIGNALS.some((name) => name in record)) this.#others++;
    for (const { resource, scopeSpans } of objectsIn(record.resourceSpans)) {
      const attributes = attributesIn(objectOf(resource)?.attributes);
      for (const { spans } of objectsIn(scopeSpans)) {
        for (const span of objectsIn(spans)) yield* this.#takeSpan(span, attributes, line);
      }
    }
  }

  *end(): Generator<StatedCall> {}

  /** Yields the remaining calls after the last source, because the spans of a trace may be in several files. */
  *endAll(): Generator<StatedCall> {
    for (const model of this.#models.removeAll()) yield* this.#callOf(model);
  }

  *#takeSpan(json: JsonObject, resource: JsonObject, line: number): Generator<StatedCall> {
    const span = spanOf(json, line);
    const kind = kindOf(span);
    if (kind === "tool") yield this.#toolCallOf({ span, resource, line });
    else if (kind === "model") {
      const { traceId, spanId } = span.spanContext();
      const outer = span.parentSpanContext?.spanId;
      if (outer !== undefined) {
        const outerKey = `${traceId} ${outer}`;
        this.#inner.set(outerKey, [...this.#inner.get(outerKey) ?? [], span]);
      }
      const key = `${traceId} ${spanId}`;
      if (this.#models.get(key) !== undefined) return this.#reportAgain(span);
      const released = this.#models.set(key, { span, resource, line });
      if (released !== undefined) yield* this.#callOf(released);
    } else {
      const usage = usageIn(span.attributes);
      if (usage === undefined) return;
      this.#listener.stated(usage);
      this.#listener.leftOut("spans that repeat the usage of other spans", usage, 1);
    }
  }

  /** Reports a span that the source has twice, for example because its export was tried again. */
  #reportAgain({ attributes }: OtelSpan): void {
    const usage = usageIn(attributes);
    if (usage === undefined) return;
    this.#listener.stated(usage);
    this.#listener.leftOut("calls that are stated again", usage, 1);
  }

  *#callOf(model: ModelSpan): Generator<StatedCall> {
    const { span, line } = model;
    const { attributes } = span;
    const usage = usageIn(attributes);
    if (usage !== undefined) this.#listener.stated(usage);
    if (this.#repeats(span)) {
      if (usage === undefined) return;
      this.#listener.leftOut("spans that repeat the usage of other spans", usage, 1);
      return;
    }
    const { durationMs, ttftMs, responseId, finishReason, ...facts } = modelFacts(span);
    yield {
      id: idOf(span),
      epochMs: endMsOf(span),
      line,
      event: "llm_call",
      usage,
      fields: {
        ...commonFields(model),
        model: facts.model,
        provider: facts.provider,
        status: facts.status,
        error: facts.error,
        duration_ms: durationMs,
        ttft_ms: ttftMs,
        response_id: responseId,
        finish_reason: finishReason,
        prompt: this.#textOf(attributes, PROMPTS),
        answer: this.#textOf(attributes, ANSWERS),
      },
    };
  }

  /** Checks whether a span inside the span is the same call: the IDs of the responses are equal, or one is missing. */
  #repeats(span: OtelSpan): boolean {
    const { traceId, spanId } = span.spanContext();
    const inner = this.#inner.get(`${traceId} ${spanId}`) ?? [];
    return inner.some((each) => {
      const [outerId, innerId] = [responseIdOf(span), responseIdOf(each)];
      return outerId === undefined || innerId === undefined || outerId === innerId;
    });
  }

  #toolCallOf(model: ModelSpan): StatedCall {
    const { span, line } = model;
    const { attributes } = span;
    return {
      id: idOf(span),
      epochMs: endMsOf(span),
      line,
      event: "tool_call",
      usage: undefined,
      fields: {
        ...commonFields(model),
        ...toolFields(span),
        input: this.#textOf(attributes, ["gen_ai.tool.call.arguments", "input.value"]),
        output: this.#textOf(attributes, ["gen_ai.tool.call.result", "output.value"]),
      },
    };
  }

  #textOf(attributes: OtelSpan["attributes"], names: readonly string[]): unknown {
    return this.#text
      ? names.map((name) => attributes[name]).find((each) => each !== undefined)
      : undefined;
  }
}

const PROMPTS = ["gen_ai.input.messages", "gen_ai.prompt", "input.value"];
const ANSWERS = ["gen_ai.output.messages", "gen_ai.completion", "output.value"];

function idOf(span: OtelSpan): string {
  const { traceId, spanId } = span.spanContext();
  return `otlp-${traceId}-${spanId}`;
}

function endMsOf({ endTime: [seconds, nanoseconds] }: OtelSpan): number {
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

function commonFields({ span, resource }: ModelSpan): CallFields {
  const { attributes } = span;
  const conversation = textIn(attributes, ["gen_ai.conversation.id", "session.id"]) ??
    textOf(resource["session.id"]);
  return {
    session_id: conversation || span.spanContext().traceId || undefined,
    agent: textIn(attributes, ["gen_ai.agent.name"]),
    service: textOf(resource["service.name"]),
    ...placeOf(span),
  };
}

/**
 * Returns a span in the structure of the JavaScript SDK.
 *
 * @throws {RecordError} If the span has no ID, or an invalid time.
 */
function spanOf(json: JsonObject, line: number): OtelSpan {
  const [traceId, spanId] = [textOf(json.traceId), textOf(json.spanId)];
  if (!traceId || !spanId) throw new RecordError(line, "a span has no traceId or no spanId");
  const parent = textOf(json.parentSpanId);
  const status = objectOf(json.status) ?? {};
  return {
    name: textOf(json.name) ?? "",
    spanContext: () => ({ traceId, spanId }),
    parentSpanContext: parent ? { spanId: parent } : undefined,
    startTime: timeIn(json, "startTimeUnixNano", line),
    endTime: timeIn(json, "endTimeUnixNano", line),
    status: {
      code: status.code === "STATUS_CODE_ERROR" || status.code === 2 ? 2 : 0,
      message: textOf(status.message),
    },
    attributes: attributesIn(json.attributes),
    events: objectsIn(json.events).map(({ name, attributes }) => ({
      name: textOf(name) ?? "",
      attributes: attributesIn(attributes),
    })),
  };
}

/** Returns a time as seconds since the epoch and nanoseconds. */
function timeIn(json: JsonObject, name: string, line: number): [number, number] {
  const value = json[name];
  const digits = typeof value === "number" ? `${value}` : textOf(value) ?? "";
  if (/^\d{1,19}$/.test(digits)) {
    const nanoseconds = BigInt(digits);
    if (nanoseconds > 0n) {
      return [Number(nanoseconds / 1_000_000_000n), Number(nanoseconds % 1_000_000_000n)];
    }
  }
  throw new RecordError(
    line,
    `${name} must be a time in nanoseconds since 1970, got ${shown(value)}`,
  );
}

/** Returns attributes, which OTLP writes as a list of keys and typed values, as an object. */
function attributesIn(list: unknown): JsonObject {
  const entries = objectsIn(list).filter(({ key }) => typeof key === "string")
    .map(({ key, value }) => [key as string, valueIn(objectOf(value) ?? {})]);
  return Object.fromEntries(entries);
}

function valueIn(value: JsonObject): unknown {
  if ("stringValue" in value) return value.stringValue;
  if ("intValue" in value) return numberIn(value.intValue);
  if ("doubleValue" in value) return numberIn(value.doubleValue);
  if ("boolValue" in value) return value.boolValue;
  if ("arrayValue" in value) {
    return objectsIn(objectOf(value.arrayValue)?.values).map(valueIn);
  }
  if ("kvlistValue" in value) return attributesIn(objectOf(value.kvlistValue)?.values);
  return value.bytesValue;
}

/** Returns a number that may be written as a string; the string if the number would lose digits. */
function numberIn(value: unknown): unknown {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const number = Number(value);
  return typeof value === "string" && Number.isInteger(number) && !Number.isSafeInteger(number)
    ? value
    : number;
}
