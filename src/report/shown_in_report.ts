/**
 * Figures, times and names as the report shows them. Pure.
 *
 * @module
 */
import { shownTime } from "../shown.ts";
import { type Markup, markup } from "./markup.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** Characters of a text that are shown; how many more there are is told. */
const TEXT_LENGTH_MAX = 500;

const integers = new Intl.NumberFormat("en", { useGrouping: "min2", maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** A number of things. */
export function shownCount(count: number): string {
  return integers.format(count);
}

/** A number, in full where it is not long. */
export function shownBrief(value: number): string {
  return value < 1e6 ? shownCount(value) : compact.format(value);
}

/** A number where there is little room for it. */
export function shownCompact(value: number): string {
  return compact.format(value);
}

/** An amount where there is little room for it. */
export function shownUsdCompact(usd: number): string {
  return `$${compact.format(usd)}`;
}

/** How wide a bucket is. */
export function shownWidth(widthMs: number): string {
  if (widthMs < HOUR_MS) return plural(widthMs / 60_000, "minute");
  if (widthMs < DAY_MS) return plural(widthMs / HOUR_MS, "hour");
  if (widthMs < WEEK_MS) return plural(widthMs / DAY_MS, "day");
  return plural(widthMs / WEEK_MS, "week");
}

function plural(count: number, unit: string): string {
  return count === 1 ? unit : `${count} ${unit}s`;
}

/** An instant in the time zone, to the minute or to the millisecond, that programs can read too. */
export function timeElement(
  epochMs: number,
  timeZone: string,
  precision: "minute" | "millisecond" = "minute",
): Markup {
  const instant = Temporal.Instant.fromEpochMilliseconds(epochMs);
  const text = shownTime(instant, timeZone, { smallestUnit: precision });
  return markup`<time datetime="${instant.toString()}">${text}</time>`;
}

/** A text from the log, whatever it is, apart from the direction of what is around it. */
export function textElement(text: string, lengthMax: number = TEXT_LENGTH_MAX): Markup {
  const more = text.length - lengthMax;
  if (more <= 0) return markup`<bdi>${text}</bdi>`;
  const rest = `… and ${shownCount(more)} more characters`;
  return markup`<bdi>${clipped(text, lengthMax)}</bdi><span class="more">${rest}</span>`;
}

/** A name from the log where there is room for so many characters of it. */
export function shownShort(name: string, lengthMax: number): string {
  return name.length <= lengthMax ? name : `${clipped(name, lengthMax - 1)}…`;
}

/** The beginning of a text, without half a character at its end. */
function clipped(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
}
