/**
 * Reads the facts that a span of OpenTelemetry states about a model call or a tool call. The attributes have the names
 * of the GenAI conventions, old or new, or of OpenInference. Pure.
 *
 * Invariant: a span of an agent, a chain or a workflow never counts as a model call, because it repeats the usage of
 * the spans in it.
 *
 * @module
 */
import { roundedMs } from "./event_values.ts";
import { type TokenUsage, usageOf } from "./usage.ts";

/**
 * A finished span, with only the members that the exporter reads: a part of `ReadableSpan` of
 * `@opentelemetry/sdk-trace-base`.
 */
export interface OtelSpan {
  /** Name of the span. */
  readonly name: string;
  /**
   * Returns the IDs of the span.
   *
   * @returns The IDs of the trace and of the span.
   */
  spanContext(): { readonly traceId: string; readonly spanId: string };
  /** The parent of the span; missing if the span is the outermost of its trace. */
  readonly parentSpanContext?: { readonly spanId: string } | undefined;
  /** Start of the span, in seconds since the epoch and nanoseconds. */
  readonly startTime: readonly [number, number];
  /** End of the span, in seconds since the epoch and nanoseconds. */
  readonly endTime: readonly [number, number];
  /** Status of the span; the code 2 means an error. */
  readonly status: { readonly code: number; readonly message?: string | undefined };
  /** The attributes of the span, such as `gen_ai.usage.input_tokens`. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The events of the span, such as exceptions. */
  readonly events: readonly {
    readonly name: string;
    readonly attributes?: Readonly<Record<string, unknown>> | undefined;
  }[];
}

type Attributes = OtelSpan["attributes"];

/** The operations of OpenTelemetry's GenAI conventions that call a model. */
const MODEL_OPERATIONS = ["chat", "text_completion", "generate_content", "embeddings"];
/** The OpenInference kinds of spans that are model calls. */
const MODEL_KINDS = ["LLM", "EMBEDDING"];

/** Returns the kind of a span: the call of a model, of a tool, or something else. */
export function kindOf({ attributes }: OtelSpan): "model" | "tool" | "other" {
  const operation = attributes["gen_ai.operation.name"];
  const kind = attributes["openinference.span.kind"];
  if (operation === "execute_tool" || kind === "TOOL") return "tool";
  if (kind !== undefined) return MODEL_KINDS.includes(kind as string) ? "model" : "other";
  if (operation !== undefined) {
    return MODEL_OPERATIONS.includes(operation as string) ? "model" : "other";
  }
  // The AI SDK has a span such as "ai.generateText.doGenerate" for each model call, within a span "ai.generateText".
  const ofAiSdk = attributes["ai.operationId"];
  if (typeof ofAiSdk === "string" && !ofAiSdk.includes(".do")) return "other";
  const hasModel = modelOf(attributes) !== undefined;
  return hasModel && attributes["gen_ai.system"] !== undefined ? "model" : "other";
}

/** Returns the name of the model that answered; if it is not stated, the name of the requested model. */
function modelOf(attributes: Attributes): string | undefined {
  return textIn(attributes, [
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
  ]);
}

/** Returns the name that the provider has in LiteLLM's tables, such as "gemini" for "gcp.gemini". */
function providerOf(attributes: Attributes): string | undefined {
  const name = textIn(attributes, [
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
  ]);
  return name === undefined ? undefined : PROVIDERS.get(name) ?? name.split(".")[0];
}

/** The names of providers in LiteLLM's price tables, by their names in OpenTelemetry's conventions. */
const PROVIDERS: ReadonlyMap<string, string> = new Map([
  ["az.ai.inference", "azure"],
  ["az.ai.openai", "azure"],
  ["azure.ai.inference", "azure"],
  ["azure.ai.openai", "azure"],
  ["aws.bedrock", "bedrock"],
  ["gcp.gemini", "gemini"],
  ["gcp.gen_ai", "gemini"],
  ["gcp.vertex_ai", "vertex_ai"],
  ["google", "gemini"],
  ["mistral_ai", "mistral"],
  ["x_ai", "xai"],
]);

/** Returns the token usage and the cost that a span states; `undefined` if it states neither. */
export function usageIn(attributes: Attributes): TokenUsage | undefined {
  const count = (names: readonly string[]) =>
    names.map((name) => attributes[name]).find((value) => value !== undefined);
  const cost = costIn(attributes);
  const input = count(INPUT);
  const output = count(OUTPUT) ?? (isEmbedding(attributes) ? 0 : undefined);
  return usageOf({
    inputTokens: input,
    outputTokens: output,
    inputTokenDetails: { cacheReadTokens: count(READ), cacheWriteTokens: count(WRITE) },
    outputTokenDetails: { reasoningTokens: count(REASONING) },
    service_tier: textIn(attributes, [
      "openai.response.service_tier",
      "gen_ai.openai.response.service_tier",
    ]),
    ...(cost === undefined ? {} : { cost }),
  });
}

const INPUT = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"];
const OUTPUT = [
  "gen_ai.usage.output_tokens",
  "gen_ai.usage.completion_tokens",
  "llm.token_count.completion",
];
const READ = [
  "gen_ai.usage.cache_read.input_tokens",
  "gen_ai.usage.cache_read_input_tokens",
  "gen_ai.usage.input_tokens.cached",
  "llm.token_count.prompt_details.cache_read",
];
const WRITE = [
  "gen_ai.usage.cache_write.input_tokens",
  "gen_ai.usage.cache_creation.input_tokens",
  "gen_ai.usage.cache_creation_input_tokens",
  "gen_ai.usage.input_tokens.cache_write",
  "llm.token_count.prompt_details.cache_write",
];
const REASONING = [
  "gen_ai.usage.reasoning.output_tokens",
  "gen_ai.usage.reasoning_tokens",
  "gen_ai.usage.output_tokens.reasoning",
  "llm.token_count.completion_details.reasoning",
];

function isEmbedding(attributes: Attributes): boolean {
  return attributes["gen_ai.operation.name"] === "embeddings" ||
    attributes["openinference.span.kind"] === "EMBEDDING";
}

/**
 * Returns the cost in USD that a span states. Ignores a cost that the instrumentation has computed from its own prices,
 * because the prices of the user are usually newer.
 */
function costIn(attributes: Attributes): number | undefined {
  const isDollar = (attributes["gen_ai.usage.cost.currency"] ?? "USD") === "USD";
  const isLocal = attributes["gen_ai.usage.cost.source"] === "local";
  const stated = attributes["gen_ai.usage.cost.amount"] ?? attributes["gen_ai.usage.cost"] ??
    attributes["llm.cost.total"];
  return typeof stated === "number" && isDollar && !isLocal ? stated : undefined;
}

/** An error that a span states. */
export interface SpanError {
  readonly type: string | undefined;
  readonly message: string | undefined;
}

/** Returns the error that a span states; `undefined` if it states none. */
function errorOf({ status, attributes, events }: OtelSpan): SpanError | undefined {
  const type = textIn(attributes, ["error.type"]);
  if (status.code !== ERROR && type === undefined) return undefined;
  const thrown = events.find(({ name }) => name === "exception")?.attributes ?? {};
  return {
    type: type ?? textIn(thrown, ["exception.type"]),
    message: status.message ?? textIn(thrown, ["exception.message"]),
  };
}

/** The status code of a span with an error. */
const ERROR = 2;

/**
 * Returns the status of a call. OpenTelemetry marks an aborted call as an error, so an abort is recognized by the type
 * of the error.
 */
function statusOf(error: SpanError | undefined): "ok" | "error" | "aborted" {
  if (error === undefined) return "ok";
  return ABORTS.includes(error.type ?? "") ? "aborted" : "error";
}

/** The types of errors that instrumentations state for an aborted call. */
const ABORTS = ["AbortError", "APIUserAbortError", "cancelled", "canceled"];

/** Returns the fields with the IDs of a span: of its trace, the span itself and its parent. */
export function placeOf(span: OtelSpan): object {
  const { traceId, spanId } = span.spanContext();
  return { trace_id: traceId, span: spanId, parent: span.parentSpanContext?.spanId };
}

/**
 * Returns the milliseconds from the start of a call until the first output of its stream; `undefined` if the span does
 * not state them.
 */
function ttftOf(attributes: Attributes): number | undefined {
  const seconds = attributes["gen_ai.response.time_to_first_chunk"];
  if (typeof seconds === "number") return seconds * 1000;
  const ms = attributes["ai.response.msToFirstChunk"];
  return typeof ms === "number" ? ms : undefined;
}

/** Returns the duration of a span in milliseconds. */
function durationOf({ startTime, endTime }: OtelSpan): number {
  return (endTime[0] - startTime[0]) * 1000 + (endTime[1] - startTime[1]) / 1e6;
}

/**
 * Returns the value of the first named attribute that is a text. Also accepts a list, because some instrumentations
 * state a list with one text.
 */
export function textIn(attributes: Attributes, names: readonly string[]): string | undefined {
  return names.map((name) => attributes[name])
    .map((value) => Array.isArray(value) ? value[0] : value)
    .find((value) => typeof value === "string");
}

/** Returns the ID of the response of a model; `undefined` if the span does not state it. */
export function responseIdOf({ attributes }: OtelSpan): string | undefined {
  return textIn(attributes, ["gen_ai.response.id"]);
}

/** The facts that the span of a model call states. */
export interface ModelFacts {
  readonly status: "ok" | "error" | "aborted";
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly usage: TokenUsage | undefined;
  /** Duration of the call in milliseconds. */
  readonly durationMs: number;
  /** Milliseconds from the start of the call until the first output of its stream. */
  readonly ttftMs: number | undefined;
  readonly error: SpanError | undefined;
  readonly responseId: string | undefined;
  readonly finishReason: string | undefined;
}

/** Returns the facts that the span of a model call states. */
export function modelFacts(span: OtelSpan): ModelFacts {
  const { attributes } = span;
  const error = errorOf(span);
  const ttft = ttftOf(attributes);
  return {
    status: statusOf(error),
    model: modelOf(attributes),
    provider: providerOf(attributes),
    usage: usageIn(attributes),
    durationMs: roundedMs(durationOf(span)),
    ttftMs: ttft === undefined ? undefined : roundedMs(ttft),
    error,
    responseId: responseIdOf(span),
    finishReason: textIn(attributes, ["gen_ai.response.finish_reasons"]),
  };
}

/** Returns the fields of the event of a tool call, without the IDs of its span. */
export function toolFields(span: OtelSpan): object {
  const { attributes, name } = span;
  const error = errorOf(span);
  return {
    tool: textIn(attributes, ["gen_ai.tool.name", "tool.name"]) ?? name,
    tool_call_id: textIn(attributes, ["gen_ai.tool.call.id", "tool_call.id"]),
    status: error === undefined ? "ok" : "error",
    error,
    duration_ms: roundedMs(durationOf(span)),
  };
}
