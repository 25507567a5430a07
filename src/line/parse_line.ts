/**
 * From the bytes of a line to its event, whoever wrote it. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
// The three names that Python's json writes and JSON has not.
const NON_FINITE = /-?\bInfinity\b|\bNaN\b/g;

/** An event, and how many NULs stand before it in its line: lines that a disk has lost. */
export interface ParsedEvent {
  readonly event: AuditEvent;
  readonly lostBytes?: number;
}

/** What is told of NULs before an event. */
export const LOST = "lost: NUL bytes";

/**
 * Gives the event of a line, the reason why there is none, or null for a blank line.
 *
 * When a power cut takes what one writer could not sync, NULs fill the hole, and the next writer's
 * event, which may be durable, has no line break before it. What follows the NULs and is an object of
 * JSON is that event: the rest of a line that lost its beginning never is, as it closes more than it opens.
 */
export function parseLine(bytes: Uint8Array): ParsedEvent | { reason: string } | null {
  if (bytes[0] !== 0) return parse(bytes);
  const lostBytes = bytes.findIndex((byte) => byte !== 0);
  const rest = lostBytes < 0 ? null : parse(bytes.subarray(lostBytes));
  return rest !== null && "event" in rest ? { ...rest, lostBytes } : { reason: "not JSON" };
}

function parse(bytes: Uint8Array): ParsedEvent | { reason: string } | null {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    // The decoder's own message says no more than this.
    return { reason: "not UTF-8" };
  }
  if (text.trim() === "") return null;
  const value = parseJson(text);
  if (value === undefined) return { reason: "not JSON" };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { reason: "not an object" };
  }
  return { event: value as AuditEvent };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It may still be what Python writes.
  }
  try {
    return JSON.parse(nonFiniteAsNull(text));
  } catch {
    // Damaged; the caller reports it with its place.
    return undefined;
  }
}

// One pass, and no regular expression over the strings: on a torn line one that looks for the closing
// quote takes quadratic time, and on a string of many megabytes it runs out of stack.
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

/** Where the string that opens at the index is over, or the end of a text that does not close it. */
function endOfString(text: string, open: number): number {
  for (let index = open + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index + 1;
    if (code === BACKSLASH) index++;
  }
  return text.length;
}
