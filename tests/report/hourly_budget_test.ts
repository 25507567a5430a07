import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import type { BucketFigures } from "../../src/report/bucket_content.ts";
import { hourlyBudget } from "../../src/report/hourly_budget.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = Date.UTC(2026, 1, 13, 14);

/** Returns successive buckets with these costs; `widths` has the widths in milliseconds that differ from `bucketMs`. */
function bucketsOf(
  costs: readonly number[],
  bucketMs: number,
  widths: Readonly<Record<number, number>> = {},
): BucketFigures[] {
  let startMs = START_MS;
  return costs.map((usd, n) => {
    const endMs = startMs + (widths[n] ?? bucketMs);
    const bucket = { startMs, endMs, usd } as BucketFigures;
    startMs = endMs;
    return bucket;
  });
}

Deno.test("hourlyBudget() compares the spend of the hour before the end of each bucket if buckets are shorter", () => {
  const costs = [1, 0, 2, 0, 0, 3, 0, 0];
  const buckets = bucketsOf(costs, 15 * MINUTE_MS);
  const { lastHourUsd, limitUsd, exceeded, firstMs } = hourlyBudget(
    { buckets, bucketMs: 15 * MINUTE_MS },
    3,
  );
  assertEquals(lastHourUsd, [1, 1, 3, 3, 2, 5, 3, 3]);
  assertEquals([limitUsd, exceeded, firstMs], [3, 1, START_MS + 75 * MINUTE_MS]);
});

for (const bucketMs of [MINUTE_MS, 5 * MINUTE_MS]) {
  Deno.test(`hourlyBudget() sums up an hour of buckets of ${bucketMs / MINUTE_MS} minutes`, () => {
    const perHour = HOUR_MS / bucketMs;
    const costs = Array.from({ length: 2 * perHour }, (_, n) => 0.1 * (n % 7));
    const { lastHourUsd } = hourlyBudget({ buckets: bucketsOf(costs, bucketMs), bucketMs }, 1);
    for (const [n, usd] of lastHourUsd!.entries()) {
      const hour = costs.filter((_, other) => other <= n && other > n - perHour);
      assertAlmostEquals(usd, hour.reduce((sum, cost) => sum + cost, 0), 1e-9);
    }
  });
}

Deno.test("hourlyBudget() compares the spend of each bucket with the budget of its hours if buckets are longer", () => {
  // Clocks are set forward in the second bucket, so it has 23 hours.
  const buckets = bucketsOf([24, 23.5, 24.5], 24 * HOUR_MS, { 1: 23 * HOUR_MS });
  const found = hourlyBudget({ buckets, bucketMs: 24 * HOUR_MS }, 1);
  assertEquals(found, {
    budgetPerHour: 1,
    lastHourUsd: null,
    limitUsd: 24,
    exceeded: 2,
    isFar: false,
    firstMs: START_MS + 24 * HOUR_MS,
  });
});

Deno.test("hourlyBudget() of no buckets, or of a budget that is not exceeded, has no time", () => {
  assertEquals(hourlyBudget({ buckets: [], bucketMs: MINUTE_MS }, 1), {
    budgetPerHour: 1,
    lastHourUsd: [],
    limitUsd: 1,
    exceeded: 0,
    isFar: true,
    firstMs: null,
  });
  const even = hourlyBudget({ buckets: bucketsOf([1, 1], HOUR_MS), bucketMs: HOUR_MS }, 1);
  assertEquals([even.exceeded, even.firstMs], [0, null]);
});

for (const bucketMs of [15 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS]) {
  Deno.test(`hourlyBudget() of buckets of ${bucketMs / MINUTE_MS} minutes counts a spend of exactly the budget as within`, () => {
    // As binary fractions, these costs have a sum of slightly more than 0.3.
    const spent = Math.sumPrecise([0.1, 0.1, 0.1]);
    assert(spent > 0.3);
    const budgetPerHour = 0.3 / Math.max(1, bucketMs / HOUR_MS);
    const within = { buckets: bucketsOf([spent], bucketMs), bucketMs };
    assertEquals(hourlyBudget(within, budgetPerHour).exceeded, 0);
    const over = { buckets: bucketsOf([0.300_000_001], bucketMs), bucketMs };
    assertEquals(hourlyBudget(over, budgetPerHour).exceeded, 1);
  });
}

Deno.test("The last hour of a report is not red if its spend is exactly the budget", async () => {
  const calls = [0, 1, 2].map((minute) => ({
    ts: new Date(START_MS + minute * MINUTE_MS).toISOString(),
    event: "llm_call",
    cost: 0.1,
  }));
  const page = await renderReport(ReadableStream.from(calls), { budgetPerHour: 0.3 });
  assert(page.includes('<b id="usd-hour">$0.30 of $0.30</b>'));
  assert(!page.includes('class="over"') && !page.includes("figure bad"));
});

/** Returns calls of 1 USD each, at these minutes after the start. */
function callsAt(...minutes: readonly number[]): ReadableStream<AuditEvent> {
  return ReadableStream.from(minutes.map((minute) => ({
    ts: new Date(START_MS + minute * MINUTE_MS).toISOString(),
    event: "llm_call",
    model: "small",
    cost: 1,
  })));
}

Deno.test("A report says in red that the last hour, and how many bars, exceeded the budget", async () => {
  const page = await renderReport(callsAt(0, 1, 2, 119), { budgetPerHour: 2.5 });
  assert(page.includes('<b id="usd-hour">$1.00 of $2.50</b>'));
  assert(
    /<p class="over">The spend exceeded the budget of \$2\.50 an hour in \d+ of \d+ bars/.test(
      page,
    ),
  );
  assert(page.includes("spend of the hour before"));
  const wide = await renderReport(callsAt(0, 1, 2, 30 * 24 * 60), { budgetPerHour: 0.2 });
  assert(
    /exceeded the budget of \$0\.20 an hour, or \$2\.40 per bar, in \d+ of \d+ bars/.test(
      wide,
    ),
  );
  const over = await renderReport(callsAt(0, 1, 2), { budgetPerHour: 2.5 });
  assert(over.includes('<div class="figure bad"><dt>Last hour</dt>'));
  assert(over.includes("over the budget, up to"));
  const within = await renderReport(callsAt(0, 1), { budgetPerHour: 2.5 });
  assert(!within.includes('class="over"') && !within.includes("figure bad"));
  const without = await renderReport(callsAt(0, 1, 2));
  assert(!without.includes("hour before") && without.includes('<b id="usd-hour">$3.00</b>'));
});

Deno.test("hourlyBudget() says whether the limit is so far above the bars that its line would hide them", () => {
  const isFar = (costs: readonly number[], budget: number, bucketMs: number) =>
    hourlyBudget({ buckets: bucketsOf(costs, bucketMs), bucketMs }, budget).isFar;
  assertEquals(isFar([1, 3], 15, HOUR_MS), false);
  assertEquals(isFar([1, 3], 15.1, HOUR_MS), true);
  // Shorter bars are on another axis than the limit, which the cumulative spend shares.
  assertEquals(isFar([1, 3], 20, 15 * MINUTE_MS), false);
  assertEquals(isFar([1, 3], 20.1, 15 * MINUTE_MS), true);
});

Deno.test("The spend chart draws no line for a budget that is far above its bars, and says so", async () => {
  const events = Array.from({ length: 40 }, (_, n): AuditEvent => ({
    ts: new Date(START_MS + n * HOUR_MS).toISOString(),
    event: "nav",
    cost: 1,
  }));
  const page = (budgetPerHour: number) =>
    renderReport(ReadableStream.from(events), { budgetPerHour });
  const [near, far] = [await page(4), await page(40)];
  assert(near.includes('stroke="var(--budget)"') && near.includes("budget: $4.00 an hour</li>"));
  assert(!far.includes('stroke="var(--budget)"'));
  assert(far.includes("budget: $40.00 an hour, above the chart</li>"));
});
