/**
 * A program as a new user would write it after reading the README: eight agents with typed events, a loop that
 * watches them, a budget check, and a normal exit. The first argument is the path of the log.
 *
 * @module
 */
import { type AuditEvent, AuditLog } from "@vivarium/scout";

interface Step {
  agent: string;
  cost: number;
  model: "small" | "large";
  input_t: number;
  output_t: number;
}

const BUDGET_USD = 0.12;
const names = ["ada", "bob", "cyd", "dee", "eve", "fay", "gus", "hal"];

await using log = await AuditLog.open(Deno.args[0]!);

// Prints each new navigation until the log is closed.
const watching = (async () => {
  for await (const event of log.follow({ eventType: "nav" })) {
    const step = event as AuditEvent & Step;
    console.log(`${step.agent} ${step.model} ${step.cost.toFixed(3)}`);
  }
})();

async function work(agent: string): Promise<void> {
  for (let n = 0; n < 5; n++) {
    if (await log.hourlySpend() >= BUDGET_USD) {
      return await log.log("skip", { agent, reason: "the hour's budget is spent" });
    }
    const step: Step = { agent, cost: 0.004, model: "small", input_t: 800, output_t: 40 };
    await log.log("nav", step);
  }
}

await Promise.all(names.map(work));
await log.close();
await watching;
