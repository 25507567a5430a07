/**
 * Computes the confidence interval of a proportion.
 *
 * @module
 */

/** The quantile of the normal distribution for a confidence of 95 %. */
const Z = 1.959964;

/**
 * Returns the 95 % confidence interval of a proportion, with both ends from 0 to 1. Unlike simpler intervals, this
 * interval is also meaningful for few trials, and for trials that all succeed or all fail. Pure.
 *
 * See E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
 */
export function wilsonInterval(successes: number, trials: number): { low: number; high: number } {
  const share = successes / trials;
  const weight = Z ** 2 / trials;
  const center = (share + weight / 2) / (1 + weight);
  const half = Math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight);
  return { low: Math.max(0, center - half), high: Math.min(1, center + half) };
}
