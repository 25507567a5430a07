import { assert, assertEquals } from "@std/assert";
import { CallTally, spendIn } from "../../src/rollup/call_tally.ts";
import { QuantileSketch } from "../../src/rollup/quantile_sketch.ts";
import { type RollupContent, type RollupKey, spendOf, tableBy } from "../../src/rollup/rollup.ts";
import { RollupScan } from "../../src/rollup/rollup_scan.ts";
import { parseHead, parsePart, PART_NAMES, rollupBytes } from "../../src/rollup/rollup_text.ts";
import { SpendTally } from "../../src/rollup/spend_tally.ts";
import type { AuditEvent } from "../../src/event.ts";
import { eventEpochMs, QUARTER_MS } from "../../src/time.ts";
import { SeededRandom } from "../seeded_random.ts";

const DIGEST = "ab".repeat(32);

function contentOf(
  events: readonly AuditEvent[],
  fields: readonly string[] = [],
): RollupContent | null {
  const scan = new RollupScan(fields);
  for (const event of events) scan.add(event, eventEpochMs(event.ts), 100);
  return scan.finish();
}

Deno.test("RollupScan groups by type and model, by session, and by each declared field", () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 1, 13, 14, minute)).toISOString();
  const content = contentOf([
    { ts: at(0), event: "llm_call", model: "large", session_id: "s1", cost: 0.5, agent: "a" },
    { ts: at(14), event: "llm_call", model: "large", session_id: "s2", cost: 0.25, input_t: 7 },
    { ts: at(15), event: "llm_call", model: "large", session_id: "s2", cost: 1, agent: "a" },
    { event: "nav", session_id: "s2", agent: { id: 3 } as never, cost: "x" as never },
  ], ["agent", "agent.id"])!;
  const quarter = Date.UTC(2026, 1, 13, 14) / QUARTER_MS;
  assertEquals(content.tables.map(({ by, keys }) => [by, keys]), [
    [["event", "model"], [["llm_call", "large"], ["nav", null]]],
    [["agent"], [["a"], [null], ['{"id":3}']]],
    [["agent.id"], [[null], ["3"]]],
  ]);
  // A cell has the sums of one group in one quarter of an hour: quarter, group, events, events with a cost or tokens,
  // input tokens, output tokens, costs, the three parts of the exact sum of the costs, and costs that are not numbers.
  // Zeros at the end are left out.
  assertEquals(content.cells.tables[0], [
    [quarter, 0, 2, 2, 7, 0, 2, 0.75],
    [quarter + 1, 0, 1, 1, 0, 0, 1, 1],
    [null, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1],
  ]);
  const sums = content.tables.map((table) =>
    table.keys.map((_, group) => spendOf(table, group).sum.value)
  );
  assertEquals(sums, [[1.75, 0], [1.5, 0.25, 0], [1.75, 0]]);
  const { keys, spend, times } = content.sessions;
  assertEquals(keys, [["s1"], ["s2"]]);
  assertEquals(spend.map((state) => SpendTally.from(state).sum.value), [0.5, 1.25]);
  const startMs = Date.UTC(2026, 1, 13, 14);
  assertEquals(times, [[startMs, 0], [startMs + 14 * 60_000, 60_000]]);
  assertEquals(content.cells.quarters, [
    [quarter, startMs, 14 * 60_000],
    [quarter + 1, startMs + QUARTER_MS, 0],
  ]);
});

Deno.test("RollupScan merges the groups of all agents by type and model, and those of all types and models by agent", () => {
  const at = Date.UTC(2026, 1, 13, 14);
  const events = Array.from({ length: 200 }, (_, n): AuditEvent => ({
    ts: new Date(at + (n * 7 % 90) * 60_000).toISOString(),
    event: ["llm_call", "nav", "validation_fail"][n % 3]!,
    ...n % 4 === 0 ? {} : { model: `m${n % 2}` },
    ...n % 5 === 0 ? {} : { agent: `a${n % 7}` },
    cost: n / 7,
    input_t: n,
    duration_ms: n % 11,
  }));
  const { tables: [calls, agents], cells } = contentOf(events)!;
  const keyOf = { calls: ({ event, model }: AuditEvent) => [event, model ?? null] };
  for (
    const [table, key, place] of [
      [calls!, keyOf.calls, 0],
      [agents!, ({ agent }: AuditEvent) => [agent ?? null], 1],
    ] as const
  ) {
    const groups = Map.groupBy(events, (event) => JSON.stringify(key(event)));
    assertEquals(table.keys, [...groups.keys()].map((id) => JSON.parse(id)));
    for (const [group, some] of [...groups.values()].entries()) {
      const tally = CallTally.from(table.calls[group]!, new QuantileSketch());
      const typed = (type: string) => some.filter(({ event }) => event === type).length;
      assertEquals(tally.events, some.length);
      assertEquals([tally.navs, tally.validationFails], [typed("nav"), typed("validation_fail")]);
      assertEquals(tally.costs.sum, Math.sumPrecise(some.map(({ cost }) => cost!)));
      const quarters = Map.groupBy(some, ({ ts }) => Math.floor(Date.parse(ts!) / QUARTER_MS));
      const found = cells.tables[place]!.filter(([, n]) => n === group);
      assertEquals(found.length, quarters.size);
      for (const [quarter, , ...state] of found) {
        const costs = quarters.get(quarter!)!.map(({ cost }) => cost!);
        assertEquals(SpendTally.from(state).sum.value, Math.sumPrecise(costs));
      }
    }
  }
});

Deno.test("RollupScan counts the failed validations with each reason, in total and in each quarter of an hour", () => {
  const at = Date.UTC(2026, 1, 13, 14);
  const fail = (minute: number | null, reason: string) => ({
    ...minute === null ? {} : { ts: new Date(at + minute * 60_000).toISOString() },
    event: "validation_fail",
    reason,
  });
  const { failures, validations, cells } = contentOf([
    fail(1, "timeout after 3 s"),
    fail(2, "no file"),
    fail(16, "timeout after 5 s"),
    fail(3, "timeout after 7 s"),
    fail(null, "no file"),
    { ...fail(4, "no file"), event: "tool_call", status: "error" },
  ])!;
  assertEquals(failures!.map(({ reason, count }) => [reason, count]), [
    ["timeout after <n> s", 3],
    ["no file", 3],
  ]);
  assertEquals(validations, [[0, 3], [1, 1]]);
  const quarter = at / QUARTER_MS;
  assertEquals(cells.validations, [[quarter, 0, 2], [quarter, 1, 1], [quarter + 1, 0, 1]]);
});

Deno.test("RollupScan counts the calls of each agent and their durations in each quarter of an hour", () => {
  const at = Date.UTC(2026, 1, 13, 14);
  const random = new SeededRandom(5);
  const events = Array.from({ length: 500 }, (_, n): AuditEvent => ({
    ...n % 9 === 0 ? {} : { ts: new Date(at + random.below(90) * 60_000).toISOString() },
    event: random.pick({ llm_call: 3, note: 1, validation_fail: 1, llm_call_begin: 1 }),
    span: "s",
    ...n % 4 === 0 ? {} : { agent: `a${random.below(3)}` },
    ...n % 3 === 0 ? { duration_ms: random.below(5_000) } : {},
    ...n % 5 === 0 ? { status: "error" } : {},
  }));
  const quarterOf = ({ ts }: AuditEvent) => Math.floor(Date.parse(ts!) / QUARTER_MS);
  const areCalls = ({ ts, event, status, duration_ms }: AuditEvent) =>
    ts !== undefined && event !== "llm_call_begin" &&
    (event === "validation_fail" || status !== undefined || duration_ms !== undefined);
  const calls = events.filter(areCalls);
  const failed = calls.filter(({ event, status }) =>
    status === "error" || event === "validation_fail"
  );
  const ofAgents = contentOf(events)!;
  const [, { keys }] = ofAgents.tables as [unknown, { keys: RollupKey[] }];
  const nameless = contentOf(events.map(({ agent: _, ...event }) => event))!;
  for (
    const [{ activity }, agents, agentOf] of [
      [ofAgents, keys, ({ agent }: AuditEvent) => agent ?? null],
      [nameless, [[null]], () => null],
    ] as const
  ) {
    assert(activity.calls.length > 5);
    for (const [quarter, place, count, errors] of activity.calls) {
      const isHere = (event: AuditEvent) =>
        quarterOf(event) === quarter && agentOf(event) === agents[place]![0];
      assertEquals([count, errors], [calls.filter(isHere).length, failed.filter(isHere).length]);
    }
    const total = activity.calls.reduce((sum, [, , count]) => sum + count, 0);
    assertEquals(total, calls.length);
    const timed = Map.groupBy(
      calls.filter(({ duration_ms }) => duration_ms !== undefined),
      quarterOf,
    );
    assertEquals(activity.durations!.map(([quarter]) => quarter), [...timed.keys()].sort());
    for (const [quarter, ...sketch] of activity.durations!) {
      const expected = new QuantileSketch();
      for (const { duration_ms } of timed.get(quarter)!) expected.add(duration_ms!);
      assertEquals(sketch, expected.state());
    }
  }
});

Deno.test("RollupScan stores no durations per quarter of an hour if they would have more than 20,000 numbers", () => {
  // Each call is alone in its quarter of an hour, so its duration is stored as six numbers.
  const events = (count: number) =>
    Array.from({ length: count }, (_, n): AuditEvent => ({
      ts: new Date(Date.UTC(2026, 1, 13) + n * QUARTER_MS).toISOString(),
      event: "llm_call",
      duration_ms: 7,
    }));
  assertEquals(contentOf(events(3_333))!.activity.durations!.length, 3_333);
  const { durations, calls } = contentOf(events(3_334))!.activity;
  assertEquals([durations, calls.length], [null, 3_334]);
});

Deno.test("RollupScan stores no groups by agent if no event has an agent, and no table by agent if there are too many agents", () => {
  const none = contentOf([{ event: "nav", cost: 1 }, { event: "nav", model: "m", cost: 2 }])!;
  assertEquals(none.tables[1], { by: ["agent"], keys: [], hasOtherTypes: false, calls: [] });
  const { keys, place, by } = tableBy(["agent"], none.tables)!;
  assertEquals({ keys, place, by }, { keys: [[null], [null]], place: 0, by: ["agent"] });
  const agents = (count: number, quarters = 1) =>
    contentOf(Array.from({ length: count * quarters }, (_, n) => ({
      ts: new Date(QUARTER_MS * Math.floor(n / count)).toISOString(),
      event: "nav",
      agent: `${n % count}`,
    })))!;
  assertEquals(agents(4_000).tables.map(({ keys }) => keys.length), [1, 4_000]);
  // The first has too many groups, the second too many cells to store, the third too many cells to gather.
  for (const [count, quarters] of [[4_001, 1], [4_000, 3], [3_900, 11]] as const) {
    const many = agents(count, quarters);
    assertEquals(many.tables.map(({ by }) => by), [["event", "model"]], `${count}`);
    assertEquals(spendOf(many.tables[0]!, 0).events, count * quarters);
    assertEquals([many.sketches.length, many.cells.tables.length], [1, 1]);
    assertEquals(tableBy(["agent"], many.tables), undefined);
  }
});

Deno.test("RollupScan distinguishes groups whose values, such as a, bc and ab, c, are the same text if joined", () => {
  const events = [["a", "bc"], ["ab", "c"], ["-", null], [null, "-"], ["", "-"]].map(
    ([event, model]) => ({ event, model } as AuditEvent),
  );
  assertEquals(contentOf(events)!.tables[0]!.keys.length, events.length);
});

Deno.test("RollupScan returns null if the values by which it groups are too long in total", () => {
  const models = (count: number, length: number) =>
    Array.from({ length: count }, (_, n) => ({ event: "x", model: `${n}`.padEnd(length, "m") }));
  assertEquals(contentOf(models(100, 1_000))?.tables[0]?.keys.length, 100);
  assertEquals(contentOf(models(200, 1_000)), null);
  assertEquals(contentOf(models(1, 1_000_000)), null);
});

Deno.test("RollupScan accepts values that are nested too deep for JSON.stringify()", () => {
  const deep = JSON.parse('{"0":'.repeat(20_000) + "1" + "}".repeat(20_000));
  const content = contentOf(
    [{ event: "nav", model: deep }, { event: "nav", status: "error", error: deep }]
      .map((event) => ({ ...event, toString: "x" })) as never,
  );
  assertEquals(content?.tables[0]?.keys, [["nav", "[Too deep]"], ["nav", null]]);
  assertEquals(content?.failures?.map(({ reason }) => reason), ["[Too deep]"]);
});

Deno.test("RollupScan returns null for more than 10,000 sums per group and quarter of an hour, or if a sum overflows", () => {
  const sessions = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ event: "nav", session_id: `${n}` }));
  assertEquals(contentOf(sessions(9_999))!.sessionCells.length, 9_999);
  assertEquals(contentOf(sessions(10_001)), null);
  const huge = { event: "nav", cost: Number.MAX_VALUE };
  assertEquals(contentOf([huge])?.tables.length, 2);
  assertEquals(contentOf([huge, huge]), null);
  assertEquals(
    contentOf([{ event: "nav", duration_ms: 1e300 }, { event: "nav", duration_ms: 1 }]),
    null,
  );
});

Deno.test("parseHead() and parsePart() return the content from which rollupBytes() created a rollup file", async () => {
  const ts = "2026-02-13T14:00:00Z";
  const content = contentOf([
    { ts, event: "llm_call", cost: 0.1, duration_ms: 3, status: "error", error: "x \ud800" },
    { ts, event: "llm_call", cost: 0.2, duration_ms: 70_000 },
  ])!;
  const written = (await rollupBytes(content, { content_sha256: DIGEST, fields: [] }))!;
  const end = written.bytes.indexOf(0x0a);
  const head = parseHead(written.bytes.subarray(0, end))!;
  const rest = written.bytes.slice(end + 1);
  assertEquals([head.content_sha256, head.tables], [DIGEST, content.tables]);
  assertEquals(await parsePart("sketches", rest, head), content.sketches);
  assertEquals(await parsePart("cells", rest, head), content.cells);
  assertEquals(await parsePart("sessions", rest, head), content.sessions);
  assertEquals(await parsePart("sessionCells", rest, head), content.sessionCells);
  assertEquals(await parsePart("activity", rest, head), content.activity);
  for (let length = 0; length < rest.length; length++) {
    const cut = await parsePart("activity", rest.slice(0, length), head);
    assertEquals(cut, null, `${length} bytes`);
  }
});

Deno.test("parsePart() returns null for a part of another rollup", async () => {
  const written = async (cost: number) => {
    const ts = "2026-02-13T14:00:00Z";
    const content = contentOf([{ ts, event: "nav", cost, duration_ms: cost }])!;
    const { bytes } = (await rollupBytes(content, { content_sha256: DIGEST, fields: [] }))!;
    const end = bytes.indexOf(0x0a);
    return { head: parseHead(bytes.subarray(0, end))!, rest: bytes.slice(end + 1) };
  };
  const [one, other] = [await written(1), await written(2)];
  for (const part of PART_NAMES) {
    assert(await parsePart(part, one.rest, one.head) !== null);
    assertEquals(await parsePart(part, other.rest, one.head), null);
  }
});

Deno.test("parseHead() returns null for the first line of a rollup that has another format or version", async () => {
  const content = contentOf([{ event: "nav", cost: 1 }])!;
  const { bytes } = (await rollupBytes(content, { content_sha256: DIGEST, fields: [] }))!;
  const text = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0x0a)));
  const parse = (text: string) => parseHead(new TextEncoder().encode(text));
  assertEquals(parse(text)?.content_sha256, DIGEST);
  const head = JSON.parse(text);
  for (const name of Object.keys(head)) {
    const { [name]: _, ...others } = head;
    assertEquals(parse(JSON.stringify(others)), null, name);
  }
  const broken = [{ ...head, v: 2 }, { ...head, tables: [null] }, null, [], 7];
  for (const value of broken) assertEquals(parse(JSON.stringify(value)), null);
  for (const text of ["nope", "", "\ufffe"]) assertEquals(parse(text), null);
});

Deno.test("CallTally.addAll() into an empty tally keeps the standard deviation, even of huge values", () => {
  const [huge, merged] = [new CallTally(), new CallTally()];
  for (let n = 0; n < 3; n++) huge.add({ event: "x", duration_ms: 1e160 });
  merged.addAll(huge);
  assertEquals([merged.durations.deviation, merged.durations.mean], [0, 1e160]);
});

Deno.test("CallTally and SpendTally have the same figures after they were stored as numbers and read again", () => {
  const [calls, spend] = [new CallTally(), new SpendTally()];
  const events = [0.1, 0.2, 1e-20, 1e16].map((cost, n) => ({
    event: "llm_call",
    cost,
    duration_ms: n * 7,
    input_t: n,
    cache_read_t: n,
    output_t: 2,
  }));
  for (const tally of [calls, spend]) for (const event of events) tally.add(event);
  const read = CallTally.from(
    JSON.parse(JSON.stringify(calls.state())),
    QuantileSketch.from(JSON.parse(JSON.stringify(calls.sketch.state()))),
  );
  assertEquals(read.state(), calls.state());
  assertEquals(read.sketch.atRanks([1, 2, 3, 4]), calls.sketch.atRanks([1, 2, 3, 4]));
  assertEquals(SpendTally.from(JSON.parse(JSON.stringify(spend.state()))).state(), spend.state());
  assertEquals(spendIn(read).state(), spend.state());
});
