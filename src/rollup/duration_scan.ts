/**
 * Gathers the durations of the calls of an archive in each quarter of an hour. Pure.
 *
 * @module
 */
import { QuantileSketch } from "./quantile_sketch.ts";
import type { StoredDurations } from "./rollup.ts";

/**
 * Maximum number of values that are stored for the durations of an archive. If there are more, for example because the
 * calls are spread over many quarters of an hour, no durations are stored. Readers then decode the archive.
 */
const NUMBERS_MAX = 20_000;

/** The durations of calls in each quarter of an hour, as sketches that estimate their quantiles. */
export class DurationScan {
  readonly #sketches = new Map<number, QuantileSketch>();
  #last: { readonly quarter: number; readonly sketch: QuantileSketch } | undefined;

  /** Adds a call. `quarter` is the number of its quarter of an hour, and `durationMs` its duration in milliseconds. */
  add(quarter: number, durationMs: number): void {
    let last = this.#last;
    if (last?.quarter !== quarter) {
      const sketch = this.#sketches.getOrInsertComputed(quarter, () => new QuantileSketch());
      last = this.#last = { quarter, sketch };
    }
    last.sketch.add(durationMs);
  }

  /** Returns the durations as they are stored, in the order of the quarters; null if they would be too long. */
  stored(): StoredDurations[] | null {
    const rows: StoredDurations[] = [];
    let numbers = 0;
    for (const [quarter, sketch] of [...this.#sketches].sort(([a], [b]) => a - b)) {
      const state = sketch.state();
      numbers += 1 + state.length;
      if (numbers > NUMBERS_MAX) return null;
      rows.push([quarter, ...state]);
    }
    return rows;
  }
}
