#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1:4222
/**
 * A fleet of four machines, each with a log of its own that it ships, and a guard that stops all of them
 * when the fleet has spent its budget, whichever machine spent it.
 *
 *     nats-server -js &
 *     fleet.ts [USD per hour] [server]
 *
 * @module
 */
import { connect } from "@nats-io/transport-node";
import { AuditLog } from "@vivarium/scout";
import {
  createFleetStream,
  type FleetConnection,
  fleetEvents,
  type FleetSpend,
  fleetSpend,
  ship,
} from "@vivarium/scout/fleet";

const MACHINES = ["machine-1", "machine-2", "machine-3", "machine-4"];
/** A server that was silent for so long may have missed what was spent since. */
const SILENT_MS_MAX = 10_000;

const [budget = "0.5", servers = "127.0.0.1:4222"] = Deno.args;
const budgetUsd = Number(budget);
if (!(budgetUsd > 0)) throw new RangeError(`The budget must be a number > 0: ${budget}`);
// Runs of the last hour would count if they had the same name.
const fleet = `demo-${Date.now()}`;

// On machines of their own each would have such a guard, and all of them see the same.
const guard = new AbortController();

/** Stops all machines when the budget is spent, or nobody knows whether it is. */
function check(spend: FleetSpend): void {
  if (guard.signal.aborted) return;
  try {
    const usd = spend.usd(1);
    if (usd > budgetUsd) stop(`${usd.toFixed(4)} of ${budgetUsd.toFixed(4)} USD spent`);
    else if (spend.silentMs > SILENT_MS_MAX) stop("the server is silent");
  } catch (error) {
    stop(String(error));
  }
}

function stop(reason: string): void {
  guard.abort(new Error(reason));
}

/** A machine works, and pays for it, until it is told to stop; what it logs is shipped meanwhile. */
async function runMachine(
  log: string,
  { connection, signal }: { connection: FleetConnection; signal: AbortSignal },
): Promise<void> {
  const path = `.demo/${fleet}/${log}/audit.jsonl`;
  const shipping = { connection, fleet, log, path };
  await using audit = await AuditLog.open(path);
  const shipped = ship({ ...shipping, signal });
  while (!signal.aborted) {
    await audit.log("nav", { model: "small", cost: 0.002 });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await audit.log("budget", { reason: signal.reason.message });
  await audit.flush();
  await shipped;
  // What it has logged since is shipped too.
  await ship({ ...shipping, once: true });
}

const connection = await connect({ servers });
await createFleetStream({ connection });
const { signal } = guard;
const spend = await fleetSpend({ connection, fleet, onChange: check });
const looking = setInterval(() => check(spend), 1_000);
await Promise.all(MACHINES.map((log) => runMachine(log, { connection, signal })));
clearInterval(looking);
await spend.close();

console.log("stopped:", signal.reason.message);
const spent = new Map<string, number>();
const events = fleetEvents({ connection, fleet });
for await (const { scout_log, cost } of events) {
  spent.set(scout_log, (spent.get(scout_log) ?? 0) + (cost ?? 0));
}
for (const [log, usd] of [...spent].sort()) console.log(`${log}: ${usd.toFixed(4)} USD`);
console.log("missing:", events.gaps.length === 0 ? "nothing" : events.gaps);
await connection.close();
