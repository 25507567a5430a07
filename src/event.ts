/**
 * Defines the TypeScript types of events to log and of events that readers return, and lists reserved and often mistaken
 * names.
 *
 * @module
 */
import { AuditEventError } from "./errors.ts";

/**
 * The event types that the metrics know, and those of the Python class that this library replaces. Any other type can
 * be logged too.
 */
export type EventType =
  | "nav"
  | "brief"
  | "cascade"
  | "validation_fail"
  | "budget"
  | "skip"
  | "trigger"
  | "tldr"
  | "tldr_auto_generated"
  | "deep"
  | "doc_sync"
  | "commit_draft"
  | "pr_snippet"
  | "impact_analysis"
  | "module_brief"
  | "pr_synthesis"
  | "roast_with_docs"
  | "gate_compress"
  | "gate_escalate";

/** Every {@linkcode EventType}, in a frozen array. */
export const EVENT_TYPES: readonly EventType[] = Object.freeze([
  "nav",
  "brief",
  "cascade",
  "validation_fail",
  "budget",
  "skip",
  "trigger",
  "tldr",
  "tldr_auto_generated",
  "deep",
  "doc_sync",
  "commit_draft",
  "pr_snippet",
  "impact_analysis",
  "module_brief",
  "pr_synthesis",
  "roast_with_docs",
  "gate_compress",
  "gate_escalate",
]);

/**
 * The known fields of an event to log. Fields that are `undefined` or `null` are left out. A known field of the
 * wrong type is rejected at compile time and at run time.
 */
export interface KnownFields {
  /** ID of the session that the event belongs to, a non-empty string. By default, the session ID of the log. */
  session_id?: string | null | undefined;
  /** Cost in USD, finite, >= 0. */
  cost?: number | null | undefined;
  /** Name of the model. */
  model?: string | null | undefined;
  /** Number of input tokens, an integer >= 0. */
  input_t?: number | null | undefined;
  /** Number of output tokens, an integer >= 0. */
  output_t?: number | null | undefined;
  /** Paths of the files that the event is about. */
  files?: readonly string[] | null | undefined;
  /** Reason for the event. */
  reason?: string | null | undefined;
  /** Confidence in percent, 0 to 100. */
  confidence?: number | null | undefined;
  /** Duration in milliseconds, >= 0. */
  duration_ms?: number | null | undefined;
  /** Settings that applied to the event, as an object. */
  config?: Readonly<Record<string, unknown>> | null | undefined;
  /** Path of the raw brief. */
  raw_brief_path?: string | null | undefined;
  /** Number of input tokens that were read from a cache, an integer >= 0; a part of `input_t`. */
  cache_read_t?: number | null | undefined;
  /** Number of input tokens that were written to a cache, an integer >= 0; a part of `input_t`. */
  cache_write_t?: number | null | undefined;
  /** Number of tokens of reasoning, an integer >= 0; a part of `output_t`. */
  reasoning_t?: number | null | undefined;
}

/**
 * The fields of an event to log: the known fields and any others. Other fields may have any value; a value that
 * JSON cannot hold is written in a readable form, such as a string. Fields named `ts` and `event` are ignored,
 * because the log sets these fields itself. A field named `hold`, and event types that begin with `budget_`, are
 * reserved.
 */
export interface EventFields extends KnownFields {
  /** Any other field. */
  [name: string]: unknown;
}

/** An event type and fields in one object: a chunk for a stream from {@linkcode AuditLog.createWritable}. */
export interface AuditRecordInput extends EventFields {
  /** Type of the event, not empty. */
  event: EventType | (string & Record<never, never>);
}

/**
 * An event as read from a log. Any field may be missing and a number may be `null`, because other programs also
 * write these files. `NaN`, as Python writes it, is read as `null`.
 */
export interface AuditEvent {
  /** Time at which the event was logged, ISO 8601. */
  readonly ts?: string;
  /** Type of the event. */
  readonly event?: string;
  /** ID of the session that the event belongs to. */
  readonly session_id?: string;
  /** Cost in USD. */
  readonly cost?: number | null;
  /** Name of the model. */
  readonly model?: string;
  /** Number of input tokens. */
  readonly input_t?: number | null;
  /** Number of output tokens. */
  readonly output_t?: number | null;
  /** Paths of the files that the event is about. */
  readonly files?: readonly string[];
  /** Reason for the event. */
  readonly reason?: string;
  /** Confidence in percent, 0 to 100. */
  readonly confidence?: number | null;
  /** Duration in milliseconds. */
  readonly duration_ms?: number | null;
  /** Settings that applied to the event. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Path of the raw brief. */
  readonly raw_brief_path?: string;
  /** Number of input tokens that were read from a cache; a part of `input_t`. */
  readonly cache_read_t?: number | null;
  /** Number of input tokens that were written to a cache; a part of `input_t`. */
  readonly cache_write_t?: number | null;
  /** Number of tokens of reasoning; a part of `output_t`. */
  readonly reasoning_t?: number | null;
  /** Any other field. */
  readonly [name: string]: unknown;
}

/**
 * The suffix of the type of an event that begins a span, such as `tool_call_begin`. A span is a call of which the
 * beginning and the end are logged.
 */
export const BEGIN_SUFFIX = "_begin";

/** The prefix of the event types that are reserved for the lines of budgets. */
const RESERVED_TYPE = "budget_";
/** The type of the lines that store the state of all budgets. */
export const BUDGET_STATE = "budget_state";
/** The type of the lines that reserve an amount on budgets before a call. */
export const BUDGET_HOLD = "budget_hold";
/** The type of the lines that count refused holds. A hold reserves an amount on a budget before a call. */
export const BUDGET_REFUSED = "budget_refused";
/**
 * The name of the field that only the lines of budgets may have. It contains the ID of a hold, which reserves an
 * amount.
 */
export const RESERVED_FIELD = "hold";

/** Returns the error for an event that sets the field `hold`, which is reserved for the lines of budgets. */
export function reservedFieldError(value: unknown): AuditEventError {
  return fieldError(RESERVED_FIELD, value, "not be set, because it is reserved for budgets");
}

/**
 * The suffix that an import adds to an event type or field name that is reserved for budgets, so that the log accepts
 * the name.
 */
export const RAW_SUFFIX = "_raw";

/**
 * Checks that an event type is not reserved for the lines of budgets.
 *
 * @throws {AuditEventError} If the type is reserved.
 */
export function checkNotReserved(event: unknown): void {
  if (!isReservedType(event)) return;
  const demand = `not begin with ${RESERVED_TYPE}, which is reserved for budgets`;
  throw fieldError("event", event, demand);
}

/**
 * Checks whether an event type is reserved for the lines of budgets: it begins with `budget_` and does not end with
 * `_raw`.
 */
export function isReservedType(type: unknown): boolean {
  return typeof type === "string" && type.startsWith(RESERVED_TYPE) && !type.endsWith(RAW_SUFFIX);
}

/**
 * Names that callers likely use in place of the name of a known field: misspellings, and the names of the OpenAI,
 * Anthropic and Vercel SDKs. Such a field is stored, but metrics, budgets and reports do not read it.
 */
export const MISNAMED_FIELDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    cost: ["costs", "costUsd", "cost_usd", "costUSD", "totalCost", "total_cost"],
    input_t: ["inputT", "input_tokens", "inputTokens", "prompt_tokens", "promptTokens"],
    output_t: ["outputT", "output_tokens", "outputTokens", "completion_tokens", "completionTokens"],
    duration_ms: ["durationMs", "latency_ms", "latencyMs"],
    session_id: ["sessionId"],
  }).flatMap(([known, names]) => names.map((name) => [name, known])),
);

/** Returns the error for an invalid field of an event. `demand` completes the sentence "the field cost must". */
export function fieldError(
  field: string,
  value: unknown,
  demand: string,
  cause?: unknown,
): AuditEventError {
  return new AuditEventError(
    `Cannot log event: the field "${field}" must ${demand}, got ${shown(value)}`,
    cause === undefined ? { field, value } : { field, value, cause },
  );
}

/** Returns a value as a short text for an error message, without calling any code of the value. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return isArray(value) ? "an array" : "an object";
  return String(value);
}

/** Checks whether the value is an array, as `Array.isArray()` does, but does not throw for a revoked proxy. */
function isArray(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    // Array.isArray() throws for a revoked proxy, because the target of the proxy is unknown. So the value does not
    // count as an array.
    return false;
  }
}

/** Classes whose objects are not records of named members, each with its name for an error message. */
const NON_RECORDS: readonly [type: abstract new (...args: never[]) => object, kind: string][] = [
  [Error, "an Error"],
  [Map, "a Map"],
  [Set, "a Set"],
  [WeakMap, "a WeakMap"],
  [Date, "a Date"],
  [Promise, "a Promise"],
  [RegExp, "a RegExp"],
  [ArrayBuffer, "an ArrayBuffer"],
  [URL, "a URL"],
  [URLSearchParams, "a URLSearchParams"],
  [Headers, "a Headers"],
  [FormData, "a FormData"],
  [String, "a String"],
  [Number, "a Number"],
];

/**
 * Returns the kind of an object that is not a record of named members, such as "a Map", or "" for a record. A
 * caller that passes such an object as fields or options has mixed up arguments or forgotten an `await`.
 */
export function nonRecordKind(value: object): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return "";
  if (Array.isArray(value)) return "an array";
  if (ArrayBuffer.isView(value)) return "a typed array";
  return NON_RECORDS.find(([type]) => value instanceof type)?.[1] ?? "";
}

/**
 * Returns the value of a field of an event; undefined if the event does not have the field. A name with dots, such as
 * `config.mode`, is first looked up as it is, and else as a path of members of objects.
 */
export function fieldOf(event: AuditEvent, name: string): unknown {
  if (Object.hasOwn(event, name)) return event[name];
  if (!name.includes(".")) return undefined;
  let value: unknown = event;
  for (const member of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, member)) {
      return undefined;
    }
    value = (value as Readonly<Record<string, unknown>>)[member];
  }
  return value;
}

/** The text of a value that is nested too deep for `JSON.stringify()`. Another program may have written such a line. */
const TOO_DEEP = "[Too deep]";

/** Returns the value of a field as text: a string as it is, any other value as JSON. */
export function fieldText(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value);
  } catch (error) {
    // A RangeError means that the value is nested so deep that the stack has overflowed. JSON.stringify() throws other
    // errors for a cycle and a BigInt, but a parsed line has neither.
    if (error instanceof RangeError) return TOO_DEEP;
    throw error;
  }
}

/** Returns the text by which events are grouped by a field; null if the field is missing or null. */
export function groupText(event: AuditEvent, name: string): string | null {
  const value = fieldOf(event, name);
  return value === undefined || value === null ? null : fieldText(value);
}

/**
 * Returns the type of the events that end a span, given the type of the event that begins it: `X` for `X_begin`.
 * Returns null if events of the given type do not begin a span.
 */
export function typeBegunBy(type: string): string | null {
  if (!type.endsWith(BEGIN_SUFFIX) || type === BEGIN_SUFFIX) return null;
  const begun = type.slice(0, -BEGIN_SUFFIX.length);
  // An event `X_begin_begin` does not begin a span, because the end of the span, `X_begin`, would begin another span.
  return begun.endsWith(BEGIN_SUFFIX) ? null : begun;
}
