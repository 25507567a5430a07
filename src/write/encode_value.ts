/**
 * Encodes any value as JSON text. Replaces values that JSON cannot represent, and values to hide. Pure.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { plainValue } from "./plain_value.ts";
import { REDACTED, type Redaction } from "./redaction.ts";

/**
 * Returns the JSON text of a field's value, or undefined if its `toJSON()` returns undefined. Replaces the parts of
 * the value that the redaction hides.
 */
export function encodeValue(
  value: unknown,
  { name, redaction }: { name: string; redaction: Redaction | undefined },
): string | undefined {
  if (typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  try {
    return stringify(value, { path: [name], redaction });
  } catch (thrown) {
    return JSON.stringify(`[Throws: ${safeMessage(thrown)}]`);
  }
}

/** Options of {@linkcode stringify}. */
export interface StringifyOptions {
  /** Keys from the record to the value; empty for the record itself. */
  readonly path: readonly string[];
  readonly redaction: Redaction | undefined;
}

/**
 * Maximum depths of an encoded value, in the order in which they are tried. If a value is too deep for the call stack,
 * the next smaller depth is tried.
 */
const DEPTHS = [Infinity, 1_000, 100] as const;

/**
 * Returns the JSON text of a value. Text or plain objects replace the values that JSON cannot represent.
 * {@linkcode REDACTED} replaces the values that the redaction hides. The top-level fields of a record are not hidden
 * here; the caller must hide them.
 *
 * @throws {Error} The error that reading the value throws.
 */
export function stringify(value: unknown, options: StringifyOptions): string | undefined {
  for (const depthMax of DEPTHS) {
    try {
      return JSON.stringify(value, replacer(options, depthMax));
    } catch (error) {
      if (!(error instanceof RangeError) || depthMax === DEPTHS.at(-1)) throw error;
    }
  }
  return undefined;
}

/**
 * Returns the replacer for `JSON.stringify`. If a value has a `toJSON()` method, the replacer receives the result of
 * that method.
 */
function replacer(
  { path, redaction }: StringifyOptions,
  depthMax: number,
): (this: unknown, key: string, value: unknown) => unknown {
  /** The objects that contain the current value, outermost first, as JSON.stringify reads them. */
  const ancestors: object[] = [];
  /** The objects that contain the current value, before plain values replaced them, and the key of each object. */
  const originals: object[] = [];
  const keys: string[] = [];
  return function (key, value) {
    // `this` is the object that contains the value. Objects after `this` on the stack are not ancestors of the value.
    while (ancestors.length > 0 && ancestors.at(-1) !== this) {
      ancestors.pop();
      originals.pop();
      keys.pop();
    }
    if (redaction !== undefined && value !== undefined && ancestors.length > 0) {
      // keys[0] is "", because the outermost value has no key. So it is not a part of the path.
      const place = [...path, ...keys.slice(1), key];
      if (place.length > 1 && redaction.hides(place)) return REDACTED;
    }
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
    const before = (this as Record<string, unknown>)[key];
    // The value of an invalid Date is null here, because its toJSON() returns null.
    if (before instanceof Date && value === null) return String(before);
    if (value === null) return value;
    // The toJSON() of Node's Buffer lists the bytes as numbers, so the Buffer itself is encoded instead of the list.
    const original = ArrayBuffer.isView(before) ? before : value;
    if (originals.includes(original)) return "[Circular]";
    if (ancestors.length >= depthMax) return "[Too deep]";
    const plain = plainValue(original, originals);
    if (typeof plain !== "object" || plain === null) return plain;
    ancestors.push(plain);
    originals.push(original);
    keys.push(key);
    return plain;
  };
}

/** Returns the message of an error that the caller's code threw. Does not throw, even if reading the message throws. */
export function safeMessage(thrown: unknown): string {
  try {
    return messageOf(thrown);
  } catch {
    // The message cannot be read. This text is enough, because callers add it to a message that already says which code
    // throws.
    return "unreadable";
  }
}
