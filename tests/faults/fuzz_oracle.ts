/**
 * What lines hold, found out without the library, and whether events are what they have to be.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { AuditEvent } from "../../src/event.ts";
import { Violation } from "./harness.ts";

/** What the lines of a file come to. */
export interface LinesFound {
  readonly events: AuditEvent[];
  /** Lines that are no event and not blank, those that are too long, and NULs before an event. */
  readonly damaged: { readonly byteOffset: number; readonly byteLength: number }[];
}

/** What one file has to give. */
export interface Claim {
  readonly path: string;
  readonly events: readonly AuditEvent[];
  /** Whether it gives nothing but these; if not, nobody knows what comes behind them. */
  readonly isAll: boolean;
}

const LINE_BREAK = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true });
// A string, which stays as it is, or one of the names that Python writes.
const STRING_OR_NAME = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** Takes the lines one by one. */
export function linesFound(bytes: Uint8Array, maxLineBytes: number): LinesFound {
  const found: LinesFound = { events: [], damaged: [] };
  for (let start = 0; start < bytes.byteLength;) {
    const lineBreak = bytes.indexOf(LINE_BREAK, start);
    const end = lineBreak < 0 ? bytes.byteLength : lineBreak;
    const next = lineBreak < 0 ? end : end + 1;
    const line = bytes.subarray(start, end);
    const lost = nulsBefore(line);
    const value = line.byteLength + 1 > maxLineBytes ? undefined : valueOf(line.subarray(lost));
    if (isEvent(value)) {
      found.events.push(value);
      if (lost > 0) found.damaged.push({ byteOffset: start, byteLength: lost });
    } else if (lost > 0) found.damaged.push({ byteOffset: start, byteLength: next - start });
    else if (value !== BLANK) found.damaged.push({ byteOffset: start, byteLength: next - start });
    start = next;
  }
  return found;
}

/** How many NULs a line begins with, where the disk has lost lines. */
function nulsBefore(line: Uint8Array): number {
  const first = line.findIndex((byte) => byte !== 0);
  return first < 0 ? line.byteLength : first;
}

const BLANK = Symbol("blank");

/** The value of a line, BLANK for a blank one, or undefined if it is no JSON. */
function valueOf(line: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(line);
  } catch {
    // No UTF-8, and no JSON then.
    return undefined;
  }
  if (/^\s*$/.test(text)) return BLANK;
  const strict = parsed(text);
  if (strict !== undefined) return strict;
  return parsed(text.replaceAll(STRING_OR_NAME, (match) => match[0] === '"' ? match : "null"));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // That it is none is the answer.
    return undefined;
  }
}

function isEvent(value: unknown): value is AuditEvent {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Checks that the events are those of the files, one file after the other, each event once.
 *
 * Where a file may give more than what is claimed, the events behind may be anything, until those of
 * the next files come in one piece.
 */
export function checkClaims(events: readonly AuditEvent[], claims: readonly Claim[]): void {
  const runs = runsOf(claims);
  let from = 0;
  for (const [index, run] of runs.entries()) {
    const isLast = index === runs.length - 1;
    const at = index === 0
      ? 0
      : isLast
      ? events.length - run.length
      : indexOfRun(events, run, from);
    checkRun(events, { run, from, at });
    from = at + run.length;
  }
  const surplus = events.length - from;
  if (surplus > 0) {
    throw new Violation(
      "doubled",
      `${surplus} events too many: ${shownEvents(events.slice(from))}`,
    );
  }
}

/** The events that have to come in one piece; between the pieces there may be others. */
function runsOf(claims: readonly Claim[]): AuditEvent[][] {
  const runs: AuditEvent[][] = [[]];
  for (const { events, isAll } of claims) {
    runs.at(-1)!.push(...events);
    if (!isAll) runs.push([]);
  }
  return runs;
}

/** Where the run stands first; where there is the most of it, if it is nowhere. */
function indexOfRun(
  events: readonly AuditEvent[],
  run: readonly AuditEvent[],
  from: number,
): number {
  for (let at = from; at + run.length <= events.length; at++) {
    if (run.every((event, index) => isDeepStrictEqual(events[at + index], event))) return at;
  }
  return from;
}

function checkRun(
  events: readonly AuditEvent[],
  { run, from, at }: { run: readonly AuditEvent[]; from: number; at: number },
): void {
  const differs = run.findIndex((event, index) => !isDeepStrictEqual(events[at + index], event));
  if (at >= from && differs < 0) return;
  const index = Math.max(0, differs);
  const found = events.slice(from);
  const isThere = found.some((event) => isDeepStrictEqual(event, run[index]));
  const isLost = found.length < run.length || !isThere;
  throw new Violation(
    isLost ? "lost" : found.length > run.length ? "doubled" : "reordered",
    `there is ${shownEvents(found)} instead of ${shownEvents(run)}, from event ${index} on`,
  );
}

function shownEvents(events: readonly unknown[]): string {
  const text = events.map((event) => JSON.stringify(event)).join("\n");
  return `${events.length} events [\n${text.slice(0, 1_500)}\n]`;
}

/** Checks that two lists hold the same. */
export function checkSame(actual: readonly unknown[], expected: readonly unknown[], what: string) {
  const isSame = actual.length === expected.length &&
    actual.every((each, index) => isDeepStrictEqual(each, expected[index]));
  if (isSame) return;
  const kind = actual.length < expected.length
    ? "lost"
    : actual.length > expected.length
    ? "doubled"
    : "other";
  throw new Violation(
    kind,
    `${what} gives ${shownEvents(actual)} instead of ${shownEvents(expected)}`,
  );
}

/** Checks that the list holds some of the other's items in their order, and nothing else. */
export function checkSome(actual: readonly unknown[], all: readonly unknown[], what: string) {
  let from = 0;
  for (const each of actual) {
    const at = all.findIndex((other, index) => index >= from && isDeepStrictEqual(each, other));
    if (at < 0) {
      throw new Violation(
        "other",
        `${what} gives ${shownEvents(actual)} out of ${shownEvents(all)}`,
      );
    }
    from = at + 1;
  }
}
