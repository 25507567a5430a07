#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * A guard that aborts a simulation when the hour's budget is spent, whichever agent or process spent it.
 *
 *     budget_guard.ts [USD per hour]
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const AGENTS = ["scout", "mapper", "critic"];

/** Aborts with a reason once more than the budget was spent in an hour. */
function budgetGuard(log: AuditLog, budgetUsd: number): AbortSignal {
  const controller = new AbortController();
  // Follows every writer of the log; asking again after each event reads only what is new.
  (async () => {
    for await (const _event of log.follow()) {
      const spent = await log.hourlySpend(1);
      if (spent <= budgetUsd) continue;
      controller.abort(new Error(`${spent.toFixed(4)} of ${budgetUsd.toFixed(4)} USD spent`));
      break;
    }
  })().catch((error) => controller.abort(error));
  return controller.signal;
}

/** An agent that thinks for a moment and pays for it, until it is told to stop. */
async function work(agent: string, log: AuditLog, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await log.log("nav", { agent, model: "small", cost: 0.002 });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const budgetUsd = Number(Deno.args[0] ?? "0.05");
await using log = await AuditLog.open(`.demo/budget_guard/${Date.now()}/audit.jsonl`);
const signal = budgetGuard(log, budgetUsd);
await Promise.all(AGENTS.map((agent) => work(agent, log, signal)));
await log.log("budget", { reason: signal.reason.message });
console.log("stopped:", signal.reason.message);
