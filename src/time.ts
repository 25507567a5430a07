/**
 * Points in time, as callers pass them and as log lines contain them. Pure.
 *
 * @module
 */

/** A point in time. A string is ISO 8601 with an offset or `Z`; a number is in epoch milliseconds. */
export type TimeLike = Date | Temporal.Instant | string | number;

/**
 * Converts a time that a caller passed to epoch milliseconds.
 *
 * @param time The time, as the caller passed it.
 * @param name The name of the argument, for the error message.
 * @throws {RangeError} If the date is invalid, the string has no offset, or the value is not a time. The message lists
 *   the accepted forms.
 */
export function toEpochMs(time: TimeLike, name: string): number {
  const ms = epochMsOf(time);
  if (!Number.isNaN(new Date(ms).getTime())) return ms;
  throw new RangeError(
    `Cannot read ${name}: the time must be a Date, a Temporal.Instant, epoch milliseconds, or an ISO 8601 string ` +
      `with an offset or Z such as 2026-02-13T14:30:00Z, got ${shownTime(time)}`,
  );
}

/** Converts a time to epoch milliseconds, or returns NaN if the value is not a time. */
function epochMsOf(time: unknown): number {
  if (typeof time === "number") return time;
  if (time instanceof Date) return time.getTime();
  if (time instanceof Temporal.Instant) return time.epochMilliseconds;
  const parsed = typeof time === "string" ? parseTime(time) : null;
  return parsed?.offsetMs === undefined ? NaN : parsed.localMs - parsed.offsetMs;
}

function shownTime(time: unknown): string {
  if (typeof time === "string") return JSON.stringify(time);
  return time instanceof Date ? String(time) : Deno.inspect(time);
}

/** A time that was written as text. */
export interface ParsedTime {
  /** The date and time of day as written, in milliseconds since 1970-01-01T00:00 in the time zone of the text. */
  readonly localMs: number;
  /** The offset from UTC in milliseconds; undefined if the text has no offset. */
  readonly offsetMs: number | undefined;
}

/**
 * Matches a date, which a time of day and an offset may follow, in the basic or the extended format of ISO 8601. The
 * time of day may follow a space instead of "T", and the fraction may follow a comma instead of a point.
 */
const TIME_TEXT = new RegExp(
  String.raw`^([+-]\d{6}|\d{4})(-?)(\d\d)\2(\d\d)` +
    String.raw`(?:(?: +|T)(\d\d)(?:(:?)(\d\d)(?:\6(\d\d)(?:[.,](\d+))?)?)?)?` +
    String.raw` ?(?:(Z|UTC|GMT)|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)?(?:\[[^\]]*\])?$`,
  "i",
);

/**
 * Parses a time in the formats of RFC 3339, PostgreSQL, Python and Java: `2026-02-13T14:30:22.123Z`,
 * `2026-02-13 14:30:22+01`, `2026-02-13 14:30:22,123`, `2026-02-13T14:30+01:00[Europe/Berlin]`. A leap second (`:60`)
 * counts as the preceding second. Every time in a log or an imported file is read by this function, or by
 * `tsEpochMs()`, which is faster for times that this library wrote.
 *
 * @returns The time, or null if the text is not a time.
 */
export function parseTime(text: string): ParsedTime | null {
  const parts = TIME_TEXT.exec(text);
  if (parts === null) return null;
  const [, year = "", , month, day, hour = "0", , minute = "0", second = "0", fraction = ""] =
    parts;
  const [utc, sign, offsetHour = "0", offsetMinute = "0", offsetSecond = "0"] = parts.slice(10);
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  // For a day that does not exist, such as 30 February, setUTCFullYear() sets a date in another month. ISO 8601 has no
  // year -0.
  if (date.getUTCMonth() !== Number(month) - 1 || year === "-000000") return null;
  const timeMs = durationMs(hour, minute, second.replace("60", "59")) +
    Number(fraction.slice(0, 3).padEnd(3, "0"));
  const offsetMs = durationMs(offsetHour, offsetMinute, offsetSecond);
  // The time of day 24:00, the end of the day, is valid; a later time of day is not.
  if (timeMs > DAY_MS || offsetMs >= DAY_MS) return null;
  const hasOffset = utc !== undefined || sign !== undefined;
  return {
    localMs: date.getTime() + timeMs,
    offsetMs: hasOffset ? (sign === "-" ? -offsetMs : offsetMs) : undefined,
  };
}

/** Converts a time of day or an offset to milliseconds; Infinity if the minutes or seconds are not below 60. */
function durationMs(hours: string, minutes: string, seconds: string): number {
  if (Number(minutes) > 59 || Number(seconds) > 59) return Infinity;
  return 1000 * (60 * (60 * Number(hours) + Number(minutes)) + Number(seconds));
}

/** Maximum distance of an instant from 1970-01-01T00:00Z in milliseconds, the limit of `Date`. */
export const EPOCH_MS_MAX = 8.64e15;

/**
 * Converts the `ts` of an event to epoch milliseconds, or NaN if `ts` is not a time. A time without an offset is read
 * as UTC, because the writers of such lines (Python's `utcnow().isoformat()`) mean UTC.
 */
export function eventEpochMs(ts: unknown): number {
  if (typeof ts !== "string") return NaN;
  const ownMs = ts.length === TS_LENGTH ? tsEpochMs(ts) : NaN;
  if (!Number.isNaN(ownMs)) return ownMs;
  const parsed = parseTime(ts);
  if (parsed === null) return NaN;
  const epochMs = parsed.localMs - (parsed.offsetMs ?? 0);
  return Math.abs(epochMs) <= EPOCH_MS_MAX ? epochMs : NaN;
}

/** Number of characters of a time in the format of this library, and of the date at the start of such a time. */
const TS_LENGTH = "2026-02-13T14:30:22.123Z".length;
const DAY_LENGTH = "2026-02-13T".length;
const COLON = ":".charCodeAt(0);
const POINT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const DAY_MS = 86_400_000;

/** The day of the time that was parsed last, cached because successive events are usually from the same day. */
let lastDay = { text: "1970-01-01T", epochMs: 0 };

/**
 * Parses a time in the format of this library, much faster than {@linkcode parseTime}. Returns NaN for any other
 * format.
 */
function tsEpochMs(ts: string): number {
  if (!ts.startsWith(lastDay.text)) {
    const epochMs = Date.parse(ts);
    // Date.parse() turns a date that does not exist, such as 30 February, into another day. The text of that other day
    // then differs from `ts`.
    if (Number.isNaN(epochMs) || new Date(epochMs).toISOString() !== ts) return NaN;
    const text = ts.slice(0, DAY_LENGTH);
    lastDay = { text, epochMs: Math.floor(epochMs / DAY_MS) * DAY_MS };
  }
  return lastDay.epochMs + timeOfDayMs(ts);
}

/** Returns the milliseconds since midnight of a time in the format of this library, or NaN for any other format. */
function timeOfDayMs(ts: string): number {
  const hours = twoDigitsAt(ts, 11);
  const minutes = twoDigitsAt(ts, 14);
  const seconds = twoDigitsAt(ts, 17);
  const isWritten = ts.charCodeAt(13) === COLON && ts.charCodeAt(16) === COLON &&
    ts.charCodeAt(19) === POINT && ts.endsWith("Z");
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

/** A quarter of an hour in milliseconds. */
export const QUARTER_MS = 15 * 60_000;
/**
 * Checks whether every hour and day on the clock of a time zone that begins in a range of time begins with a quarter of
 * an hour in UTC. Exceptions are offsets such as +05:37 or the -10:40 of Kiritimati until 1979, and changes of the
 * clock within a quarter, such as at 00:01 in Newfoundland until 2011.
 *
 * @param timeZone An IANA name such as `Europe/Berlin`, or a UTC offset such as `+05:30`.
 * @param range The range in epoch milliseconds, both ends included.
 */
export function hasWholeQuarters(
  timeZone: string,
  { firstMs, lastMs }: { readonly firstMs: number; readonly lastMs: number },
): boolean {
  const isWhole = (ms: number) => ms % QUARTER_MS === 0;
  const [startMs, endMs] = [Math.floor(firstMs / QUARTER_MS), Math.floor(lastMs / QUARTER_MS) + 1]
    .map((quarter) => quarter * QUARTER_MS);
  let time: Temporal.ZonedDateTime | null = Temporal.Instant.fromEpochMilliseconds(startMs!)
    .toZonedDateTimeISO(timeZone);
  for (
    ;
    time !== null && time.epochMilliseconds < endMs!;
    time = time.getTimeZoneTransition("next")
  ) {
    if (!isWhole(time.epochMilliseconds) || !isWhole(time.offsetNanoseconds / 1e6)) return false;
  }
  return true;
}
