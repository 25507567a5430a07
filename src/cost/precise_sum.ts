/**
 * Sums of many small costs, exact to the last bit whatever their order.
 *
 * @module
 */

/** The part of `Math` that Deno's types do not know yet. */
const { sumPrecise } = Math as unknown as { sumPrecise(terms: Iterable<number>): number };

/**
 * A sum as if it were computed exactly and rounded once, as `Math.sumPrecise` does for a list, in three
 * numbers, each the rounded rest of what the ones before it leave. Together they hold some 150 bits, of
 * which 53 are shown: the error of an addition is itself a number, and is what the next one takes.
 * (T. J. Dekker, D. E. Knuth; J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997.)
 */
export class PreciseSum {
  #sum = 0;
  #rest = 0;
  #restOfRest = 0;

  /** The sum so far; Infinity for ever once it is past the largest number, which no budget allows. */
  get value(): number {
    if (!Number.isFinite(this.#sum)) return this.#sum;
    // The sum of nothing is -0 for Math.sumPrecise.
    return sumPrecise([this.#sum, this.#rest, this.#restOfRest]) + 0;
  }

  /** Adds a term. */
  add(term: number): void {
    // The other infinity would make it NaN.
    if (!Number.isFinite(this.#sum)) return;
    const sum = this.#sum + term;
    const error = errorOf(this.#sum, term, sum);
    const rest = this.#rest + error;
    this.#restOfRest += errorOf(this.#rest, error, rest);
    this.#sum = sum;
    this.#rest = rest;
  }

  /** Adds what another sum comes to, exactly. */
  addSum(other: PreciseSum): void {
    this.add(other.#sum);
    // Where that is Infinity, nothing is left that could be said of the rest.
    if (!Number.isFinite(other.#sum)) return;
    this.add(other.#rest);
    this.add(other.#restOfRest);
  }
}

/** What is lost when two numbers are added; exact. */
function errorOf(a: number, b: number, sum: number): number {
  const bOfSum = sum - a;
  return (a - (sum - bOfSum)) + (b - bOfSum);
}
