/**
 * Points in time, as callers pass them and as log lines contain them. Pure.
 *
 * @module
 */

/** A point in time. A string is ISO 8601 with an offset or `Z`; a number is in epoch milliseconds. */
export type TimeLike = Date | Temporal.Instant | string | number;

/**
 * Returns the instant in epoch milliseconds.
 *
 * @param time The instant, as the caller passed it.
 * @param name The name of the argument, for the error message.
 * @throws {RangeError} If the date is invalid, the string has no offset, or the value is not a time; lists the
 *   accepted forms.
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
    // The caller reports the invalid time.
    return NaN;
  }
}

function shownTime(time: unknown): string {
  if (typeof time === "string") return JSON.stringify(time);
  return time instanceof Date ? String(time) : Deno.inspect(time);
}

const ENDS_WITH_OFFSET = /(?:Z|[+-]\d\d:?\d\d)$/i;

/**
 * Returns the `ts` of a line in epoch milliseconds, or NaN if it is not a time. A time without an offset is read
 * as UTC, because the writers of such lines (Python's `utcnow().isoformat()`) mean UTC.
 */
export function eventEpochMs(ts: unknown): number {
  if (typeof ts !== "string") return NaN;
  if (ts.endsWith("Z")) return ts.length === TS_LENGTH ? tsEpochMs(ts) : Date.parse(ts);
  return Date.parse(ENDS_WITH_OFFSET.test(ts) ? ts : `${ts}Z`);
}

/** Length of a time as this library writes it, and of its date. */
const TS_LENGTH = "2026-02-13T14:30:22.123Z".length;
const DAY_LENGTH = "2026-02-13T".length;
const COLON = ":".charCodeAt(0);
const POINT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const DAY_MS = 86_400_000;

/** The day of the time that was parsed last. Successive events are usually from the same day. */
let lastDay = { text: "1970-01-01T", epochMs: 0 };

/** Returns the same as `Date.parse()`, in a fraction of the time. */
function tsEpochMs(ts: string): number {
  if (ts.startsWith(lastDay.text)) {
    const ms = timeOfDayMs(ts);
    if (!Number.isNaN(ms)) return lastDay.epochMs + ms;
  }
  const epochMs = Date.parse(ts);
  // A date that overflows, such as 30 February, denotes another day than its text.
  if (!Number.isNaN(epochMs) && new Date(epochMs).toISOString() === ts) {
    const text = ts.slice(0, DAY_LENGTH);
    lastDay = { text, epochMs: Math.floor(epochMs / DAY_MS) * DAY_MS };
  }
  return epochMs;
}

/** Returns the milliseconds since midnight of a time as this library writes it, or NaN for any other form. */
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

/** Returns the digit at the index, or NaN if the character there is not a digit. */
function digitAt(text: string, index: number): number {
  const digit = text.charCodeAt(index) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : NaN;
}
