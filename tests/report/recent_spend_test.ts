import { assertEquals } from "@std/assert";
import { RecentSpend } from "../../src/report/recent_spend.ts";
import { SeededRandom } from "../seeded_random.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START = Date.UTC(2026, 1, 13, 14, 30, 22, 123);

interface Cost {
  readonly epochMs: number;
  readonly usd: number;
}

/** Returns the sum of the costs in the last `hours` hours before `endMs` (exclusive). */
function spendOf(costs: readonly Cost[], hours: number, endMs: number): number {
  const recent = costs.filter(({ epochMs }) =>
    epochMs >= endMs - hours * HOUR_MS && epochMs < endMs
  );
  return Math.sumPrecise(recent.map(({ usd }) => usd)) + 0;
}

function randomCosts(random: SeededRandom, days: number): Cost[] {
  return Array.from({ length: 2_000 }, () => ({
    epochMs: START + random.below(days * 24 * HOUR_MS),
    usd: random.below(3) === 0 ? 0 : random.below(1e6) / 7 ** random.below(12),
  }));
}

function byTime(a: Cost, b: Cost): number {
  return a.epochMs - b.epochMs;
}

function checkSpend(costs: readonly Cost[], untilMs: number): void {
  const recent = new RecentSpend(untilMs);
  let newestMs = -Infinity;
  for (const [index, { epochMs, usd }] of costs.entries()) {
    recent.add(epochMs, usd);
    newestMs = Math.max(newestMs, epochMs);
    if (index % 400 !== 399 && index !== costs.length - 1) continue;
    const endMs = untilMs === Infinity
      ? Math.floor(newestMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS
      : untilMs;
    assertEquals(recent.endMs, endMs);
    const added = costs.slice(0, index + 1);
    for (const hours of [1, 2, 7, 24]) {
      assertEquals(recent.usdOf(hours), spendOf(added, hours, endMs));
    }
  }
}

Deno.test("RecentSpend without an end time sums up the hours before the end of the newest event's minute", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const costs = randomCosts(new SeededRandom(seed), seed);
    for (const order of [costs, costs.toSorted(byTime), costs.toSorted(byTime).toReversed()]) {
      checkSpend(order, Infinity);
    }
  }
});

Deno.test("RecentSpend with an end time sums up the hours before that time, exact to the millisecond", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new SeededRandom(seed);
    const all = randomCosts(random, seed);
    const untilMs = START + 12 * HOUR_MS + random.below(24 * seed * HOUR_MS);
    const costs = all.filter(({ epochMs }) => epochMs < untilMs);
    for (const order of [costs, costs.toSorted(byTime), costs.toSorted(byTime).toReversed()]) {
      checkSpend(order, untilMs);
    }
  }
});

Deno.test("RecentSpend with an end time includes an event exactly one hour before that time, but no earlier event", () => {
  const recent = new RecentSpend(START);
  recent.add(START - HOUR_MS - 1, 1);
  recent.add(START - HOUR_MS, 2);
  recent.add(START - 1, 4);
  recent.add(START - 24 * HOUR_MS, 8);
  recent.add(START - 24 * HOUR_MS - 1, 16);
  assertEquals([recent.usdOf(1), recent.usdOf(2), recent.usdOf(24)], [6, 7, 15]);
});

Deno.test("RecentSpend without an end time moves its end to a newer event, even if the event has no cost", () => {
  const recent = new RecentSpend(Infinity);
  recent.add(START, 1);
  recent.add(START + 23 * HOUR_MS, 0);
  assertEquals([recent.usdOf(1), recent.usdOf(24)], [0, 1]);
  recent.add(START + 25 * HOUR_MS, 0);
  assertEquals([recent.usdOf(1), recent.usdOf(24)], [0, 0]);
});

Deno.test("RecentSpend without events returns a spend of 0, and an end only if an end time was given", () => {
  const open = new RecentSpend(Infinity);
  assertEquals([open.endMs, open.usdOf(24)], [null, 0]);
  const closed = new RecentSpend(START);
  assertEquals([closed.endMs, closed.usdOf(24)], [START, 0]);
});

Deno.test("RecentSpend returns the spend of the last day after any event of a long log", () => {
  const costs = Array.from({ length: 10_000 }, (_, n) => ({
    epochMs: START + n * 30.5 * MINUTE_MS,
    usd: n / 7,
  }));
  const recent = new RecentSpend(Infinity);
  for (const [n, { epochMs, usd }] of costs.entries()) {
    recent.add(epochMs, usd);
    if (n % 10 !== 9) continue;
    // The last 51 costs span more than a day, so all older costs are outside of the last 24 hours.
    const last = costs.slice(Math.max(0, n - 50), n + 1);
    assertEquals(recent.usdOf(24), spendOf(last, 24, recent.endMs!));
  }
});

Deno.test("RecentSpend accepts times before 1970", () => {
  const costs = Array.from({ length: 300 }, (_, n) => ({ epochMs: -n * 333_333, usd: 1 + n / 3 }));
  const recent = new RecentSpend(Infinity);
  for (const { epochMs, usd } of costs) recent.add(epochMs, usd);
  assertEquals(recent.endMs, MINUTE_MS);
  assertEquals(recent.usdOf(3), spendOf(costs, 3, MINUTE_MS));
});

Deno.test("RecentSpend ends at the latest time that calendar functions can handle", () => {
  const recent = new RecentSpend(Infinity);
  recent.add(8.64e15, 1);
  assertEquals([recent.endMs, recent.usdOf(1)], [8.64e15, 1]);
});
