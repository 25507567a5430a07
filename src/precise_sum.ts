/**
 * Sums of many small costs, exact to the last bit whatever their order.
 *
 * @module
 */

/** The part of `Math` that Deno's types do not know yet. */
const { sumPrecise } = Math as unknown as { sumPrecise(terms: Iterable<number>): number };

/** How many terms are kept before they become a few parts, where memory does not matter. */
const TERMS_MAX = 4_096;
/** Three parts hold the sum to some 150 bits, of which 53 are shown. */
const PARTS = 3;

/**
 * A sum as if it were computed exactly and rounded once, as `Math.sumPrecise` does for a list.
 *
 * In between it is a list of parts, each the rounded rest of what the ones before it leave:
 * J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997.
 */
export class PreciseSum {
  readonly #termsMax: number;
  #terms: number[] = [];

  /** Starts with nothing. Of many sums each is better kept small: `termsMax` numbers, more than 3. */
  constructor(termsMax: number = TERMS_MAX) {
    this.#termsMax = termsMax;
  }

  /** The sum so far; Infinity past the largest number, which no budget allows. */
  get value(): number {
    // The sum of nothing is -0 for Math.sumPrecise.
    return sumPrecise(this.#terms) + 0;
  }

  /** Adds a term. */
  add(term: number): void {
    this.#terms.push(term);
    if (this.#terms.length >= this.#termsMax) this.#condense();
  }

  /** Adds what another sum comes to, exactly. */
  addSum(other: PreciseSum): void {
    if (other.#terms.length > PARTS) other.#condense();
    for (const term of other.#terms) this.add(term);
  }

  #condense(): void {
    const parts: number[] = [];
    const rest = this.#terms;
    for (let part = 0; part < PARTS; part++) {
      const sum = sumPrecise(rest);
      parts.push(sum);
      if (!Number.isFinite(sum)) break;
      rest.push(-sum);
    }
    this.#terms = parts;
  }
}
