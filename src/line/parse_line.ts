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

/**
 * An event and the number of NUL bytes before it in its line. After a power loss, a file can have NULs in place of
 * lines that were lost.
 */
export interface ParsedEvent {
  readonly event: AuditEvent;
  readonly lostBytes?: number;
}

/** The reason that a reader reports if NUL bytes precede the event in a line. */
export const LOST = "lost: NUL bytes";

/**
 * Returns the event in a line, the reason why the line is not an event, or null for a blank line.
 *
 * After a power loss, NULs can replace lines that their writer had not synced. The next line, which another writer may
 * have synced, then follows the NULs without a line break. So if the text after the NULs is a JSON object, the function
 * returns it as the event. A line that lost its start cannot be mistaken for an event: it is not valid JSON, because it
 * closes more braces than it opens.
 *
 * @param prepared Function that takes the text of the line and returns the text to parse. By default, both are the
 *   same.
 */
export function parseLine(
  bytes: Uint8Array,
  prepared: (text: string) => string = (text) => text,
): ParsedEvent | { reason: string } | null {
  if (bytes[0] !== 0) return parse(bytes, prepared);
  const lostBytes = bytes.findIndex((byte) => byte !== 0);
  const rest = lostBytes < 0 ? null : parse(bytes.subarray(lostBytes), prepared);
  return rest !== null && "event" in rest ? { ...rest, lostBytes } : { reason: "not JSON" };
}

function parse(
  bytes: Uint8Array,
  prepared: (text: string) => string,
): ParsedEvent | { reason: string } | null {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    // The error of the decoder has no further details, so its message is not part of the reason.
    return { reason: "not UTF-8" };
  }
  if (text.trim() === "") return null;
  const value = parseJson(prepared(text));
  if (value === undefined) return { reason: "not JSON" };
  return isObject(value) ? { event: value } : { reason: "not an object" };
}

/** Checks whether a parsed JSON value is an object, as an event is. */
export function isObject(value: unknown): value is AuditEvent {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Python writes NaN and Infinity, which JSON does not have. So the text is parsed again below, with null in their
    // place.
  }
  try {
    return JSON.parse(mapOutsideStrings(text, (part) => part.replace(NON_FINITE, "null")));
  } catch {
    // The line is damaged. No error is thrown, because the caller reports the line with its offset.
    return undefined;
  }
}

/**
 * Replaces each part of a JSON text that is outside of strings with the result of `map`.
 *
 * Strings are skipped in one pass, without a regular expression. A regular expression for the closing quote would take
 * quadratic time on a torn line, and overflow the stack on a string of many megabytes.
 */
export function mapOutsideStrings(text: string, map: (part: string) => string): string {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    const quote = text.indexOf('"', start);
    const open = quote < 0 ? text.length : quote;
    const close = endOfString(text, open);
    parts.push(map(text.slice(start, open)), text.slice(open, close));
    start = close;
  }
  return parts.join("");
}

/** Returns the index after the JSON string that opens at `open`; the end of the text if the string is not closed. */
function endOfString(text: string, open: number): number {
  for (let index = open + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index + 1;
    if (code === BACKSLASH) index++;
  }
  return text.length;
}
