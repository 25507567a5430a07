import { assert, assertEquals } from "@std/assert";
import { QuantileSketch } from "../../src/rollup/quantile_sketch.ts";
import { SeededRandom } from "../seeded_random.ts";

const RANDOM_MAX = 2 ** 30;

/**
 * Distributions of typical durations, and of extreme values that no clock measures. `u` is uniformly distributed, above
 * 0 and at most 1; `n` is the number of the value.
 */
const DISTRIBUTIONS: Readonly<Record<string, (u: number, n: number) => number>> = {
  "uniform": (u) => 1_000 * u,
  "exponential": (u) => -5_000 * Math.log(u),
  "with a heavy tail (Pareto)": (u) => u ** -3,
  "with two narrow peaks": (u, n) => n % 10 === 0 ? 90_000 + u : 3 + u / 1e6,
  "all equal": () => 0.1,
  "all zero": () => 0,
  "mostly zero": (u, n) => n % 20 === 0 ? u : 0,
  "with a factor of 1e300 between values": (u) => 10 ** (300 * u),
  "of the smallest numbers": (_, n) => n * Number.MIN_VALUE,
  "of the largest numbers": (u) => Number.MAX_VALUE * (1 - u / 2),
  "integers": (u) => Math.floor(20 * u),
  "ascending": (_, n) => n,
};

for (const [name, draw] of Object.entries(DISTRIBUTIONS)) {
  Deno.test(`QuantileSketch returns the value at every rank within 1 % for the distribution "${name}"`, () => {
    const random = new SeededRandom(name);
    const values = Array.from(
      { length: 2_000 },
      (_, n) => draw((random.below(RANDOM_MAX) + 1) / RANDOM_MAX, n),
    );
    const sketch = new QuantileSketch();
    for (const value of values) sketch.add(value);
    const sorted = values.toSorted((a, b) => a - b);
    const ranks = sorted.map((_, n) => n + 1);
    assertEquals(sketch.count, values.length);
    for (const [n, estimate] of sketch.atRanks(ranks).entries()) {
      const exact = sorted[n]!;
      // Near zero, numbers are multiples of MIN_VALUE, so rounding alone can be an error of more than 1 %.
      const allowed = 0.01 * exact * (1 + 1e-9) + 2 * Number.MIN_VALUE;
      assert(Math.abs(estimate - exact) <= allowed, `rank ${n + 1}: ${estimate}, not ${exact}`);
    }
  });
}

Deno.test("QuantileSketch.addAll() yields the same quantiles as adding each value to one sketch", () => {
  const random = new SeededRandom(3);
  for (let round = 0; round < 50; round++) {
    const whole = new QuantileSketch();
    const merged = new QuantileSketch();
    const parts = Array.from({ length: 1 + random.below(5) }, () => new QuantileSketch());
    const count = random.below(200);
    for (let n = 0; n < count; n++) {
      const value = random.below(4) === 0 ? 0 : random.below(RANDOM_MAX) ** 2 / 1e9;
      whole.add(value);
      parts[random.below(parts.length)]!.add(value);
    }
    for (const part of parts) merged.addAll(part);
    const ranks = Array.from({ length: count }, (_, n) => n + 1);
    assertEquals([merged.count, merged.atRanks(ranks)], [count, whole.atRanks(ranks)]);
  }
});
