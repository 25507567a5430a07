/**
 * How sure one can be of a share of a few.
 *
 * @module
 */

/** The quantile of the normal distribution for 95 %. */
const Z = 1.959964;

/**
 * The interval of 95 % confidence of a share, both ends from 0 to 1: E. B. Wilson, "Probable Inference,
 * the Law of Succession, and Statistical Inference", 1927. Unlike others it says something of a share
 * of three, and of none or all. Pure.
 */
export function wilsonInterval(successes: number, trials: number): { low: number; high: number } {
  const share = successes / trials;
  const weight = Z ** 2 / trials;
  const center = (share + weight / 2) / (1 + weight);
  const half = Math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight);
  return { low: Math.max(0, center - half), high: Math.min(1, center + half) };
}
