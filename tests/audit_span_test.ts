import { AuditClosedError, AuditEventError, type AuditLog, AuditWriteError } from "@vivarium/scout";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { openLogOn } from "../src/audit_log.ts";
import { ioError, noSpace, SimulatedDisk, type SimulatedProcess } from "./faults/simulated_disk.ts";
import { gathering } from "./loggers.ts";
import { SimulatedClock } from "./platform.ts";

/** A log on a simulated disk, with its process, clock and reported errors. */
interface Bench extends AsyncDisposable {
  readonly log: AuditLog;
  readonly process: SimulatedProcess;
  readonly clock: SimulatedClock;
  readonly errors: readonly string[];
  /** Returns the events without times and session IDs, and with letters in place of the IDs of spans. */
  events(): Promise<Record<string, unknown>[]>;
}

async function openBench(): Promise<Bench> {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  const process = disk.process();
  const clock = new SimulatedClock();
  const { logger, errors } = gathering();
  const options = { path: "/log/a.jsonl", sessionId: "s", logger };
  const log = await openLogOn({ fileSystem: process, clock }, options);
  const letters = new Map<unknown, string>();
  const letterOf = (id: unknown) => {
    if (!letters.has(id)) letters.set(id, String.fromCharCode(97 + letters.size));
    return letters.get(id);
  };
  return {
    log,
    process,
    clock,
    errors,
    events: async () =>
      (await log.query().toArray()).map(({ ts: _, session_id, ...event }) => ({
        ...event,
        ...session_id === "s" ? {} : { session_id },
        ...event.span === undefined ? {} : { span: letterOf(event.span) },
        ...event.parent === undefined ? {} : { parent: letterOf(event.parent) },
      })),
    [Symbol.asyncDispose]: () => log.close().catch(() => {}),
  };
}

Deno.test("AuditLog.begin() and AuditSpan.end() log two events with the same span ID; the second has the duration", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("tool_call", { tool: "search" });
  assertEquals((await bench.log.query().toArray()).map(({ event }) => event), ["tool_call_begin"]);
  bench.clock.waitSync(12.3456);
  await span.end({ cost: 0.25, hits: 3 });
  assertEquals(await bench.events(), [
    { event: "tool_call_begin", span: "a", tool: "search" },
    {
      event: "tool_call",
      cost: 0.25,
      duration_ms: 12.346,
      status: "ok",
      span: "a",
      hits: 3,
    },
  ]);
  assertEquals((await bench.log.query().toArray())[0]!.span, span.id);
});

Deno.test("AuditSpan.begin() logs an inner span with the ID of its parent and the bound fields of the logger", async () => {
  await using bench = await openBench();
  const critic = bench.log.child({ agent: "critic", session_id: "run" });
  const outer = await critic.begin("turn", { n: 1 });
  const inner = await outer.begin("tool_call", { tool: "search" });
  const leaf = await inner.begin("http_call");
  assertEquals(new Set([outer.id, inner.id, leaf.id]).size, 3);
  await leaf.end();
  await inner.end({ status: "error", error: new Error("no").message, duration_ms: 5 });
  await outer.end({ agent: "other" });
  const common = { agent: "critic", session_id: "run" };
  const ended = { duration_ms: 0, status: "ok" };
  assertEquals(await bench.events(), [
    { ...common, event: "turn_begin", span: "a", n: 1 },
    { ...common, event: "tool_call_begin", span: "b", parent: "a", tool: "search" },
    { ...common, event: "http_call_begin", span: "c", parent: "b" },
    { ...common, ...ended, event: "http_call", span: "c", parent: "b" },
    {
      ...common,
      event: "tool_call",
      span: "b",
      parent: "a",
      status: "error",
      error: "no",
      duration_ms: 5,
    },
    { ...common, ...ended, agent: "other", event: "turn", span: "a" },
  ]);
});

Deno.test("AuditLogger.begin() with a session ID logs the end of the span and all inner spans with the same session ID", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("turn", { session_id: "other" });
  await (await span.begin("tool_call")).end();
  await span.end();
  assertEquals(
    (await bench.events()).map(({ session_id }) => session_id),
    ["other", "other", "other", "other"],
  );
});

Deno.test("AuditSpan.end() ignores a duration_ms and status that the logger has bound, but accepts both in its own argument", async () => {
  await using bench = await openBench();
  const logger = bench.log.child({ duration_ms: 3, status: "error", agent: "critic" });
  await (await logger.begin("turn")).end();
  await (await logger.begin("turn")).end({ duration_ms: 7, status: "aborted" });
  const ends = (await bench.events()).filter(({ event }) => event === "turn");
  assertEquals(ends.map(({ duration_ms, status, agent }) => [duration_ms, status, agent]), [
    [0, "ok", "critic"],
    [7, "aborted", "critic"],
  ]);
});

Deno.test("AuditLogger.begin() logs a bound cost only with the end of the span, so that it counts once", async () => {
  await using bench = await openBench();
  const span = await bench.log.child({ cost: 0.5 }).begin("llm_call");
  await span.end();
  assertEquals((await bench.events()).map(({ cost }) => cost), [undefined, 0.5]);
  assertEquals(await bench.log.hourlySpend(), 0.5);
});

Deno.test("AuditSpan is logged as aborted if its `await using` block ends before end() is called", async () => {
  await using bench = await openBench();
  await assertRejects(
    async () => {
      await using _ = await bench.log.begin("tool_call");
      bench.clock.waitSync(3);
      throw new Error("from the block");
    },
    Error,
    "from the block",
  );
  {
    await using ended = await bench.log.begin("tool_call");
    await ended.end();
  }
  {
    await using ending = await bench.log.begin("tool_call");
    // The test does not await end(), because the end of the `await using` block waits for it.
    ending.end();
  }
  const statuses = (await bench.events()).map(({ span, status = "begun" }) => `${span} ${status}`);
  assertEquals(statuses, ["a begun", "a aborted", "b begun", "b ok", "c begun", "c ok"]);
});

Deno.test("AuditSpan.end() logs one end, even if a getter among its fields calls end() too", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("turn");
  let inner: Promise<void> | undefined;
  const fields = {
    get cost() {
      inner ??= span.end({ cost: 2 });
      return 1;
    },
  };
  await assertRejects(() => span.end(fields), Error, "end() was already called");
  await inner;
  const ends = (await bench.events()).filter(({ event }) => event === "turn");
  assertEquals(ends.map(({ cost }) => cost), [2]);
});

Deno.test("AuditSpan stores an error message for a throwing getter, even if other fields are undefined or null", async () => {
  await using bench = await openBench();
  const throwing = {
    get boom() {
      throw new Error("no");
    },
  };
  const fields = (more: object) =>
    Object.defineProperties({}, {
      ...Object.getOwnPropertyDescriptors(throwing),
      ...Object.getOwnPropertyDescriptors(more),
    });
  const span = await bench.log.begin("turn", fields({ cost: undefined, parent: null }));
  await span.end(fields({ status: null, duration_ms: undefined }));
  assertEquals((await bench.events()).map(({ boom, status }) => [boom, status]), [
    ["[Throws: no]", undefined],
    ["[Throws: no]", "ok"],
  ]);
});

Deno.test("AuditSpan.end() logs one end, and rejects every later call", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("tool_call");
  const first = span.end();
  const error = await assertRejects(() => span.end(), Error);
  assertEquals(
    error.message,
    `Cannot end span: end() was already called, got a second call for tool_call ${span.id}`,
  );
  await first;
  await assertRejects(() => span.end({ cost: 1 }), Error, "Cannot end span");
  assertEquals((await bench.events()).length, 2);
});

Deno.test("AuditSpan.end() can be called again if it rejected because of an invalid field or a failed write", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("tool_call");
  await assertRejects(() => span.end({ cost: -1 }), AuditEventError, "cost");
  await assertRejects(
    () => span.end({ span: "x" }),
    AuditEventError,
    'the field "span" must not be',
  );
  bench.process.failOn(({ name }) => name === "append", noSpace);
  await assertRejects(() => span.end({ cost: 1 }), AuditWriteError, "No space left");
  await span.end({ cost: 2 });
  assertEquals((await bench.events()).map(({ cost }) => cost), [undefined, 2]);
});

Deno.test("AuditSpan is logged as aborted at the end of its block if end() rejected an invalid field", async () => {
  await using bench = await openBench();
  await assertRejects(async () => {
    await using span = await bench.log.begin("tool_call");
    await span.end({ cost: -1 });
  }, AuditEventError);
  assertEquals((await bench.events()).map(({ status }) => status), [undefined, "aborted"]);
});

Deno.test("AuditSpan.end() rejects a second call after a failed sync, because the first end may be in the log", async () => {
  await using bench = await openBench();
  const spans = await Promise.all(Array.from({ length: 12 }, () => bench.log.begin("tool_call")));
  await bench.log.flush();
  bench.process.failOn(({ name }) => name === "syncData", ioError);
  const outcomes = await Promise.allSettled(spans.map((span) => span.end()));
  const failed = spans.filter((_, n) => outcomes[n]!.status === "rejected");
  assert(failed.length > 0, JSON.stringify(outcomes));
  for (const span of failed) {
    await assertRejects(() => span.end(), Error, "end() was already called");
    await span[Symbol.asyncDispose]();
  }
  assertEquals((await bench.events()).length, 24);
});

Deno.test("AuditLogger.begin() rejects an invalid event type or field, and logs nothing", async () => {
  await using bench = await openBench();
  const cases: [event: string, fields: object, message: string][] = [
    ["", {}, 'the field "event" must be a non-empty string, got ""'],
    [
      "x_begin",
      {},
      'the field "event" must not end with _begin, which begin() adds, got "x_begin"',
    ],
    [
      "budget_x",
      {},
      'the field "event" must not begin with budget_, which is reserved for budgets, got "budget_x"',
    ],
    ["nav", { cost: 1 }, 'the field "cost" must be passed to end(), not to begin(), got 1'],
    ["nav", { span: "x" }, 'the field "span" must not be set, because the span sets it, got "x"'],
    [
      "nav",
      { parent: "x" },
      'the field "parent" must not be set, because the span sets it, got "x"',
    ],
    ["nav", { model: 1 }, 'the field "model" must be a string, got 1'],
    ["nav", ["x"], "its fields must be an object with named members, got an array"],
  ];
  const span = await bench.log.begin("nav");
  for (
    const { begin } of [bench.log, bench.log.child({ a: 1 }), span].map((logger) => ({
      begin: (event: string, fields: object) => logger.begin(event, fields),
    }))
  ) {
    for (const [event, fields, message] of cases) {
      const error = await assertRejects(() => begin(event, fields), AuditEventError);
      assertEquals(error.message, `Cannot log event: ${message}`);
    }
  }
  assertEquals((await bench.events()).length, 1);
  // log() leaves out an undefined cost, and so does begin().
  await bench.log.begin("nav", { cost: undefined });
});

Deno.test("If a rejection of begin() or end() is not handled, the logger reports it and the next flush() rejects", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("tool_call");
  for (
    const call of [() => bench.log.begin(""), () => span.end({ cost: -1 }), () => span.begin("")]
  ) {
    call();
    await assertRejects(() => bench.log.flush(), AuditEventError);
  }
  await span.end();
  span.end();
  await assertRejects(() => bench.log.flush(), Error, "end() was already called");
  assertEquals(bench.errors.length, 4);
});

Deno.test("AuditSpan rejects end(), begin() and its disposal after the log was closed", async () => {
  await using bench = await openBench();
  const span = await bench.log.begin("tool_call");
  await bench.log.close();
  await assertRejects(() => span.end(), AuditClosedError);
  await assertRejects(() => span.begin("x"), AuditClosedError);
  await assertRejects(() => span[Symbol.asyncDispose](), AuditClosedError);
});

Deno.test("AuditLog.begin() and AuditSpan.end() store the fields as they are at the call, in the order of the calls", async () => {
  await using bench = await openBench();
  const fields = { tool: "search" };
  const begun = bench.log.begin("tool_call", fields);
  fields.tool = "changed";
  bench.log.log("nav");
  const span = await begun;
  const ended = span.end(fields);
  fields.tool = "changed again";
  await ended;
  assertNotEquals(span.id, "");
  assertEquals(
    (await bench.events()).map(({ event, tool }) => [event, tool]),
    [["tool_call_begin", "search"], ["nav", undefined], ["tool_call", "changed"]],
  );
});

// If begin() or end() resolved later than the log() calls of the same write, callers that await them would log their
// next events later. Those events would then need another write.
Deno.test("AuditLog.begin() and AuditSpan.end() resolve in order with the log() calls before and after them", async () => {
  await using bench = await openBench();
  const { log } = bench;
  const span = await log.begin("turn");
  const settled: string[] = [];
  await Promise.all([
    log.log("nav").then(() => settled.push("log")),
    log.begin("tool_call").then(() => settled.push("begin")),
    span.end().then(() => settled.push("end")),
    log.log("nav").then(() => settled.push("log")),
  ]);
  assertEquals(settled, ["log", "begin", "end", "log"]);
});
