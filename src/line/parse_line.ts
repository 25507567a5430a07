/**
 * Parses the bytes of a line, which any program may have written, into an event. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
// The three names that Python's json module writes but JSON does not have.
const NON_FINITE = /-?\bInfinity\b|\bNaN\b/g;

/** An event and the number of NUL bytes before it in its line. The NULs replace lines that were lost. */
export interface ParsedEvent {
  readonly event: AuditEvent;
  readonly lostBytes?: number;
}

/** A reviver of `JSON.parse`, which also receives the text of a primitive value. */
export type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** The reason that is reported for NULs before an event. */
export const LOST = "lost: NUL bytes";

/**
 * Returns the event of a line, the reason why the line is not an event, or null for a blank line.
 *
 * After a power loss, NULs can replace the unsynced lines of one writer. The next event in the file, which may be
 * durable, then has no line break before it. If the text after the NULs is a JSON object, it is that event. It
 * cannot be the rest of a line that lost its start, because such a rest closes more braces than it opens.
 *
 * @param reviver Passed on to `JSON.parse`.
 */
export function parseLine(
  bytes: Uint8Array,
  reviver?: Reviver,
): ParsedEvent | { reason: string } | null {
  if (bytes[0] !== 0) return parse(bytes, reviver);
  const lostBytes = bytes.findIndex((byte) => byte !== 0);
  const rest = lostBytes < 0 ? null : parse(bytes.subarray(lostBytes), reviver);
  return rest !== null && "event" in rest ? { ...rest, lostBytes } : { reason: "not JSON" };
}

function parse(bytes: Uint8Array, reviver?: Reviver): ParsedEvent | { reason: string } | null {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    // The message of the decoder has no further details.
    return { reason: "not UTF-8" };
  }
  if (text.trim() === "") return null;
  const value = parseJson(text, reviver);
  if (value === undefined) return { reason: "not JSON" };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { reason: "not an object" };
  }
  return { event: value as AuditEvent };
}

function parseJson(text: string, reviver?: Reviver): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch {
    // It may still be the JSON of Python, with NaN and Infinity.
  }
  try {
    return JSON.parse(nonFiniteAsNull(text), reviver);
  } catch {
    // The line is damaged; the caller reports it with its offset.
    return undefined;
  }
}

// Strings are skipped in one pass, without a regular expression: one that searches for the closing quote takes
// quadratic time on a torn line, and overflows the stack on a string of many megabytes.
function nonFiniteAsNull(text: string): string {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    const quote = text.indexOf('"', start);
    const open = quote < 0 ? text.length : quote;
    const close = endOfString(text, open);
    parts.push(text.slice(start, open).replace(NON_FINITE, "null"), text.slice(open, close));
    start = close;
  }
  return parts.join("");
}

/** Returns the index after the string that opens at `open`, or the end of the text if the string is not closed. */
function endOfString(text: string, open: number): number {
  for (let index = open + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index + 1;
    if (code === BACKSLASH) index++;
  }
  return text.length;
}
