import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type AuditEvent,
  type ComparedFigure,
  compareStats,
  type FigureName,
  type Stats,
  stats,
  type StatsComparison,
  type StatsOptions,
} from "@vivarium/scout";
import { differenceInterval, welchInterval, wilsonInterval } from "../../src/stats/intervals.ts";
import { SeededRandom } from "../seeded_random.ts";

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);
}

function statsOf(events: readonly AuditEvent[], options: StatsOptions = {}): Promise<Stats> {
  return stats(ReadableStream.from(events), options);
}

async function compared(
  a: readonly AuditEvent[],
  b: readonly AuditEvent[],
  options: StatsOptions = {},
): Promise<StatsComparison> {
  return compareStats(await statsOf(a, options), await statsOf(b, options));
}

function figureOf(figures: readonly ComparedFigure[], name: FigureName): ComparedFigure {
  return figures.find((figure) => figure.name === name)!;
}

function repeated(count: number, fields: Omit<AuditEvent, "event">): AuditEvent[] {
  return Array.from({ length: count }, () => ({ event: "llm_call", ...fields }));
}

/** Returns `count` calls. The first `failed` of them have the status "error". */
function calls(count: number, failed: number): AuditEvent[] {
  return [...repeated(failed, { status: "error" }), ...repeated(count - failed, { status: "ok" })];
}

/**
 * Published confidence intervals of the difference of two error rates, b minus a, from R. G. Newcombe, "Interval
 * Estimation for the Difference", 1998, table II, method 10. Each rate is given as [failed calls, calls].
 */
const NEWCOMBE: [a: [number, number], b: [number, number], low: number, high: number][] = [
  [[48, 80], [56, 70], 0.0524, 0.3339],
  [[3, 10], [9, 10], 0.1705, 0.8090],
  [[2, 7], [6, 7], 0.0582, 0.8062],
  [[0, 29], [5, 56], -0.0381, 0.1926],
  [[0, 20], [0, 10], -0.1611, 0.2775],
  [[0, 10], [10, 10], 0.6075, 1],
];
for (const [[failedA, callsA], [failedB, callsB], low, high] of NEWCOMBE) {
  Deno.test(`compareStats() of ${failedB}/${callsB} and ${failedA}/${callsA} errors returns Newcombe's published interval`, async () => {
    const { figures } = await compared(calls(callsA, failedA), calls(callsB, failedB));
    const { kind, unit, a, b, nA, nB, interval } = figureOf(figures, "errorPct");
    assertEquals([kind, unit, nA, nB], ["rate", "%", callsA, callsB]);
    assertEquals([a, b], [100 * failedA / callsA, 100 * failedB / callsB]);
    assertNear(interval!.low, 100 * low, 0.5e-2);
    assertNear(interval!.high, 100 * high, 0.5e-2);
  });
}

/**
 * Two samples from the article "Welch's t-test" of Wikipedia, example 1, which states their means, t = -2.46 and 25.0
 * degrees of freedom. Tables of Student's t distribution list the quantile 2.0595 for 25 degrees of freedom.
 */
const WELCH_A = [
  ...[27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1],
  ...[21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4],
];
const WELCH_B = [
  ...[27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0],
  ...[24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4],
];

Deno.test("compareStats() returns Welch's interval of the difference of two means", async () => {
  const events = (values: readonly number[], name: "cost" | "duration_ms") =>
    values.map((value) => ({ event: "llm_call", [name]: value }));
  for (const [field, name] of [["cost", "usdPerCall"], ["duration_ms", "durationMs"]] as const) {
    const { figures } = await compared(events(WELCH_A, field), events(WELCH_B, field));
    const { kind, a, b, difference, nA, nB, interval } = figureOf(figures, name);
    assertEquals([kind, nA, nB], ["mean", 15, 15]);
    assertNear(a!, 20.8, 0.05);
    assertNear(b!, 23.0, 0.05);
    const half = 2.0595 * difference! / 2.46;
    assertNear(interval!.low, difference! - half, 0.01);
    assertNear(interval!.high, difference! + half, 0.01);
  }
});

Deno.test("welchInterval() equals Student's interval for samples of equal size and deviation", () => {
  // For two samples of size n, Student's interval has 2 * (n - 1) degrees of freedom. The quantiles `t` of Student's
  // distribution are from printed tables.
  for (const [n, t] of [[2, 4.3027], [6, 2.2281], [16, 2.0423], [61, 1.9799]] as const) {
    const sample = { n, mean: 3, deviation: 2 };
    const { low, high } = welchInterval(sample, { ...sample, mean: 4 })!;
    assertNear(high - 1, t * 2 * Math.sqrt(2 / n), 1e-3);
    assertNear(1 - low, t * 2 * Math.sqrt(2 / n), 1e-3);
  }
});

Deno.test("compareStats() returns totals with exact differences and without intervals", async () => {
  const isOutcome = ({ event }: AuditEvent) => event === "done";
  const a = [...repeated(10, { cost: 0.25, input_t: 100, output_t: 10 }), { event: "done" }];
  const b = [...repeated(12, { cost: 0.25, input_t: 50, output_t: 20 }), { event: "done" }];
  b.push({ event: "validation_fail" }, { event: "done" });
  const { figures } = await compared(a, b, { outcome: isOutcome });
  const totals = figures.filter(({ kind }) => kind === "total");
  assertEquals(
    totals.map(({ name, unit, a, b, difference, nA, nB, interval }) => [
      name,
      unit,
      [a, b, difference],
      [nA, nB],
      interval,
    ]),
    [
      ["events", "count", [11, 15, 4], [11, 15], null],
      ["calls", "count", [10, 13, 3], [11, 15], null],
      ["errors", "count", [0, 1, 1], [10, 13], null],
      ["usd", "USD", [2.5, 3, 0.5], [10, 12], null],
      ["inputTokens", "tokens", [1_000, 600, -400], [10, 12], null],
      ["outputTokens", "tokens", [100, 240, 140], [10, 12], null],
      ["outcomes", "count", [1, 2, 1], [11, 15], null],
    ],
  );
  assertEquals(figureOf(figures, "inputTokens").changePct, -40);
  assertEquals(figureOf(figures, "errors").changePct, null);
  const { kind, difference, interval } = figureOf(figures, "usdPerOutcome");
  assertEquals([kind, difference, interval], ["ratio", -1, null]);
});

Deno.test("compareStats() returns null for each figure for which nothing was measured", async () => {
  const { figures } = await compared(
    [{ event: "nav" }],
    repeated(3, {
      cost: 1,
      duration_ms: 5,
      input_t: 8,
      cache_read_t: 2,
      output_t: 1,
    }),
  );
  assertEquals(figures.filter(({ a }) => a === null).map(({ name }) => name), [
    "errors",
    "usd",
    "inputTokens",
    "outputTokens",
    "errorPct",
    "usdPerCall",
    "durationMs",
    "p50Ms",
    "p95Ms",
    "p99Ms",
    "tokensPerSecond",
    "cacheHitPct",
    "usdPerOutcome",
  ]);
  for (const { a, b, difference, changePct, interval } of figures.filter(({ a }) => a === null)) {
    assertEquals([a, difference, changePct, interval], [null, null, null, null]);
    assert(b === null || Number.isFinite(b));
  }
  const free = await compared([{ event: "done" }], [{ event: "done" }], { outcome: () => true });
  assertEquals(figureOf(free.figures, "usdPerOutcome").b, null);
  const empty = await compared([], []);
  assertEquals(
    empty.figures.filter(({ a, b }) => a !== null || b !== null)
      .map(({ name, a, b }) => [name, a, b]),
    [["events", 0, 0]],
  );
});

Deno.test("compareStats() returns null for a difference or change that is not a finite number", async () => {
  const huge = [...repeated(1, { cost: 1.7e308 }), ...repeated(1, { cost: 1.6e308 })];
  const { figures } = await compared(huge, huge);
  const { a, difference, changePct, interval } = figureOf(figures, "usd");
  assertEquals([a, difference, changePct, interval], [Infinity, null, null, null]);
  assertEquals(figureOf(figures, "usdPerCall").interval, null);
  const negative = await compared(repeated(1, { cost: -2 }), repeated(1, { cost: -1 }));
  assertEquals(figureOf(negative.figures, "usd").changePct, 50);
});

Deno.test("compareStats() finds no difference between the means of equal values, even if one source has more of them", async () => {
  for (const cost of [0.1, 0.07, 1 / 3, 1e-9]) {
    for (let count = 20; count < 60; count++) {
      const { figures } = await compared(repeated(50, { cost }), repeated(count, { cost }));
      const { a, b, difference, interval } = figureOf(figures, "usdPerCall");
      assertEquals([a, b, difference, interval], [cost, cost, 0, { low: 0, high: 0 }]);
    }
  }
});

Deno.test("compareStats() returns no interval for a quantile if one of the two sides has too few values", async () => {
  const timed = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ event: "nav", duration_ms: 100 + n }));
  for (
    const [countA, countB, known] of [
      [5, 100, []],
      [100, 100, ["p50Ms", "p95Ms"]],
      [100, 5, []],
      [500, 500, ["p50Ms", "p95Ms", "p99Ms"]],
    ] as const
  ) {
    const { figures } = await compared(timed(countA), timed(countB));
    const quantiles = figures.filter(({ kind }) => kind === "quantile");
    assertEquals(quantiles.length, 3);
    assertEquals(
      quantiles.filter(({ interval }) => interval !== null).map(({ name }) => name),
      [...known],
    );
  }
});

Deno.test("compareStats() compares the groups that both sides have, and lists new and gone groups", async () => {
  const call = (model: string | undefined, cost: number): AuditEvent => ({
    event: "llm_call",
    ...model === undefined ? {} : { model },
    cost,
  });
  const { by, groups, newGroups, goneGroups, areGroupsComplete } = await compared(
    [call("small", 1), call("old", 3), call("old", 4), call(undefined, 1)],
    [call("small", 2), call("large", 5), call("huge", 6), call("large", 7)],
    { by: "model" },
  );
  assertEquals([by, areGroupsComplete], [["model"], true]);
  assertEquals(
    groups.map(({ key, figures }) => [key, figureOf(figures, "usd").changePct]),
    [[["small"], 100]],
  );
  assertEquals(newGroups.map(({ key, calls, usd }) => [key, calls, usd]), [
    [["large"], 2, 12],
    [["huge"], 1, 6],
  ]);
  assertEquals(goneGroups.map(({ key, calls, usd }) => [key, calls, usd]), [
    [["old"], 2, 7],
    [[null], 1, 1],
  ]);
});

Deno.test('compareStats() distinguishes groups whose keys, such as ["x,", "y"] and ["x", ",y"], are the same text if joined', async () => {
  const event = (a: string | undefined, b: string) => ({ event: "nav", a, b });
  const { groups, newGroups, goneGroups } = await compared(
    [event("x,", "y"), event("null", "y")],
    [event("x", ",y"), event(undefined, "y")],
    { by: ["a", "b"] },
  );
  assertEquals(groups, []);
  assertEquals(newGroups.length + goneGroups.length, 4);
});

Deno.test("compareStats() lists new and gone failure reasons with count and example", async () => {
  const failed = (error: string) => ({ event: "llm_call", status: "error", error });
  const { newFailures, goneFailures, areFailuresComplete } = await compared(
    [failed("timeout after 3 s"), failed("HTTP 429"), failed("HTTP 429")],
    [failed("timeout after 7 s"), failed("tool 5 lost"), failed("tool 6 lost")],
  );
  assertEquals(areFailuresComplete, true);
  assertEquals(newFailures.map(({ reason, count, example }) => [reason, count, example.text]), [
    ["tool <n> lost", 2, "tool 5 lost"],
  ]);
  assertEquals(goneFailures.map(({ reason, count }) => [reason, count]), [["HTTP 429", 2]]);
});

Deno.test("compareStats() reports if its lists of groups or failure reasons are incomplete", async () => {
  const letters = (n: number) =>
    [...String(n)].map((digit) => "abcdefghij"[Number(digit)]).join("");
  const many = Array.from({ length: 1_001 }, (_, n) => ({
    event: "llm_call",
    status: "error",
    error: letters(n),
  }));
  const few = await statsOf(many.slice(0, 1));
  for (const [a, b] of [[few, await statsOf(many)], [await statsOf(many), few]] as const) {
    const { areFailuresComplete, newFailures, goneFailures } = compareStats(a, b);
    assertEquals(areFailuresComplete, false);
    // Of the 1,001 reasons, 1,000 are listed by name, and both sides have one of them. The other reasons are combined,
    // and this combination does not count as a reason.
    assertEquals(newFailures.length + goneFailures.length, 999);
  }
  const groups = Array.from({ length: 10_001 }, (_, n) => ({ event: "nav", model: `m${n}` }));
  const grouped = await statsOf(groups, { by: "model" });
  const small = await statsOf(groups.slice(0, 1), { by: "model" });
  for (const [a, b] of [[grouped, small], [small, grouped]] as const) {
    assertEquals(compareStats(a, b).areGroupsComplete, false);
  }
});

Deno.test("compareStats() rejects statistics that are grouped by different fields, and names the fields of both", async () => {
  const [model, agent, none] = [
    await statsOf([], { by: "model" }),
    await statsOf([], { by: ["agent", "model"] }),
    await statsOf([]),
  ];
  assertThrows(
    () => compareStats(model, agent),
    TypeError,
    'Cannot compare statistics: both must be grouped by the same fields, got "model" and "agent", "model"',
  );
  assertThrows(() => compareStats(none, model), TypeError, 'got no fields and "model"');
});

Deno.test("compareStats() rejects an argument that is not the result of stats()", async () => {
  const wrong = Promise.resolve() as unknown as Stats;
  const right = await statsOf([]);
  assertThrows(
    () => compareStats(wrong, right),
    TypeError,
    "Cannot compare statistics: a must be the result of stats(), got",
  );
  assertThrows(() => compareStats(right, wrong), TypeError, "statistics: b must be");
});

const eventArbitrary = fc.record({
  event: fc.constantFrom("llm_call", "nav", "validation_fail"),
  status: fc.constantFrom("ok", "error", undefined),
  cost: fc.option(fc.double({ min: 0, max: 10, noNaN: true }), { nil: undefined }),
  duration_ms: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
  input_t: fc.option(fc.nat(10_000), { nil: undefined }),
  output_t: fc.option(fc.nat(1_000), { nil: undefined }),
  model: fc.constantFrom("small", "large", "old", undefined),
}) as fc.Arbitrary<AuditEvent>;

Deno.test("compareStats() negates differences and mirrors intervals if a and b are swapped", async () => {
  const events = fc.array(eventArbitrary, { maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(events, events, async (a, b) => {
      const options = { by: "model" };
      const [statsA, statsB] = [await statsOf(a, options), await statsOf(b, options)];
      const there = compareStats(statsA, statsB);
      const back = compareStats(statsB, statsA);
      assertEquals([there.newGroups, there.goneGroups], [back.goneGroups, back.newGroups]);
      assertEquals([there.newFailures, there.goneFailures], [back.goneFailures, back.newFailures]);
      for (const [n, figure] of there.figures.entries()) {
        assertMirrored(figure, back.figures[n]!);
      }
      for (const { key, figures } of there.groups) {
        const same = back.groups.find((group) => group.key[0] === key[0])!;
        for (const [n, figure] of figures.entries()) assertMirrored(figure, same.figures[n]!);
      }
    }),
    { seed: 7, numRuns: 200 },
  );
});

function assertMirrored(there: ComparedFigure, back: ComparedFigure): void {
  assertEquals([there.a, there.b, there.nA, there.nB], [back.b, back.a, back.nB, back.nA]);
  assertEquals(there.difference, back.difference === null ? null : 0 - back.difference);
  assertEquals(there.interval === null, back.interval === null);
  if (there.interval === null || back.interval === null) return;
  const tolerance = 1e-9 * Math.max(1, Math.abs(there.interval.low), Math.abs(there.interval.high));
  assertNear(there.interval.low, -back.interval.high, tolerance);
  assertNear(there.interval.high, -back.interval.low, tolerance);
  assert(there.interval.low <= there.difference! && there.difference! <= there.interval.high);
}

Deno.test("compareStats() combines Wilson's intervals of two error rates by Newcombe's method", async () => {
  const { figures } = await compared(calls(40, 3), calls(60, 9));
  const [a, b] = [{ value: 3 / 40, ...wilsonInterval(3, 40) }, {
    value: 9 / 60,
    ...wilsonInterval(9, 60),
  }];
  const { low, high } = differenceInterval(a, b);
  const { interval } = figureOf(figures, "errorPct");
  assertNear(interval!.low, 100 * low, 1e-9);
  assertNear(interval!.high, 100 * high, 1e-9);
});

/**
 * Returns calls whose durations have the log-normal distribution of typical calls. Each duration is multiplied by
 * `factor`.
 */
function durations(random: SeededRandom, count: number, factor: number): AuditEvent[] {
  const uniform = () => (random.below(2 ** 31) + 0.5) / 2 ** 31;
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return { event: "llm_call", duration_ms: factor * 800 * Math.exp(0.5 * normal) };
  });
}

/** The quantiles of the standard normal distribution for 0.5, 0.95 and 0.99. */
const NORMAL = { p50Ms: 0, p95Ms: 1.644854, p99Ms: 2.326348 };

const COVERAGE = { count: 500, rounds: 400, factor: 1.25 };

Deno.test("The interval of a quantile's difference covers the true difference in at least 95 % of simulations", async () => {
  const { count, rounds, factor } = COVERAGE;
  const random = new SeededRandom(1);
  const covered = { p50Ms: 0, p95Ms: 0, p99Ms: 0 };
  for (let round = 0; round < rounds; round++) {
    const { figures } = await compared(
      durations(random, count, 1),
      durations(random, count, factor),
    );
    for (const name of ["p50Ms", "p95Ms", "p99Ms"] as const) {
      const difference = (factor - 1) * 800 * Math.exp(0.5 * NORMAL[name]);
      const { low, high } = figureOf(figures, name).interval!;
      if (low <= difference && difference <= high) covered[name]++;
    }
  }
  for (const [name, hits] of Object.entries(covered)) {
    // The share of simulations varies at random, so it may be up to three standard errors below 95 %.
    const least = 0.95 - 3 * Math.sqrt(0.95 * 0.05 / rounds);
    assert(hits / rounds >= least, `${name}: ${hits} of ${rounds}`);
  }
});

Deno.test("The interval of a quantile's difference covers a true difference that is smaller than the approximation error of the quantiles", async () => {
  // The values are so dense at the median that the sample hardly adds an error. So only the approximation error of the
  // quantiles matters.
  const dense = (median: number) =>
    Array.from({ length: 1_001 }, (_, n) => ({
      event: "llm_call",
      duration_ms: median * (1 + ((n - 500) / 501) ** 3),
    }));
  for (let median = 1_000; median <= 1_020; median++) {
    const { figures } = await compared(dense(median), dense(1.005 * median));
    const { low, high } = figureOf(figures, "p50Ms").interval!;
    assert(low <= 0.005 * median && 0.005 * median <= high, `${median}: ${low} to ${high}`);
  }
});

Deno.test("The intervals of rates and means cover the true difference in 95 % of simulations", async () => {
  const [countA, countB, rounds] = [300, 200, 400];
  const random = new SeededRandom("rates and means");
  const covered = { errorPct: 0, usdPerCall: 0, durationMs: 0 };
  const callsOf = (count: number, failedPct: number, factor: number): AuditEvent[] =>
    durations(random, count, factor).map(({ duration_ms }) => ({
      event: "llm_call",
      status: random.below(100) < failedPct ? "error" : "ok",
      duration_ms: duration_ms!,
      cost: factor * (1 + random.below(9)),
    }));
  // The mean of the log-normal distribution of the durations.
  const meanMs = 800 * Math.exp(0.5 ** 2 / 2);
  const truth = { errorPct: 3, usdPerCall: 0.3 * 5, durationMs: 0.3 * meanMs };
  for (let round = 0; round < rounds; round++) {
    const { figures } = await compared(callsOf(countA, 4, 1), callsOf(countB, 7, 1.3));
    for (const name of ["errorPct", "usdPerCall", "durationMs"] as const) {
      const { low, high } = figureOf(figures, name).interval!;
      if (low <= truth[name] && truth[name] <= high) covered[name]++;
    }
  }
  const deviation = 3 * Math.sqrt(0.95 * 0.05 / rounds);
  for (const [name, hits] of Object.entries(covered)) {
    assert(Math.abs(hits / rounds - 0.95) <= deviation, `${name}: ${hits} of ${rounds}`);
  }
});
