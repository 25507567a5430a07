/**
 * From a record to the JSON text of its line: key order, known fields checked, and a place for
 * every value that JSON cannot hold. Pure; runs inside the call of `log()`, so that the text is the
 * record as it was at the call.
 *
 * @module
 */
import { CHAIN_NAMES } from "../chain.ts";
import { AuditEventError, messageOf } from "../errors.ts";
import {
  checkKnownFields,
  type EventFields,
  fieldError,
  KNOWN_FIELD_NAMES,
  type KnownFields,
  shown,
} from "../event.ts";

/** What the log adds to a record. */
export interface RecordContext {
  /** Time of the event, epoch milliseconds. */
  nowMs: number;
  /** Session of the events that name none. */
  sessionId: string;
  /** Whether the line will carry its place in the chain, whose names are then the log's own. */
  isChained?: boolean;
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
  const known: KnownFields = {
    ts: isoTime(context.nowMs),
    event,
    session_id: context.sessionId,
  };
  let further = "";
  for (const name of inOrder(namesOf(fields))) {
    const rank = rankOf(name);
    if (rank < SESSION_ID) continue;
    if (rank < FURTHER) {
      const value = readKnownField(fields, name);
      if (value !== undefined && value !== null) known[name] = value;
    } else {
      const text = encodeFurtherField(fields, name);
      if (text !== undefined && context.isChained && CHAIN_NAMES.includes(name)) {
        throw fieldError(name, fields[name], "be left to the chain of the log");
      }
      if (text !== undefined) further += `,${JSON.stringify(name)}:${text}`;
    }
  }
  checkKnownFields(known);
  const text = stringifyKnown(known);
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

function namesOf(fields: unknown): string[] {
  let names: string[] | null;
  try {
    const isObject = typeof fields === "object" && fields !== null && !Array.isArray(fields);
    names = isObject ? Object.keys(fields) : null;
  } catch (cause) {
    // A proxy: a revoked one, or one whose traps throw.
    throw new AuditEventError(`Cannot log event as reading fields throws: ${safeMessage(cause)}`, {
      field: "fields",
      value: undefined,
      cause,
    });
  }
  if (names !== null) return names;
  throw new AuditEventError(`Cannot log event as its fields must be an object: ${shown(fields)}`, {
    field: "fields",
    value: fields,
  });
}

function stringifyKnown(known: KnownFields): string {
  if (known.config === undefined) return JSON.stringify(known);
  try {
    return JSON.stringify(known, holdable());
  } catch (cause) {
    throw new AuditEventError(`Cannot log event as reading config throws: ${safeMessage(cause)}`, {
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
    throw new AuditEventError(`Cannot log event as the clock gives no valid time: ${nowMs}`, {
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
    throw new AuditEventError(`Cannot log event as reading ${name} throws: ${safeMessage(cause)}`, {
      field: name,
      value: undefined,
      cause,
    });
  }
}

function encodeFurtherField(fields: EventFields, name: string): string | undefined {
  let value: unknown;
  try {
    value = fields[name];
  } catch (thrown) {
    return JSON.stringify(`[Throws: ${safeMessage(thrown)}]`);
  }
  return value === null || value === undefined ? undefined : encodeValue(value);
}

/** JSON text of any value, or undefined where its `toJSON` says that there is nothing to store. */
function encodeValue(value: unknown): string | undefined {
  if (typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  try {
    return JSON.stringify(value, holdable());
  } catch (thrown) {
    return JSON.stringify(`[Throws: ${safeMessage(thrown)}]`);
  }
}

/** A replacer for JSON.stringify that turns what JSON cannot hold into strings. */
function holdable(): (this: unknown, key: string, value: unknown) => unknown {
  const ancestors: object[] = [];
  return function (key, value) {
    switch (typeof value) {
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "bigint":
      case "symbol":
        return String(value);
      case "function":
        return `[Function: ${value.name}]`;
      case "object":
        break;
      default:
        return value;
    }
    // A Date arrives here as what its toJSON gave: null for an invalid one, so look at the original.
    const original = (this as Record<string, unknown>)[key];
    if (original instanceof Date && value === null) return String(original);
    if (value === null) return value;
    if (value instanceof Error) return String(value);
    // `this` holds the value: whatever lies beyond it on the stack is no ancestor any more.
    while (ancestors.length > 0 && ancestors.at(-1) !== this) ancestors.pop();
    if (ancestors.includes(value)) return "[Circular]";
    ancestors.push(value);
    return value;
  };
}

/** The message of something thrown by a caller's own code, whose message may throw in its turn. */
function safeMessage(thrown: unknown): string {
  try {
    return messageOf(thrown);
  } catch {
    // There is nothing to tell about a thrown value that cannot be read; the field says that it threw.
    return "unreadable";
  }
}
