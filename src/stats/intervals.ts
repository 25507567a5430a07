/**
 * Confidence intervals of 95 % for rates, means and quantiles, and for their differences. Pure.
 *
 * @module
 */

/**
 * The quantile of the standard normal distribution for a confidence of 95 %: the interval from -Z to Z has a
 * probability of 95 %.
 */
const Z = 1.959964;
/**
 * The probability that the true value lies below a confidence interval of 95 %. The probability that it lies above is
 * the same.
 */
const TAIL = 0.025;
/** If a binomial distribution has a larger variance than this, it is approximated by the normal distribution. */
const EXACT_VARIANCE_MAX = 1_000;

/** A confidence interval. */
export interface Interval {
  /** The lower end. */
  readonly low: number;
  /** The upper end. */
  readonly high: number;
}

/** The number of values, their mean, and the standard deviation of the values. */
export interface Sample {
  /** Number of values. */
  readonly n: number;
  /** The mean of the values. */
  readonly mean: number;
  /** The standard deviation of the sample. */
  readonly deviation: number;
}

/** An estimate and its confidence interval. */
export interface Estimate extends Interval {
  readonly value: number;
}

/**
 * Returns the 95 % confidence interval of a proportion, with both ends from 0 to 1. Unlike simpler intervals, this
 * interval is also meaningful for few trials, and for trials that all succeed or all fail.
 *
 * See E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  const share = successes / trials;
  const weight = Z ** 2 / trials;
  const center = (share + weight / 2) / (1 + weight);
  const half = Math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight);
  return { low: Math.max(0, center - half), high: Math.min(1, center + half) };
}

/**
 * Returns the 95 % confidence interval of the difference `b - a` of two estimates, each with its own interval.
 *
 * If the estimates are proportions with Wilson's intervals, this is method 10 of R. G. Newcombe, "Interval Estimation
 * for the Difference Between Independent Proportions", 1998. For other estimates, see G. Y. Zou, A. Donner,
 * "Construction of Confidence Limits About Effect Measures: A General Approach", 2008.
 */
export function differenceInterval(a: Estimate, b: Estimate): Interval {
  const difference = b.value - a.value;
  return {
    low: difference - Math.hypot(b.value - b.low, a.high - a.value),
    high: difference + Math.hypot(b.high - b.value, a.value - a.low),
  };
}

/**
 * Returns the 95 % confidence interval of the difference of two means, `b - a`, of samples with unequal variances; null
 * if a sample has fewer than two values.
 *
 * See B. L. Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are
 * Involved", 1947.
 */
export function welchInterval(a: Sample, b: Sample): Interval | null {
  if (a.n < 2 || b.n < 2) return null;
  const [varianceA, varianceB] = [a.deviation ** 2 / a.n, b.deviation ** 2 / b.n];
  const variance = varianceA + varianceB;
  const difference = b.mean - a.mean;
  if (variance === 0) return { low: difference, high: difference };
  const freedom = variance ** 2 /
    (varianceA ** 2 / (a.n - 1) + varianceB ** 2 / (b.n - 1));
  const half = studentQuantile(freedom) * Math.sqrt(variance);
  return { low: difference - half, high: difference + half };
}

/**
 * Returns the ranks of the values that bound the 95 % confidence interval of a quantile `q`, if `n` values are sorted
 * in ascending order; the smallest value has rank 1. A bound is null if `n` values are too few for it.
 *
 * The number of values below the true quantile has a binomial distribution, for every distribution of the values.
 * See H. A. David, H. N. Nagaraja, "Order Statistics", 3rd edition, 2003, section 7.1.
 */
export function quantileRanks(
  q: number,
  n: number,
): { readonly low: number | null; readonly high: number | null } {
  const [low, high] = n * q * (1 - q) > EXACT_VARIANCE_MAX ? normalRanks(q, n) : exactRanks(q, n);
  return { low: low < 1 ? null : low, high: high > n ? null : high };
}

function normalRanks(q: number, n: number): [low: number, high: number] {
  const half = Z * Math.sqrt(n * q * (1 - q));
  return [Math.floor(n * q - half), Math.ceil(n * q + half) + 1];
}

/**
 * Returns the largest rank whose value exceeds the true quantile with a probability of at most 2.5 %. Also returns the
 * smallest rank whose value is below the true quantile with a probability of at most 2.5 %.
 */
function exactRanks(q: number, n: number): [low: number, high: number] {
  let low = 0;
  let logProbability = n * Math.log1p(-q);
  let cumulative = 0;
  for (let k = 0; k <= n; k++) {
    cumulative += Math.exp(logProbability);
    // `cumulative` is the probability that at most k values are below the quantile.
    if (cumulative <= TAIL) low = k + 1;
    if (cumulative >= 1 - TAIL) return [low, k + 1];
    logProbability += Math.log(n - k) - Math.log(k + 1) + Math.log(q) - Math.log1p(-q);
  }
  return [low, n + 1];
}

/**
 * Returns the quantile of Student's t distribution for a confidence of 95 %, found by bisection of the distribution
 * function.
 */
function studentQuantile(freedom: number): number {
  let [low, high] = [Z, 1_000];
  while (high - low > 1e-9 * high) {
    const middle = (low + high) / 2;
    if (studentTail(middle, freedom) > TAIL) low = middle;
    else high = middle;
  }
  return high;
}

/** Returns the probability that a variable with Student's t distribution exceeds `t`, which must be positive. */
function studentTail(t: number, freedom: number): number {
  return incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
}

/**
 * Returns the regularized incomplete beta function, computed with its continued fraction.
 *
 * See NIST Digital Library of Mathematical Functions, 8.17.22; the fraction is evaluated with the method of W. J.
 * Lentz, 1976.
 */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The continued fraction converges fast only up to this value of x. For a larger x, the value is computed by the
  // symmetry I(x; a, b) = 1 - I(1 - x; b, a).
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x),
  ) / a;
  let c = 1;
  let d = 1 / (1 - (a + b) * x / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    fraction *= c * d;
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-14) break;
  }
  return front * fraction;
}

/** The coefficients of Lanczos' approximation for g = 7 and n = 9 (P. Godfrey, 2001). */
const LANCZOS_0 = 0.99999999999980993;
const LANCZOS = [
  676.5203681218851,
  -1259.1392167224028,
  771.32342877765313,
  -176.61502916214059,
  12.507343278686905,
  -0.13857109526572012,
  9.9843695780195716e-6,
  1.5056327351493116e-7,
];

/** Returns the natural logarithm of the gamma function of a number >= 0.5. */
function logGamma(x: number): number {
  const shifted = x - 1;
  const t = shifted + 7.5;
  const sum = LANCZOS.reduce(
    (sum, coefficient, n) => sum + coefficient / (shifted + n + 1),
    LANCZOS_0,
  );
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}
