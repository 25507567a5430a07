/**
 * Agents that hold amounts on the budget "run" of a log and settle them, until a number of holds were asked for.
 *
 *     holds.ts PATH AGENTS HOLDS
 *
 * Prints "held" when the first hold is granted, and in the end the numbers of granted holds and of refusals.
 *
 * @module
 */
import { AuditLog, BudgetError } from "@vivarium/scout";

const [path = "", agents, holds] = Deno.args;
await using log = await AuditLog.open({
  path,
  rotationSizeBytes: 20_000,
  sessionId: crypto.randomUUID(),
});
const run = await log.budget({ name: "run", limit: { usd: 1 }, hours: 1 });
const counts = { granted: 0, refused: 0 };

async function work(): Promise<void> {
  for (let n = 0; n < Number(holds); n++) {
    const usd = Math.ceil(Math.random() * 20_000) / 1e6;
    try {
      await using hold = await run.hold({ usd });
      if (counts.granted++ === 0) console.log("held");
      // Some calls fail, so their holds are charged when they are disposed.
      if (n % 7 > 0) await hold.settle("llm_call", { cost: usd * Math.random() });
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      counts.refused++;
    }
  }
}

await Promise.all(Array.from({ length: Number(agents) }, work));
console.log(JSON.stringify(counts));
