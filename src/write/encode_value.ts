/**
 * From any value to its JSON text: a place for what JSON cannot hold, and none for what is to be hidden.
 * Pure.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { REDACTED, type Redaction } from "./redaction.ts";

/**
 * JSON text of the value of a field, or undefined where its `toJSON` says that there is nothing to store.
 * What the redaction hides inside of it is replaced.
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

/** What a replacer starts from. */
export interface ReplacerOptions {
  /** Where in the record the value is that is given to JSON.stringify: none for the record itself. */
  readonly path: readonly string[];
  readonly redaction: Redaction | undefined;
}

/**
 * A replacer for JSON.stringify that turns what JSON cannot hold into strings, and replaces what the
 * redaction hides, as JSON would have it: behind every `toJSON()`. The fields of a record itself are
 * left to the caller.
 */
export function holdable(
  { path, redaction }: ReplacerOptions,
): (this: unknown, key: string, value: unknown) => unknown {
  /** The objects around a value, the outermost first, and where each is. */
  const ancestors: object[] = [];
  const keys: string[] = [];
  return function (key, value) {
    // `this` holds the value: whatever lies beyond it on the stack is no ancestor any more.
    while (ancestors.length > 0 && ancestors.at(-1) !== this) {
      ancestors.pop();
      keys.pop();
    }
    if (redaction !== undefined && value !== undefined && ancestors.length > 0) {
      // The first key is that of what was given to JSON.stringify, which has none.
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
    // A Date arrives here as what its toJSON gave: null for an invalid one, so look at the original.
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

/** The message of something thrown by a caller's own code, whose message may throw in its turn. */
export function safeMessage(thrown: unknown): string {
  try {
    return messageOf(thrown);
  } catch {
    // There is nothing to tell about a thrown value that cannot be read; the field says that it threw.
    return "unreadable";
  }
}
