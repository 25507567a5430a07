#!/usr/bin/env -S deno run --allow-read --allow-write=.demo --allow-run
/**
 * Four processes with sixteen agents each share one budget, and one of the processes is killed. Before each call, an
 * agent reserves (holds) the maximum cost of the call on the budget. So all agents together never spend more than the
 * limit.
 *
 *     examples/budget.ts [USD]
 *
 * @module
 */
import { emptyDir } from "@std/fs";
import { AuditLog, type Budget, BudgetError, type BudgetOptions } from "@vivarium/scout";

const DIR = ".demo/budget";
const PATH = `${DIR}/audit.jsonl`;
const PROCESSES = 4;
const AGENTS = 16;
/** The most that a call may cost, in USD: the price of the prompt, and of the maximum number of output tokens. */
const ESTIMATE_USD = 0.01;
/**
 * Maximum time of a call, in seconds. If a process dies, the amounts that its calls hold are charged after this time.
 */
const CALL_SEC = 2;

/** Stands in for the call of a model. Its cost is known only afterwards. */
async function callModel(): Promise<{ cost: number; output_t: number }> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  const output_t = Math.ceil(400 * Math.random());
  return { cost: output_t * ESTIMATE_USD / 400, output_t };
}

/** Makes calls until the budget is spent. */
async function work(run: Budget): Promise<void> {
  try {
    for (;;) {
      // If the budget has no room, waits until other calls end. They may cost less than they hold, which makes room.
      await using hold = await run.hold({ usd: ESTIMATE_USD, maxSec: CALL_SEC, wait: true });
      // If the call throws, `await using` charges the whole reserved amount, because the provider may have charged for
      // the call.
      const answer = await callModel();
      await hold.settle("llm_call", { ...answer, model: "small" });
    }
  } catch (error) {
    if (!(error instanceof BudgetError && error.kind === "spent")) throw error;
  }
}

/** Runs the agents of one process. */
async function workAll(process: string, options: BudgetOptions): Promise<void> {
  await using log = await AuditLog.open(PATH);
  await Promise.all(Array.from({ length: AGENTS }, async (_, n) => {
    // This logger adds these fields to the events of the agent, and to the amounts that it reserves on the budget.
    const agent = log.child({ process, agent: `agent ${n}` });
    await work(await agent.budget(options));
  }));
}

/** Runs a process with agents, which may access the log's directory and nothing else. */
function start(usd: number, process: string): Deno.ChildProcess {
  const flags = ["--no-prompt", `--allow-read=${DIR}`, `--allow-write=${DIR}`];
  const args = ["run", ...flags, import.meta.url, `${usd}`, process];
  return new Deno.Command(Deno.execPath(), { args }).spawn();
}

/** Runs all processes, kills the first one that holds an amount, and prints the final amounts of the budget. */
async function compete(usd: number, options: BudgetOptions): Promise<void> {
  await emptyDir(DIR);
  await using log = await AuditLog.open(PATH);
  const processes = Array.from({ length: PROCESSES }, (_, n) => start(usd, `${n}`));
  for await (const { process } of log.follow({ last: Infinity, eventType: "budget_hold" })) {
    processes[Number(process)]!.kill("SIGKILL");
    break;
  }
  await Promise.all(processes.map(({ status }) => status));
  const { spent, held, orphaned, left } = await (await log.budget(options)).state();
  console.log(
    `spent ${spent.toFixed(4)} USD, and ${orphaned.toFixed(2)} by calls that were killed`,
  );
  console.log(`left ${left.toFixed(4)} of ${usd} USD, ${held} held`);
}

const [usd = "0.5", process] = Deno.args;
// The budget is a total: it counts every cost of this run. With `hours: 1`, it would count the costs of the last hour.
const options = { name: "run", limit: { usd: Number(usd) } };
await (process === undefined ? compete(Number(usd), options) : workAll(process, options));
