/**
 * Sums costs by second. The memory that the sums need and the time of a query depend on the stored time span, not on
 * the number of events. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";

const SECOND_MS = 1_000;
const SECONDS_PER_MINUTE = 60;

/**
 * The sum of the costs in a minute, and the sum for each second of the minute that has costs. The sum of the minute
 * makes queries over hours fast.
 */
interface Minute {
  readonly sum: PreciseSum;
  readonly seconds: Map<number, PreciseSum>;
}

/** Sums of costs in USD for each second. */
export class CostSlots {
  readonly #minutes = new Map<number, Minute>();

  /** Adds a cost of `usd` USD to the second of the instant `epochMs`, in epoch milliseconds. */
  add(epochMs: number, usd: number): void {
    const second = secondOf(epochMs);
    const minute = Math.floor(second / SECONDS_PER_MINUTE);
    let slot = this.#minutes.get(minute);
    if (slot === undefined) {
      this.#minutes.set(minute, slot = { sum: new PreciseSum(), seconds: new Map() });
    }
    let sum = slot.seconds.get(second);
    if (sum === undefined) slot.seconds.set(second, sum = new PreciseSum());
    sum.add(usd);
    slot.sum.add(usd);
  }

  /** Returns the sum of the costs from the second of `sinceMs` to the second of `untilMs`, both included. */
  sumOf(sinceMs: number, untilMs: number): number {
    const [first, last] = [secondOf(sinceMs), secondOf(untilMs)];
    const total = new PreciseSum();
    for (const [minute, { sum, seconds }] of this.#minutes) {
      const start = minute * SECONDS_PER_MINUTE;
      const end = start + SECONDS_PER_MINUTE - 1;
      if (end < first || start > last) continue;
      if (start >= first && end <= last) total.addSum(sum);
      else {
        for (const [second, sum] of seconds) {
          if (second >= first && second <= last) total.addSum(sum);
        }
      }
    }
    return total.value;
  }

  /**
   * Drops the costs of the minutes that ended before an instant in epoch milliseconds, so that the memory stays
   * bounded.
   */
  forgetBefore(epochMs: number): void {
    const minute = Math.floor(secondOf(epochMs) / SECONDS_PER_MINUTE);
    for (const known of this.#minutes.keys()) {
      if (known < minute) this.#minutes.delete(known);
    }
  }
}

function secondOf(epochMs: number): number {
  return Math.floor(epochMs / SECOND_MS);
}
