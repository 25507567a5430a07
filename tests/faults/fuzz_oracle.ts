/**
 * Parses lines without the library, and checks that a reader's events match them.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { AuditEvent } from "../../src/event.ts";
import type { StatsSource } from "../../src/stats/source.ts";
import { Violation } from "./harness.ts";
import { sumFaults } from "./rollup_check.ts";

/** The events and the damage in the lines of a file. */
export interface LinesFound {
  readonly events: AuditEvent[];
  /** Lines that are neither events nor blank, lines that are too long, and NULs before an event. */
  readonly damaged: { readonly byteOffset: number; readonly byteLength: number }[];
}

/** The events that a reader must find in one file. */
export interface Claim {
  readonly path: string;
  readonly events: readonly AuditEvent[];
  /** Whether the file may yield only these events. If not, any others may follow them. */
  readonly isAll: boolean;
}

const LINE_BREAK = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true });
// Matches a string, which stays unchanged, or a number name that Python writes.
const STRING_OR_NAME = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** Parses the lines one by one. */
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

/** Returns the number of NULs at the start of a line. They stand where the disk lost earlier lines. */
function nulsBefore(line: Uint8Array): number {
  const first = line.findIndex((byte) => byte !== 0);
  return first < 0 ? line.byteLength : first;
}

const BLANK = Symbol("blank");

/** Returns the value of a line, BLANK if it is blank, or undefined if it is not JSON. */
function valueOf(line: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(line);
  } catch {
    // Not UTF-8, therefore not JSON.
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
    // The text is not JSON.
    return undefined;
  }
}

function isEvent(value: unknown): value is AuditEvent {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Checks that the events are those of the files, one file after the other, each event once.
 *
 * If a file may yield more events than it must yield, other events may follow, up to the contiguous events of the next
 * files.
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
      `${surplus} surplus events: ${shownEvents(events.slice(from))}`,
    );
  }
}

/** Returns the runs of events that must be contiguous. Other events may stand between two runs. */
function runsOf(claims: readonly Claim[]): AuditEvent[][] {
  const runs: AuditEvent[][] = [[]];
  for (const { events, isAll } of claims) {
    runs.at(-1)!.push(...events);
    if (!isAll) runs.push([]);
  }
  return runs;
}

/** Returns the first index at which the list contains the whole run, or `from` if the list does not contain the run. */
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
    `found ${shownEvents(found)} instead of ${shownEvents(run)}, from event ${index} on`,
  );
}

function shownEvents(events: readonly unknown[]): string {
  const text = events.map((event) => JSON.stringify(event)).join("\n");
  return `${events.length} events [\n${text.slice(0, 1_500)}\n]`;
}

/** Checks that two lists are equal. */
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
    `${what} returned ${shownEvents(actual)} instead of ${shownEvents(expected)}`,
  );
}

/** Checks that the list contains only items of the other list, in the same order. */
export function checkSome(actual: readonly unknown[], all: readonly unknown[], what: string) {
  let from = 0;
  for (const each of actual) {
    const at = all.findIndex((other, index) => index >= from && isDeepStrictEqual(each, other));
    if (at < 0) {
      throw new Violation(
        "other",
        `${what} returned ${shownEvents(actual)} out of ${shownEvents(all)}`,
      );
    }
    from = at + 1;
  }
}

/** Checks that the sums of a log can be read, and that they are those of its events if they must be right. */
export async function checkSums(
  log: StatsSource,
  events: readonly AuditEvent[],
  areCertain: boolean,
): Promise<void> {
  const [fault] = await sumFaults(log, events);
  if (fault !== undefined && areCertain) throw new Violation("other", fault);
}
