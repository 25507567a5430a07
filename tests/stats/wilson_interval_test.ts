import { assert, assertEquals } from "@std/assert";
import { wilsonInterval } from "../../src/stats/intervals.ts";

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);
}

/**
 * Published confidence intervals of a rate, from R. G. Newcombe, "Two-sided confidence intervals for the single
 * proportion", 1998, table I.
 */
const PUBLISHED: [successes: number, trials: number, low: number, high: number][] = [
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
];
for (const [successes, trials, low, high] of PUBLISHED) {
  Deno.test(`wilsonInterval() of ${successes} in ${trials} equals the published interval`, () => {
    const interval = wilsonInterval(successes, trials);
    assertNear(interval.low, low, 0.5e-4);
    assertNear(interval.high, high, 0.5e-4);
  });
}

const PAIRS = [1, 2, 3, 7, 20, 100, 10_000, 1e6].flatMap((trials) =>
  [...new Set([0, 1, 2, 0.1 * trials, trials / 2, trials - 1, trials].map(Math.floor))]
    .filter((successes) => successes <= trials)
    .map((successes) => [successes, trials] as const)
);

Deno.test("wilsonInterval() starts and ends at shares whose distance to the observed share is 1.96 standard errors", () => {
  for (const [successes, trials] of PAIRS) {
    const share = successes / trials;
    const isInside = (p: number) => (share - p) ** 2 <= 1.959964 ** 2 * p * (1 - p) / trials;
    const { low, high } = wilsonInterval(successes, trials);
    assertNear(low, endOf(share, 0, isInside), 1e-9);
    assertNear(high, endOf(share, 1, isInside), 1e-9);
  }
});

/**
 * Finds by bisection the end of a confidence interval that lies between `inside`, a number in the interval, and
 * `outside`.
 */
function endOf(inside: number, outside: number, isInside: (p: number) => boolean): number {
  for (let step = 0; step < 60; step++) {
    const middle = (inside + outside) / 2;
    if (isInside(middle)) inside = middle;
    else outside = middle;
  }
  return inside;
}

Deno.test("wilsonInterval() contains the observed share, lies between 0 and 1, and is symmetric", () => {
  for (const [successes, trials] of PAIRS) {
    const { low, high } = wilsonInterval(successes, trials);
    const share = successes / trials;
    assert(0 <= low && low <= share + 1e-15 && share - 1e-15 <= high && high <= 1);
    assert(high - low > 0);
    const mirrored = wilsonInterval(trials - successes, trials);
    assertNear(mirrored.low, 1 - high, 1e-12);
    assertNear(mirrored.high, 1 - low, 1e-12);
  }
});

Deno.test("wilsonInterval() narrows with more trials", () => {
  const widths = [4, 40, 400, 4_000].map((trials) => {
    const { low, high } = wilsonInterval(0.75 * trials, trials);
    return high - low;
  });
  assertEquals(widths, widths.toSorted((a, b) => b - a));
  assert(widths[0]! > 0.5 && widths[3]! < 0.03);
});
