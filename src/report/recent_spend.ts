/**
 * Sums up the costs of the last hours of a time range. The end of the range need not be known in advance. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { EPOCH_MS_MAX } from "../time.ts";

const MINUTE_MS = 60_000;
/** Number of minutes whose costs are stored: one day. Costs of earlier minutes are dropped. */
const MINUTES_MAX = 24 * 60;

/**
 * Returns the end of a range in epoch milliseconds whose newest event is at an instant: the end of its minute. Returns
 * -Infinity for -Infinity.
 */
export function endOfMinute(epochMs: number): number {
  return (Math.floor(epochMs / MINUTE_MS) + 1) * MINUTE_MS;
}

/** The costs of the events in one minute. */
interface Minute {
  readonly number: number;
  readonly startMs: number;
  readonly sum: PreciseSum;
}

/**
 * The costs of the last day of a range, by minute.
 *
 * If the end of the range is known, the minutes are counted back from that end, so that the last hour ends exactly
 * there. Otherwise, each minute begins at a full minute of the clock, and the range ends with the minute of the newest
 * event.
 */
export class RecentSpend {
  readonly #anchorMs: number;
  /** A ring buffer of minutes. A new minute replaces the minute 24 hours earlier, which has the same index. */
  readonly #minutes: (Minute | undefined)[] = Array(MINUTES_MAX).fill(undefined);
  #newest = -Infinity;
  #last: Minute = { number: NaN, startMs: NaN, sum: new PreciseSum() };

  /** Creates an instance without costs; `untilMs` is the end of the range, or `Infinity` if the end is unknown. */
  constructor(untilMs: number) {
    this.#anchorMs = Number.isFinite(untilMs) ? untilMs : 0;
    if (Number.isFinite(untilMs)) this.#newest = -1;
  }

  /** The end of the range in epoch milliseconds; null if the end is unknown. */
  get endMs(): number | null {
    if (this.#newest === -Infinity) return null;
    return Math.min(this.#anchorMs + (this.#newest + 1) * MINUTE_MS, EPOCH_MS_MAX);
  }

  /** Adds the time of an event in epoch milliseconds, and its cost in USD, which may be 0. */
  add(epochMs: number, usd: number): void {
    const last = this.#last;
    // This case is checked first because it is fast, and consecutive events are mostly in the same minute.
    if (epochMs >= last.startMs && epochMs < last.startMs + MINUTE_MS) last.sum.add(usd);
    else this.#addElsewhere(epochMs, usd);
  }

  /** Adds several costs as if all were costs of one instant. */
  addSum(epochMs: number, sum: PreciseSum): void {
    this.#at(epochMs)?.sum.addSum(sum);
  }

  #addElsewhere(epochMs: number, usd: number): void {
    const minute = this.#at(epochMs);
    if (minute === null) return;
    minute.sum.add(usd);
    this.#last = minute;
  }

  /** Returns the minute of an instant; null if it is older than a day. */
  #at(epochMs: number): Minute | null {
    const number = Math.floor((epochMs - this.#anchorMs) / MINUTE_MS);
    if (number > this.#newest) this.#newest = number;
    if (number <= this.#newest - MINUTES_MAX) return null;
    const place = (number % MINUTES_MAX + MINUTES_MAX) % MINUTES_MAX;
    let minute = this.#minutes[place];
    if (minute?.number !== number) {
      const startMs = this.#anchorMs + number * MINUTE_MS;
      this.#minutes[place] = minute = { number, startMs, sum: new PreciseSum() };
    }
    return minute;
  }

  /** Returns the spend in USD in the last hours of the range, at most 24 hours. */
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
