import { assert, assertEquals } from "@std/assert";
import { type AuditEvent, stats } from "@vivarium/scout";
import { ReportAggregate, type ReportData } from "../../src/report/aggregate.ts";
import { resolveReportOptions } from "../../src/report/options.ts";
import { laneLabel } from "../../src/report/timeline_chart.ts";
import type { CallBar, Lane } from "../../src/report/timeline_tally.ts";
import { SeededRandom } from "../seeded_random.ts";

const START = Date.UTC(2026, 1, 13, 14);
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;

function at(ms: number, fields: AuditEvent): AuditEvent {
  return { ts: new Date(START + ms).toISOString(), event: "llm_call", ...fields };
}

function dataOf(events: readonly AuditEvent[]): ReportData {
  const aggregate = new ReportAggregate(resolveReportOptions({}));
  for (const event of events) aggregate.add(event);
  return aggregate.data();
}

function shownLane({ name, combined, calls, errors, unfinished, rows }: Lane): unknown[] {
  return [name, combined, calls, errors, unfinished, rows];
}

function shownBar({ lane, row, startMs, endMs, status }: CallBar): unknown[] {
  return [lane, row, startMs - START, endMs - START, status];
}

Deno.test("The timeline has a lane for each agent, and a bar for each call from its beginning to its end", () => {
  const { timeline, buckets } = dataOf([
    at(2_000, { agent: "a", duration_ms: 1_500, status: "ok" }),
    at(3_000, { agent: "a", duration_ms: 2_000, status: "error" }),
    at(4_000, { agent: "b", event: "validation_fail" }),
    at(5_000, { agent: "b", event: "tool_call_begin", span: "1" }),
    at(6_000, { agent: "b", event: "tool_call_begin", span: "2" }),
    at(7_000, { agent: "b", event: "tool_call", span: "2", duration_ms: 1_000, status: "aborted" }),
    at(8_000, { agent: "a", event: "note" }),
    at(9_000, { duration_ms: 100 }),
    { event: "llm_call", agent: "c", duration_ms: 5 },
  ]);
  assertEquals([timeline.by, timeline.areCounted], ["agent", false]);
  assertEquals(timeline.lanes.map(shownLane), [
    ["a", 1, 2, 1, 0, 2],
    ["b", 1, 2, 1, 1, 2],
    [null, 1, 1, 0, 0, 1],
  ]);
  assertEquals(timeline.bars.map(shownBar), [
    [0, 0, 500, 2_000, "ok"],
    [0, 1, 1_000, 3_000, "error"],
    [1, 0, 4_000, 4_000, "error"],
    [1, 0, 5_000, Infinity, "unfinished"],
    [1, 1, 6_000, 7_000, "aborted"],
    [2, 0, 8_900, 9_000, "ok"],
  ]);
  assertEquals(buckets.length, 8);
  assertEquals(timeline.lanes[0]!.cells.map(({ calls }) => calls), [1, 1, 0, 0, 0, 0, 0, 0]);
  assertEquals(timeline.lanes[1]!.cells.map(({ errors }) => errors), [0, 0, 1, 0, 0, 0, 0, 0]);
});

Deno.test("The timeline has a lane for each session if no call has an agent, and otherwise one lane", () => {
  const calls = [
    at(0, { session_id: "s1", duration_ms: 100 }),
    at(2_500, { session_id: "s2", duration_ms: 100, status: "error" }),
    at(2_600, { session_id: "s2", duration_ms: 100 }),
    at(2_700, { session_id: "s3", event: "tool_call_begin", span: "x" }),
  ];
  const { timeline } = dataOf(calls);
  assertEquals([timeline.by, timeline.lanes.map(shownLane)], ["session", [
    ["s2", 1, 2, 1, 0, 1],
    ["s1", 1, 1, 0, 0, 1],
    ["s3", 1, 0, 0, 1, 1],
  ]]);
  assertEquals(timeline.lanes[0]!.cells, [
    { calls: 0, errors: 0 },
    { calls: 0, errors: 0 },
    { calls: 2, errors: 1 },
  ]);
  const alone = dataOf(calls.map(({ session_id: _, ...event }) => event)).timeline;
  assertEquals([alone.by, alone.lanes.map(shownLane)], [null, [[null, 1, 3, 1, 1, 1]]]);
  // A long range has one lane, because the stored sums of archives do not have the calls of each session.
  const long = dataOf([...calls, at(30 * HOUR_MS, { session_id: "s4", duration_ms: 1 })]).timeline;
  assertEquals([long.by, long.areCounted], [null, true]);
  assertEquals(long.lanes.map(shownLane), [[null, 1, 4, 1, 1, 1]]);
  assertEquals(long.bars.map(shownBar), [[0, 0, 2_700, Infinity, "unfinished"]]);
});

Deno.test("Calls of a lane that run at the same time are in up to three rows", () => {
  const { timeline } = dataOf([
    at(10_000, { agent: "a", duration_ms: 10_000 }),
    at(4_000, { agent: "a", duration_ms: 3_000 }),
    at(9_000, { agent: "a", duration_ms: 7_000 }),
    at(8_000, { agent: "a", duration_ms: 5_000 }),
    at(6_000, { agent: "a", duration_ms: 2_000 }),
  ]);
  assertEquals(timeline.bars.map(shownBar), [
    [0, 0, 0, 10_000, "ok"],
    [0, 1, 1_000, 4_000, "ok"],
    [0, 2, 2_000, 9_000, "ok"],
    // All rows are taken, so this call is drawn over another one.
    [0, 2, 3_000, 8_000, "ok"],
    [0, 1, 4_000, 6_000, "ok"],
  ]);
  assertEquals(timeline.lanes[0]!.rows, 3);
});

Deno.test("From bars of 15 minutes, and above 2,000 calls, the lanes count the calls that end in each bar", async () => {
  const random = new SeededRandom(4);
  for (
    const [count, rangeMs, areCounted] of [
      [2_000, 9 * HOUR_MS, false],
      [2_001, 9 * HOUR_MS, true],
      [500, 20 * HOUR_MS, true],
    ] as const
  ) {
    const events = Array.from(
      { length: count },
      (_, n): AuditEvent =>
        at(n === 0 ? 0 : n === 1 ? rangeMs : random.below(rangeMs), {
          agent: `agent ${random.below(25)}`,
          duration_ms: random.below(90) * SECOND_MS,
          ...random.below(5) === 0 ? { status: "error" } : {},
        }),
    );
    const { timeline, buckets } = dataOf(events);
    assertEquals([timeline.areCounted, timeline.bars.length], [areCounted, areCounted ? 0 : count]);
    // The four agents with the fewest calls are combined.
    assertEquals(timeline.lanes.map(({ combined }) => combined), [...Array(20).fill(1), 5]);
    const { groups } = await stats(ReadableStream.from(events), { by: "agent" });
    const expected = new Map(
      groups.map(({ key: [name], calls, errors }) => [name, [calls, errors]]),
    );
    for (const { name, combined, calls, errors, cells } of timeline.lanes) {
      const sumOf = (counts: readonly number[]) => counts.reduce((sum, each) => sum + each, 0);
      const inCells = [cells.map((cell) => cell.calls), cells.map((cell) => cell.errors)].map(
        sumOf,
      );
      assertEquals(inCells, [calls, errors]);
      if (combined === 1) assertEquals([calls, errors], expected.get(name));
      expected.delete(name);
    }
    const rest = [...expected.values()];
    assertEquals(rest.length, 5);
    const others = timeline.lanes[20]!;
    assertEquals(others.calls, rest.reduce((sum, [calls]) => sum + calls!, 0));
    for (const [n, { startMs, endMs }] of buckets.entries()) {
      const range = { since: startMs, until: endMs };
      const { groups } = await stats(ReadableStream.from(events), { ...range, by: "agent" });
      const inBucket = groups.reduce((sum, { calls }) => sum + calls, 0);
      assertEquals(
        timeline.lanes.reduce((sum, { cells }) => sum + cells[n]!.calls, 0),
        inBucket,
      );
    }
  }
});

Deno.test("A bar of the durations has the median and the 95th percentile of stats(), and the longest", async () => {
  const random = new SeededRandom(6);
  const events = Array.from(
    { length: 1_000 },
    (_, n): AuditEvent =>
      at(random.below(9) * HOUR_MS + n, {
        event: random.pick({ llm_call: 2, note: 1 }),
        ...random.below(3) > 0
          ? { duration_ms: Math.round(1_000 * Math.exp(random.below(6))) }
          : {},
      }),
  );
  // Fewer than 20 calls have no 95th percentile, because it would be nearly the longest duration.
  const few = Array.from({ length: 19 }, (_, n) => at(11 * HOUR_MS + n, { duration_ms: n }));
  const { buckets } = dataOf([...events, ...few]);
  const timed = buckets.filter(({ latency }) => latency.n > 0);
  assertEquals(timed.length, 10);
  for (const { startMs, endMs, latency } of timed) {
    const query = ReadableStream.from([...events, ...few]);
    const { total } = await stats(query, { since: startMs, until: endMs });
    const { n, p50, p95 } = total.duration!;
    const inBucket = [...events, ...few].filter(({ ts }) =>
      Date.parse(ts!) >= startMs && Date.parse(ts!) < endMs
    );
    const longest = Math.max(...inBucket.map(({ duration_ms }) => Number(duration_ms ?? 0)));
    assertEquals(latency, { n, p50: p50.value, p95: n < 20 ? null : p95.value, longest });
  }
  assertEquals(timed.at(-1)!.latency.n, 19);
  assert(timed.some(({ latency }) => latency.p95 !== null));
});

Deno.test("The agents above the maximum number of names share the last lane", () => {
  const events = Array.from({ length: 400 }, (_, n) => at(n, { agent: `a${n}`, duration_ms: 1 }));
  const { timeline: { lanes } } = dataOf([...events, at(500, { duration_ms: 1 })]);
  assertEquals(lanes.length, 21);
  assertEquals(lanes.at(-1), { ...lanes.at(-1)!, combined: Infinity, calls: 381 });
  assertEquals(lanes.map((lane) => laneLabel(lane, "agent")).at(-1), "all others");
  assertEquals(lanes.reduce((sum, { calls }) => sum + calls, 0), 401);
});
