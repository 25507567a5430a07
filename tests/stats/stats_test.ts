import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { AuditLog } from "../../src/audit_log.ts";
import { AuditReader } from "../../src/audit_reader.ts";
import type { AuditEvent } from "../../src/event.ts";
import { stats, type StatsOptions } from "../../src/stats/stats.ts";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";

function stream(events: readonly AuditEvent[]): ReadableStream<AuditEvent> {
  return ReadableStream.from(events);
}

Deno.test("stats() counts calls, failures, tokens, costs and outcomes, in total and for each value of a field", async () => {
  const { by, total, groups, others, failures, badCosts } = await stats(
    stream([
      {
        event: "llm_call",
        agent: "a",
        cost: 0.5,
        duration_ms: 1_000,
        input_t: 100,
        output_t: 50,
        cache_read_t: 40,
      },
      {
        event: "llm_call",
        agent: "a",
        cost: 0.25,
        duration_ms: 500,
        input_t: 100,
        status: "error",
        error: "HTTP 429",
      },
      { event: "tool_call_begin", agent: "a", span: "1", duration_ms: 7 },
      { event: "tool_call", agent: "a", span: "1", duration_ms: 3_000, status: "aborted" },
      { event: "validation_fail", agent: "b", reason: "no file" },
      { event: "budget_hold", agent: "b", hold: "h", status: "ok" },
      { event: "done", agent: "a" },
      { event: "done" },
      { event: "nav", cost: "0.1" as never },
    ]),
    { by: "agent", outcome: ({ event }) => event === "done" },
  );
  assertEquals(by, ["agent"]);
  assertEquals(groups.map(({ key, events, calls, errors }) => [key, events, calls, errors]), [
    [["a"], 5, 3, 1],
    [["b"], 2, 1, 1],
    [[null], 2, 0, 0],
  ]);
  const { duration, cost, ...sums } = total;
  assertEquals(sums, {
    events: 9,
    calls: 4,
    errors: 2,
    aborted: 1,
    errorPct: 50,
    inputTokens: 200,
    inputCalls: 2,
    outputTokens: 50,
    outputCalls: 1,
    tokensPerSecond: 50,
    speedCalls: 1,
    cacheHitPct: 20,
    usd: 0.75,
    outcomes: 2,
    usdPerOutcome: 0.375,
  });
  assertEquals([cost?.n, cost?.mean], [2, 0.375]);
  assertAlmostEquals(cost!.deviation, Math.SQRT1_2 / 4);
  assertEquals([duration?.n, duration?.mean, duration?.p99.value], [3, 1_500, 3_000]);
  assertAlmostEquals(duration!.p50.value, 1_000, 10);
  assertEquals(failures.map(({ reason, count }) => [reason, count]), [["HTTP 429", 1], [
    "no file",
    1,
  ]]);
  assertEquals([others, badCosts], [null, 1]);
});

Deno.test("stats() of no events returns 0 for each count and null for each figure that was not measured", async () => {
  assertEquals(await stats(stream([]), { by: ["agent", "model"] }), {
    by: ["agent", "model"],
    total: {
      events: 0,
      calls: 0,
      errors: 0,
      aborted: 0,
      errorPct: null,
      duration: null,
      inputTokens: 0,
      inputCalls: 0,
      outputTokens: 0,
      outputCalls: 0,
      tokensPerSecond: null,
      speedCalls: 0,
      cacheHitPct: null,
      usd: 0,
      cost: null,
      outcomes: 0,
      usdPerOutcome: null,
    },
    groups: [],
    others: null,
    failures: [],
    badCosts: 0,
  });
});

/** Values that another program may have written into any field. */
const VALUES = [undefined, null, "x", "", -1, 0, 1, 2.5, 1e300, NaN, Infinity, true, [], {}, ["a"]];

Deno.test("stats() returns the same figures as a simple computation, for random events with values of any type", async () => {
  const random = new SeededRandom(23);
  const any = () => VALUES[random.below(VALUES.length)];
  const amount = () => random.below(4) === 0 ? any() : random.below(1_000) / 8;
  for (let round = 0; round < 200; round++) {
    const events = Array.from({ length: random.below(60) }, (): AuditEvent => ({
      ts: new Date(random.below(1_000) * 60_000).toISOString(),
      event: random.pick({ llm_call: 5, validation_fail: 1, tool_call_begin: 1, budget_state: 1 }),
      agent: random.below(3) === 0 ? any() : "a",
      ...random.below(2) === 0 ? { span: "s" } : {},
      ...random.below(2) === 0 ? { status: random.below(2) === 0 ? "error" : any() } : {},
      cost: amount(),
      duration_ms: amount(),
      input_t: amount(),
      output_t: amount(),
    } as never));
    const found = await stats(stream(events), { by: "agent" });
    assertFigures(found.total, events);
    const keyOf = ({ agent }: AuditEvent) =>
      agent === undefined || agent === null
        ? null
        : typeof agent === "string"
        ? agent
        : JSON.stringify(agent);
    const keys = new Set(events.map(keyOf));
    assertEquals(new Set(found.groups.map(({ key }) => key[0])), keys);
    for (const { key, ...figures } of found.groups) {
      assertFigures(figures, events.filter((event) => keyOf(event) === key[0]));
    }
  }
});

/**
 * Checks the figures of `stats()` against sums that simple code, independent of the code under test, computes from the
 * events.
 */
function assertFigures(
  figures: Awaited<ReturnType<typeof stats>>["total"],
  events: readonly AuditEvent[],
): void {
  const number = (value: unknown) => typeof value === "number" && Number.isFinite(value);
  const amount = (value: unknown): value is number => number(value) && value as number >= 0;
  const failed = (event: AuditEvent) =>
    event.status === "error" || event.event === "validation_fail";
  const calls = events.filter((event) =>
    number(event.cost) ||
    event.event !== "budget_state" && !(event.event === "tool_call_begin" && event.span === "s") &&
      (failed(event) || typeof event.status === "string" || amount(event.duration_ms) ||
        amount(event.input_t) || amount(event.output_t))
  );
  assertEquals([figures.events, figures.calls], [events.length, calls.length]);
  assertEquals(figures.errors, calls.filter(failed).length);
  const sum = (values: unknown[]) => Math.sumPrecise(values.filter(amount));
  assertAlmostEquals(figures.inputTokens, sum(calls.map(({ input_t }) => input_t)), 1e290);
  const costs = calls.map(({ cost }) => cost).filter(number) as number[];
  assertEquals([figures.usd, figures.cost?.n ?? 0], [Math.sumPrecise([0, ...costs]), costs.length]);
  const sorted = calls.map(({ duration_ms }) => duration_ms).filter(amount).sort((a, b) => a - b);
  assertEquals(figures.duration?.n ?? 0, sorted.length);
  for (const [q, name] of [[0.5, "p50"], [0.95, "p95"], [0.99, "p99"]] as const) {
    if (sorted.length === 0) continue;
    const exact = sorted[Math.ceil(q * sorted.length) - 1]!;
    assertAlmostEquals(figures.duration![name].value, exact, 0.01 * exact);
  }
}

Deno.test("stats() returns the same figures for a log, for a reader of the log, and for the events of the log", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, logger: silent });
  for (let n = 0; n < 40; n++) {
    await log.log("llm_call", { team: `t${n % 3}`, cost: n / 7, duration_ms: n });
    if (n === 20) await log.rotate();
  }
  await using reader = await AuditReader.open({ path, logger: silent });
  const options = { by: "team", since: Date.now() - 60_000, until: Date.now() + 60_000 };
  const expected = await stats(log.query(), options);
  assertEquals(expected.total.calls, 40);
  assertEquals(await stats(log, options), expected);
  assertEquals(await stats(reader, options), expected);
});

Deno.test("stats() counts events from since on and before until, for a reader of a log and for a stream of events", async () => {
  using dir = tempDir();
  const lines = [
    { ts: "2026-02-13T13:59:59.999Z", cost: 1 },
    { ts: "2026-02-13T14:00:00.000Z", cost: 2 },
    { ts: "2026-02-13T14:59:59.999Z", cost: 4 },
    { ts: "2026-02-13T15:00:00.000Z", cost: 8 },
    { ts: "never", cost: 16 },
  ].map((fields) => ({ event: "nav", ...fields }));
  const path = dir.path("audit.jsonl");
  Deno.writeTextFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  await using reader = await AuditReader.open({ path, logger: silent });
  const range = { since: "2026-02-13T14:00Z", until: "2026-02-13T15:00Z" };
  for (const source of [reader, stream(lines)]) {
    assertEquals((await stats(source, range)).total.usd, 6);
  }
  assertEquals((await stats(stream(lines))).total.usd, 31);
});

Deno.test("stats() sorts the two hours of the same name at the end of daylight saving time by when they occurred", async () => {
  const at = (ts: string) => ({ ts, event: "nav", cost: 1 });
  const { groups } = await stats(
    stream([
      at("2026-10-25T02:30:00.000Z"),
      at("2026-10-25T01:30:00.000Z"),
      at("2026-10-25T00:30:00.000Z"),
      { event: "nav", cost: 1 },
    ]),
    { by: "hour", timeZone: "Europe/Berlin" },
  );
  assertEquals(groups.map(({ key }) => key), [
    [null],
    ["2026-10-25 02:00+02:00"],
    ["2026-10-25 02:00+01:00"],
    ["2026-10-25 03:00+01:00"],
  ]);
});

Deno.test("stats() groups by the hour of every time zone whose offset is a multiple of a quarter of an hour", async () => {
  for (const timeZone of ["Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns", "-03:15"]) {
    for (let quarter = 0; quarter < 96; quarter++) {
      const ts = new Date(Date.UTC(2026, 3, 4) + quarter * 15 * 60_000).toISOString();
      const { groups } = await stats(stream([{ ts, event: "nav" }]), {
        by: ["day", "hour"],
        timeZone,
      });
      const local = Temporal.Instant.from(ts).toZonedDateTimeISO(timeZone);
      const hour = `${local.toPlainDate()} ${
        String(local.hour).padStart(2, "0")
      }:00${local.offset}`;
      assertEquals(groups[0]?.key, [`${local.toPlainDate()}`, hour]);
    }
  }
});

Deno.test("stats() groups by a field of an object that is named with dots, and by session_id under the name session", async () => {
  const events = [{ event: "nav", session_id: "s1", config: { mode: { level: 3 } }, "a.b": "x" }];
  const keys = async (by: string | string[]) =>
    (await stats(stream(events), { by })).groups[0]?.key;
  assertEquals(await keys(["session", "config.mode.level"]), ["s1", "3"]);
  assertEquals(await keys(["a.b", "config.mode"]), ["x", '{"level":3}']);
  assertEquals(await keys("config.mode.level.deeper"), [null]);
  assertEquals(await keys("constructor.name"), [null]);
});

Deno.test("stats() combines all groups after the first 10,000 into one", async () => {
  const events = Array.from(
    { length: 10_050 },
    (_, n) => ({ event: "nav", task: `${n}`, cost: 1 }),
  );
  const { groups, others, total } = await stats(stream(events), { by: "task" });
  assertEquals([groups.length, others?.calls, total.calls], [10_000, 50, 10_050]);
});

const REFUSED: [options: Record<string, unknown>, message: string][] = [
  [{ by: ["a", "b", "c"] }, "Cannot compute statistics: by must be one or two names of fields"],
  [{ by: "" }, "Cannot compute statistics: by must be one or two names of fields"],
  [{ by: 7 }, "Cannot compute statistics: by must be one or two names of fields, got 7"],
  [{ timeZone: "Mars/X" }, "timeZone must be a time zone such as Europe/Berlin"],
  [{ outcome: "done" }, "Cannot compute statistics: outcome must be a function"],
  [{ sinse: 1 }, 'unknown option "sinse"; did you mean "since"?'],
];
for (const [options, message] of REFUSED) {
  Deno.test(`stats() rejects the options ${JSON.stringify(options)}`, async () => {
    await assertRejects(() => stats(stream([]), options as StatsOptions), Error, message);
  });
}

Deno.test("stats() rejects a source that is a path, and a signal that is aborted", async () => {
  await assertRejects(
    () => stats("audit.jsonl" as never),
    TypeError,
    "Cannot compute statistics: source must be a log, a reader or an iterable of events",
  );
  const reason = new Error("enough");
  await assertRejects(
    () => stats(stream([{ event: "nav" }]), { signal: AbortSignal.abort(reason) }),
    Error,
    "enough",
  );
});
