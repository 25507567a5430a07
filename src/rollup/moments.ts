/**
 * The number of values, their exact sum, and how much they vary. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";

/**
 * The content of {@linkcode Moments} as numbers: n, the three parts of the sum, the squared distances, and the mean if
 * it is not the quotient of the sum and n.
 */
export type MomentsState = readonly [
  n: number,
  sum: number,
  rest: number,
  restOfRest: number,
  squares: number,
  mean?: number,
];

/** Number of values, their exact sum, and the sum of their squared distances from the mean. */
export class Moments {
  readonly #sum: PreciseSum;
  #n = 0;
  #mean = 0;
  #squares = 0;

  /** Starts without values. Values are added to `sum`. */
  constructor(sum: PreciseSum = new PreciseSum()) {
    this.#sum = sum;
  }

  /** Number of values. */
  get n(): number {
    return this.#n;
  }

  /** Sum of the values. */
  get sum(): number {
    return this.#sum.value;
  }

  /** Mean of the values; 0 without values. */
  get mean(): number {
    if (this.#n === 0) return 0;
    // If all values are equal, returns exactly this value. The sum divided by the number could differ from it by a
    // rounding error.
    return this.#squares === 0 ? this.#mean : this.#sum.value / this.#n;
  }

  /** Standard deviation of the sample; 0 for fewer than two values. */
  get deviation(): number {
    return this.#n < 2 ? 0 : Math.sqrt(this.#squares / (this.#n - 1));
  }

  /** Adds a value (B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962). */
  add(value: number): void {
    this.#sum.add(value);
    this.#n++;
    const distance = value - this.#mean;
    this.#mean += distance / this.#n;
    this.#squares += distance * (value - this.#mean);
  }

  /**
   * Adds the values of another instance (T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise
   * Algorithm for Computing Sample Variances", 1979).
   */
  addAll(other: Moments): void {
    if (other.#n === 0) return;
    if (this.#n === 0) this.#mean = other.#mean;
    const n = this.#n + other.#n;
    const distance = other.#mean - this.#mean;
    this.#mean += distance * (other.#n / n);
    this.#squares += other.#squares + distance * (distance * (this.#n / n * other.#n));
    this.#n = n;
    this.#sum.addSum(other.#sum);
  }

  /** Adds the values to a sum. */
  addTo(sum: PreciseSum): void {
    sum.addSum(this.#sum);
  }

  /** Returns the content as numbers. */
  state(): MomentsState {
    const state = [this.#n, ...this.#sum.parts, this.#squares] as const;
    return this.#mean === this.#sum.value / this.#n ? state : [...state, this.#mean];
  }

  /** Returns the instance whose content {@linkcode state} has returned. */
  static from([n, sum, rest, restOfRest, squares, mean]: MomentsState): Moments {
    const moments = new Moments(PreciseSum.from([sum, rest, restOfRest]));
    moments.#n = n;
    moments.#mean = mean ?? (n === 0 ? 0 : moments.#sum.value / n);
    moments.#squares = squares;
    return moments;
  }
}
