/**
 * Parses the lines of a log without the library, as an independent reference. Checks that the events of a reader match
 * these lines.
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
  /**
   * Damaged regions: lines that are neither events nor blank, lines that are too long, and NUL bytes before an event.
   */
  readonly damaged: { readonly byteOffset: number; readonly byteLength: number }[];
}

/** The events that a reader must find in one file. */
export interface Claim {
  readonly path: string;
  readonly events: readonly AuditEvent[];
  /**
   * Is true if a reader may find only these events in the file. Otherwise, the reader may find any other events after
   * them, because the file is damaged.
   */
  readonly isAll: boolean;
}

const LINE_BREAK = 0x0a;
const decoder = new TextDecoder("utf-8", { fatal: true });
// Matches a string, which stays unchanged, or one of the names NaN and Infinity, which Python writes as numbers.
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

/**
 * Returns the number of NUL bytes at the start of a line. After a power loss, they stand where the disk lost earlier
 * lines.
 */
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
    // The bytes are not UTF-8, so they are not JSON.
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
 * After the events of a damaged file, other events may follow. The events of the next undamaged files must then be
 * contiguous again.
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

/**
 * Returns the lists of events that must be contiguous in the result. Between two lists, other events may stand, because
 * a damaged file may yield them.
 */
function runsOf(claims: readonly Claim[]): AuditEvent[][] {
  const runs: AuditEvent[][] = [[]];
  for (const { events, isAll } of claims) {
    runs.at(-1)!.push(...events);
    if (!isAll) runs.push([]);
  }
  return runs;
}

/**
 * Returns the first index, from `from` on, at which the list contains the whole run. Returns `from` if the list does
 * not contain the run.
 */
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

/**
 * Checks that the sums of a log can be read. If the exact results are known, also checks that the sums are those of its
 * events.
 */
export async function checkSums(
  log: StatsSource,
  events: readonly AuditEvent[],
  areCertain: boolean,
): Promise<void> {
  const [fault] = await sumFaults(log, events);
  if (fault !== undefined && areCertain) throw new Violation("other", fault);
}
