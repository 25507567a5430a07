import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  absoluteOf,
  dividedBy,
  type Fraction,
  fractionOf,
  isGreater,
  productOf,
  sumOf,
} from "../../src/cli/fraction.ts";

function isEqual(a: Fraction, b: Fraction): boolean {
  return !isGreater(a, b) && !isGreater(b, a);
}

const DECIMALS: [decimal: number | string, numerator: bigint, denominator: bigint][] = [
  [0, 0n, 1n],
  [-0, 0n, 1n],
  ["-12.50", -1250n, 100n],
  [".5", 5n, 10n],
  [0.1, 1n, 10n],
  [1e21, 10n ** 21n, 1n],
  [1.5e-7, 15n, 10n ** 8n],
  [5e-324, 5n, 10n ** 324n],
];
for (const [decimal, numerator, denominator] of DECIMALS) {
  Deno.test(`fractionOf() returns ${decimal} exactly`, () => {
    assertEquals(fractionOf(decimal), { numerator, denominator });
  });
}

Deno.test("fractionOf() rejects a number that is not finite, and a text that is not a number", () => {
  for (const wrong of [NaN, Infinity, -Infinity, "x", "1,5", "1 %"]) {
    assertThrows(() => fractionOf(wrong), RangeError, "not a decimal number, got");
  }
});

Deno.test("isGreater() orders numbers as JavaScript does", () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(number, number, (a, b) => {
      assertEquals(isGreater(fractionOf(a), fractionOf(b)), a > b);
    }),
    { seed: 7 },
  );
});

Deno.test("Sums, products and quotients of fractions are not rounded", () => {
  const tenth = fractionOf("0.1");
  assert(isEqual(sumOf(tenth, fractionOf("0.2")), fractionOf("0.3")));
  assert(isEqual(productOf(fractionOf("1.1"), fractionOf("-1.1")), fractionOf("-1.21")));
  const third = dividedBy(fractionOf(1), 3);
  assert(isEqual(sumOf(sumOf(third, third), third), fractionOf(1)));
  assert(isEqual(absoluteOf(fractionOf("-0.1")), tenth));
});
