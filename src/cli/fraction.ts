/**
 * Exact arithmetic with fractions, so that rounding cannot change the comparison of a figure with a limit. Pure.
 *
 * @module
 */

/** A fraction of two integers. The denominator is always above 0, so the sign is that of the numerator. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const DECIMAL = /^(-?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/;

/**
 * Returns a decimal number as a fraction. If `decimal` is a number, uses the shortest decimal that identifies the
 * number, which is the decimal that JSON shows.
 *
 * @throws {RangeError} If the number is not finite, or the text is not a decimal number.
 */
export function fractionOf(decimal: number | string): Fraction {
  const parts = DECIMAL.exec(String(decimal));
  if (parts === null) {
    throw new RangeError(`Cannot compute a fraction: not a decimal number, got ${decimal}`);
  }
  const [, sign = "", whole = "", decimals = "", exponent = "0"] = parts;
  const digits = BigInt(whole + decimals) * (sign === "" ? 1n : -1n);
  const power = BigInt(exponent) - BigInt(decimals.length);
  return power >= 0n
    ? { numerator: digits * 10n ** power, denominator: 1n }
    : { numerator: digits, denominator: 10n ** -power };
}

/** Returns the sum of two fractions. */
export function sumOf(a: Fraction, b: Fraction): Fraction {
  return {
    numerator: a.numerator * b.denominator + b.numerator * a.denominator,
    denominator: a.denominator * b.denominator,
  };
}

/** Returns the product of two fractions. */
export function productOf(a: Fraction, b: Fraction): Fraction {
  return {
    numerator: a.numerator * b.numerator,
    denominator: a.denominator * b.denominator,
  };
}

/** Returns a fraction divided by an integer above 0. */
export function dividedBy({ numerator, denominator }: Fraction, divisor: number): Fraction {
  return { numerator, denominator: denominator * BigInt(divisor) };
}

/** Returns the absolute value of a fraction. */
export function absoluteOf({ numerator, denominator }: Fraction): Fraction {
  return { numerator: numerator < 0n ? -numerator : numerator, denominator };
}

/** Checks whether `a` is greater than `b`. */
export function isGreater(a: Fraction, b: Fraction): boolean {
  return a.numerator * b.denominator > b.numerator * a.denominator;
}
