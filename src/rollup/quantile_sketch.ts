/**
 * Estimates quantiles of any number of values in bounded memory, with a relative error of at most 1 %. Pure.
 *
 * Values are counted in buckets whose bounds form a geometric sequence, so that every value in a bucket is within 1 %
 * of the value that represents the bucket. Two sketches are merged by adding their counts, so the result does not
 * depend on the order of the values.
 * (C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
 * Guarantees", 2019.)
 *
 * @module
 */

/** Maximum relative error of a quantile. */
export const RELATIVE_ERROR = 0.01;
/** Ratio of the upper to the lower bound of a bucket. */
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);

/**
 * Estimates the quantiles of the added values. Stores only the number of values in each bucket, a small range of
 * values.
 */
export class QuantileSketch {
  /** The number of values in each bucket, by the number of the bucket. Zeros are in no bucket. */
  readonly #counts = new Map<number, number>();
  #zeros = 0;
  #count = 0;
  #min = Infinity;
  #max = -Infinity;

  /** Number of values that were added. */
  get count(): number {
    return this.#count;
  }

  /** Adds a value, which must be finite and >= 0. */
  add(value: number): void {
    this.#count++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (value === 0) {
      this.#zeros++;
      return;
    }
    // The bucket with number i holds the values above GAMMA ** (i - 1), up to GAMMA ** i.
    const bucket = Math.ceil(Math.log(value) / LOG_GAMMA);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
  }

  /** Adds all values of another sketch. */
  addAll(other: QuantileSketch): void {
    this.#count += other.#count;
    this.#zeros += other.#zeros;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    for (const [bucket, count] of other.#counts) {
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    }
  }

  /**
   * Returns the content as numbers: the least value, the greatest, the zeros, then each bucket and its count. For a
   * sketch without values, returns no numbers.
   */
  state(): number[] {
    if (this.#count === 0) return [];
    const buckets = [...this.#counts].sort(([a], [b]) => a - b);
    // Each bucket is stored as its distance from the one before, because small numbers have few digits.
    let last = 0;
    return [
      this.#min,
      this.#max,
      this.#zeros,
      ...buckets.flatMap(([bucket, count]) => {
        const distance = bucket - last;
        last = bucket;
        return [distance, count];
      }),
    ];
  }

  /** Returns the sketch whose content {@linkcode state} has returned. */
  static from([min, max = 0, zeros = 0, ...buckets]: readonly number[]): QuantileSketch {
    const sketch = new QuantileSketch();
    if (min === undefined) return sketch;
    sketch.#min = min;
    sketch.#max = max;
    sketch.#zeros = sketch.#count = zeros;
    let bucket = 0;
    for (let n = 0; n + 1 < buckets.length; n += 2) {
      bucket += buckets[n]!;
      sketch.#counts.set(bucket, buckets[n + 1]!);
      sketch.#count += buckets[n + 1]!;
    }
    return sketch;
  }

  /**
   * Returns the values at the given ranks, each with a relative error of at most 1 %. The smallest value has rank 1,
   * the largest has rank {@linkcode count}. Other ranks are not allowed.
   */
  atRanks(ranks: readonly number[]): number[] {
    const buckets = [...this.#counts].sort(([a], [b]) => a - b);
    return ranks.map((rank) => {
      if (rank <= 1) return this.#min;
      if (rank >= this.#count) return this.#max;
      let below = this.#zeros;
      if (rank <= below) return 0;
      for (const [bucket, count] of buckets) {
        below += count;
        if (rank <= below) return this.#clamped(middleOf(bucket));
      }
      return this.#max;
    });
  }

  /**
   * Returns the value, moved into the range of the values that were added. The value that represents a bucket can lie
   * outside of this range, for example if all values are equal.
   */
  #clamped(value: number): number {
    return Math.min(this.#max, Math.max(this.#min, value));
  }
}

/** Returns the value that differs from both bounds of a bucket by the same relative error. */
function middleOf(bucket: number): number {
  // The result is computed from the lower bound, because the upper bound of the largest bucket would overflow to
  // Infinity.
  return GAMMA ** (bucket - 1) * (2 * GAMMA / (GAMMA + 1));
}
