/**
 * From the bytes of a line to its event, whoever wrote it. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

// A string, which is kept, or one of the three names that Python's json writes and JSON has not.
const STRING_OR_NON_FINITE = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** Gives the event of a line, the reason why there is none, or null for a blank line. */
export function parseLine(bytes: Uint8Array): { event: AuditEvent } | { reason: string } | null {
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
    return JSON.parse(
      text.replace(STRING_OR_NON_FINITE, (match) => match.startsWith('"') ? match : "null"),
    );
  } catch {
    // Damaged; the caller reports it with its place.
    return undefined;
  }
}
