/**
 * Decides from the documented rules for each field whether the log must accept or reject an event.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { AuditEventError, messageOf } from "../../src/errors.ts";
import { Violation } from "./harness.ts";
import type { FuzzedEvent } from "./fuzz_values.ts";

/** The required outcome for a value: accepted, rejected, or "either" if both are acceptable. */
type Verdict = "taken" | "refused" | "either";

const isNumber = (value: unknown): value is number => typeof value === "number";
const amount = (value: unknown) => isNumber(value) && Number.isFinite(value) && value >= 0;
const isText = (value: unknown) => typeof value === "string";
const tokens = (value: unknown) => amount(value) && Number.isInteger(value);

const TESTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  session_id: (value) => isText(value) && value !== "",
  cost: amount,
  model: isText,
  input_t: tokens,
  output_t: tokens,
  reason: isText,
  confidence: (value) => isNumber(value) && value >= 0 && value <= 100,
  duration_ms: amount,
  raw_brief_path: isText,
  cache_read_t: tokens,
  cache_write_t: tokens,
  reasoning_t: tokens,
};
const BELONGING_TO_LOG = ["ts", "event"];

/** Reads the value of a field. Returns `null` if reading it throws. */
export function read(object: object, name: string): { value: unknown } | null {
  try {
    return { value: (object as Record<string, unknown>)[name] };
  } catch {
    // Reading the value threw, for example because of a getter. Only this fact matters, not the error.
    return null;
  }
}

/** Classes whose instances are not plain records, so they must be rejected as the fields of an event. */
const NO_RECORDS = [
  ...[Error, Map, Set, WeakMap, Date, Promise, RegExp, ArrayBuffer],
  ...[URL, URLSearchParams, Headers, FormData, String, Number],
];

/** Returns the names of the fields, or `null` if they cannot be determined. */
export function namesOf(fields: unknown): string[] | null {
  if (fields === undefined) return [];
  try {
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return null;
    if (ArrayBuffer.isView(fields) || NO_RECORDS.some((type) => fields instanceof type)) {
      return null;
    }
    return Object.keys(fields).filter((name) => !BELONGING_TO_LOG.includes(name));
  } catch {
    // The value is a hostile proxy, whose names cannot be listed.
    return null;
  }
}

/**
 * Returns the names of the fields because of which the call must be rejected, and of those because of which it may be.
 */
export function refusable({ type, fields }: FuzzedEvent): { must: string[]; may: string[] } {
  const names = namesOf(fields);
  const verdicts = (names ?? []).map((name) => [name, verdictOf(fields as object, name)] as const);
  const of = (wanted: Verdict) =>
    verdicts.filter(([, verdict]) => verdict === wanted).map(([name]) => name);
  return {
    must: [
      ...names === null ? ["fields"] : [],
      ...isText(type) && type !== "" ? [] : ["event"],
      ...of("refused"),
    ],
    may: of("either"),
  };
}

function verdictOf(fields: object, name: string): Verdict {
  const isKnown = Object.hasOwn(TESTS, name) || name === "files" || name === "config";
  if (!isKnown) return "taken";
  const found = read(fields, name);
  if (found === null) return "refused";
  const { value } = found;
  if (value === undefined || value === null) return "taken";
  if (name === "files") return verdictOfFiles(value);
  if (name === "config") return verdictOfConfig(value);
  if (isNumber(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER) return "either";
  return TESTS[name]!(value) ? "taken" : "refused";
}

function verdictOfFiles(value: unknown): Verdict {
  if (isHoldable(value)) {
    return Array.isArray(value) && value.every(isText) ? "taken" : "refused";
  }
  return typeof value === "object" ? "either" : "refused";
}

function verdictOfConfig(value: unknown): Verdict {
  if (typeof value !== "object") return "refused";
  if (!isHoldable(value)) return "either";
  return Array.isArray(value) ? "refused" : "taken";
}

/** Checks whether JSON can represent the whole value, so that it must be stored unchanged. */
export function isHoldable(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === "boolean" || isText(value)) return true;
  if (isNumber(value)) return Number.isFinite(value);
  if (typeof value !== "object" || depth > 100) return false;
  try {
    const prototype = Object.getPrototypeOf(value);
    if (![Object.prototype, Array.prototype, null].includes(prototype)) return false;
    if (typeof (value as Record<string, unknown>).toJSON === "function") return false;
    // An array may have an iterator of its own. JSON.stringify() ignores it, but other code uses it, so the result is
    // unknown.
    if (Object.getOwnPropertySymbols(value).length > 0) return false;
    const members = Object.values(Object.getOwnPropertyDescriptors(value));
    const isData = members.every((member) => "value" in member);
    return isData && Object.values(value).every((each) => isHoldable(each, depth + 1)) &&
      (!Array.isArray(value) || Object.keys(value).length === value.length);
  } catch {
    // A getter or a proxy threw while the value was read, so JSON cannot represent it.
    return false;
  }
}

/** Checks whether the value must be stored as a string. */
function isStoredAsText(value: unknown): boolean {
  return ["bigint", "symbol", "function"].includes(typeof value) ||
    (isNumber(value) && !Number.isFinite(value));
}

/** Checks the error with which a call was rejected. */
export function checkRefusal(event: FuzzedEvent, error: unknown, maxLineBytes: number): void {
  const { must, may } = refusable(event);
  if (error instanceof Violation) throw error;
  if (!(error instanceof AuditEventError)) {
    throw new Violation(
      "other",
      `rejected with another class than AuditEventError: ${messageOf(error)}`,
    );
  }
  const field = error.field.split(".")[0]!;
  if (!error.message.includes(field)) {
    throw new Violation("other", `the message does not name ${field}: ${error.message}`);
  }
  const isTooLong = field === "maxLineBytes" && (error.value as number) > maxLineBytes;
  if (isTooLong || must.includes(field) || may.includes(field)) return;
  throw new Violation("lost", `rejected because of ${field}: ${error.message}`);
}

/** Checks that the record of an accepted event contains the event's fields. */
export function checkRecord(event: FuzzedEvent, record: Record<string, unknown>): void {
  const { type, fields } = event;
  const { must } = refusable(event);
  if (must.length > 0) throw new Violation("other", `accepted despite invalid ${must}`);
  if (record.event !== type) throw new Violation("other", `its event is ${record.event}`);
  for (const name of namesOf(fields) ?? []) checkField(fields as object, name, record);
}

function checkField(fields: object, name: string, record: Record<string, unknown>): void {
  const found = read(fields, name);
  const isThere = Object.hasOwn(record, name);
  const stored = isThere ? record[name] : undefined;
  if (found === null) {
    if (typeof stored !== "string") {
      throw new Violation("lost", `${name} threw, and the record does not say so`);
    }
  } else if (found.value === undefined || found.value === null) {
    if (isThere && name !== "session_id") throw new Violation("other", `${name} is present`);
  } else if (isHoldable(found.value)) {
    const expected = JSON.parse(JSON.stringify(found.value));
    if (isThere && isDeepStrictEqual(stored, expected)) return;
    throw new Violation(
      "lost",
      `${name} is ${JSON.stringify(stored)}, which differs from the event`,
    );
  } else if (isStoredAsText(found.value) && typeof stored !== "string") {
    throw new Violation("lost", `${name} is ${JSON.stringify(stored)}, not a string`);
  }
}
