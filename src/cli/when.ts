/**
 * Parses times as people type them: `3h`, `yesterday`, `2026-02-13`. Pure.
 *
 * @module
 */
import { parseTime } from "../time.ts";

/**
 * A function that returns the instant of a time that a user has typed. A time such as `3h` depends on `now`, and a time
 * such as `today` also on the time zone of `now`.
 */
export type When = (now: Temporal.ZonedDateTime) => Temporal.Instant;

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Maximum duration before now in milliseconds, about 3,000 years. Calendar functions fail for earlier times. */
const AGO_MS_MAX = 1e14;
const NOT_A_TIME = "not a time; use 3h, yesterday or 2026-02-13T14:30";
const DURATION = /^(\d+(?:\.\d+)?)([smhdw])$/;

/**
 * Parses a time: `90s`, `15m`, `3h`, `2d` or `1w` ago; `now`; the start of `today` or `yesterday`; or ISO 8601. If
 * an ISO 8601 time has no UTC offset, the time zone of `now` applies.
 *
 * @throws {RangeError} If the text is anything else.
 */
export function parseWhen(text: string): When {
  const milliseconds = durationMs(text);
  if (milliseconds !== null) {
    if (milliseconds > AGO_MS_MAX) throw new RangeError(NOT_A_TIME);
    return (now) => now.toInstant().subtract({ milliseconds });
  }
  if (text === "now") return (now) => now.toInstant();
  if (text === "today") return (now) => now.startOfDay().toInstant();
  if (text === "yesterday") return (now) => now.startOfDay().subtract({ days: 1 }).toInstant();
  const instantIn = parseIsoTime(text);
  return (now) => instantIn(now.timeZoneId);
}

/**
 * Parses a duration such as `90s`, `15m`, `3h`, `2d` or `1w`, and returns it in milliseconds.
 *
 * @throws {RangeError} If the text is anything else.
 */
export function parseDuration(text: string): number {
  const milliseconds = durationMs(text);
  if (milliseconds === null) throw new RangeError("not a duration; use 12h, 30d or 4w");
  return milliseconds;
}

function durationMs(text: string): number | null {
  const [, count, unit = ""] = DURATION.exec(text) ?? [];
  return count === undefined ? null : Math.round(Number(count) * UNIT_MS[unit]!);
}

/**
 * Parses an ISO 8601 time, and returns a function that returns the instant of the time in a time zone. If the time
 * has a UTC offset, the time zone makes no difference.
 *
 * @throws {RangeError} If the text is not a time.
 */
export function parseIsoTime(text: string): (timeZone: string) => Temporal.Instant {
  const parsed = parseTime(text);
  if (parsed === null) throw new RangeError(NOT_A_TIME);
  const { localMs, offsetMs } = parsed;
  if (offsetMs === undefined) {
    const local = plainDateTimeOf(localMs);
    return (timeZone) => local.toZonedDateTime(timeZone).toInstant();
  }
  const instant = Temporal.Instant.fromEpochMilliseconds(localMs - offsetMs);
  return () => instant;
}

/** Parses an ISO 8601 time without a UTC offset. Returns null if the time has an offset, or the text is not a time. */
export function localTimeOf(text: string): Temporal.PlainDateTime | null {
  const parsed = parseTime(text);
  return parsed === null || parsed.offsetMs !== undefined ? null : plainDateTimeOf(parsed.localMs);
}

function plainDateTimeOf(localMs: number): Temporal.PlainDateTime {
  return Temporal.Instant.fromEpochMilliseconds(localMs).toZonedDateTimeISO("UTC")
    .toPlainDateTime();
}

/** The default of `--since` for commands that compute sums: 24 hours ago. See also {@linkcode defaultSince}. */
export const DAY_AGO: When = parseWhen("24h");

/** The default of `--since` for `scout spend --by day` and `scout stats --by day`: 30 days ago. */
const MONTH_AGO: When = parseWhen("30d");

/** Returns the default of `--since` for sums by some fields. Days need a longer range than one day. */
export function defaultSince(by: readonly string[]): When {
  return by.includes("day") ? MONTH_AGO : DAY_AGO;
}
