/**
 * What has to become of an event that is logged, told from what is promised of each field.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { AuditEventError, messageOf } from "../../src/errors.ts";
import { Violation } from "./harness.ts";
import type { FuzzedEvent } from "./fuzz_values.ts";

/** Whether a value is taken; "either" where a caller cannot complain of the one or the other. */
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
};
const BELONGING_TO_LOG = ["ts", "event"];

/** The value of a field, or that it cannot be read. */
export function read(object: object, name: string): { value: unknown } | null {
  try {
    return { value: (object as Record<string, unknown>)[name] };
  } catch {
    // A getter that throws; what it throws is not what counts.
    return null;
  }
}

/** What has members of its own kind, which are no fields. */
const NO_RECORDS = [
  ...[Error, Map, Set, WeakMap, Date, Promise, RegExp, ArrayBuffer],
  ...[URL, URLSearchParams, Headers, FormData, String, Number],
];

/** The names of the fields; null if not even those can be told. */
export function namesOf(fields: unknown): string[] | null {
  if (fields === undefined) return [];
  try {
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return null;
    if (ArrayBuffer.isView(fields) || NO_RECORDS.some((type) => fields instanceof type)) {
      return null;
    }
    return Object.keys(fields).filter((name) => !BELONGING_TO_LOG.includes(name));
  } catch {
    // A proxy that is no use.
    return null;
  }
}

/** The fields that have to be refused, and those that may be. */
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

/** Whether JSON can hold all of the value, so that it has to come back as it is. */
export function isHoldable(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === "boolean" || isText(value)) return true;
  if (isNumber(value)) return Number.isFinite(value);
  if (typeof value !== "object" || depth > 100) return false;
  try {
    const prototype = Object.getPrototypeOf(value);
    if (![Object.prototype, Array.prototype, null].includes(prototype)) return false;
    if (typeof (value as Record<string, unknown>).toJSON === "function") return false;
    // An array may be given another iterator, which JSON does not ask and others do.
    if (Object.getOwnPropertySymbols(value).length > 0) return false;
    const members = Object.values(Object.getOwnPropertyDescriptors(value));
    const isData = members.every((member) => "value" in member);
    return isData && Object.values(value).every((each) => isHoldable(each, depth + 1)) &&
      (!Array.isArray(value) || Object.keys(value).length === value.length);
  } catch {
    // Whoever looks at it may be thrown at.
    return false;
  }
}

/** Whether the value is one for which there is a string in the file. */
function isStoredAsText(value: unknown): boolean {
  return ["bigint", "symbol", "function"].includes(typeof value) ||
    (isNumber(value) && !Number.isFinite(value));
}

/** Checks what a call was refused with. */
export function checkRefusal(event: FuzzedEvent, error: unknown, maxLineBytes: number): void {
  const { must, may } = refusable(event);
  if (error instanceof Violation) throw error;
  if (!(error instanceof AuditEventError)) {
    throw new Violation("other", `it is refused with no AuditEventError: ${messageOf(error)}`);
  }
  const field = error.field.split(".")[0]!;
  if (!error.message.includes(field)) {
    throw new Violation("other", `the message does not name ${field}: ${error.message}`);
  }
  const isTooLong = field === "maxLineBytes" && (error.value as number) > maxLineBytes;
  if (isTooLong || must.includes(field) || may.includes(field)) return;
  throw new Violation("lost", `it is refused for ${field}: ${error.message}`);
}

/** Checks that the record of an accepted event holds what the event held. */
export function checkRecord(event: FuzzedEvent, record: Record<string, unknown>): void {
  const { type, fields } = event;
  const { must } = refusable(event);
  if (must.length > 0) throw new Violation("other", `it is accepted in spite of ${must}`);
  if (record.event !== type) throw new Violation("other", `its event is ${record.event}`);
  for (const name of namesOf(fields) ?? []) checkField(fields as object, name, record);
}

function checkField(fields: object, name: string, record: Record<string, unknown>): void {
  const found = read(fields, name);
  const isThere = Object.hasOwn(record, name);
  const stored = isThere ? record[name] : undefined;
  if (found === null) {
    if (typeof stored !== "string") {
      throw new Violation("lost", `${name} throws, and is not told of`);
    }
  } else if (found.value === undefined || found.value === null) {
    if (isThere && name !== "session_id") throw new Violation("other", `${name} is there`);
  } else if (isHoldable(found.value)) {
    const expected = JSON.parse(JSON.stringify(found.value));
    if (isThere && isDeepStrictEqual(stored, expected)) return;
    throw new Violation("lost", `${name} is ${JSON.stringify(stored)} and not what it was`);
  } else if (isStoredAsText(found.value) && typeof stored !== "string") {
    throw new Violation("lost", `${name} is ${JSON.stringify(stored)} and no text`);
  }
}
