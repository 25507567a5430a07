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
// Runs of the last hour would count if they had the same name.
const fleet = `demo-${Date.now()}`;

/** Aborts all machines; on machines of their own each would have such a guard, and all see the same. */
class BudgetGuard {
  readonly #controller = new AbortController();
  #spend: FleetSpend | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Watches the spend of a fleet. */
  watch(spend: FleetSpend): void {
    this.#spend = spend;
    this.check();
  }

  /** Looks at what was spent, which throws when nobody knows. */
  readonly check = (): void => {
    const spend = this.#spend;
    if (spend === undefined || this.signal.aborted) return;
    try {
      const usd = spend.usd(1);
      if (usd > budgetUsd) this.#stop(`${usd.toFixed(4)} of ${budgetUsd.toFixed(4)} USD spent`);
      if (spend.silentMs > SILENT_MS_MAX) this.#stop("the server is silent");
    } catch (error) {
      this.#stop(String(error));
    }
  };

  #stop(reason: string): void {
    this.#controller.abort(new Error(reason));
  }
}

/** A machine works, and pays for it, until it is told to stop; what it logs is shipped meanwhile. */
async function runMachine(
  log: string,
  { connection, signal }: { connection: FleetConnection; signal: AbortSignal },
): Promise<void> {
  const path = `.demo/${fleet}/${log}/audit.jsonl`;
  const shipping = { connection, fleet, log, path };
  await using audit = await AuditLog.open({ path });
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
const guard = new BudgetGuard();
const spend = await fleetSpend({ connection, fleet, onChange: guard.check });
guard.watch(spend);
const looking = setInterval(guard.check, 1_000);
const { signal } = guard;
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
