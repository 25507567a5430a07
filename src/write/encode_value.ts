/**
 * Encodes any value as JSON text. It replaces values that JSON cannot hold, and values to hide. Pure.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
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
  try {
    return JSON.stringify(value, holdable({ path: [name], redaction }));
  } catch (thrown) {
    return JSON.stringify(`[Throws: ${safeMessage(thrown)}]`);
  }
}

/** Options of {@linkcode holdable}. */
export interface ReplacerOptions {
  /** Keys from the record to the value that `JSON.stringify` encodes; empty for the record itself. */
  readonly path: readonly string[];
  readonly redaction: Redaction | undefined;
}

/**
 * Returns a replacer for `JSON.stringify`. It turns values that JSON cannot hold into strings, and replaces values
 * that the redaction hides. Like every replacer, it sees the results of `toJSON()`. It does not hide the fields of the
 * record itself; the caller does that.
 */
export function holdable(
  { path, redaction }: ReplacerOptions,
): (this: unknown, key: string, value: unknown) => unknown {
  /** The objects around a value, the outermost first, and the key of each. */
  const ancestors: object[] = [];
  const keys: string[] = [];
  return function (key, value) {
    // `this` holds the value, so objects after it on the stack are not ancestors of the value.
    while (ancestors.length > 0 && ancestors.at(-1) !== this) {
      ancestors.pop();
      keys.pop();
    }
    if (redaction !== undefined && value !== undefined && ancestors.length > 0) {
      // The first key is "", because the value that JSON.stringify encodes has no key.
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
    // The value of an invalid Date is null here, because its toJSON() returns null.
    const original = (this as Record<string, unknown>)[key];
    if (original instanceof Date && value === null) return String(original);
    if (value === null) return value;
    if (value instanceof Error) return String(value);
    if (ancestors.includes(value)) return "[Circular]";
    ancestors.push(value);
    keys.push(key);
    return value;
  };
}

/** Returns the message of an error that the caller's code threw. Does not throw, even if reading the message throws. */
export function safeMessage(thrown: unknown): string {
  try {
    return messageOf(thrown);
  } catch {
    // The field still says that reading it throws.
    return "unreadable";
  }
}
