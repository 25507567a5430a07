/**
 * Sums many small costs. The sum is exact to the last bit, and does not depend on the order of the costs.
 *
 * @module
 */

/** `Math.sumPrecise()`, which Deno's types do not declare yet. */
const { sumPrecise } = Math as unknown as { sumPrecise(terms: Iterable<number>): number };

/**
 * A running sum that is rounded only once, when its value is read, as `Math.sumPrecise` does for a list.
 *
 * The sum is stored in three numbers. The rounding error of an addition is itself a floating-point number, so each
 * number collects the rounding errors of the number before it. The three numbers have some 150 bits together, and
 * `value` rounds them to 53.
 * (T. J. Dekker, D. E. Knuth; J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997.)
 */
export class PreciseSum {
  #sum = 0;
  #rest = 0;
  #restOfRest = 0;

  /** The sum so far. Once the sum exceeds the largest number, it stays Infinity, so that it exceeds every budget. */
  get value(): number {
    if (!Number.isFinite(this.#sum)) return this.#sum;
    // Math.sumPrecise returns -0 for an empty sum; adding 0 turns it into 0.
    return sumPrecise([this.#sum, this.#rest, this.#restOfRest]) + 0;
  }

  /** The sum, and two numbers with its rounding errors, which have no meaning if the sum is infinite. */
  get parts(): readonly [sum: number, rest: number, restOfRest: number] {
    return [this.#sum, this.#rest, this.#restOfRest];
  }

  /** Returns a copy of the sum whose three numbers the property {@linkcode parts} has returned. */
  static from([sum = 0, rest = 0, restOfRest = 0]: readonly number[]): PreciseSum {
    const copy = new PreciseSum();
    copy.#sum = sum;
    copy.#rest = rest;
    copy.#restOfRest = restOfRest;
    return copy;
  }

  /** Adds a number to the sum. */
  add(term: number): void {
    // An infinite sum stays as it is, because adding the opposite infinity would result in NaN.
    if (!Number.isFinite(this.#sum)) return;
    const sum = this.#sum + term;
    const error = errorOf(this.#sum, term, sum);
    const rest = this.#rest + error;
    this.#restOfRest += errorOf(this.#rest, error, rest);
    this.#sum = sum;
    this.#rest = rest;
  }

  /** Adds another sum without a rounding error. */
  addSum(other: PreciseSum): void {
    this.add(other.#sum);
    // If the other sum is infinite, its rounding errors have no meaning and are not added.
    if (!Number.isFinite(other.#sum)) return;
    this.add(other.#rest);
    this.add(other.#restOfRest);
  }
}

/** Returns the exact rounding error of the addition of `a` and `b`, whose rounded result is `sum`. */
function errorOf(a: number, b: number, sum: number): number {
  const bOfSum = sum - a;
  return (a - (sum - bOfSum)) + (b - bOfSum);
}
