import { AuditLog, AuditReader, type BudgetHold } from "@vivarium/scout";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { silent } from "../loggers.ts";
import type { CommandResult } from "../run_command.ts";
import { runProgram } from "../run_program.ts";
import { logWith, MAIN } from "./run_cli.ts";

/**
 * Creates a log with two budgets and three holds (reserved amounts): one was settled, one has expired and one is open.
 * Resolves with the expired and the open hold.
 */
async function logWithBudgets(log: ReturnType<typeof logWith>): Promise<BudgetHold[]> {
  const path = log.path;
  await using writer = await AuditLog.open({
    path,
    logger: silent,
    now: () => Date.now() - 60_000,
  });
  const run = await writer.budget({ name: "run", limit: { usd: 5 }, hours: 1 });
  const calls = await writer.budget({ name: "calls", limit: { calls: 10 }, since: 0 });
  await (await run.hold({ usd: 0.5, and: [calls] })).settle("llm_call", { cost: 0.25 });
  return [
    await run.hold({ usd: 0.125, maxSec: 1, fields: { agent: "mapper" } }),
    await run.hold({ usd: 0.5, and: [calls] }),
  ];
}

/** Runs `scout budget COMMAND` with permission to write the directory of the log. */
function change(
  log: ReturnType<typeof logWith>,
  ...args: readonly string[]
): Promise<CommandResult> {
  const dir = log.dir.path("");
  return runProgram(MAIN, { dir, args: ["budget", ...args, "--path", log.path] });
}

async function budgetsIn(log: ReturnType<typeof logWith>) {
  const { stdout } = await log.run("budget", "--json");
  const { budgets, holds } = JSON.parse(stdout);
  const figures = budgets.map((
    each: Record<string, unknown>,
  ) => [each.budget, each.limit, each.spent, each.held, each.orphaned, each.left]);
  return { figures, holds: holds.map(({ hold }: { hold: string }) => hold) };
}

Deno.test("scout budget lists budgets and open holds, and needs only --allow-read", async () => {
  using log = logWith();
  const [orphan, open] = await logWithBudgets(log);
  const { code, stdout, stderr } = await log.run("budget");
  assertEquals([code, stderr], [0, ""]);
  const [head, ...lines] = stdout.trimEnd().split("\n").map((line) =>
    line.replaceAll(/ {2,}/g, "  ")
  );
  assertEquals(head, "budget  limit  spent  held  orphaned  left  resets");
  assertEquals(lines.length, 4);
  assertEquals(
    lines[0],
    "calls  10 calls since 1970-01-01 00:00:00  1 call  1 call  0 calls  8 calls  -",
  );
  assertMatch(
    lines[1]!,
    /^run {2}\$5\.00 in 1 h {2}\$0\.25 {2}\$0\.50 {2}\$0\.125 {2}\$4\.13 {2}\d{4}-/,
  );
  assertMatch(lines[2]!, new RegExp(`^hold ${orphan!.id}  \\$0\\.125 on run orphaned since `));
  assertMatch(lines[3]!, new RegExp(`^hold ${open!.id}  \\$0\\.50, 1 call on run, calls until `));
});

Deno.test("scout budget settle, release and set change the holds and limits for every process", async () => {
  using log = logWith();
  const [orphan, open] = await logWithBudgets(log);
  const settled = await change(log, "settle", orphan!.id.slice(0, 8), "--cost", "1.5");
  assertEquals(settled.stdout, `Settled hold ${orphan!.id} on run\n`, settled.stderr);
  const events = Deno.readTextFileSync(log.path).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const held = events.find(({ event, hold }) => event === "budget_hold" && hold === orphan!.id);
  const { event, cost, agent, session_id } = events.at(-1);
  assertEquals([event, cost, agent, session_id], ["llm_call", 1.5, "mapper", held.session_id]);
  const released = await change(log, "release", open!.id, "--reason", "not sent", "--json");
  assertEquals(JSON.parse(released.stdout), { hold: open!.id, budgets: ["run", "calls"] });
  assertEquals((await change(log, "set", "run", "--usd", "2")).code, 0);
  assertEquals(await budgetsIn(log), {
    figures: [["calls", 10, 2, 0, 0, 8], ["run", 2, 1.75, 0, 0, 0.25]],
    holds: [],
  });
  // A limit that a user has set by hand stays in force while programs declare the same limit as before. If a program
  // declares another limit, that limit takes effect.
  await using writer = await AuditLog.open({ path: log.path, logger: silent });
  const left = async (usd: number) =>
    (await (await writer.budget({ name: "run", limit: { usd }, hours: 1 })).state()).left;
  assertEquals([await left(5), await left(6)], [0.25, 4.25]);
});

Deno.test("scout budget rejects an invalid hold or limit, names the reason, and changes nothing", async () => {
  using log = logWith();
  const [, open] = await logWithBudgets(log);
  const before = Deno.readTextFileSync(log.path);
  const refused: [args: string[], code: number, message: string][] = [
    [["release", "zzzz"], 1, "Cannot end hold: no open hold has this ID, got zzzz"],
    [["release", "zz"], 2, '"zz" is not the ID of a hold or at least 4 characters of it'],
    [["settle", open!.id, "--cost", "-1"], 2, '"-1" is not a number >= 0'],
    [["set", "run"], 2, "use exactly one of --usd, --tokens and --calls"],
    [["set", "run", "--calls", "3"], 1, '"run" is in usd, got --calls'],
    [["set", "rnu", "--usd", "3"], 1, 'the log has no budget "rnu", only run, calls; add --hours'],
    [
      ["set", "run", "--usd", "3", "--hours", "2"],
      1,
      '"run" has a window of 1 h, which cannot be changed',
    ],
    [["set", "calls", "--calls", "3", "--hours", "2"], 1, '"calls" is a total'],
    [["set", "new", "--usd", "3", "--hours", "0"], 2, '"0" is not a number > 0'],
    [["end", "rnu"], 1, 'Cannot end budget: the log has no budget "rnu", only run, calls'],
    [["end", "run"], 1, '"run" has 1 open hold; settle or release them first'],
  ];
  for (const [args, code, message] of refused) {
    const result = await change(log, ...args);
    assertEquals([result.code, result.stdout], [code, ""]);
    assertEquals(result.stderr.includes(message), true, result.stderr);
  }
  assertEquals(Deno.readTextFileSync(log.path), before);
});

Deno.test("scout budget set --hours creates a budget, and scout budget end removes a budget with its holds that expired without an end", async () => {
  using log = logWith();
  const [, open] = await logWithBudgets(log);
  const set = await change(log, "set", "day", "--tokens", "5000", "--hours", "24");
  assertEquals([set.stdout, set.stderr], ["Set budget day to 5000 tokens\n", ""]);
  await change(log, "set", "day", "--tokens", "4000", "--hours", "24");
  await change(log, "release", open!.id);
  const ended = await change(log, "end", "run");
  assertEquals([ended.stdout, ended.stderr], [
    "Ended budget run, and dropped 1 orphaned hold, which a new budget does not count\n",
    "",
  ]);
  assertEquals(await budgetsIn(log), {
    figures: [["calls", 10, 1, 0, 0, 9], ["day", 4000, 0, 0, 0, 4000]],
    holds: [],
  });
});

Deno.test("scout budget lists the holds that wait for room", async () => {
  using log = logWith();
  await using writer = await AuditLog.open({ path: log.path, logger: silent });
  const run = await writer.budget({ name: "run", limit: { usd: 1 }, hours: 1 });
  await run.hold({ usd: 0.75 });
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = assertRejects(() => run.hold({ usd: 0.5, wait: true, signal }), Error, "enough");
  let id: unknown;
  for await (const event of writer.follow({ eventType: "budget_wait" })) {
    id = event.hold;
    break;
  }
  const { stdout } = await log.run("budget");
  assertEquals(stdout.trimEnd().split("\n").at(-1), `wait ${id}  $0.50 on run`);
  const { waits } = JSON.parse((await log.run("budget", "--json")).stdout);
  assertEquals(waits.map(({ hold, usd }: { hold: string; usd: number }) => [hold, usd]), [[
    id,
    0.5,
  ]]);
  controller.abort(new Error("enough"));
  await waiting;
});

Deno.test("scout status shows one line for each budget", async () => {
  using log = logWith();
  await logWithBudgets(log);
  const { stdout } = await log.run("status");
  const lines = stdout.split("\n").filter((line) => /calls: |run: /.test(line));
  assertEquals(lines.map((line) => line.trim()), [
    "budgets   calls: 1 call of 10 calls, 1 call held, 8 calls left",
    "run: $0.25 of $5.00 in 1 h, $0.50 held, $0.125 orphaned, $4.13 left",
  ]);
  const json = await log.run("status", "--json");
  assertEquals(JSON.parse(json.stdout).budgets.length, 2);
});

Deno.test("scout budget reports that the log has no budgets, and prints empty lists with --json", async () => {
  using log = logWith({ ts: "2026-02-13T14:30:00.000Z", event: "nav", cost: 1 });
  const { code, stdout, stderr } = await log.run("budget");
  assertEquals([code, stdout, stderr], [
    0,
    "",
    "scout: no budgets; the newest event is from 2026-02-13 14:30\n",
  ]);
  const json = await log.run("budget", "--json");
  assertEquals(JSON.parse(json.stdout), { budgets: [], holds: [], waits: [] });
});

Deno.test("scout budget settle continues the hash chain of the log", async () => {
  using log = logWith();
  let hold: BudgetHold;
  {
    await using writer = await AuditLog.open({ path: log.path, chain: true, logger: silent });
    hold = await (await writer.budget({ name: "run", limit: { usd: 1 } })).hold({ usd: 0.5 });
  }
  const settled = await change(log, "settle", hold.id, "--cost", "0.25");
  assertEquals([settled.code, settled.stderr], [0, ""]);
  await using reader = await AuditReader.open(log.path);
  assertEquals((await reader.verify()).faults, []);
});
