/**
 * Amounts and times as people read them. Pure.
 *
 * @module
 */

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
