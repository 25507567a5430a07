/**
 * From a record to the JSON text of its line: key order, known fields checked, and a place for
 * every value that JSON cannot hold. Pure; runs inside the call of `log()`, so that the text is the
 * record as it was at the call.
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
  nonRecordKind,
  shown,
  type UncheckedFields,
} from "../event.ts";
import { encodeValue, holdable, safeMessage } from "./encode_value.ts";
import { REDACTED, type Redaction } from "./redaction.ts";

/** What the log adds to a record. */
export interface RecordContext {
  /** Time of the event, epoch milliseconds. */
  nowMs: number;
  /** Session of the events that name none. */
  sessionId: string;
  /** Whether the line will carry its place in the chain, whose names are then the log's own. */
  isChained?: boolean;
  /** What is not to be written. */
  redaction?: Redaction | undefined;
  /** Called with a confidence between 0 and 1, which is likely meant as a fraction. */
  onFraction?: ((confidence: number) => void) | undefined;
}

/** Places of the fields in a line; those that are in no list come last, in the order of the caller. */
const RANKS: ReadonlyMap<string, number> = new Map(
  ["ts", "event", "session_id", ...KNOWN_FIELD_NAMES].map((name, rank) => [name, rank]),
);
const SESSION_ID = 2;
const FURTHER = RANKS.size;

/**
 * Gives the JSON text of one line, without the line break: ts, event, session_id, the known fields,
 * then the rest in the caller's order.
 *
 * The text is put together from pieces rather than from one object, because an object would move
 * keys such as "0" to the front and give "__proto__" a meaning.
 *
 * @throws {AuditEventError} when a known field is of the wrong type.
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
        // It keeps its place among the others.
        known[name] = undefined;
        hidden.push(name);
      } else known[name] = value;
    } else {
      const text = encodeFurtherField(fields, name, redaction);
      if (text !== undefined && context.isChained && CHAIN_NAMES.includes(name)) {
        throw fieldError(name, fields[name], "be left to the chain of the log");
      }
      if (text !== undefined) further += `,${JSON.stringify(name)}:${text}`;
    }
  }
  checkKnownFields(known);
  const { confidence } = known;
  if (typeof confidence === "number" && confidence > 0 && confidence < 1) {
    context.onFraction?.(confidence);
  }
  // What is hidden need not be of the right type: nobody is to see it, in an error neither.
  for (const name of hidden) known[name] = REDACTED;
  const text = stringifyKnown(known, redaction);
  return further === "" ? text : `${text.slice(0, -1)}${further}}`;
}

function rankOf(name: string): number {
  return RANKS.get(name) ?? FURTHER;
}

/** Sorts the names by their places, unless they are in order, as most callers have them. */
function inOrder(names: string[]): string[] {
  let last = 0;
  for (const name of names) {
    const rank = rankOf(name);
    if (rank < last) return names.sort((a, b) => rankOf(a) - rankOf(b));
    last = rank;
  }
  return names;
}

/**
 * Returns the names of the fields.
 *
 * @throws {AuditEventError} If they are not a record of fields, or reading them throws.
 */
export function namesOf(fields: unknown): string[] {
  let found: string;
  try {
    found = typeof fields === "object" && fields !== null ? nonRecordKind(fields) : shown(fields);
    if (found === "") return Object.keys(fields as object);
  } catch (cause) {
    // A proxy: a revoked one, or one whose traps throw.
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
    return JSON.stringify(known, holdable({ path: [], redaction }));
  } catch (cause) {
    throw new AuditEventError(`Cannot log event: reading config throws: ${safeMessage(cause)}`, {
      field: "config",
      value: known.config,
      cause,
    });
  }
}

/** The text of the last time, as many events have the same millisecond. */
let lastTime = { nowMs: NaN, text: "" };

function isoTime(nowMs: number): string {
  if (nowMs === lastTime.nowMs) return lastTime.text;
  const date = new Date(nowMs);
  if (Number.isNaN(date.getTime())) {
    throw new AuditEventError(`Cannot log event: the clock must give a valid time, got ${nowMs}`, {
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
    // A copy, so that what was checked is what is written.
    return Array.isArray(value) ? [...value] : value;
  } catch (cause) {
    throw new AuditEventError(`Cannot log event: reading ${name} throws: ${safeMessage(cause)}`, {
      field: name,
      value: undefined,
      cause,
    });
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
