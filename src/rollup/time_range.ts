/**
 * The times of the first and the last of some events. Ranges can be merged, and stored as numbers. Pure.
 *
 * @module
 */

/**
 * The content of a {@linkcode TimeRange}: the first time in epoch milliseconds, and the length of the range in
 * milliseconds; empty without times.
 */
export type TimeRangeState = readonly [] | readonly [firstMs: number, lengthMs: number];

/** The times of the first and the last event in epoch milliseconds. */
export class TimeRange {
  /** The earliest time; `Infinity` without events. */
  firstMs = Infinity;
  /** The latest time; `-Infinity` without events. */
  lastMs = -Infinity;

  /** Extends the range to the time of an event. NaN, the time of an event without a readable time, is ignored. */
  add(epochMs: number): void {
    if (epochMs < this.firstMs) this.firstMs = epochMs;
    if (epochMs > this.lastMs) this.lastMs = epochMs;
  }

  /** Extends the range so that it includes another range. */
  addAll({ firstMs, lastMs }: TimeRange): void {
    this.add(firstMs);
    this.add(lastMs);
  }

  /** Returns the content as numbers. */
  state(): TimeRangeState {
    return this.firstMs > this.lastMs ? [] : [this.firstMs, this.lastMs - this.firstMs];
  }

  /** Returns the range whose content {@linkcode state} has returned. */
  static from([firstMs, lengthMs = 0]: TimeRangeState): TimeRange {
    const range = new TimeRange();
    if (firstMs !== undefined) {
      range.add(firstMs);
      range.add(firstMs + lengthMs);
    }
    return range;
  }
}
