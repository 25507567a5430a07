/**
 * What the last hours cost.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { callback, checkOptions, hours } from "../options/option_checks.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { costOf, isInWindow, spendWindow } from "../cost/spend.ts";

/**
 * Sums the cost in USD of the events of the last `hours` hours (default 1), both ends included:
 * exactly from `now() - hours` to `now()`, not rounded to the clock hour, nothing from the future.
 * Zero or fewer hours cost nothing. A cost that is no finite number is passed over.
 *
 * @throws {RangeError} when `hours` is no number.
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
