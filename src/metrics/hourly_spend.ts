/**
 * Sums the spend of the last hours.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import {
  callback,
  checkOption,
  checkOptions,
  eventSource,
  hours,
} from "../options/option_checks.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { costOf, isInWindow, spendWindow } from "../cost/spend.ts";

/**
 * Sums the costs of the events of the last hours.
 *
 * The window of time reaches exactly from `now() - hours` to `now()`, both ends included. The window is not rounded to
 * full hours. Events after `now()` do not count. Costs that are not finite numbers are ignored.
 *
 * @param events The events to sum, in any order.
 * @param options `hours` is the length of the window in hours, by default 1; if it is zero or negative, the sum is 0.
 *   `now` returns the end of the window in epoch milliseconds, by default `Date.now`.
 * @returns The sum in USD.
 * @throws {TypeError} If `events` is not an iterable, or an option is unknown or of the wrong type.
 * @throws {RangeError} If `hours` is NaN.
 *
 * @example
 * ```ts
 * import { type AuditEvent, hourlySpend } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const events = ReadableStream.from<AuditEvent>([
 *   { ts: "1970-01-01T00:00:00Z", event: "nav", cost: 4 },
 *   { ts: "1970-01-01T00:30:00Z", event: "nav", cost: 0.25 },
 * ]);
 * assertEquals(await hourlySpend(events, { hours: 1, now: () => 5_000_000 }), 0.25);
 * ```
 */
export async function hourlySpend(
  events: AsyncIterable<AuditEvent>,
  options: { hours?: number; now?: () => number } = {},
): Promise<number> {
  checkOption(events, eventSource, "Cannot sum the spend: events");
  checkOptions(options, { hours, now: callback }, "sum the spend");
  const window = spendWindow(options);
  if (window === null) return 0;
  const spend = new PreciseSum();
  for await (const event of events) {
    const cost = costOf(event);
    if (cost !== null && isInWindow(window, cost.epochMs)) spend.add(cost.usd);
  }
  return spend.value;
}
