#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * Sixteen agents share one budget, which holds the most that a call may cost before the call is made. So the agents
 * together never spend more than the limit, and neither would agents of other processes that use the same log.
 *
 *     examples/budget.ts [USD]
 *
 * @module
 */
import { emptyDir } from "@std/fs";
import { AuditLog, type AuditLogger, type Budget, BudgetError } from "@vivarium/scout";

const DIR = ".demo/budget";
/** The most that a call may cost, in USD: here it is known from the prices and the maximum number of tokens. */
const ESTIMATE_USD = 0.01;

/** Stands in for the call of a model. Its cost is known only afterwards. */
async function callModel(): Promise<{ cost: number; output_t: number }> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { cost: ESTIMATE_USD * Math.random(), output_t: 100 };
}

/** Makes calls until the budget refuses one. */
async function work(run: Budget): Promise<void> {
  for (;;) {
    try {
      // If the call throws, the hold is charged at its amount, because the call may have cost that.
      await using hold = await run.hold({ usd: ESTIMATE_USD, fields: { model: "small" } });
      const { cost, output_t } = await callModel();
      await hold.settle("llm_call", { cost, output_t });
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      // "held": other agents hold the rest, and may spend less than that. "spent": the limit is spent.
      if (error.kind !== "held") return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

const limit = Number(Deno.args[0] ?? "0.5");
await emptyDir(DIR);
await using log: AuditLog = await AuditLog.open(`${DIR}/audit.jsonl`);
const agents: AuditLogger[] = Array.from(
  { length: 16 },
  (_, n) => log.child({ agent: `agent ${n}` }),
);
await Promise.all(agents.map(async (agent) => {
  await work(await agent.budget({ name: "run", limit: { usd: limit }, hours: 1 }));
}));
const run = await log.budget({ name: "run", limit: { usd: limit }, hours: 1 });
const { spent, held, left } = await run.state();
console.log(
  `spent ${spent.toFixed(2)} USD of ${limit}, ${held} held, less than a call left: ${
    left < ESTIMATE_USD
  }`,
);
console.log(`never more than the limit: ${await log.hourlySpend() <= limit}`);
