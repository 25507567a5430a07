/**
 * What the last hours of a range cost, without knowing before where it ends. Pure.
 *
 * @module
 */
import { PreciseSum } from "../precise_sum.ts";

const MINUTE_MS = 60_000;
/** A day of them is kept. */
const MINUTES_MAX = 24 * 60;

/**
 * Costs by minute, of the last day. The minutes are counted from the end of the range where that is
 * known, so that the hours end with it exactly; else they are the clock's, and the range ends with the
 * minute of its newest event.
 */
export class RecentSpend {
  readonly #anchorMs: number;
  readonly #minutes = new Map<number, PreciseSum>();
  #newest = -Infinity;

  /** Has none yet; `untilMs` is the end of the range in epoch milliseconds, Infinity if it is not known. */
  constructor(untilMs: number) {
    this.#anchorMs = Number.isFinite(untilMs) ? untilMs : 0;
    if (Number.isFinite(untilMs)) this.#newest = -1;
  }

  /** The end of the range, in epoch milliseconds; null if nobody knows. */
  get endMs(): number | null {
    return this.#newest === -Infinity ? null : this.#anchorMs + (this.#newest + 1) * MINUTE_MS;
  }

  /** An event was at that time, whether it cost anything or not. */
  add(epochMs: number, usd: number): void {
    const minute = Math.floor((epochMs - this.#anchorMs) / MINUTE_MS);
    if (minute > this.#newest) this.#newest = minute;
    if (usd === 0 || minute <= this.#newest - MINUTES_MAX) return;
    let sum = this.#minutes.get(minute);
    if (sum === undefined) {
      if (this.#minutes.size >= 2 * MINUTES_MAX) this.#forgetOld();
      this.#minutes.set(minute, sum = new PreciseSum());
    }
    sum.add(usd);
  }

  /** What the last hours of the range cost in USD, at most 24 of them. */
  usdOf(hours: number): number {
    const total = new PreciseSum();
    for (const [minute, sum] of this.#minutes) {
      if (minute > this.#newest - 60 * hours) total.addSum(sum);
    }
    return total.value;
  }

  #forgetOld(): void {
    for (const minute of this.#minutes.keys()) {
      if (minute <= this.#newest - MINUTES_MAX) this.#minutes.delete(minute);
    }
  }
}
