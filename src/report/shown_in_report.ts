/**
 * Formats the figures, times and names of a report. Pure.
 *
 * @module
 */
import { shownText, shownTime } from "../shown.ts";
import { type Markup, markup } from "./markup.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** Maximum number of characters that are shown of a text. A longer text ends with the number of omitted characters. */
const TEXT_LENGTH_MAX = 500;

const integers = new Intl.NumberFormat("en", { useGrouping: "min2", maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** Returns a count with grouped digits. */
export function shownCount(count: number): string {
  return integers.format(count);
}

/** Returns a number in full if it is below a million, and otherwise in compact form, such as `1.5M`. */
export function shownBrief(value: number): string {
  return value < 1e6 ? shownCount(value) : compact.format(value);
}

/** Returns a number in compact form, such as `1.5K`. */
export function shownCompact(value: number): string {
  return compact.format(value);
}

/** Returns an amount of USD in compact form, such as `$1.5K`. */
export function shownUsdCompact(usd: number): string {
  return `$${compact.format(usd)}`;
}

/** Returns the width of a time bucket in words, such as `hour` or `5 minutes`. */
export function shownWidth(widthMs: number): string {
  if (widthMs < MINUTE_MS) return plural(widthMs / 1_000, "second");
  if (widthMs < HOUR_MS) return plural(widthMs / MINUTE_MS, "minute");
  if (widthMs < DAY_MS) return plural(widthMs / HOUR_MS, "hour");
  if (widthMs < WEEK_MS) return plural(widthMs / DAY_MS, "day");
  return plural(widthMs / WEEK_MS, "week");
}

function plural(count: number, unit: string): string {
  return count === 1 ? unit : `${count} ${unit}s`;
}

/** Returns a `<time>` element that shows an instant, with seconds if a time bucket is narrower than a minute. */
export function shortTimeElement(epochMs: number, timeZone: string, widthMs: number): Markup {
  return timeElement(epochMs, timeZone, widthMs < MINUTE_MS ? "second" : "minute");
}

/** Returns a `<time>` element that shows an instant in the time zone, and has the instant as an attribute. */
export function timeElement(
  epochMs: number,
  timeZone: string,
  precision: "minute" | "second" | "millisecond" = "minute",
): Markup {
  const instant = Temporal.Instant.fromEpochMilliseconds(epochMs);
  const text = shownTime(instant, timeZone, { smallestUnit: precision });
  return markup`<time datetime="${instant.toString()}">${text}</time>`;
}

/**
 * Returns an HTML element that shows a text from the log. A long text is cut. The writing direction of the text does
 * not affect the text around it.
 */
export function textElement(text: string, lengthMax: number = TEXT_LENGTH_MAX): Markup {
  const more = text.length - lengthMax;
  if (more <= 0) return markup`<bdi>${text}</bdi>`;
  const rest = `… and ${shownCount(more)} more characters`;
  return markup`<bdi>${clipped(text, lengthMax)}</bdi><span class="more">${rest}</span>`;
}

/** Returns a name from the log as safe text, cut to a number of characters. */
export function shownShort(name: string, lengthMax: number): string {
  const text = shownText(name);
  return text.length <= lengthMax ? text : `${clipped(text, lengthMax - 1)}…`;
}

/** Returns the start of a text. If the cut would split a surrogate pair, the pair is omitted. */
function clipped(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
}
