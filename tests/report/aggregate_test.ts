import { assert, assertEquals } from "@std/assert";
import { accuracyMetrics, type AuditEvent, gateMetrics, hourlySpend, stats } from "@vivarium/scout";
import { ReportAggregate, type ReportData } from "../../src/report/aggregate.ts";
import type { CallGroupFigures } from "../../src/report/groups.ts";
import { type ReportOptions, resolveReportOptions } from "../../src/report/options.ts";
import { SeededRandom } from "../seeded_random.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 9, 20, 9, 17, 3, 250);
const TS = new Date(START).toISOString();

function dataOf(events: readonly AuditEvent[], options: ReportOptions = {}): ReportData {
  const aggregate = new ReportAggregate(resolveReportOptions(options));
  for (const event of events) aggregate.add(event);
  return aggregate.data();
}

/** Returns unordered events of `days` days. Some events lack fields, and some have no readable time. */
function randomEvents(seed: number, days: number): AuditEvent[] {
  const random = new SeededRandom(seed);
  const types = { nav: 5, validation_fail: 1, brief: 2, gate_compress: 2, gate_escalate: 1 };
  return Array.from({ length: 1_500 }, () => {
    const ms = START + random.below(days * DAY_MS);
    const isTimed = random.below(50) > 0;
    return {
      ...isTimed ? { ts: new Date(ms).toISOString() } : random.below(2) === 0 ? {} : { ts: "?" },
      ...random.below(30) === 0 ? {} : { event: random.pick(types) },
      ...random.below(10) === 0 ? {} : { session_id: `session ${random.below(40)}` },
      ...random.below(8) === 0 ? {} : { cost: random.below(1e6) / 7 ** random.below(12) },
      ...random.below(8) === 0 ? {} : { model: `model ${random.below(12)}` },
      ...random.below(8) === 0 ? {} : { input_t: random.below(9_000) },
      ...random.below(8) === 0 ? { output_t: null } : { output_t: random.below(900) },
      ...random.below(5) === 0 ? {} : { confidence: random.below(101) },
      ...random.below(5) === 0 ? { reason: random.pick({ a: 1, b: 2, c: 1, d: 1 }) } : {},
      ...random.below(3) === 0 ? {} : { agent: `agent ${random.below(5)}` },
      ...random.below(4) === 0 ? { status: random.pick({ ok: 3, error: 1 }) } : {},
      ...random.below(4) > 0 ? { duration_ms: random.below(9_000) } : {},
    };
  });
}

function shuffled<T>(values: readonly T[], random: SeededRandom): T[] {
  return values.map((value) => ({ value, place: random.below(2 ** 32) }))
    .sort((a, b) => a.place - b.place).map(({ value }) => value);
}

function msOf({ ts }: AuditEvent): number {
  return Date.parse(ts ?? "");
}

function isTimed(event: AuditEvent): boolean {
  return !Number.isNaN(msOf(event));
}

/** Returns the exact sum of the costs of events with a time. */
function usdOf(events: readonly AuditEvent[]): number {
  return Math.sumPrecise(events.filter(isTimed).map(({ cost }) => cost ?? 0)) + 0;
}

function tokensOf(events: readonly AuditEvent[], field: "input_t" | "output_t"): number {
  return events.reduce((sum, event) => sum + (event[field] ?? 0), 0);
}

function byCost(
  a: { usd: number; name: string | null },
  b: { usd: number; name: string | null },
): number {
  return b.usd - a.usd || ((a.name ?? "") < (b.name ?? "") ? -1 : 1);
}

/** Checks all figures of a report against sums that the test itself computes from the events in the report's range. */
async function checkData(data: ReportData, events: readonly AuditEvent[]): Promise<void> {
  const timed = events.filter(isTimed);
  const times = timed.map(msOf);
  assertEquals([data.events, data.untimed], [events.length, events.length - timed.length]);
  assertEquals([data.firstMs, data.lastMs], [Math.min(...times), Math.max(...times)]);
  assertEquals(data.usd, usdOf(events));
  assertEquals(data.accuracy, await accuracyMetrics(ReadableStream.from(events)));
  assertEquals(data.gate, await gateMetrics(ReadableStream.from(events), { lastN: 0 }));
  await checkNames(data, events);
  checkSessions(data, events);
  await checkBuckets(data, timed);
}

/** Returns the figures of each value of a field, with the calls and the errors from `stats()`. */
async function groupsBy(
  field: "model" | "agent",
  events: readonly AuditEvent[],
): Promise<CallGroupFigures[]> {
  const byName = Map.groupBy(events, (event) => event[field] as string | undefined ?? null);
  const found = await Promise.all([...byName].map(async ([name, some]) => {
    const { total: { calls, errors } } = await stats(ReadableStream.from(some));
    return {
      name,
      usd: usdOf(some),
      events: some.length,
      calls,
      errors,
      accuracy: await accuracyMetrics(ReadableStream.from(some)),
      inputTokens: tokensOf(some, "input_t"),
      outputTokens: tokensOf(some, "output_t"),
    };
  }));
  return found.sort(byCost);
}

async function checkNames(
  { groups, breakdowns, types }: ReportData,
  events: readonly AuditEvent[],
): Promise<void> {
  const [byModel, byAgent] = [await groupsBy("model", events), await groupsBy("agent", events)];
  const spending = byModel.map(({ calls: _, errors: __, accuracy: ___, ...figures }) => figures);
  assertEquals(groups, { named: spending, others: null });
  assertEquals(breakdowns, [
    { by: ["model"], groups: { named: byModel, others: null } },
    { by: ["agent"], groups: { named: byAgent, others: null } },
  ]);
  const byType = [...Map.groupBy(events, ({ event }) => event ?? null)].map(([name, some]) => ({
    name,
    usd: usdOf(some),
    events: some.length,
  }));
  byType.sort((a, b) => b.events - a.events || byCost(a, b));
  assertEquals(types, { named: byType, others: null });
}

function checkSessions(data: ReportData, events: readonly AuditEvent[]): void {
  const bySession = Map.groupBy(events, ({ session_id }) => session_id);
  bySession.delete(undefined);
  const top = [...bySession].map(([id, some]) => {
    const times = some.filter(isTimed).map(msOf);
    const [firstMs, lastMs] = [Math.min(...times), Math.max(...times)];
    return {
      id: id!,
      usd: usdOf(some),
      missingUsdMax: 0,
      isPartial: false,
      events: some.length,
      firstMs,
      lastMs,
    };
  }).sort((a, b) => b.usd - a.usd).slice(0, 10);
  assertEquals(data.sessions, top);
  assertEquals(data.sessionCount, bySession.size);
}

async function checkBuckets(data: ReportData, timed: readonly AuditEvent[]): Promise<void> {
  const names = data.groups.named.map(({ name }) => name);
  let found = 0;
  for (const { startMs, endMs, usd, usdByGroup, accuracy, topReasons } of data.buckets) {
    const within = timed.filter((event) => msOf(event) >= startMs && msOf(event) < endMs);
    found += within.length;
    assertEquals(usd, usdOf(within));
    const byModel = Map.groupBy(within, ({ model }) => model ?? null);
    const failed = within.filter(({ event }) => event === "validation_fail");
    const reasons = Map.groupBy(failed, ({ reason = "(no reason)" }) => reason);
    const counts = Array.from(reasons, ([reason, { length }]) => ({ reason, count: length }));
    assertEquals(
      topReasons,
      counts.sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1)).slice(0, 3),
    );
    assertEquals(usdByGroup, names.map((name) => usdOf(byModel.get(name) ?? [])));
    assertEquals(accuracy, await accuracyMetrics(ReadableStream.from(within)));
  }
  assertEquals(found, timed.length);
}

Deno.test("ReportAggregate returns the same figures as sums that the test computes, and as the metrics functions", async () => {
  for (const [seed, days] of [[1, 0.1], [2, 2], [3, 40], [4, 2_000]] as const) {
    const events = randomEvents(seed, days);
    const data = dataOf(events, { timeZone: "Europe/Berlin" });
    await checkData(data, events);
    const endMs = (Math.floor(data.lastMs! / MINUTE_MS) + 1) * MINUTE_MS;
    assertEquals(data.endMs, endMs);
    // `hourlySpend()` includes an event exactly at the end of its hours, but the report does not. So `now` is half a
    // millisecond before that end.
    const spend = (hours: number) =>
      hourlySpend(ReadableStream.from(events), { hours, now: () => endMs - 0.5 });
    assertEquals([data.lastHourUsd, data.lastDayUsd], [await spend(1), await spend(24)]);
  }
});

Deno.test("ReportAggregate includes events at the start of its time range and excludes events at the end", async () => {
  for (const [seed, days] of [[5, 0.2], [6, 3], [7, 60]] as const) {
    const events = randomEvents(seed, days);
    const times = events.filter(isTimed).map(msOf).sort((a, b) => a - b);
    // The start and the end of the range are times of events. So the test detects whether each of the two counts.
    const [since, until] = [times[200]!, times[1_300]!];
    const within = events.filter((event) => msOf(event) >= since && msOf(event) < until);
    assert(within.length >= 1_000 && within.length < 1_101, `${within.length} events`);
    const data = dataOf(events, { since, until, timeZone: "America/New_York" });
    await checkData(data, within);
    assertEquals([data.firstMs, data.endMs], [since, until]);
    const spend = (hours: number) =>
      hourlySpend(ReadableStream.from(within), { hours, now: () => until });
    assertEquals([data.lastHourUsd, data.lastDayUsd], [await spend(1), await spend(24)]);
  }
});

Deno.test("ReportAggregate with only a start or an end leaves out events outside of the range or without a time", () => {
  const events = [-1, 0, 1].map((ms) => ({
    ts: new Date(START + ms).toISOString(),
    cost: 2 ** ms,
  }));
  const all = [...events, { cost: 8 }, { ts: "?", cost: 16 }];
  const figuresOf = (options: ReportOptions) => {
    const { events, untimed, usd } = dataOf(all, options);
    return { events, untimed, usd };
  };
  assertEquals(figuresOf({}), { events: 5, untimed: 2, usd: 3.5 });
  assertEquals(figuresOf({ since: START }), { events: 2, untimed: 0, usd: 3 });
  assertEquals(figuresOf({ until: START }), { events: 1, untimed: 0, usd: 0.5 });
  assertEquals(figuresOf({ since: START, until: START }), { events: 0, untimed: 0, usd: 0 });
});

Deno.test("ReportAggregate returns the same figures for any order of the events, except for the last events and the examples of failures", () => {
  const events = randomEvents(8, 30);
  const withoutLast = ({ lastEvents: _, failures, ...data }: ReportData) => ({
    ...data,
    failures: failures.map(({ example: _, ...failure }) => failure),
  });
  const expected = withoutLast(dataOf(events));
  const random = new SeededRandom(8);
  const byTime = events.toSorted((a, b) => (msOf(a) || 0) - (msOf(b) || 0));
  for (const order of [byTime, byTime.toReversed(), shuffled(events, random)]) {
    assertEquals(withoutLast(dataOf(order)), expected);
  }
});

Deno.test("ReportAggregate returns the same figures after each event as a new aggregate of the events so far", () => {
  const events = randomEvents(9, 300);
  const aggregate = new ReportAggregate(resolveReportOptions({}));
  assertEquals(aggregate.data(), dataOf([]));
  for (const [index, event] of events.entries()) {
    aggregate.add(event);
    if (index % 300 === 7) assertEquals(aggregate.data(), dataOf(events.slice(0, index + 1)));
  }
});

Deno.test("ReportAggregate without events returns empty figures", () => {
  assertEquals(dataOf([]), {
    events: 0,
    untimed: 0,
    firstMs: null,
    lastMs: null,
    endMs: null,
    usd: 0,
    lastHourUsd: 0,
    lastDayUsd: 0,
    accuracy: { totalNav: 0, validationFailCount: 0, accuracyPct: 100 },
    gate: {
      passCount: 0,
      escalateCount: 0,
      total: 0,
      passRatePct: 0,
      avgConfidence: 0,
      escalateRatePct: 0,
      lastQueries: [],
    },
    bucketMs: 1_000,
    buckets: [],
    groups: { named: [], others: null },
    breakdowns: [],
    missingFields: [],
    types: { named: [], others: null },
    failures: [],
    unfinished: { count: 0, first: [] },
    timeline: { by: null, lanes: [], bars: [], areCounted: false },
    budgets: [],
    sessions: [],
    sessionCount: 0,
    lastEvents: [],
    outside: { count: 0, first: [] },
  });
  assertEquals(dataOf([], { until: START }).endMs, START);
});

Deno.test("ReportAggregate counts events without a time, but not their costs", () => {
  const data = dataOf([
    { ts: TS, event: "nav", session_id: "s", model: "m", cost: 1, input_t: 10 },
    { event: "nav", session_id: "s", model: "m", cost: 100, input_t: 20 },
    { ts: "yesterday", event: "validation_fail", session_id: "t", cost: 100 },
  ]);
  assertEquals([data.events, data.untimed, data.usd], [3, 2, 1]);
  assertEquals(data.accuracy, { totalNav: 2, validationFailCount: 1, accuracyPct: 50 });
  assertEquals(data.groups.named, [
    { name: "m", usd: 1, events: 2, inputTokens: 30, outputTokens: 0 },
  ]);
  assertEquals(data.types.named.map(({ usd }) => usd), [1, 0]);
  assertEquals(data.sessions.map(({ id, usd, events }) => [id, usd, events]), [["s", 1, 2]]);
  assertEquals(data.buckets.map(({ accuracy }) => accuracy.totalNav), [1]);
});

Deno.test("ReportAggregate combines all models after the first 256, and all event types after the first 256", () => {
  const events = Array.from({ length: 600 }, (_, n) => ({
    ts: new Date(START + n * MINUTE_MS).toISOString(),
    event: `type ${n % 300}`,
    model: `model ${n % 300}`,
    cost: (n + 1) / 7,
    input_t: n,
  }));
  const { groups, types, buckets, usd } = dataOf(events);
  const further = events.filter((_, n) => n % 300 >= 256);
  assertEquals([groups.named.length, types.named.length], [256, 256]);
  assertEquals(groups.others, {
    name: null,
    usd: usdOf(further),
    events: further.length,
    inputTokens: tokensOf(further, "input_t"),
    outputTokens: 0,
  });
  assertEquals(types.others, { name: null, usd: usdOf(further), events: further.length });
  assertEquals(usd, usdOf(events));
  for (const { startMs, endMs, usdByGroup } of buckets) {
    const within = further.filter((event) => msOf(event) >= startMs && msOf(event) < endMs);
    assertEquals([usdByGroup.length, usdByGroup.at(-1)], [257, usdOf(within)]);
  }
});

Deno.test("ReportAggregate lists events without a model only if they have costs or tokens", () => {
  const namesOf = (more: AuditEvent) =>
    dataOf([{ ts: TS, model: "m" }, { ts: TS, event: "nav", ...more }])
      .groups.named.map(({ name }) => name);
  assertEquals(namesOf({}), ["m"]);
  for (const more of [{ cost: 1 }, { input_t: 1 }, { output_t: 1 }]) {
    assertEquals(new Set(namesOf(more)), new Set(["m", null]));
  }
});

Deno.test("ReportAggregate groups by the option by, by model and by agent, as far as events have these fields", () => {
  const events = [
    { ts: TS, event: "llm_call", model: "m", agent: "a", team: "x", cost: 1 },
    { ts: TS, event: "llm_call", model: "m", team: "y", status: "error" },
    { ts: TS, event: "nav", agent: "a" },
    { ts: TS, event: "validation_fail" },
  ];
  const shown = (by: string | string[]) =>
    dataOf(events, { by }).breakdowns.map(({ by, groups: { named } }) => [
      by.join(),
      named.map((
        { name, calls, errors, accuracy: { totalNav } },
      ) => [name, calls, errors, totalNav]),
    ]);
  const byModel = ["model", [["m", 2, 1, 0], [null, 1, 1, 1]]];
  const byAgent = ["agent", [["a", 1, 0, 1], [null, 2, 2, 0]]];
  assertEquals(shown("model"), [byModel, byAgent]);
  assertEquals(shown("agent"), [byAgent, byModel]);
  assertEquals(shown("session"), [byModel, byAgent]);
  const byTeam = ["team", [["x", 1, 0, 0], [null, 1, 1, 1], ["y", 1, 1, 0]]];
  assertEquals(shown("team"), [byTeam, byModel, byAgent]);
  assertEquals(shown("taem"), [byModel, byAgent]);
  assertEquals(shown(["agent", "model"]).map(([by]) => by), ["agent,model", "model", "agent"]);
  assertEquals(dataOf([{ ts: TS, event: "nav" }]).breakdowns, []);
});

Deno.test("ReportAggregate returns the last 50 events, the newest first", () => {
  const events = Array.from({ length: 130 }, (_, n) => ({ ts: TS, event: "nav", n }));
  for (const count of [0, 1, 49, 50, 51, 100, 130]) {
    const appended = events.slice(0, count);
    assertEquals(dataOf(appended).lastEvents, appended.toReversed().slice(0, 50));
  }
});

Deno.test("ReportAggregate lists the top 10 sessions by cost, and counts all sessions", () => {
  const events = Array.from({ length: 25 }, (_, n) => ({ ts: TS, session_id: `s${n}`, cost: n }));
  const { sessions, sessionCount } = dataOf(events);
  assertEquals(sessions.map(({ id }) => id), Array.from({ length: 10 }, (_, n) => `s${24 - n}`));
  assertEquals(sessionCount, 25);
});

const ODD: readonly unknown[] = [
  null,
  5,
  -1,
  "?",
  "",
  true,
  [],
  {},
  [1],
  { toString: null },
  1e999,
];
const FIELDS = [
  ...["ts", "event", "session_id", "cost", "model", "input_t", "output_t"],
  ...["confidence", "reason", "files", "config"],
];

Deno.test("ReportAggregate ignores values of wrong types", () => {
  const good = { ts: TS, event: "gate_compress", session_id: "s", cost: 1, model: "m", input_t: 1 };
  const odd = FIELDS.flatMap((field) => ODD.map((value) => ({ ...good, [field]: value })));
  const everywhere = ODD.map((value) => Object.fromEntries(FIELDS.map((field) => [field, value])));
  const events = [...odd, ...everywhere] as AuditEvent[];
  const data = dataOf(events);
  const costs = odd.filter(({ ts }) => ts === TS)
    .map(({ cost }) => Number.isFinite(cost) ? cost : 0);
  assertEquals(data.events, events.length);
  assertEquals(data.untimed, 2 * ODD.length);
  assertEquals(data.usd, Math.sumPrecise(costs));
  assertEquals(data.groups.named.map(({ name }) => name).sort(), ["", "?", "m", null]);
  assertEquals(data.types.named.map(({ name }) => name).sort(), ["", "?", "gate_compress", null]);
  assertEquals(data.sessionCount, 3);
  const sums = [data.usd, data.lastHourUsd, data.lastDayUsd, data.gate.avgConfidence];
  const tokens = data.groups.named.flatMap((model) => [model.inputTokens, model.outputTokens]);
  assert([...sums, ...tokens].every(Number.isFinite), `${sums}, ${tokens}`);
});

Deno.test("ReportAggregate returns Infinity if a sum overflows", () => {
  const { usd, groups, buckets } = dataOf([1e308, 1e308, 1].map((cost) => ({ ts: TS, cost })));
  assertEquals([usd, groups.named[0]?.usd, buckets[0]?.usd], [Infinity, Infinity, Infinity]);
});

Deno.test("ReportAggregate accepts times in all years", () => {
  const years = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "-271821-04-20T00:00:00Z"];
  for (const timeZone of ["UTC", "Europe/Berlin", "Asia/Kolkata"]) {
    const data = dataOf([...years, TS].map((ts) => ({ ts, cost: 1 })), { timeZone });
    assertEquals([data.events, data.untimed, data.usd], [4, 0, 4]);
    assertEquals(Math.sumPrecise(data.buckets.map(({ usd }) => usd)), 4);
  }
});

Deno.test("ReportAggregate counts all costs in a time zone whose UTC offset, such as +05:17, is not a multiple of 15 minutes", () => {
  const start = Date.parse("2026-01-01T00:43:00Z");
  const events = Array.from({ length: 100 }, (_, n) => ({
    ts: new Date(start + n * 30 * MINUTE_MS).toISOString(),
    cost: 1,
  }));
  assertEquals(dataOf(events, { timeZone: "+05:17" }).usd, 100);
});

Deno.test("ReportAggregate sorts a missing and an empty model name in the same order for any input", () => {
  const namesOf = (models: (string | undefined)[]) =>
    dataOf(models.map((model) => ({ ts: TS, cost: 1, ...model === undefined ? {} : { model } })))
      .groups.named.map(({ name }) => name);
  assertEquals(namesOf(["", undefined]), namesOf([undefined, ""]));
});
