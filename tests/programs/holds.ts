/**
 * Agents that reserve (hold) amounts on the budget "run" of a log before each call, and settle them with the cost of
 * the call. The budget has a limit in USD and no time window. Every second agent waits for its holds. The program ends
 * when each agent has made its calls, or the budget is spent.
 *
 *     holds.ts PATH REFUSALS AGENTS CALLS LIMIT
 *
 * Prints a line after every tenth hold that is granted. Appends each refused hold to the file REFUSALS, with the last
 * line of the log before it. In the end, prints the numbers of granted and refused holds.
 *
 * @module
 */
import { BudgetError, type BudgetHold } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import type { HoldDecision } from "../../src/budget/hold_decision.ts";
import { denoPlatform } from "../../src/platform/platform.ts";

/**
 * Maximum number of refused holds in a row. An agent that does not wait asks again a little later; after this number,
 * it gives up.
 */
const ATTEMPTS = 200;
/**
 * Maximum amount of a hold, in USD. The calls cost only a small part of it, so the agents compete for room all the
 * time.
 */
const HOLD_USD = 0.3;
/** Maximum cost of a call, as a part of the amount that is reserved for it. */
const COST_SHARE = 0.04;

const [path = "", refusals = "", agents, calls, limit] = Deno.args;
using refused = Deno.openSync(refusals, { append: true, create: true });
const encoder = new TextEncoder();

function observe({ id, amounts, after, ms, refusal }: HoldDecision): void {
  if (refusal === null) return;
  const { kind } = refusal;
  const line = { id, amount: amounts.usd, after: JSON.stringify(after), ms, kind };
  refused.writeSync(encoder.encode(`${JSON.stringify(line)}\n`));
}

await using log = await openLogOn(denoPlatform, {
  path,
  rotationSizeBytes: 50_000,
  retention: { maxArchives: 8 },
  sessionId: crypto.randomUUID(),
}, { observe });
const run = await log.budget({ name: "run", limit: { usd: Number(limit) } });
const counts = { granted: 0, refused: 0 };
/** Number of holds that this process has requested with `wait`. */
let asked = 0;

async function work(agent: number): Promise<void> {
  for (let made = 0, attempts = 0; made < Number(calls) && attempts < ATTEMPTS;) {
    const usd = Math.ceil(Math.random() * HOLD_USD * 1e6) / 1e6;
    try {
      await using hold = agent % 2 === 0 ? await ask(usd) : await run.hold({ usd, maxSec: 3 });
      if (++counts.granted % 10 === 0) console.log(counts.granted, "granted");
      made++;
      attempts = 0;
      await pause(10);
      // Some calls fail. Their holds are not settled, so the budget charges the reserved amount.
      const isSettled = Math.random() < 0.995;
      if (isSettled) await hold.settle("llm_call", { cost: usd * COST_SHARE * Math.random() });
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      counts.refused++;
      if (error.kind !== "held") return;
      attempts++;
      await pause(200);
    }
  }
}

/** Requests a hold and waits for it. The field `asked` of the hold states the order of the requests in this process. */
function ask(usd: number): Promise<BudgetHold> {
  return run.hold({ usd, wait: true, maxSec: 3, fields: { asked: asked++ } });
}

function pause(maxMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * maxMs));
}

await Promise.all(Array.from({ length: Number(agents) }, (_, agent) => work(agent)));
console.log(JSON.stringify(counts));
