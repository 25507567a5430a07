/**
 * Encodes a record as the JSON text of a line: orders the keys, checks the known fields, and replaces values that JSON
 * cannot represent. Pure. `log()` encodes before it returns, so the text is the record as it was at the call.
 *
 * @module
 */
import { CHAIN_NAMES } from "../line/chain.ts";
import { AuditEventError } from "../errors.ts";
import {
  checkNotReserved,
  type EventFields,
  fieldError,
  MISNAMED_FIELDS,
  nonRecordKind,
  RESERVED_FIELD,
  reservedFieldError,
  shown,
} from "../event.ts";
import { FIELD_CHECKS, invalidFieldError } from "../fields/known_fields.ts";
import { encodeValue, safeMessage, stringify } from "./encode_value.ts";
import { REDACTED, type Redaction } from "./redaction.ts";

/** The values that the log adds to a record, and the settings for its encoding. */
export interface RecordContext {
  /** Time of the event, epoch milliseconds. */
  nowMs: number;
  /** Session ID of events that have no `session_id` field. */
  sessionId: string;
  /**
   * Whether the log itself logs the event. If so, the event may have a type that begins with `budget_` and the field
   * `hold`, which are reserved for budgets.
   */
  isOwn?: boolean;
  /** Whether the log is chained. If so, events must not set the fields `seq` and `hash`, because the log sets them. */
  isChained?: boolean;
  /** The values to hide. */
  redaction?: Redaction | undefined;
  /**
   * Called with a confidence between 0 and 1. The field is in percent, but the caller probably passed a fraction of 1.
   */
  onFraction?: ((confidence: number) => void) | undefined;
  /** Called with the name of a field that was likely meant to be a known field, and the name of the known field. */
  onMisnamed?: ((name: string, known: string) => void) | undefined;
}

/** A field of a record, with the facts that follow from its name. */
interface Field {
  readonly name: string;
  /** The text before the value in the line: a comma, the name as JSON and a colon. */
  readonly label: string;
  /** The position in a line; all fields that are not known have the same. */
  readonly rank: number;
  /** Checks a value of a known field; undefined if the field is not known. */
  readonly isValid: ((value: unknown) => boolean) | undefined;
  /** If the name is likely a mistake, such as `costUsd`: the name of the known field that the caller likely meant. */
  readonly meant: string | undefined;
}

/**
 * Positions of the known fields (those that the library reads itself) in a line. All other fields follow in the
 * caller's order.
 */
const RANKS: ReadonlyMap<string, number> = new Map(
  ["ts", ...FIELD_CHECKS.keys()].map((name, rank) => [name, rank]),
);
const FURTHER = RANKS.size;
const SESSION_ID = "session_id";
/** The position of the first field that a caller may set. The log itself sets the fields before it. */
const FIRST_RANK = RANKS.get(SESSION_ID)!;
const CONFIDENCE = "confidence";
const REDACTED_TEXT = JSON.stringify(REDACTED);

const isEvent = FIELD_CHECKS.get("event")!;
const isSessionId = FIELD_CHECKS.get(SESSION_ID)!;

/**
 * Returns the JSON text of one line, without its line break. The order is ts, event, session_id, the known fields,
 * then the other fields in the caller's order.
 *
 * The text is joined from parts instead of encoded from one object, because an object would move keys such as "0" to
 * the front, would treat "__proto__" specially, and takes longer.
 *
 * @throws {AuditEventError} If a known field is of the wrong type, or cannot be read.
 */
export function encodeRecord(event: unknown, fields: EventFields, context: RecordContext): string {
  const ts = isoTime(context.nowMs);
  const { redaction } = context;
  let sessionId: unknown = context.sessionId;
  let confidence: unknown;
  let text = "";
  let further = "";
  let invalid: Record<string, unknown> | undefined;
  for (const field of inOrder(namesOf(fields))) {
    const { name, isValid, rank } = field;
    if (rank < FIRST_RANK) continue;
    if (isValid === undefined) {
      further += encodeFurtherField(field, fields, context);
      continue;
    }
    const value = readKnownField(fields, name);
    if (value === undefined || value === null) continue;
    if (name === SESSION_ID) sessionId = value;
    // The type of a hidden value is not checked, so that no error message can show the value.
    else if (redaction?.hides([name])) text += field.label + REDACTED_TEXT;
    else if (!isValid(value)) (invalid ??= {})[name] = value;
    else {
      if (name === CONFIDENCE) confidence = value;
      text += encodeKnownField(field, value, redaction);
    }
  }
  if (!context.isOwn) checkNotReserved(event);
  if (invalid !== undefined || !isEvent(event) || !isSessionId(sessionId)) {
    throw invalidFieldError({ event, session_id: sessionId, ...invalid });
  }
  if (typeof confidence === "number" && confidence > 0 && confidence < 1) {
    context.onFraction?.(confidence);
  }
  const names = `"event":${JSON.stringify(event)},"session_id":${JSON.stringify(sessionId)}`;
  return `{"ts":"${ts}",${names}${text}${further}}`;
}

/** Maximum number of fields in the cache. It bounds the memory if each record has new names. */
const CACHED_MAX = 1_000;
/** Maximum length of a cached name in UTF-16 code units. */
const CACHED_LENGTH_MAX = 100;

/** The facts about the fields of earlier records; maps the name of a field to them. */
const cache = new Map<string, Field>();

function fieldNamed(name: string): Field {
  let field = cache.get(name);
  if (field === undefined) {
    field = {
      name,
      label: `,${JSON.stringify(name)}:`,
      rank: RANKS.get(name) ?? FURTHER,
      isValid: FIELD_CHECKS.get(name),
      meant: MISNAMED_FIELDS.get(name),
    };
    if (name.length <= CACHED_LENGTH_MAX) {
      if (cache.size >= CACHED_MAX) cache.clear();
      cache.set(name, field);
    }
  }
  return field;
}

/** The names and the fields of the last record, cached because many records in a row have the same names. */
let lastRecord: { names: readonly string[]; fields: readonly Field[] } = { names: [], fields: [] };

/**
 * Returns the fields of a record in the order in which a line has them: the known fields, then the others in the
 * caller's order.
 */
function inOrder(names: readonly string[]): readonly Field[] {
  if (!areEqual(names, lastRecord.names)) {
    // The sort is stable, so fields of the same rank keep the caller's order.
    lastRecord = { names, fields: names.map(fieldNamed).sort((a, b) => a.rank - b.rank) };
  }
  return lastRecord.fields;
}

function areEqual(names: readonly string[], others: readonly string[]): boolean {
  if (names.length !== others.length) return false;
  for (let index = 0; index < names.length; index++) {
    if (names[index] !== others[index]) return false;
  }
  return true;
}

/**
 * Returns the names of the fields.
 *
 * @throws {AuditEventError} If `fields` is not an object with named members, or if reading its names throws.
 */
export function namesOf(fields: unknown): string[] {
  return ofRecord(fields, Object.keys);
}

/**
 * Checks that the fields of an event are an object with named members. Does not check the names and the values.
 *
 * @throws {AuditEventError} If `fields` is not an object with named members.
 */
export function checkRecord(fields: unknown): void {
  ofRecord(fields, () => undefined);
}

/**
 * Checks the fields of an event, and returns the result of `read` for them. Throws the same errors as
 * {@linkcode namesOf}.
 */
function ofRecord<T>(fields: unknown, read: (fields: object) => T): T {
  let found: string;
  try {
    found = typeof fields === "object" && fields !== null ? nonRecordKind(fields) : shown(fields);
    if (found === "") return read(fields as object);
  } catch (cause) {
    // Reading the fields throws if they are a revoked proxy, or a proxy whose traps throw.
    throw new AuditEventError(
      `Cannot log event: reading its fields throws: ${safeMessage(cause)}`,
      {
        field: "fields",
        value: undefined,
        cause,
      },
    );
  }
  const hint = fields instanceof Error ? "; log it as a field: { error }" : "";
  throw new AuditEventError(
    `Cannot log event: its fields must be an object with named members, got ${found}${hint}`,
    { field: "fields", value: fields },
  );
}

/** Returns the text of a known field with a valid value, with its label; "" if a `toJSON()` returns undefined. */
function encodeKnownField(
  { name, label }: Field,
  value: unknown,
  redaction: Redaction | undefined,
): string {
  if (typeof value === "string") return label + JSON.stringify(value);
  if (typeof value === "number") return label + String(value);
  try {
    // The value is encoded as a member of an object, so that its path begins with its name.
    const members = stringify({ [name]: value }, { path: [], redaction })!.slice(1, -1);
    return members === "" ? "" : `,${members}`;
  } catch (cause) {
    throw new AuditEventError(
      `Cannot log event: reading the field "${name}" throws: ${safeMessage(cause)}`,
      {
        field: name,
        value,
        cause,
      },
    );
  }
}

/** Cache of the last encoded time, because many events have the same millisecond. */
let lastTime = { nowMs: NaN, text: "" };

function isoTime(nowMs: number): string {
  if (nowMs === lastTime.nowMs) return lastTime.text;
  const date = new Date(nowMs);
  if (Number.isNaN(date.getTime())) {
    throw new AuditEventError(`Cannot log event: now() must return a valid time, got ${nowMs}`, {
      field: "ts",
      value: nowMs,
    });
  }
  lastTime = { nowMs, text: date.toISOString() };
  return lastTime.text;
}

function readKnownField(fields: EventFields, name: string): unknown {
  try {
    const value = fields[name];
    // Returns a copy, so that the array cannot change between the check and the write.
    return Array.isArray(value) ? [...value] : value;
  } catch (cause) {
    throw new AuditEventError(
      `Cannot log event: reading the field "${name}" throws: ${safeMessage(cause)}`,
      {
        field: name,
        value: undefined,
        cause,
      },
    );
  }
}

/** Returns the text of a field that is not known, with its label; "" if the record does not have the field. */
function encodeFurtherField(
  { name, label, meant }: Field,
  fields: EventFields,
  { redaction, isOwn, isChained, onMisnamed }: RecordContext,
): string {
  if (meant !== undefined && !Object.hasOwn(fields, meant)) onMisnamed?.(name, meant);
  const text = encodeFurtherValue(fields, name, redaction);
  if (text === undefined) return "";
  if (name === RESERVED_FIELD && !isOwn) throw reservedFieldError(fields[name]);
  if (isChained && CHAIN_NAMES.includes(name)) {
    throw fieldError(name, fields[name], "not be set in a chained log");
  }
  return label + text;
}

function encodeFurtherValue(
  fields: EventFields,
  name: string,
  redaction: Redaction | undefined,
): string | undefined {
  let value: unknown;
  try {
    value = fields[name];
  } catch (thrown) {
    return JSON.stringify(`[Throws: ${safeMessage(thrown)}]`);
  }
  if (value === null || value === undefined) return undefined;
  if (redaction?.hides([name])) return REDACTED_TEXT;
  return encodeValue(value, { name, redaction });
}
