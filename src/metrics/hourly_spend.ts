/**
 * What the last hours cost.
 *
 * @module
 */
import { CompensatedSum } from "../compensated_sum.ts";
import type { AuditEvent } from "../event.ts";
import { eventEpochMs } from "../time.ts";

const HOUR_MS = 3_600_000;

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
  const { hours = 1, now = Date.now } = options;
  if (typeof hours !== "number" || Number.isNaN(hours)) {
    throw new RangeError(`Cannot sum the spend as hours must be a number: ${hours}`);
  }
  if (hours <= 0) return 0;
  const untilMs = now();
  const sinceMs = untilMs - hours * HOUR_MS;
  const spend = new CompensatedSum();
  for await (const { ts, cost } of events) {
    if (typeof cost !== "number" || !Number.isFinite(cost)) continue;
    const ms = eventEpochMs(ts);
    if (ms >= sinceMs && ms <= untilMs) spend.add(cost);
  }
  return spend.value;
}
