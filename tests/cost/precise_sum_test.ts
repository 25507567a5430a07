import { assertEquals } from "@std/assert";
import { PreciseSum } from "../../src/cost/precise_sum.ts";
import { SeededRandom } from "../seeded_random.ts";

function sumOf(terms: readonly number[]): PreciseSum {
  const sum = new PreciseSum();
  for (const term of terms) sum.add(term);
  return sum;
}

Deno.test("PreciseSum returns the exactly rounded sum in any order, also if partial sums are added", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const terms = Array.from({ length: 1_000 }, () => random.below(1e9) / 7 ** random.below(40));
    const exact = Math.sumPrecise(terms);
    assertEquals(sumOf(terms).value, exact);
    assertEquals(sumOf(terms.toSorted((a, b) => a - b)).value, exact);
    assertEquals(sumOf(terms.toSorted((a, b) => b - a)).value, exact);
    const whole = new PreciseSum();
    for (let start = 0; start < terms.length; start += 90) {
      whole.addSum(sumOf(terms.slice(start, start + 90)));
    }
    assertEquals(whole.value, exact);
  }
});

Deno.test("PreciseSum does not lose small terms when large terms cancel each other out", () => {
  assertEquals(sumOf([1e300, 1, 1e-20, -1e300, -1]).value, 1e-20);
  assertEquals(sumOf([0.1, 0.2, -0.3]).value, Math.sumPrecise([0.1, 0.2, -0.3]));
});

Deno.test("PreciseSum is 0 without terms, and Infinity if the sum exceeds the largest number", () => {
  assertEquals(sumOf([]).value, 0);
  const overflown = sumOf([Number.MAX_VALUE, Number.MAX_VALUE]);
  assertEquals(overflown.value, Infinity);
  overflown.add(-Infinity);
  overflown.add(-Number.MAX_VALUE);
  assertEquals(overflown.value, Infinity);
  const whole = sumOf([1]);
  whole.addSum(overflown);
  assertEquals(whole.value, Infinity);
});
