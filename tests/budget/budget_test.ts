import {
  AuditClosedError,
  type AuditEvent,
  AuditLog,
  type AuditLogOptions,
  BudgetError,
  type BudgetHold,
  type BudgetLimit,
} from "@vivarium/scout";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { keeperOf, openLogOn } from "../../src/audit_log.ts";
import {
  ioError,
  noSpace,
  SimulatedDisk,
  type SimulatedProcess,
} from "../faults/simulated_disk.ts";
import { declarationOf } from "../../src/budget/budget_options.ts";
import { declare } from "../../src/budget/declare.ts";
import type { BudgetKeeper, DecidedLine, Decision } from "../../src/budget/keeper.ts";
import { BudgetLedger } from "../../src/budget/ledger.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { tempDir } from "../temp_dir.ts";

const PATH = "/log/audit.jsonl";
const T0 = Date.UTC(2026, 1, 13, 10);
const MINUTE_MS = 60_000;

/** A disk with a log, and a clock that all processes on the disk share. */
class Bench {
  readonly disk: SimulatedDisk;
  nowMs = T0;

  constructor(disk = new SimulatedDisk()) {
    this.disk = disk;
    if (disk.process().status("/log") === null) disk.plant("/log", "directory");
  }

  async open(
    options: AuditLogOptions = {},
    process: SimulatedProcess = this.disk.process(),
  ): Promise<AuditLog> {
    const platform = { fileSystem: process, clock: new SimulatedClock() };
    return await openLogOn(platform, {
      path: PATH,
      sessionId: "s",
      logger: silent,
      now: () => this.nowMs,
      ...options,
    });
  }

  /** Returns the lines of the active file, except the `budget_state` lines. */
  lines(): Record<string, unknown>[] {
    const text = new TextDecoder().decode(this.disk.readFile(PATH));
    return text.trimEnd().split("\n").map((line) => JSON.parse(line))
      .filter(({ event }) => event !== "budget_state");
  }
}

const RUN = { name: "run", limit: { usd: 1 }, hours: 1 };

/** Resolves with the kind of the error that refuses the hold, or with "granted". */
async function kindOf(hold: Promise<BudgetHold>): Promise<string> {
  try {
    await hold;
    return "granted";
  } catch (error) {
    assert(error instanceof BudgetError, String(error));
    return error.kind;
  }
}

Deno.test("Budget.hold() reserves an amount, and settle() replaces the amount by the actual cost", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget({ ...RUN, where: { agent: "critic" } });
  const hold = await run.hold({ usd: 0.6, fields: { model: "small" }, maxSec: 60 });
  assertEquals(await run.state(), {
    spent: 0,
    held: 0.6,
    orphaned: 0,
    left: 0.4,
    resetsAt: null,
  });
  await hold.settle("llm_call", { cost: 0.25, input_t: 7 });
  const { spent, held, left, resetsAt } = await run.state();
  assertEquals([spent, held, left], [0.25, 0, 0.75]);
  assertEquals(resetsAt, new Date(T0 + 60 * MINUTE_MS));
  const common = { ts: new Date(T0).toISOString(), session_id: "s" };
  assertEquals(bench.lines(), [
    {
      ...common,
      event: "budget_limit",
      budget: "run",
      unit: "usd",
      hours: 1,
      where: { agent: "critic" },
      limit: 1,
      declared: true,
    },
    {
      ...common,
      event: "budget_hold",
      model: "small",
      agent: "critic",
      hold: hold.id,
      hold_usd: 0.6,
      hold_until: new Date(T0 + MINUTE_MS).toISOString(),
      budgets: ["run"],
    },
    {
      ...common,
      event: "llm_call",
      cost: 0.25,
      model: "small",
      input_t: 7,
      agent: "critic",
      hold: hold.id,
    },
  ]);
  assertEquals(await log.hourlySpend(), 0.25);
});

Deno.test("Budget.hold() refuses an amount if the reserved amounts and costs of all processes leave too little room", async () => {
  const bench = new Bench();
  await using a = await bench.open();
  await using b = await bench.open();
  const [inA, inB] = [await a.budget(RUN), await b.budget(RUN)];
  const hold = await inA.hold({ usd: 0.6 });
  assertEquals(await kindOf(inB.hold({ usd: 0.5 })), "held");
  assertEquals(await kindOf(inB.hold({ usd: 1.5 })), "too_large");
  assertEquals(await kindOf(inB.hold({})), "unpriced");
  await hold.release("not sent");
  await b.log("llm_call", { cost: 0.6 });
  assertEquals(await kindOf(inA.hold({ usd: 0.5 })), "spent");
  assertEquals(await kindOf(inA.hold({ usd: 0.4 })), "granted");
  bench.nowMs += 61 * MINUTE_MS;
  assertEquals(await kindOf(inA.hold({ usd: 0.5 })), "granted");
});

Deno.test("Budget.hold() counts the costs logged before it in the same turn, but not those logged after it", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const first = await log.budget({ ...RUN, name: "first" });
  log.log("llm_call", { cost: 0.9 });
  assertEquals(await kindOf(first.hold({ usd: 0.2 })), "spent");
  bench.nowMs += 61 * MINUTE_MS;
  const second = await log.budget({ ...RUN, name: "second" });
  const held = kindOf(second.hold({ usd: 0.2 }));
  const logged = log.log("llm_call", { cost: 0.9 });
  assertEquals(await held, "granted");
  await logged;
  assertEquals(bench.lines().slice(-2).map(({ event }) => event), ["budget_hold", "llm_call"]);
  const third = await log.budget({ ...RUN, name: "third", limit: { usd: 9 } });
  const places = [
    log.log("before"),
    third.hold({ usd: 0 }),
    log.log("between"),
    third.hold({ usd: 0 }),
    log.log("after"),
  ];
  await Promise.all(places);
  const order = ["before", "budget_hold", "between", "budget_hold", "after"];
  assertEquals(bench.lines().slice(-5).map(({ event }) => event), order);
});

Deno.test("Budget.hold() on several budgets holds the amount on all of them, or on none", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  const calls = await log.budget({ name: "calls", limit: { calls: 1 }, hours: 1 });
  assertEquals(await kindOf(run.hold({ usd: 0.25, and: [calls] })), "granted");
  assertEquals(await kindOf(run.hold({ usd: 0.25, and: [calls] })), "held");
  assertEquals((await run.state()).held, 0.25);
  await using other = await bench.open();
  const elsewhere = await other.budget(RUN);
  await assertRejects(() => run.hold({ usd: 0.1, and: [elsewhere] }), TypeError, "the same log");
});

Deno.test("BudgetHold charges its whole amount if it is disposed before settle() or release(), and rejects a second end", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  {
    await using _hold = await run.hold({ usd: 0.25 });
  }
  assertEquals((await run.state()).spent, 0.25);
  const hold = await run.hold({ usd: 0.5 });
  await hold.settle("llm_call", { cost: 0.125 });
  await assertRejects(() => hold.settle("llm_call", { cost: 1 }), Error, "it has ended already");
  await assertRejects(() => hold.release(), Error, "it has ended already");
  await hold[Symbol.asyncDispose]();
  assertEquals((await run.state()).spent, 0.375);
});

Deno.test("BudgetHold ends only once, even if a getter among the fields of settle() calls release()", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  const hold = await run.hold({ usd: 0.5 });
  const released: Promise<void>[] = [];
  const fields = {
    get cost() {
      released.push(hold.release());
      return 0.25;
    },
  };
  await assertRejects(() => hold.settle("llm_call", fields), Error, "it has ended already");
  await Promise.all(released);
  assertEquals(released.length, 1);
  const events = bench.lines().map(({ event }) => event);
  assertEquals(events, ["budget_limit", "budget_hold", "budget_release"]);
});

Deno.test("BudgetHold.settle() can be called again after an invalid field, and adds the fields in `where` of its budget to the event", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.child({ agent: "critic" }).budget({ ...RUN, where: { agent: "critic" } });
  await assertRejects(() => run.hold({ usd: 0.1, fields: { agent: "x" } }), TypeError, '"agent"');
  const hold = await run.hold({ usd: 0.1 });
  await assertRejects(() => hold.settle("llm_call", { cost: -1 }), Error, "cost");
  await assertRejects(() => hold.settle("llm_call", { ...{ agent: "x" } }), TypeError, '"agent"');
  await hold.settle("llm_call", { cost: 0.1 });
  assertEquals(bench.lines().at(-1)?.agent, "critic");
});

Deno.test("AuditLog.budget() counts the costs of the last hours before a new budget, and continues an existing budget", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  await log.log("llm_call", { cost: 0.5 });
  bench.nowMs += 61 * MINUTE_MS;
  await log.log("llm_call", { cost: 0.25 });
  await log.rotate();
  await log.log("llm_call", { cost: 0.125 });
  const run = await log.budget(RUN);
  assertEquals((await run.state()).spent, 0.375);
  const total = await log.budget({ name: "total", limit: { usd: 9 } });
  const since = await log.budget({ name: "since", limit: { usd: 9 }, since: 0 });
  await log.log("llm_call", { cost: 0.125 });
  const spent = async (budget: typeof run) => (await budget.state()).spent;
  assertEquals([await spent(run), await spent(total), await spent(since)], [0.5, 0.125, 1]);
  await using other = await bench.open();
  const again = await other.budget({ ...RUN, limit: { usd: 2 } });
  assertEquals((await again.state()).left, 1.5);
  assertEquals((await run.state()).left, 1.5);
  assertEquals(await spent(await other.budget({ name: "total", limit: { usd: 9 } })), 0.125);
  await assertRejects(
    () => other.budget({ ...RUN, hours: 2 }),
    TypeError,
    "exists with other terms",
  );
});

Deno.test("Budgets keep their figures if the log is rotated, and its archives and the list of archives are lost", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const total = await log.budget({ name: "total", limit: { usd: 10 } });
  for (let n = 0; n < 5; n++) {
    const hold = await total.hold({ usd: 1 });
    await hold.settle("llm_call", { cost: 0.5 });
    await log.rotate();
  }
  await total.hold({ usd: 2 });
  const process = bench.disk.process();
  for (const name of process.list("/log")) {
    if (name.endsWith(".gz") || name.includes("manifest")) process.remove(`/log/${name}`);
  }
  await using other = await bench.open();
  const again = await other.budget({ name: "total", limit: { usd: 10 } });
  const { spent, held, left } = await again.state();
  assertEquals([spent, held, left], [2.5, 2, 5.5]);
});

Deno.test("Retention writes a new budget_state line, the figures of all budgets, before it removes the newest such line, even in a program without budgets", async () => {
  const bench = new Bench();
  const limit = { name: "total", limit: { usd: 10 } };
  {
    await using log = await bench.open();
    const total = await log.budget(limit);
    await (await total.hold({ usd: 1 })).settle("llm_call", { cost: 0.5 });
    await total.hold({ usd: 2, maxSec: 1e6 });
    await log.rotate();
  }
  const archives = () =>
    bench.disk.process().list("/log").filter((name) => name.endsWith(".gz")).length;
  {
    await using plain = await bench.open({ retention: { maxAgeSec: 60 } });
    await plain.log("nav", { cost: 1 });
    await plain.rotate();
    bench.nowMs += 10 * MINUTE_MS;
    await plain.log("nav", { cost: 0.25 });
    await plain.rotate();
  }
  bench.nowMs += 10 * MINUTE_MS;
  {
    await using again = await bench.open({ retention: { maxAgeSec: 60 } });
    await again.recovery;
    assertEquals(archives(), 0);
  }
  bench.disk.process().remove("/log/audit.manifest.jsonl");
  await using log = await bench.open();
  const { spent, held, left } = await (await log.budget(limit)).state();
  assertEquals([spent, held, left], [1.75, 2, 6.25]);
});

Deno.test("Retention writes no new budget_state line, the figures of all budgets, if an archive that it keeps contains one", async () => {
  const bench = new Bench();
  {
    await using log = await bench.open();
    const run = await log.budget(RUN);
    for (let n = 0; n < 2; n++) {
      await run.hold({ usd: 0.1 });
      await log.rotate();
    }
  }
  await using pruning = await bench.open({ retention: { maxArchives: 1 } });
  assertEquals((await pruning.recovery).pruned.length, 1);
  assertEquals(bench.disk.readFile(PATH).length, 0);
  assertEquals((await (await pruning.budget(RUN)).state()).held, 0.2);
});

Deno.test("The budget_state lines take less than half of the log, even if one exceeds rotationSizeBytes, and budgets survive retention of two archives", async () => {
  const bench = new Bench();
  const limit = { name: "total", limit: { usd: 100 } };
  const counts = { bytes: 0, stateBytes: 0 };
  {
    await using log = await bench.open({ rotationSizeBytes: 4_000 });
    const total = await log.budget(limit);
    for (let n = 0; n < 300; n++) {
      const hold = await total.hold({ usd: 0.1, maxSec: 1e6 });
      // One hold in four stays open. A `budget_state` line lists all open holds, so it becomes longer than
      // `rotationSizeBytes`.
      if (n % 4 > 0) await hold.settle("llm_call", { cost: 0.05 });
    }
    for await (const event of log.query()) {
      const { length } = JSON.stringify(event);
      counts.bytes += length;
      if (event.event === "budget_state") counts.stateBytes += length;
    }
  }
  const { bytes, stateBytes } = counts;
  assert(stateBytes > 2_000 && stateBytes < bytes / 2, JSON.stringify(counts));
  const options = { rotationSizeBytes: 4_000, retention: { maxArchives: 2 } };
  {
    await using pruning = await bench.open(options);
    await pruning.recovery;
    const total = await pruning.budget(limit);
    for (let n = 0; n < 40; n++) await (await total.hold({ usd: 0.1 })).release();
  }
  await using again = await bench.open(options);
  await again.recovery;
  const archives = bench.disk.process().list("/log").filter((name) => name.endsWith(".gz"));
  assertEquals(archives.length, 2);
  const { spent, held } = await (await again.budget(limit)).state();
  assertEquals([spent, held], [11.25, 7.5]);
});

Deno.test("Budget.hold() rejects with the kind unwritable, and reserves nothing, if its line cannot be written or synced", async () => {
  for (const [name, error] of [["append", noSpace], ["syncData", ioError]] as const) {
    const bench = new Bench();
    const process = bench.disk.process();
    const log = await bench.open({ fsyncEveryNLines: 100 }, process);
    const run = await log.budget(RUN);
    await log.flush();
    process.failOn((call) => call.name === name && call.path === PATH, error);
    assertEquals(await kindOf(run.hold({ usd: 0.5 })), "unwritable");
    const { held, spent } = await run.state();
    assertEquals([held, spent], [0, 0], name);
    await log.close().catch(() => {});
  }
});

Deno.test("Budget.hold() rejects each of several holds whose lines one failed sync has abandoned, on another thread or on this one", async () => {
  // After some quick syncs, a sync blocks the thread.
  for (const quickSyncs of [0, 6]) {
    const bench = new Bench();
    const process = bench.disk.process();
    const log = await bench.open({}, process);
    const run = await log.budget(RUN);
    for (let n = 0; n < quickSyncs; n++) await (await run.hold({ usd: 0.1 })).release();
    await log.flush();
    process.failOn(({ name, path }) => name === "syncData" && path === PATH, ioError);
    const kinds = Array.from({ length: 12 }, () => kindOf(run.hold({ usd: 0.01 })));
    assertEquals(new Set(await Promise.all(kinds)), new Set(["unwritable"]), `${quickSyncs}`);
    assertEquals(await kindOf(run.hold({ usd: 0.01 })), "granted");
    await log.close().catch(() => {});
  }
});

Deno.test("A loop of events and refused holds lets timers run", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const run = await log.budget(RUN);
  let hasFired = false;
  setTimeout(() => hasFired = true);
  for (let n = 0; n < 20_000 && !hasFired; n++) {
    log.log("nav");
    assertEquals(await kindOf(run.hold({ usd: 2 })), "too_large");
  }
  assert(hasFired);
});

Deno.test("Budget.hold() rejects if its signal is aborted or its log is closed", async () => {
  const bench = new Bench();
  const log = await bench.open();
  const run = await log.budget(RUN);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => run.hold({ usd: 0.1, signal }), Error, "enough");
  const pending = run.hold({ usd: 0.1 });
  const closed = log.close();
  await assertRejects(() => pending, AuditClosedError);
  await closed;
  await assertRejects(() => run.state(), AuditClosedError);
  await assertRejects(() => log.budget(RUN), AuditClosedError);
});

Deno.test("AuditLog.flushSync() does not decide about a pending call of Budget.hold(), which is granted or refused afterwards", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  log.log("nav");
  const held = run.hold({ usd: 0.5 });
  log.log("nav", { cost: 0.25 });
  log.flushSync();
  assertEquals(bench.lines().map(({ event }) => event), ["budget_limit", "nav", "nav"]);
  const hold = await held;
  assertEquals(bench.lines().at(-1)?.hold, hold.id);
  assertEquals((await run.state()).left, 0.25);
});

Deno.test("AuditLog.budget() and Budget.hold() reject an unknown, missing or invalid option, and name it", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const declare = (options: unknown) => log.budget(options as typeof RUN);
  const refused: [options: unknown, error: typeof TypeError, text: string][] = [
    [{ ...RUN, hour: 1 }, TypeError, 'unknown option "hour"; did you mean "hours"?'],
    [{ limit: { usd: 1 } }, TypeError, "name must be a non-empty string, got undefined"],
    [{ name: "run" }, TypeError, "limit must be an object, got undefined"],
    [
      { ...RUN, limit: {} },
      TypeError,
      "limit must have exactly one of usd, tokens and calls, got none",
    ],
    [
      { ...RUN, limit: { usd: 1, calls: 1 } },
      TypeError,
      "exactly one of usd, tokens and calls, got usd and calls",
    ],
    [{ ...RUN, limit: { usd: -1 } }, RangeError, "limit.usd must be a number >= 0"],
    [{ ...RUN, limit: { tokens: 1.5 } }, RangeError, "limit.tokens must be an integer >= 0"],
    [{ ...RUN, hours: 0 }, RangeError, "hours must be a number > 0"],
    [{ ...RUN, since: 0 }, TypeError, "the options hours and since are both set"],
    [{ ...RUN, where: [] }, TypeError, "an array"],
    [{ ...RUN, where: { event: "nav" } }, TypeError, 'where cannot select by "event"'],
    [{ ...RUN, where: { hold: 1 } }, TypeError, 'where cannot select by "hold"'],
  ];
  for (const [options, error, text] of refused) {
    await assertRejects(() => declare(options), error, text);
  }
  const run = await log.budget(RUN);
  await assertRejects(() => run.hold({ used: 1 } as never), TypeError, 'unknown option "used"');
  await assertRejects(() => run.hold({ usd: NaN }), RangeError, "usd must be a number >= 0");
  await assertRejects(() => run.hold({ usd: 1, maxSec: 0 }), RangeError, "maxSec");
  await assertRejects(() => run.hold({ usd: 1, fields: { cost: "x" } }), TypeError, '"cost"');
  await assertRejects(() => run.hold({ usd: 1, and: [{ name: "x" }] }), TypeError, "the same log");
  await assertRejects(
    () => run.hold({ usd: 1, and: run as never }),
    TypeError,
    'the option "and" must be an array of budgets',
  );
  await assertRejects(
    () => run.hold({ usd: 1, fields: { cost: 1 } }),
    TypeError,
    "passed to settle()",
  );
  assertEquals(bench.lines().length, 1);
});

// This test uses the real disk, because the simulated disk copies the file at each append and would be slow.
Deno.test("A log has at most 1,000 budgets and 10,000 open holds", async () => {
  using dir = tempDir();
  const log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  const run = await log.budget({ ...RUN, limit: { usd: 1e6 } });
  const holds = Array.from({ length: 10_000 }, () => run.hold({ usd: 1 }));
  const first = await holds[0]!;
  await Promise.all(holds);
  const error = await assertRejects(
    () => run.hold({ usd: 1 }),
    BudgetError,
    "10000 holds are open",
  );
  assertEquals(error.kind, "held");
  await first.release();
  assertEquals(await kindOf(run.hold({ usd: 1 })), "granted");
  await log.close();
  await using many = await AuditLog.open({ path: dir.path("b.jsonl"), logger: silent });
  await Promise.all(
    Array.from({ length: 1_000 }, (_, n) => many.budget({ name: `${n}`, limit: { usd: 1 } })),
  );
  await assertRejects(() => many.budget(RUN), TypeError, "the log has 1000 budgets already");
});

Deno.test("Budgets keep their open holds if a program logs 2,000 lines at once, which rotate the log, and retention prunes it", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({
    path: dir.path("a.jsonl"),
    logger: silent,
    rotationSizeBytes: 2_000,
    retention: { maxArchives: 1 },
  });
  const total = await log.budget({ name: "total", limit: { usd: 1 } });
  await total.hold({ usd: 0.5 });
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => log.log("nav", { n })));
  assertEquals((await total.state()).left, 0.5);
});

Deno.test("Budget.hold() does not exceed the limit after a process whose clock was ahead has reserved an amount", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  bench.nowMs += 120 * MINUTE_MS;
  await (await run.hold({ usd: 0.1 })).settle("llm_call", { cost: 0.1 });
  bench.nowMs -= 120 * MINUTE_MS;
  let granted = 0;
  while (
    await kindOf(
      run.hold({ usd: 0.3 }).then(async (hold) => {
        await hold.settle("llm_call", { cost: 0.3 });
        return hold;
      }),
    ) === "granted"
  ) granted++;
  assertEquals(granted, 3);
});

Deno.test("Budget.hold() rejects if the option redact hides a field of budget lines, or if the caller sets such a field", async () => {
  for (const redact of [["hold_usd"], ["budgets"], ["hold"], ["limit"], ["accounts"]]) {
    const bench = new Bench();
    const log = await bench.open({ redact });
    const declared = log.budget(RUN).then((run) => run.hold({ usd: 0.4 }));
    await assertRejects(() => declared, BudgetError, "the option redact changes the field");
    await log.close();
  }
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  for (const name of ["hold_tokens", "hold", "budgets", "limit"]) {
    await assertRejects(() => run.hold({ usd: 0.1, fields: { [name]: 1 } }), TypeError, name);
  }
  const hold = await run.hold({ usd: 0.1 });
  await assertRejects(() => hold.settle("budget_release", { cost: 0.1 }), TypeError, "reserved");
});

Deno.test("Budgets count lines longer than maxLineBytes of the reading process, and ignore invalid budget_state lines", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  await run.hold({ usd: 0.9, fields: { note: "x".repeat(2_000) } });
  await using other = await bench.open({ maxLineBytes: 1_500 });
  assertEquals(await kindOf((await other.budget(RUN)).hold({ usd: 0.9 })), "held");
  const handle = bench.disk.process().open(PATH, "append");
  handle.appendSync(new TextEncoder().encode('{"event":"budget_state"}\n'));
  handle.close();
  await using third = await bench.open();
  assertEquals((await (await third.budget(RUN)).state()).held, 0.9);
});

Deno.test("Budget.hold() rejects if the lock cannot be taken, or if the log was truncated to 0 bytes", async () => {
  const bench = new Bench();
  const process = bench.disk.process();
  const log = await bench.open({ lockTimeoutSec: 0.01 }, process);
  const run = await log.budget(RUN);
  process.failOn(({ name }) => name === "tryLock", ioError);
  const logged = log.log("nav").catch(() => "refused");
  assertEquals([await kindOf(run.hold({ usd: 0.1 })), await logged], ["unwritable", "refused"]);
  await log.flush().catch(() => {});
  const handle = bench.disk.process().open(PATH, "update");
  handle.truncateSync(0);
  handle.close();
  await assertRejects(() => run.hold({ usd: 0.1 }), BudgetError, "no longer has the budget");
  await log.close().catch(() => {});
});

Deno.test("Budgets grant no holds while the archive with their lines cannot be read, and continue as soon as it can", async () => {
  const bench = new Bench();
  const total = { name: "total", limit: { usd: 1 } };
  await using a = await bench.open();
  await (await a.budget(total)).hold({ usd: 0.9, maxSec: 1e6 });
  await a.rotate();
  await a.log("nav");
  for (let failing = 1; failing < 4; failing++) {
    const process = bench.disk.process();
    await using b = await bench.open({}, process);
    await b.recovery;
    let reads = 0;
    const isArchive = ({ name, path }: { name: string; path: string }) =>
      name === "read" && path.endsWith(".gz") && ++reads === failing;
    process.failOn(isArchive, ioError);
    const declared = await b.budget(total).catch((error) => error);
    if (declared instanceof Error) {
      assert(declared instanceof BudgetError && declared.kind === "unwritable", `${declared}`);
    } else assertEquals(await kindOf(declared.hold({ usd: 0.9 })), "held");
    assertEquals(await kindOf((await b.budget(total)).hold({ usd: 0.9 })), "held");
  }
});

Deno.test("Retention removes an archive with a budget_state line (the figures of all budgets) only when a newer such line is durable, even if another process wrote the newer line", async () => {
  const bench = new Bench();
  const total = { name: "total", limit: { usd: 1 } };
  const clock = new SimulatedClock();
  const platform = { fileSystem: bench.disk.process(), clock };
  const options = { path: PATH, sessionId: "s", logger: silent, now: () => bench.nowMs };
  const pruning = await openLogOn(platform, {
    ...options,
    retention: { maxAgeSec: 3_600 },
    rotationAgeSec: 86_400,
  });
  await pruning.recovery;
  const inPruning = await pruning.budget(total);
  await (await inPruning.hold({ usd: 0.9 })).settle("llm_call", { cost: 0.9 });
  await pruning.rotate();
  await pruning.log("nav");
  await pruning.flush();
  await inPruning.state();
  bench.nowMs += 120 * MINUTE_MS;
  const writing = await bench.open();
  await writing.budget({ name: "other", limit: { usd: 1 } });
  clock.waitSync(3_600_000);
  clock.fireTimers();
  const archives = () => bench.disk.process().list("/log").filter((name) => name.endsWith(".gz"));
  for (let turn = 0; turn < 100 && archives().length > 0; turn++) await clock.turn();
  assertEquals(archives(), []);
  const after = new Bench(bench.disk.afterPowerLoss(() => false));
  after.nowMs = bench.nowMs;
  await using log = await after.open();
  assertEquals((await (await log.budget(total)).state()).left, 0.1);
  await Promise.all([pruning.close(), writing.close()]);
});

Deno.test("A hold on one budget by a process whose clock is ahead does not let other budgets forget costs too early", async () => {
  const bench = new Bench();
  let aheadMs = 0;
  await using ahead = await bench.open({ now: () => bench.nowMs + aheadMs });
  await using log = await bench.open();
  const other = { ...RUN, name: "other" };
  const [run, inAhead] = [await log.budget(RUN), await ahead.budget(other)];
  await (await run.hold({ usd: 0.9 })).settle("llm_call", { cost: 0.9 });
  aheadMs = 120 * MINUTE_MS;
  await (await inAhead.hold({ usd: 0.05 })).release();
  aheadMs = 0;
  await log.rotate();
  await (await (await log.budget(other)).hold({ usd: 0.05 })).release();
  assertEquals((await run.state()).left, 0.1);
});

Deno.test("Budget rejects, and names the reason, if the log has ended the budget or declared it again with another unit", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const old = await log.budget(RUN);
  await keeperOf(log).decide(() => ({
    type: "budget_end",
    fields: { budget: "run" },
    ms: bench.nowMs,
  }));
  await assertRejects(() => old.hold({ usd: 0.1 }), BudgetError, 'no longer has the budget "run"');
  await log.budget({ name: "run", limit: { tokens: 1_000 }, hours: 1 });
  await assertRejects(
    () => old.state(),
    BudgetError,
    'Cannot read budget "run": the log has other terms for the budget "run"; declare it again',
  );
});

Deno.test("Budget with a window of 270,000 years states no time at which old costs leave the window", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const ages = await log.budget({ name: "ages", limit: { usd: 1 }, hours: 2.38e9 });
  await (await ages.hold({ usd: 0.5 })).settle("llm_call", { cost: 0.5 });
  assertEquals((await ages.state()).resetsAt, null);
  const { kind, resetsAt } = await assertRejects(() => ages.hold({ usd: 0.75 }), BudgetError);
  assertEquals([kind, resetsAt], ["spent", null]);
});

Deno.test("Budget.hold() does not log token counts, so that a new budget counts only those of the event that settles the hold", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  const fields = { input_t: 800 };
  await (await run.hold({ usd: 0.1, fields })).settle("llm_call", { cost: 0.05, output_t: 10 });
  const counted = async (limit: BudgetLimit) => {
    const name = Object.keys(limit)[0]!;
    return (await (await log.budget({ name, limit, hours: 1 })).state()).spent;
  };
  assertEquals([await counted({ calls: 9 }), await counted({ tokens: 9_000 })], [1, 810]);
  const held = bench.lines().find(({ event }) => event === "budget_hold")!;
  assertEquals([held.input_t, bench.lines().find(({ event }) => event === "llm_call")!.input_t], [
    ...[undefined, 800],
  ]);
});

Deno.test("Budget.hold() lets timers fire, even if a program repeats a refused hold without a pause", async () => {
  const bench = new Bench();
  await using log = await bench.open();
  const run = await log.budget(RUN);
  await run.hold({ usd: 1 });
  let isFired = false;
  setTimeout(() => isFired = true, 0);
  for (let n = 0; !isFired; n++) {
    assertEquals(await kindOf(run.hold({ usd: 0.5 })), "held");
    assert(n < 100_000, "the timer has not fired");
  }
});

Deno.test("Budgets work in a log with an unreadable file that has the name of an archive", async () => {
  const bench = new Bench();
  bench.disk.writeFile("/log/audit_20250101_000000.jsonl.gz", "not gzip");
  await using log = await bench.open();
  assertEquals(await kindOf((await log.budget(RUN)).hold({ usd: 0.5 })), "granted");
});

Deno.test("Budgets count the costs of pruned archives, even if retention keeps an older archive that declares the budget", async () => {
  const bench = new Bench();
  const total = { name: "total", limit: { usd: 100 } };
  {
    await using log = await bench.open();
    await log.budget(total);
    await log.log("llm_call", { cost: 1 });
    await log.rotate();
  }
  // Recovery adds a line for the archive to the new manifest, and marks it as rebuilt. Retention never prunes such an
  // archive.
  bench.disk.process().remove("/log/audit.manifest.jsonl");
  {
    await using log = await bench.open({ retention: { maxArchives: 1 } });
    await log.recovery;
    for (let n = 0; n < 4; n++) {
      bench.nowMs += MINUTE_MS;
      await log.log("llm_call", { cost: 10 });
      await log.rotate();
    }
    await log.log("llm_call", { cost: 10 });
  }
  await using log = await bench.open();
  assertEquals((await (await log.budget(total)).state()).spent, 51);
});

Deno.test("declare() sums up past costs again if the budgets were reread from the log in the meantime, so that each cost counts once", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const cost = { ts: new Date(T0).toISOString(), event: "llm_call", cost: 3 };
  Deno.writeTextFileSync(path, `${JSON.stringify(cost)}\n`);
  const ledger = new BudgetLedger({ isWhole: true });
  const listeners = new Set<(event: AuditEvent) => void>();
  const lines: DecidedLine[] = [];
  let looks = 0;
  const keeper = {
    generation: 0,
    listen(listener: (event: AuditEvent) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    decide(decision: Decision) {
      if (++looks === 2) {
        // A rereading of the log passes old events to the listeners again. The generation lets listeners recognize the
        // repetition.
        this.generation++;
        for (const listener of listeners) listener(cost);
      }
      const line = decision(ledger, T0);
      if (line !== null) lines.push(line);
      return Promise.resolve();
    },
  };
  const log = new LogDirectory(denoFileSystem, path);
  const source = { log, clock: systemClock, maxLineBytes: 1_000, logger: silent };
  const declaration = declarationOf({ ...RUN, limit: { usd: 9 } }, T0);
  await declare(declaration, { keeper: keeper as unknown as BudgetKeeper, source });
  assertEquals([looks, listeners.size], [4, 0]);
  assertEquals(lines.map(({ fields }) => fields.sums), [[[T0 / MINUTE_MS, 3e9]]]);
});
