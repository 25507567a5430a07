/**
 * Amounts and times as people read them. Pure.
 *
 * @module
 */

const numbers = new Intl.NumberFormat("en");
const BYTE_UNITS = ["kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** USD with as many decimals as small costs need. */
export function shownUsd(usd: number): string {
  return `$${usd.toFixed(6)}`;
}

/** The instant in the time zone, as precise as is asked for. */
export function shownTime(
  instant: Temporal.Instant,
  timeZone: string,
  precision: Temporal.PlainDateTimeToStringOptions,
): string {
  const local = instant.toZonedDateTimeISO(timeZone).toPlainDateTime();
  return local.toString(precision).replace("T", " ");
}

/** From when on something was counted, to the minute. */
export function shownSince(since: Temporal.Instant, timeZone: string): string {
  return `${shownTime(since, timeZone, { smallestUnit: "minute" })} (${timeZone})`;
}

/** How many there are, the noun in its plural if need be. */
export function counted(count: number, what: string): string {
  return `${numbers.format(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** An amount of data in the largest unit of which there is one. */
export function shownBytes(bytes: number): string {
  if (bytes < 1000) return counted(bytes, "byte");
  const power = Math.min(BYTE_UNITS.length, Math.floor(Math.log10(bytes) / 3));
  const unit = BYTE_UNITS[power - 1]!;
  return new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: 1 })
    .format(bytes / 1000 ** power);
}
