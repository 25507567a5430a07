#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * A guard that aborts a simulation when its agents have spent the budget of one hour. Costs of all agents
 * and processes that write the log count.
 *
 *     examples/budget_guard.ts [USD per hour]
 *
 * @module
 */
import { AuditLog, type AuditLogger } from "@vivarium/scout";

const AGENTS = ["scout", "mapper", "critic"];

/**
 * Returns a signal that aborts when the spend of the last hour exceeds the budget. The reason contains both amounts.
 */
function budgetGuard(log: AuditLog, budgetUsd: number): AbortSignal {
  const controller = new AbortController();
  // Follows the events of all writers. Each call of `hourlySpend()` reads only the lines added since the last call.
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

/** Logs a paid call every five milliseconds until the signal aborts. */
async function work(log: AuditLogger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await log.log("nav", { model: "small", cost: 0.002 });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const budgetUsd = Number(Deno.args[0] ?? "0.05");
await using log = await AuditLog.open(`.demo/budget_guard/${Date.now()}/audit.jsonl`);
const signal = budgetGuard(log, budgetUsd);
await Promise.all(AGENTS.map((agent) => work(log.child({ agent }), signal)));
await log.log("budget", { reason: signal.reason.message });
console.log("stopped:", signal.reason.message);
