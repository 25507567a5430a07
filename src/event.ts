/**
 * What an event is: its types as callers write and read them, and the schema of its known fields.
 *
 * @module
 */
import { z } from "zod";
import { AuditEventError } from "./errors.ts";

/** The event types that the metrics and the Python original know. Simulations may invent others. */
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

/** Every {@linkcode EventType}, frozen. */
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
 * The known fields of an event to log. `undefined` and `null` are left out. A known field of the wrong type
 * is rejected, at compile time and at run time.
 */
export interface KnownFields {
  /** Session that the event belongs to; the log's own by default. */
  session_id?: string | null | undefined;
  /** Cost in USD, finite, >= 0. */
  cost?: number | null | undefined;
  /** Name of the model. */
  model?: string | null | undefined;
  /** Input tokens, an integer >= 0. */
  input_t?: number | null | undefined;
  /** Output tokens, an integer >= 0. */
  output_t?: number | null | undefined;
  /** Paths of the files concerned. */
  files?: readonly string[] | null | undefined;
  /** Why it happened. */
  reason?: string | null | undefined;
  /** Confidence in percent, 0 to 100. */
  confidence?: number | null | undefined;
  /** Duration in milliseconds, >= 0. */
  duration_ms?: number | null | undefined;
  /** Settings in force, an object. */
  config?: Readonly<Record<string, unknown>> | null | undefined;
  /** Path of the raw brief. */
  raw_brief_path?: string | null | undefined;
}

/**
 * The fields of an event to log: the known ones and any others. Another field may hold anything; what JSON
 * cannot hold becomes a string. `ts` and `event` among the fields are ignored: they belong to the log.
 */
export interface EventFields extends KnownFields {
  /** Any other field. */
  [name: string]: unknown;
}

/** An event and its fields in one object, as a stream of {@linkcode AuditLog.createWritable} takes it. */
export interface AuditRecordInput extends EventFields {
  /** The event's type, not empty. */
  event: EventType | (string & Record<never, never>);
}

/**
 * An event as read from a log. Every field may be missing, and a number may be `null`: other
 * programs write these files too, and Python's `NaN` reads as `null`.
 */
export interface AuditEvent {
  /** When it was logged, ISO 8601. */
  readonly ts?: string;
  /** The event's type. */
  readonly event?: string;
  /** Session that the event belongs to. */
  readonly session_id?: string;
  /** Cost in USD. */
  readonly cost?: number | null;
  /** Name of the model. */
  readonly model?: string;
  /** Input tokens. */
  readonly input_t?: number | null;
  /** Output tokens. */
  readonly output_t?: number | null;
  /** Paths of the files concerned. */
  readonly files?: readonly string[];
  /** Why it happened. */
  readonly reason?: string;
  /** Confidence in percent. */
  readonly confidence?: number | null;
  /** Duration in milliseconds. */
  readonly duration_ms?: number | null;
  /** Settings in force. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Path of the raw brief. */
  readonly raw_brief_path?: string;
  /** Any further field. */
  readonly [name: string]: unknown;
}

// Each message says what the value must be; checkKnownFields() puts it into a sentence.
const string = z.string({ error: "a string" });
// Not z.string().min(1), which also asks a value that is no string for its length.
const nonEmptyString = z.custom<string>(
  (value) => typeof value === "string" && value !== "",
  { error: "a non-empty string" },
);
const tokens = withOneMessage(
  "an integer >= 0 (tokens)",
  (error) => z.int(error).nonnegative(error),
);

/** A finite number >= 0 in the unit. */
function amount(unit: string): z.ZodNumber {
  return withOneMessage(
    `a finite number >= 0 (${unit})`,
    (error) => z.number(error).nonnegative(error),
  );
}

/** A schema whose checks all say the same: what the value must be, whichever of them it fails. */
function withOneMessage<T>(message: string, schema: (error: { error: string }) => T): T {
  return schema({ error: message });
}

// In the order in which a line carries them, after ts, event and session_id.
const knownFields = {
  cost: amount("USD"),
  model: string,
  input_t: tokens,
  output_t: tokens,
  files: z.array(string, { error: "an array of strings" }),
  reason: string,
  confidence: withOneMessage(
    "a number from 0 to 100",
    (error) => z.number(error).min(0, error).max(100, error),
  ),
  duration_ms: amount("milliseconds"),
  // Only the outside is checked: what config holds inside follows the rules of further fields.
  config: z.custom<object>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    { error: "an object" },
  ),
  raw_brief_path: string,
};

const schema = z.object({
  event: nonEmptyString,
  session_id: nonEmptyString,
  ...z.object(knownFields).partial().shape,
});

/** The values of the fields that the schema knows, not yet checked. */
export interface UncheckedFields {
  event: unknown;
  session_id: unknown;
  [name: string]: unknown;
}

/** Names of the optional known fields, in the order in which a line carries them. */
export const KNOWN_FIELD_NAMES: readonly string[] = Object.freeze(Object.keys(knownFields));

/** Names of the fields that hold text, whatever it looks like. */
export const TEXT_FIELD_NAMES: readonly string[] = Object.freeze([
  "event",
  "session_id",
  ...Object.entries(knownFields).filter(([, field]) => field === string).map(([name]) => name),
]);

/**
 * Checks the fields that the schema knows.
 *
 * @throws {AuditEventError} naming the first bad field and its value.
 */
export function checkKnownFields(fields: UncheckedFields): void {
  const result = schema.safeParse(fields);
  if (result.success) return;
  const issue = result.error.issues[0]!;
  const value = issue.path.reduce<unknown>(
    (holder, key) => (holder as Record<PropertyKey, unknown>)[key],
    fields,
  );
  throw fieldError(issue.path.join("."), value, `be ${issue.message}`);
}

/** The error of a field whose value is not what it must be. */
export function fieldError(field: string, value: unknown, demand: string): AuditEventError {
  return new AuditEventError(`Cannot log event: ${field} must ${demand}, got ${shown(value)}`, {
    field,
    value,
  });
}

/** A value as a short text for an error message; runs no code of the value's own. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return isArray(value) ? "an array" : "an object";
  return String(value);
}

/** As `Array.isArray()`, which throws for a revoked proxy. */
function isArray(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    // Nobody can tell what it was, and it is none any more.
    return false;
  }
}

/** Kinds of objects that hold something else than named members. */
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
 * Returns the kind of an object that is no record of named members, such as "a Map", or "". A caller who passes
 * one as fields or options has mistaken the argument, or forgotten an `await`.
 */
export function nonRecordKind(value: object): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return "";
  if (Array.isArray(value)) return "an array";
  if (ArrayBuffer.isView(value)) return "a typed array";
  return NON_RECORDS.find(([type]) => value instanceof type)?.[1] ?? "";
}
