/**
 * Instants as callers write them and as lines carry them. Pure.
 *
 * @module
 */

/** A point in time: a string is ISO 8601 with an offset or `Z`, a number is epoch milliseconds. */
export type TimeLike = Date | Temporal.Instant | string | number;

/**
 * Returns the instant in epoch milliseconds.
 *
 * @param time The instant as the caller wrote it.
 * @param name The name of the argument, for the error.
 * @throws {RangeError} If the date is invalid, the string has no offset, or the value is not a time; says which
 *   forms are read.
 */
export function toEpochMs(time: TimeLike, name: string): number {
  const ms = epochMsOf(time);
  if (!Number.isNaN(new Date(ms).getTime())) return ms;
  throw new RangeError(
    `Cannot read ${name}: it must be a Date, a Temporal.Instant, epoch milliseconds, or an ISO 8601 string ` +
      `with an offset or Z such as 2026-02-13T14:30:00Z, got ${shownTime(time)}`,
  );
}

/** Returns the instant, or NaN. */
function epochMsOf(time: unknown): number {
  if (typeof time === "number") return time;
  if (time instanceof Date) return time.getTime();
  if (time instanceof Temporal.Instant) return time.epochMilliseconds;
  if (typeof time !== "string") return NaN;
  try {
    return Temporal.Instant.from(time).epochMilliseconds;
  } catch {
    // The caller reports it.
    return NaN;
  }
}

function shownTime(time: unknown): string {
  if (typeof time === "string") return JSON.stringify(time);
  return time instanceof Date ? String(time) : Deno.inspect(time);
}

const ENDS_WITH_OFFSET = /(?:Z|[+-]\d\d:?\d\d)$/i;

/**
 * Gives the instant that a line's `ts` names, or NaN. A time without an offset counts as UTC, which
 * is what writers of such lines (Python's `utcnow().isoformat()`) mean by it.
 */
export function eventEpochMs(ts: unknown): number {
  if (typeof ts !== "string") return NaN;
  if (ts.endsWith("Z")) return ts.length === TS_LENGTH ? tsEpochMs(ts) : Date.parse(ts);
  return Date.parse(ENDS_WITH_OFFSET.test(ts) ? ts : `${ts}Z`);
}

/** A time as this library writes it, and the part of it that names the day. */
const TS_LENGTH = "2026-02-13T14:30:22.123Z".length;
const DAY_LENGTH = "2026-02-13T".length;
const COLON = ":".charCodeAt(0);
const POINT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const DAY_MS = 86_400_000;

/** The day of the last time, as events of one day follow one another. */
let lastDay = { text: "1970-01-01T", epochMs: 0 };

/** As `Date.parse()`, in a fraction of its time. */
function tsEpochMs(ts: string): number {
  if (ts.startsWith(lastDay.text)) {
    const ms = timeOfDayMs(ts);
    if (!Number.isNaN(ms)) return lastDay.epochMs + ms;
  }
  const epochMs = Date.parse(ts);
  // One that overflows, as 30 February does, is of another day than it says.
  if (!Number.isNaN(epochMs) && new Date(epochMs).toISOString() === ts) {
    const text = ts.slice(0, DAY_LENGTH);
    lastDay = { text, epochMs: Math.floor(epochMs / DAY_MS) * DAY_MS };
  }
  return epochMs;
}

/** Milliseconds since midnight of a time as this library writes it; NaN for any other. */
function timeOfDayMs(ts: string): number {
  const hours = twoDigitsAt(ts, 11);
  const minutes = twoDigitsAt(ts, 14);
  const seconds = twoDigitsAt(ts, 17);
  const isWritten = ts.charCodeAt(13) === COLON && ts.charCodeAt(16) === COLON &&
    ts.charCodeAt(19) === POINT;
  if (!isWritten || !(hours < 24 && minutes < 60 && seconds < 60)) return NaN;
  const milliseconds = 10 * twoDigitsAt(ts, 20) + digitAt(ts, 22);
  return 1000 * (60 * (60 * hours + minutes) + seconds) + milliseconds;
}

function twoDigitsAt(text: string, index: number): number {
  return 10 * digitAt(text, index) + digitAt(text, index + 1);
}

/** The digit, or NaN where there is none. */
function digitAt(text: string, index: number): number {
  const digit = text.charCodeAt(index) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : NaN;
}
