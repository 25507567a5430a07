import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { differenceInterval, quantileRanks, welchInterval } from "../../src/stats/intervals.ts";
import { SeededRandom } from "../seeded_random.ts";

// The ranks of the values that bound a quantile with 95 % confidence, from tables of the binomial distribution. At
// either end, the error may have a probability of at most 2.5 %. With 16 values and q = 0.75, for example, at most 7
// values are below the quantile with a probability of 0.75 %, and at most 8 with a probability of 2.71 %. So the
// interval begins at rank 8.
const RANKS: [q: number, n: number, low: number | null, high: number | null][] = [
  [0.5, 20, 6, 15],
  [0.5, 10, 2, 9],
  [0.5, 6, 1, 6],
  [0.5, 5, null, null],
  [0.75, 16, 8, 16],
  [0.95, 20, 17, null],
  [0.95, 100, 90, 100],
];
for (const [q, n, low, high] of RANKS) {
  Deno.test(`quantileRanks() bounds the ${q}-quantile of ${n} values by the ranks ${low ?? "none"} and ${high ?? "none"}`, () => {
    assertEquals(quantileRanks(q, n), { low, high });
  });
}

Deno.test("quantileRanks() approximates the exact ranks if there are many values", () => {
  // Up to a variance n * q * (1 - q) of 1,000, the ranks are exact. Above, they are those of the normal distribution.
  // At this limit, the two must agree.
  for (const q of [0.5, 0.95, 0.99]) {
    const n = Math.floor(1_000 / (q * (1 - q)));
    const [below, above] = [quantileRanks(q, n), quantileRanks(q, n + 100)];
    assertAlmostEquals(above.low! - below.low!, 100 * q, 4);
    assertAlmostEquals(above.high! - below.high!, 100 * q, 4);
  }
});

Deno.test("quantileRanks() bounds the true quantile in at least 95 % of samples", () => {
  const random = new SeededRandom(11);
  for (const [q, n] of [[0.5, 30], [0.95, 200], [0.99, 600]] as const) {
    const { low, high } = quantileRanks(q, n);
    let hits = 0;
    const rounds = 2_000;
    for (let round = 0; round < rounds; round++) {
      const sorted = Array.from({ length: n }, () => random.below(2 ** 30) / 2 ** 30)
        .sort((a, b) => a - b);
      if (sorted[low! - 1]! <= q && q <= sorted[high! - 1]!) hits++;
    }
    assert(hits / rounds > 0.94, `${hits} of ${rounds} for ${q} of ${n}`);
  }
});

// The two-sided 95 % quantiles of Student's t distribution, from printed tables.
const STUDENT: [freedom: number, t: number][] = [
  [1, 12.706205],
  [2, 4.302653],
  [5, 2.570582],
  [10, 2.228139],
  [30, 2.042272],
  [120, 1.97993],
  [100_000, 1.959988],
];
for (const [freedom, t] of STUDENT) {
  Deno.test(`welchInterval() uses the t distribution with ${freedom} degrees of freedom`, () => {
    // If only one sample varies, the interval has the degrees of freedom of this sample.
    const sample = { n: freedom + 1, mean: 1, deviation: Math.sqrt(freedom + 1) };
    const { low, high } = welchInterval({ n: 2, mean: 0, deviation: 0 }, sample)!;
    assertAlmostEquals(high, 1 + t, 2e-6 * t);
    assertAlmostEquals(low, 1 - t, 2e-6 * t);
  });
}

Deno.test("welchInterval() returns null for a sample of one value, and an interval of length 0 if no value varies", () => {
  const one = { n: 1, mean: 3, deviation: 0 };
  const many = { n: 5, mean: 1, deviation: 0 };
  assertEquals(welchInterval(one, many), null);
  assertEquals(welchInterval(many, one), null);
  assertEquals(welchInterval(many, { ...many, mean: 4 }), { low: 3, high: 3 });
});

Deno.test("differenceInterval() returns the negated interval if the two estimates are swapped", () => {
  const [a, b] = [{ value: 2, low: 1, high: 4 }, { value: 7, low: 6.5, high: 9 }];
  const { low, high } = differenceInterval(a, b);
  assertEquals(differenceInterval(b, a), { low: -high, high: -low });
  assertEquals([low, high], [5 - Math.hypot(0.5, 2), 5 + Math.hypot(2, 1)]);
});
