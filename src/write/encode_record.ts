/**
 * Encodes a record as the JSON text of a line: orders the keys, checks the known fields, and replaces values that JSON
 * cannot represent. Pure. `log()` encodes before it returns, so the text is the record as it was at the call.
 *
 * @module
 */
import { CHAIN_NAMES } from "../line/chain.ts";
import { AuditEventError } from "../errors.ts";
import {
  checkKnownFields,
  type EventFields,
  fieldError,
  KNOWN_FIELD_NAMES,
  MISNAMED_FIELDS,
  nonRecordKind,
  RESERVED_FIELD,
  reservedFieldError,
  shown,
  type UncheckedFields,
} from "../event.ts";
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

/**
 * Positions of the known fields (those that the library reads itself) in a line. All other fields follow in the
 * caller's order.
 */
const RANKS: ReadonlyMap<string, number> = new Map(
  ["ts", "event", "session_id", ...KNOWN_FIELD_NAMES].map((name, rank) => [name, rank]),
);
const SESSION_ID = 2;
const FURTHER = RANKS.size;

/**
 * Returns the JSON text of one line, without its line break. The order is ts, event, session_id, the known fields,
 * then the other fields in the caller's order.
 *
 * The text is joined from parts instead of encoded from one object, because an object would move keys such as "0" to
 * the front, and would treat "__proto__" specially.
 *
 * @throws {AuditEventError} If a known field is of the wrong type, or cannot be read.
 */
export function encodeRecord(event: unknown, fields: EventFields, context: RecordContext): string {
  const known: UncheckedFields = {
    ts: isoTime(context.nowMs),
    event,
    session_id: context.sessionId,
  };
  const { redaction } = context;
  const hidden: string[] = [];
  let further = "";
  for (const name of inOrder(namesOf(fields))) {
    const rank = rankOf(name);
    if (rank < SESSION_ID) continue;
    if (rank < FURTHER) {
      const value = readKnownField(fields, name);
      if (value === undefined || value === null) continue;
      if (rank > SESSION_ID && redaction?.hides([name])) {
        // The redacted text replaces this value after the checks. It is set here already, so that the field keeps its
        // position in the line.
        known[name] = undefined;
        hidden.push(name);
      } else known[name] = value;
    } else {
      const known = MISNAMED_FIELDS.get(name);
      if (known !== undefined && !Object.hasOwn(fields, known)) context.onMisnamed?.(name, known);
      const text = encodeFurtherField(fields, name, redaction);
      if (text !== undefined && name === RESERVED_FIELD && !context.isOwn) {
        throw reservedFieldError(fields[name]);
      }
      if (text !== undefined && context.isChained && CHAIN_NAMES.includes(name)) {
        throw fieldError(name, fields[name], "not be set in a chained log");
      }
      if (text !== undefined) further += `,${JSON.stringify(name)}:${text}`;
    }
  }
  checkKnownFields(known, context.isOwn);
  const { confidence } = known;
  if (typeof confidence === "number" && confidence > 0 && confidence < 1) {
    context.onFraction?.(confidence);
  }
  // The type of a hidden value is not checked, so that no error message can show the value.
  for (const name of hidden) known[name] = REDACTED;
  const text = stringifyKnown(known, redaction);
  return further === "" ? text : `${text.slice(0, -1)}${further}}`;
}

function rankOf(name: string): number {
  return RANKS.get(name) ?? FURTHER;
}

/**
 * Returns the names of an event's fields, with the known fields in the order in which a line has them. Most callers
 * pass the known fields in that order already, so that no sort is needed. Other names may be anywhere between them.
 */
function inOrder(names: string[]): string[] {
  let last = 0;
  for (const name of names) {
    const rank = rankOf(name);
    if (rank === FURTHER) continue;
    if (rank < last) return names.sort((a, b) => rankOf(a) - rankOf(b));
    last = rank;
  }
  return names;
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

function stringifyKnown(known: UncheckedFields, redaction: Redaction | undefined): string {
  const isPlain = known.config === undefined &&
    (redaction === undefined || known.files === undefined);
  if (isPlain) return JSON.stringify(known);
  try {
    return stringify(known, { path: [], redaction })!;
  } catch (cause) {
    throw new AuditEventError(
      `Cannot log event: reading the field "config" throws: ${safeMessage(cause)}`,
      {
        field: "config",
        value: known.config,
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

function encodeFurtherField(
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
  if (redaction?.hides([name])) return JSON.stringify(REDACTED);
  return encodeValue(value, { name, redaction });
}
