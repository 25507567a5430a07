/**
 * Sums of many small costs, without the rounding errors adding up.
 *
 * @module
 */

/**
 * A sum that carries the rounding errors along, so that a million small costs add up.
 *
 * A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974.
 */
export class CompensatedSum {
  #sum = 0;
  #compensation = 0;

  /** The sum so far. */
  get value(): number {
    // Past the largest number the compensation is Infinity - Infinity, and NaN passes any budget.
    return Number.isFinite(this.#sum) ? this.#sum + this.#compensation : this.#sum;
  }

  /** Adds a term. */
  add(term: number): void {
    const sum = this.#sum + term;
    this.#compensation += Math.abs(this.#sum) >= Math.abs(term)
      ? (this.#sum - sum) + term
      : (term - sum) + this.#sum;
    this.#sum = sum;
  }
}
