/**
 * What the last hours of a range cost, without knowing before where it ends. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";

const MINUTE_MS = 60_000;
/** A day of them is kept. */
const MINUTES_MAX = 24 * 60;

/** What one minute cost. */
interface Minute {
  readonly number: number;
  readonly startMs: number;
  readonly sum: PreciseSum;
}

/**
 * Costs by minute, of the last day. The minutes are counted from the end of the range where that is
 * known, so that the hours end with it exactly; else they are the clock's, and the range ends with the
 * minute of its newest event.
 */
export class RecentSpend {
  readonly #anchorMs: number;
  /** Each in the place that it shares with those of other days. */
  readonly #minutes: (Minute | undefined)[] = Array(MINUTES_MAX).fill(undefined);
  #newest = -Infinity;
  #last: Minute = { number: NaN, startMs: NaN, sum: new PreciseSum() };

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
    const last = this.#last;
    // Events of one minute follow one another.
    if (epochMs >= last.startMs && epochMs < last.startMs + MINUTE_MS) last.sum.add(usd);
    else this.#addElsewhere(epochMs, usd);
  }

  #addElsewhere(epochMs: number, usd: number): void {
    const number = Math.floor((epochMs - this.#anchorMs) / MINUTE_MS);
    if (number > this.#newest) this.#newest = number;
    if (number <= this.#newest - MINUTES_MAX) return;
    const place = (number % MINUTES_MAX + MINUTES_MAX) % MINUTES_MAX;
    let minute = this.#minutes[place];
    if (minute?.number !== number) {
      const startMs = this.#anchorMs + number * MINUTE_MS;
      this.#minutes[place] = minute = { number, startMs, sum: new PreciseSum() };
    }
    minute.sum.add(usd);
    this.#last = minute;
  }

  /** What the last hours of the range cost in USD, at most 24 of them. */
  usdOf(hours: number): number {
    const total = new PreciseSum();
    for (const minute of this.#minutes) {
      if (minute !== undefined && minute.number > this.#newest - 60 * hours) {
        total.addSum(minute.sum);
      }
    }
    return total.value;
  }
}
