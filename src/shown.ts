/**
 * Text, amounts and times, formatted for people to read. Pure.
 *
 * @module
 */
import { eventEpochMs } from "./time.ts";

// The formatters are created at their first use, because the first one of a process loads the data of the locale, which
// takes as long as starting an empty program.
let numbers: Intl.NumberFormat | undefined;
let cents: Intl.NumberFormat | undefined;

const BYTE_UNITS = ["kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
/**
 * The range of amounts in USD that are shown without an exponent. Without an exponent, other amounts would be long rows
 * of zeros.
 */
const [PLAIN_USD_MIN, PLAIN_USD_MAX] = [1e-12, 1e15];
const SIGNIFICANT_DIGITS = 6;

/** Matches control characters (C0, DEL, C1), line separators, bidirectional controls and lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * Escapes a text from a log or a file, so that it has one line and is safe to print on a terminal. Each control
 * character, bidirectional control and lone surrogate is escaped as in JSON. If the text is JSON without line breaks,
 * the result is JSON with the same value.
 *
 * @param text Any text.
 * @returns The escaped text.
 */
export function shownText(text: string): string {
  return text.replaceAll(UNSAFE, escapeOf);
}

function escapeOf(character: string): string {
  const escape = JSON.stringify(character).slice(1, -1);
  if (escape.length > 1) return escape;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Formats a number. Digits are grouped above 9,999. */
export function shownNumber(value: number): string {
  // The formatter returns the same for such a number. Most numbers on the screen are such, so most commands need none.
  if (Number.isInteger(value) && value > 0 && value <= UNGROUPED_MAX) return `${value}`;
  numbers ??= new Intl.NumberFormat("en", { useGrouping: "min2" });
  return numbers.format(value);
}

/** The largest integer whose digits are not grouped. */
const UNGROUPED_MAX = 9_999;

/** Formats an amount of USD with two decimals from 1 USD up, and with six significant digits below 1 USD. */
export function shownUsd(usd: number): string {
  return `${usd < 0 ? "-" : ""}$${shownAmount(Math.abs(usd))}`;
}

function shownAmount(amount: number): string {
  if (amount === 0) return "0.00";
  const rounded = Number(amount.toPrecision(SIGNIFICANT_DIGITS));
  if (!Number.isFinite(amount)) return `${amount}`;
  if (rounded < PLAIN_USD_MIN || rounded >= PLAIN_USD_MAX) return rounded.toExponential();
  if (rounded >= 1) return shownCents(amount);
  const decimals = Math.max(2, SIGNIFICANT_DIGITS - 1 - Math.floor(Math.log10(rounded)));
  const text = rounded.toFixed(decimals).replace(/0+$/, "");
  return text.padEnd("0.00".length, "0");
}

/** Formats an amount with two decimals. */
function shownCents(amount: number): string {
  cents ??= new Intl.NumberFormat("en", {
    useGrouping: "min2",
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
  });
  return cents.format(amount);
}

/** Formats an instant as local time in a time zone. `precision` sets the smallest unit to show. */
export function shownTime(
  instant: Temporal.Instant,
  timeZone: string,
  precision: Temporal.PlainDateTimeToStringOptions,
): string {
  const local = instant.toZonedDateTimeISO(timeZone).toPlainDateTime();
  return local.toString(precision).replace("T", " ");
}

/** Formats an instant as local time to the minute, followed by the name of the time zone. */
export function shownSince(since: Temporal.Instant, timeZone: string): string {
  return `${shownTime(since, timeZone, { smallestUnit: "minute" })} (${timeZone})`;
}

/** Formats a part of a whole in percent; null if the whole is 0. */
export function shownShare(part: number, whole: number): string | null {
  const pct = 100 * part / whole;
  return Number.isFinite(pct) ? `${pct.toFixed(1)} %` : null;
}

/** Formats a number with a noun, which is in the plural if the number is not 1. */
export function counted(count: number, what: string): string {
  return `${shownNumber(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** Formats a number of bytes in the largest unit in which the result is at least 1. */
export function shownBytes(bytes: number): string {
  if (bytes < 1000) return counted(bytes, "byte");
  const power = Math.min(BYTE_UNITS.length, Math.floor(Math.log10(bytes) / 3));
  const unit = BYTE_UNITS[power - 1]!;
  const options = { style: "unit", unit, maximumFractionDigits: 1, useGrouping: "min2" } as const;
  return new Intl.NumberFormat("en", options).format(bytes / 1000 ** power);
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Formats a duration in milliseconds with three significant digits below a minute, and in whole units above it. */
export function shownDuration(ms: number): string {
  const rounded = Number(ms.toPrecision(3));
  if (rounded < SECOND_MS) return `${rounded} ms`;
  if (rounded < MINUTE_MS) return `${rounded / SECOND_MS} s`;
  const seconds = Math.round(ms / SECOND_MS);
  if (seconds * SECOND_MS < HOUR_MS) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(ms / MINUTE_MS);
  return `${shownNumber(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Returns the time of an event as local time to the second; if `ts` is not a time, returns `ts` itself. */
export function shownInstant(ts: string, timeZone: string): string {
  const epochMs = eventEpochMs(ts);
  if (Number.isNaN(epochMs)) return ts;
  const instant = Temporal.Instant.fromEpochMilliseconds(epochMs);
  return shownTime(instant, timeZone, { smallestUnit: "second" });
}
