import {
  AuditClosedError,
  type AuditLog,
  type Budget,
  BudgetError,
  type BudgetHold,
} from "@vivarium/scout";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openLogOn } from "../../src/audit_log.ts";
import { RefusalLines } from "../../src/budget/refusal_lines.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";

const PATH = "/log/audit.jsonl";
const T0 = Date.UTC(2026, 1, 13, 10);
const RUN = { name: "run", limit: { usd: 1 }, hours: 1 };

/** Number of turns of the event loop after which only timers can cause further progress. */
const TURNS = 12;

/** A process that has opened the log on the simulated disk. */
interface Process {
  readonly log: AuditLog;
  readonly clock: SimulatedClock;
  readonly fileSystem: SimulatedProcess;
  readonly run: Budget;
}

/** A disk, and processes whose clocks the test advances. */
class Bench implements AsyncDisposable {
  readonly disk = new SimulatedDisk();
  readonly #processes: Process[] = [];
  nowMs = T0;

  constructor() {
    this.disk.plant("/log", "directory");
  }

  /** Starts a process whose clock is ahead by some milliseconds. */
  async start({ aheadMs = (): number => 0 } = {}): Promise<Process> {
    const clock = new SimulatedClock();
    const fileSystem = this.disk.process();
    const log = await openLogOn({ fileSystem, clock }, {
      path: PATH,
      sessionId: "s",
      logger: silent,
      now: () => this.nowMs + aheadMs(),
    });
    const process = { log, clock, fileSystem, run: await log.budget(RUN) };
    this.#processes.push(process);
    return process;
  }

  /**
   * Advances all clocks in steps of 50 ms. After each step, holds that wait look for changes of the log. The timers of
   * dead processes do not fire.
   */
  async pass(ms: number, dead: readonly Process[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      this.nowMs += 50;
      for (const process of this.#processes) {
        if (dead.includes(process)) continue;
        process.clock.waitSync(50);
        process.clock.fireTimers();
      }
      await turns();
    }
  }

  /** Returns the type of each line except `budget_state` lines. The type of a release is followed by its reason. */
  types(): string[] {
    return this.lines().filter(({ event }) => event !== "budget_state")
      .map(({ event, reason }) => reason === undefined ? `${event}` : `${event}: ${reason}`);
  }

  lines(): Record<string, unknown>[] {
    const text = new TextDecoder().decode(this.disk.readFile(PATH));
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { log } of this.#processes) await log.close();
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await systemClock.turn();
}

/** A pending or ended call of `hold()`: its state, and its result or error. */
interface Watched {
  state: "waits" | "granted" | "refused";
  hold?: BudgetHold;
  error?: unknown;
}

function watch(promise: Promise<BudgetHold>): Watched {
  const watched: Watched = { state: "waits" };
  promise.then(
    (hold) => Object.assign(watched, { state: "granted", hold }),
    (error) => Object.assign(watched, { state: "refused", error }),
  );
  return watched;
}

Deno.test("Budget.hold() with wait is granted when another process has settled its hold", async () => {
  await using bench = new Bench();
  const [a, b] = [await bench.start(), await bench.start()];
  const first = await a.run.hold({ usd: 0.6 });
  const waiting = watch(b.run.hold({ usd: 0.5, wait: true }));
  await bench.pass(200);
  assertEquals(waiting.state, "waits");
  await first.settle("llm_call", { cost: 0.2 });
  await bench.pass(50);
  assertEquals(waiting.state, "granted");
  assertEquals((await a.run.state()).held, 0.5);
});

Deno.test("Budget.hold() with wait is granted at once when another hold of the same process ends", async () => {
  await using bench = new Bench();
  const { run } = await bench.start();
  const first = await run.hold({ usd: 0.6 });
  const waiting = watch(run.hold({ usd: 0.5, wait: true }));
  await turns();
  assertEquals(waiting.state, "waits");
  await first.release();
  await turns();
  assertEquals(waiting.state, "granted");
});

Deno.test("Budget.hold() with wait is granted in the order of the calls, without waiting for holds on other budgets", async () => {
  await using bench = new Bench();
  const { log, run } = await bench.start();
  const other = await log.budget({ ...RUN, name: "other" });
  const first = await run.hold({ usd: 0.6 });
  const large = watch(run.hold({ usd: 0.9, wait: true }));
  const small = watch(run.hold({ usd: 0.1, wait: true }));
  const elsewhere = watch(other.hold({ usd: 0.1, wait: true }));
  await bench.pass(100);
  assertEquals([large.state, small.state, elsewhere.state], ["waits", "waits", "granted"]);
  // A hold without `wait` may be granted before waiting holds until these have written `budget_wait` lines, which keep
  // room for them.
  const now = await run.hold({ usd: 0.05 });
  await now.release();
  await first.release();
  await turns();
  assertEquals([large.state, small.state], ["granted", "granted"]);
  const granted = bench.lines().filter(({ event, hold_usd }) =>
    event === "budget_hold" && Number(hold_usd) >= 0.1
  ).map(({ hold_usd, budgets }) => `${hold_usd} ${budgets}`);
  assertEquals(granted, ["0.6 run", "0.1 other", "0.9 run", "0.1 run"]);
});

Deno.test("Budget.hold() with wait is granted when an old cost leaves the window, even if the log does not change", async () => {
  await using bench = new Bench();
  const { log, run } = await bench.start();
  await log.log("llm_call", { cost: 1 });
  const waiting = watch(run.hold({ usd: 0.5, wait: true }));
  await bench.pass(100);
  assertEquals(waiting.state, "waits");
  bench.nowMs += 62 * 60_000;
  await bench.pass(50);
  assertEquals(waiting.state, "granted");
});

Deno.test("Budget.hold() with wait is refused at once if it can never fit", async () => {
  await using bench = new Bench();
  const { log, run } = await bench.start();
  const total = await log.budget({ name: "total", limit: { usd: 1 } });
  await total.hold({ usd: 0.5 });
  await log.log("llm_call", { cost: 0.75 });
  const kind = async (hold: Promise<BudgetHold>) =>
    (await assertRejects(() => hold, BudgetError)).kind;
  assertEquals(await kind(run.hold({ usd: 1.5, wait: true })), "too_large");
  assertEquals(await kind(total.hold({ usd: 0.5, wait: true })), "spent");
  // The budget "run" is full too, but only for the length of its window. The budget "total" has no window, so it stays
  // full.
  assertEquals(await kind(run.hold({ usd: 0.5, and: [total], wait: true })), "spent");
});

Deno.test("Budget.hold() with wait is refused when another hold expires without an end and therefore leaves too little room forever", async () => {
  await using bench = new Bench();
  const { log } = await bench.start();
  const total = await log.budget({ name: "total", limit: { usd: 1 } });
  await total.hold({ usd: 0.75, maxSec: 2 });
  const waiting = watch(total.hold({ usd: 0.5, wait: true }));
  await bench.pass(1_900);
  assertEquals(waiting.state, "waits");
  // After two seconds, the hold of 0.75 USD expires without an end. A total budget has no window, so it charges the
  // amount forever.
  await bench.pass(150);
  assertEquals(waiting.state, "refused");
  assert(waiting.error instanceof BudgetError && waiting.error.kind === "spent");
});

Deno.test("Budget.hold() with wait writes a budget_wait line after a second, which keeps room for it, so that smaller holds of other processes are refused", async () => {
  await using bench = new Bench();
  const [a, b] = [await bench.start(), await bench.start()];
  const first = await a.run.hold({ usd: 0.6 });
  const large = watch(b.run.hold({ usd: 0.5, wait: true, fields: { agent: "large" } }));
  await bench.pass(950);
  const small = await a.run.hold({ usd: 0.1 });
  await small.release();
  await bench.pass(100);
  const ticket = bench.lines().at(-1)!;
  assertEquals([ticket.event, ticket.hold_usd, ticket.agent], ["budget_wait", 0.5, "large"]);
  const { kind } = await assertRejects(() => a.run.hold({ usd: 0.1 }), BudgetError, "wait for 1.1");
  assertEquals(kind, "held");
  await bench.pass(4_000);
  assertEquals(bench.types().filter((type) => type === "budget_wait").length, 1);
  await bench.pass(1_500);
  assertEquals(bench.types().filter((type) => type === "budget_wait").length, 2);
  await first.settle("llm_call", { cost: 0.3 });
  await bench.pass(50);
  assertEquals(large.state, "granted");
  assertEquals(bench.lines().findLast(({ event }) => event === "budget_hold")!.hold, ticket.hold);
  assertEquals((await a.run.hold({ usd: 0.1 })).id.length, 36);
});

Deno.test("Budget.hold() with wait is granted ten seconds after the death of a process that had waited longer, when the budget_wait line of that process expires", async () => {
  await using bench = new Bench();
  const [a, b] = [await bench.start(), await bench.start()];
  await a.run.hold({ usd: 0.6 });
  watch(b.run.hold({ usd: 0.5, wait: true }));
  await bench.pass(1_200);
  assertEquals(bench.types().at(-1), "budget_wait");
  const small = watch(a.run.hold({ usd: 0.1, wait: true }));
  await bench.pass(9_000, [b]);
  assertEquals(small.state, "waits");
  await bench.pass(1_500, [b]);
  assertEquals(small.state, "granted");
});

Deno.test("Budget.hold() with wait is granted soon after it has waited for a second, even if other processes keep making small holds", async () => {
  await using bench = new Bench();
  const processes = [await bench.start(), await bench.start(), await bench.start()];
  const { run } = await bench.start();
  // The other processes hold 0.9 USD at all times: each step ends the oldest hold, and makes a new hold at once.
  const open: BudgetHold[] = [];
  const small = async ({ isFull = true } = {}) => {
    for (const process of processes) {
      if (isFull) await open.shift()?.release();
      await process.run.hold({ usd: 0.1 }).then((hold) => open.push(hold), () => {});
    }
  };
  for (let n = 0; n < 3; n++) await small({ isFull: false });
  const large = watch(run.hold({ usd: 0.6, wait: true }));
  for (let n = 0; n < 20; n++) {
    await small();
    await bench.pass(50);
  }
  assertEquals(large.state, "waits");
  let rounds = 0;
  for (; large.state === "waits" && rounds < 20; rounds++) {
    await small();
    await bench.pass(50);
  }
  assertEquals(large.state, "granted");
  assert(rounds <= 4, `${rounds} rounds`);
});

Deno.test("Budget.hold() with wait rejects when its signal aborts, and gives up its place in the queue", async () => {
  await using bench = new Bench();
  const { run } = await bench.start();
  await run.hold({ usd: 0.6 });
  const controller = new AbortController();
  const aborted = watch(run.hold({ usd: 0.5, wait: true, signal: controller.signal }));
  const behind = watch(run.hold({ usd: 0.3, wait: true }));
  await bench.pass(1_200);
  assertEquals([aborted.state, behind.state], ["waits", "waits"]);
  controller.abort(new Error("enough"));
  await turns();
  assertEquals([aborted.state, behind.state], ["refused", "granted"]);
  assertEquals(aborted.error, controller.signal.reason);
  assertEquals(bench.types(), [
    "budget_limit",
    "budget_hold",
    "budget_wait",
    "budget_release: no longer waits",
    "budget_hold",
  ]);
});

Deno.test("AuditLog.close() rejects waiting holds, and gives up their places in the queue", async () => {
  await using bench = new Bench();
  const [{ log, run }, other] = [await bench.start(), await bench.start()];
  await run.hold({ usd: 0.6 });
  const waiting = [0.5, 0.4].map((usd) => watch(run.hold({ usd, wait: true })));
  await bench.pass(1_200);
  await log.close();
  await turns();
  assertEquals(waiting.map(({ state }) => state), ["refused", "refused"]);
  assert(waiting.every(({ error }) => error instanceof AuditClosedError));
  assertEquals(bench.types().slice(-2), ["budget_wait", "budget_release: no longer waits"]);
  assertEquals((await other.run.hold({ usd: 0.3 })).id.length, 36);
});

Deno.test("Budget.signal aborts within a second after the budget is spent, and is a new signal when there is room again", async () => {
  await using bench = new Bench();
  const [a, b] = [await bench.start(), await bench.start()];
  const { signal } = a.run;
  await b.log.log("llm_call", { cost: 0.75 });
  await bench.pass(1_000);
  assertEquals([signal.aborted, a.run.signal === signal], [false, true]);
  await b.log.log("llm_call", { cost: 0.25 });
  await bench.pass(1_000);
  assert(signal.reason instanceof BudgetError);
  assertEquals(
    signal.reason.message,
    'Cannot continue: budget "run" is spent, got 1 of 1 USD',
  );
  assertEquals(signal.reason.resetsAt, new Date(T0 + 60 * 60_000));
  assertEquals(a.run.signal, signal);
  assert((await b.log.budget(RUN)).signal.aborted);
  bench.nowMs += 62 * 60_000;
  const next = a.run.signal;
  assertEquals([next.aborted, next === signal], [false, false]);
  await b.log.log("llm_call", { cost: 2 });
  await bench.pass(1_000);
  assert(next.aborted);
});

Deno.test("Budget.hold() logs its refusals, at most once a second, with their number and their kinds", async () => {
  await using bench = new Bench();
  const { log, run } = await bench.start();
  const refuse = (usd?: number) =>
    assertRejects(() => run.hold(usd === undefined ? {} : { usd }), BudgetError);
  await run.hold({ usd: 0.6 });
  for (const usd of [0.5, 0.5, 2, undefined]) await refuse(usd);
  await bench.pass(1_000);
  await refuse(0.5);
  await log.close();
  const refused = bench.lines().filter(({ event }) => event === "budget_refused")
    .map(({ budget, count, kinds }) => ({ budget, count, kinds }));
  assertEquals(refused, [
    { budget: "run", count: 1, kinds: { held: 1 } },
    { budget: "run", count: 3, kinds: { held: 1, too_large: 1, unpriced: 1 } },
    { budget: "run", count: 1, kinds: { held: 1 } },
  ]);
});

Deno.test("AuditLog.flushSync() does not grant a waiting hold, and the hold is granted afterwards", async () => {
  await using bench = new Bench();
  const { log, run } = await bench.start();
  const first = await run.hold({ usd: 0.6 });
  const waiting = watch(run.hold({ usd: 0.5, wait: true }));
  await turns();
  const released = first.release();
  log.flushSync();
  assertEquals(bench.types(), ["budget_limit", "budget_hold", "budget_release"]);
  await released;
  await turns();
  assertEquals(waiting.state, "granted");
});

Deno.test("Budget.signal aborts even if an earlier attempt to read the log failed", async () => {
  await using bench = new Bench();
  const [a, b] = [await bench.start(), await bench.start()];
  const { signal } = a.run;
  await bench.pass(1_000);
  await b.log.log("llm_call", { cost: 1.5 });
  a.fileSystem.failOn((call) => call.name === "tryLock", () => new Error("EIO"), 1);
  // The simulated clock fires every timer at each step.
  await bench.pass(50);
  assertEquals(signal.aborted, false);
  await bench.pass(50);
  assert(signal.aborted);
});

Deno.test("Budget.hold() with wait is granted after the budget_wait line of a dead process expires, even if a process whose clock was ahead made a hold before", async () => {
  await using bench = new Bench();
  let aheadMs = 7_200_000;
  const ahead = await bench.start({ aheadMs: () => aheadMs });
  const [b, c] = [await bench.start(), await bench.start()];
  await (await ahead.run.hold({ usd: 0.1 })).release();
  aheadMs = 0;
  const first = await b.run.hold({ usd: 0.6 });
  watch(c.run.hold({ usd: 0.9, wait: true }));
  await bench.pass(1_200);
  await first.release();
  const small = watch(b.run.hold({ usd: 0.2, wait: true }));
  await bench.pass(8_000, [c]);
  assertEquals(small.state, "waits");
  await bench.pass(3_000, [c]);
  assertEquals(small.state, "granted");
});

Deno.test("RefusalLines logs the refused holds that are not logged yet at flush() and close(), and nothing after close()", () => {
  const clock = new SimulatedClock();
  const logged: Record<string, unknown>[] = [];
  const lines = new RefusalLines(clock, (fields) => logged.push(fields));
  for (let n = 0; n < 5; n++) lines.add("run", "held");
  assertEquals(logged.map(({ count }) => count), [1]);
  lines.flush();
  lines.add("run", "spent");
  lines.close();
  lines.add("run", "held");
  assertEquals(logged.map(({ count, kinds }) => [count, kinds]), [
    [1, { held: 1 }],
    [4, { held: 4 }],
    [1, { spent: 1 }],
  ]);
  assertEquals(clock.timerDelaysMs, []);
});

Deno.test("Budget.hold() with wait is granted when an old cost has left the window and another hold has ended, if only both together leave enough room", async () => {
  await using bench = new Bench();
  const { log, run } = await bench.start();
  await log.log("llm_call", { cost: 0.4 });
  const hold = await run.hold({ usd: 0.6 });
  const { kind, resetsAt } = await assertRejects(() => run.hold({ usd: 0.7 }), BudgetError);
  assertEquals([kind, resetsAt], ["spent", new Date(T0 + 60 * 60_000)]);
  const waiting = watch(run.hold({ usd: 0.7, wait: true }));
  await bench.pass(100);
  assertEquals(waiting.state, "waits");
  await hold.release();
  bench.nowMs += 62 * 60_000;
  await bench.pass(100);
  assertEquals(waiting.state, "granted");
});
