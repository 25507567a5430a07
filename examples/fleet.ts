#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1:4222
/**
 * A fleet of four machines, each of which ships its own log, and a guard that stops all of them when they
 * have spent the fleet's budget together.
 *
 *     nats-server -js &
 *     examples/fleet.ts [USD per hour] [server]
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
/**
 * Maximum time in milliseconds since the server last responded. After that, the sum of the costs may be too low,
 * because the server may have costs that were not received.
 */
const SILENT_MS_MAX = 10_000;

const [budget = "0.5", servers = "127.0.0.1:4222"] = Deno.args;
const budgetUsd = Number(budget);
if (!(budgetUsd > 0)) throw new RangeError(`Cannot read budget: expected USD > 0, got "${budget}"`);
// Each run has a new fleet name. With a fixed name, the sum would include the costs of earlier runs in the last hour.
const fleet = `demo-${Date.now()}`;

// Here one guard serves all machines. Separate machines each run their own guard, and all guards read the same sum.
const guard = new AbortController();

/** Stops all machines if the budget is spent, or if the amount spent is unknown. */
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

/** Logs paid calls until the guard stops the machine, and ships them meanwhile. */
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
  // The first call of ship() ended when the signal aborted. This call ships the lines that were logged after that.
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
