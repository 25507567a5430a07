import { assertEquals, assertStringIncludes } from "@std/assert";
import type { TypeFigures } from "../../src/report/aggregate.ts";
import type { BucketFigures } from "../../src/report/bucket_content.ts";
import type { GroupFigures, Named } from "../../src/report/groups.ts";
import { STYLE } from "../../src/report/style.ts";
import { bars, byTokens, labelOf, spendSeries } from "../../src/report/series.ts";

const ACCURACY = { totalNav: 0, validationFailCount: 0, accuracyPct: 100 };

function bucketOf(usdByGroup: readonly number[]): BucketFigures {
  return {
    startMs: 0,
    endMs: 1,
    events: 1,
    firstMs: 0,
    lastMs: 0,
    usd: exactSum(usdByGroup),
    usdByGroup,
    accuracy: ACCURACY,
    topReasons: [],
    latency: { n: 0, p50: null, p95: null, longest: null },
  };
}

function modelOf(name: string | null, usd: number): GroupFigures {
  return {
    name,
    usd,
    events: 1,
    inputTokens: 10,
    outputTokens: 1,
  };
}

function exactSum(terms: readonly number[]): number {
  return Math.sumPrecise(terms) + 0;
}

/**
 * Returns models with these costs, and two time buckets. The first bucket has a quarter of each cost, the second the
 * rest.
 */
function spendOf(costs: readonly number[], others?: number) {
  const all = others === undefined ? costs : [...costs, others];
  const models: Named<GroupFigures> = {
    named: costs.map((usd, index) => modelOf(`m${index}`, usd)),
    others: others === undefined ? null : modelOf(null, others),
  };
  const buckets = [0.25, 0.75].map((share) => bucketOf(all.map((usd) => usd * share)));
  return { models, buckets };
}

function seriesOf(costs: readonly number[], others?: number) {
  const { models, buckets } = spendOf(costs, others);
  return spendSeries(models, buckets);
}

/** Returns costs in descending order. Each cost is half of the previous one, such as 128, 64, 32. */
function halving(count: number): number[] {
  return Array.from({ length: count }, (_, index) => 2 ** (7 - index));
}

Deno.test("spendSeries() returns the values and a distinct color for each of eight models", () => {
  assertEquals(
    seriesOf(halving(8)),
    halving(8).map((usd, index) => ({
      label: `m${index}`,
      color: `s${index}`,
      usd,
      values: [usd / 4, usd * 3 / 4],
    })),
  );
});

Deno.test("spendSeries() combines all models after the top eight, and states the number of combined models", () => {
  const series = seriesOf(halving(12));
  assertEquals(series.length, 9);
  assertEquals(series[7]?.label, "m7");
  const usd = exactSum(halving(12).slice(8));
  assertEquals(series[8], {
    label: "4 others",
    color: "others",
    usd,
    values: [usd / 4, usd * 3 / 4],
  });
});

Deno.test("spendSeries() leaves out models without a cost, and returns the values of all other models", () => {
  const series = seriesOf([4, 0, 8, 0, 12]);
  assertEquals(series.map(({ label, color }) => [label, color]), [
    ["m0", "s0"],
    ["m2", "s1"],
    ["m4", "s2"],
  ]);
  assertEquals(series.map(({ values }) => values), [[1, 3], [2, 6], [3, 9]]);
  assertEquals(seriesOf([0, 0], 0), []);
});

Deno.test("spendSeries() labels combined models as others, without their number, if the exact number is unknown", () => {
  const last = seriesOf(halving(10), 1).at(-1);
  const usd = exactSum([...halving(10).slice(8), 1]);
  assertEquals(last, { label: "others", color: "others", usd, values: [usd / 4, usd * 3 / 4] });
  assertEquals(seriesOf(halving(8), 4).at(-1)?.label, "others");
  assertEquals(seriesOf(halving(3), 0).map(({ label }) => label), ["m0", "m1", "m2"]);
});

Deno.test("spendSeries() labels a missing name and an empty name differently", () => {
  const models = { named: [modelOf("", 2), modelOf(null, 1)], others: null };
  const series = spendSeries(models, [bucketOf([2, 1])]);
  assertEquals(series.map(({ label }) => label), ["", "(none)"]);
});

Deno.test("spendSeries() returns values with the same total as the buckets, for any number of models", () => {
  for (let count = 0; count <= 20; count++) {
    for (const others of [undefined, 0, 5]) {
      const { models, buckets } = spendOf(halving(count), others);
      const series = spendSeries(models, buckets);
      for (const [index, { usd }] of buckets.entries()) {
        assertEquals(exactSum(series.map(({ values }) => values[index]!)), usd);
      }
      const total = exactSum([...halving(count), others ?? 0]);
      assertEquals(exactSum(series.map(({ usd }) => usd)), total);
      assertEquals(new Set(series.map(({ color }) => color)).size, series.length);
    }
  }
});

function typesOf(count: number, others?: number): Named<TypeFigures> {
  const typeOf = (name: string | null, events: number) => ({ name, usd: 0, events });
  return {
    named: Array.from({ length: count }, (_, index) => typeOf(`t${index}`, 100 - index)),
    others: others === undefined ? null : typeOf(null, others),
  };
}

function eventBars(count: number, others?: number): [label: string, ...values: number[]][] {
  return bars(typesOf(count, others), ({ events }) => [events])
    .map(({ label, values }) => [label, ...values]);
}

Deno.test("bars() shows up to thirteen names separately", () => {
  for (const count of [0, 1, 12, 13]) {
    const expected = Array.from({ length: count }, (_, index) => [`t${index}`, 100 - index]);
    assertEquals<unknown>(eventBars(count), expected);
  }
});

Deno.test("bars() combines all names after the first twelve, and states the number of combined names", () => {
  assertEquals(eventBars(14).slice(11), [["t11", 89], ["2 others", 88 + 87]]);
  assertEquals(eventBars(20).length, 13);
  assertEquals(eventBars(14, 1_000).slice(11), [["t11", 89], ["others", 88 + 87 + 1_000]]);
  assertEquals(eventBars(12, 5).slice(11), [["t11", 89], ["others", 5]]);
});

Deno.test("bars() sums up the input and the output tokens of the combined models separately", () => {
  const models = { named: Array.from({ length: 15 }, (_, n) => modelOf(`m${n}`, 0)), others: null };
  const tokens = bars(models, ({ inputTokens, outputTokens }) => [inputTokens, outputTokens]);
  assertEquals(tokens.at(0), { name: "m0", label: "m0", values: [10, 1] });
  assertEquals(tokens.at(-1), { name: null, label: "3 others", values: [30, 3] });
});

Deno.test("labelOf() returns a name unchanged, and (none) for a missing name", () => {
  assertEquals(["a", "", "(none)", null].map(labelOf), ["a", "", "(none)", "(none)"]);
});

Deno.test("spendSeries() only uses colors that the style sheet defines", () => {
  for (let count = 0; count <= 20; count++) {
    for (const { color } of seriesOf(halving(count))) {
      assertStringIncludes(STYLE, `--${color}:`);
      assertStringIncludes(STYLE, `.${color} {`);
    }
  }
});

Deno.test("spendSeries() labels the models after the first 256 as others, even if few other models have a cost", () => {
  assertEquals(seriesOf([4, 0, 0], 2).map(({ label, color }) => [label, color]), [
    ["m0", "s0"],
    ["others", "others"],
  ]);
});

Deno.test("byTokens() sorts groups by their input and output tokens together", () => {
  const tokens = (name: string, inputTokens: number, outputTokens: number): GroupFigures => ({
    ...modelOf(name, 1),
    inputTokens,
    outputTokens,
  });
  const named = [tokens("a", 5, 0), tokens("b", 1, 9), tokens("c", 6, 4), tokens("d", 0, 0)];
  const sorted = byTokens({ named, others: modelOf(null, 2) });
  assertEquals(sorted.named.map(({ name }) => name), ["b", "c", "a", "d"]);
  assertEquals(sorted.others, modelOf(null, 2));
  assertEquals(named.map(({ name }) => name), ["a", "b", "c", "d"]);
});
