#!/usr/bin/env -S deno run --allow-read --allow-write=.demo --allow-run
/**
 * One log that several Workers and several processes write at the same time. The writers need no coordinator:
 * each writer opens the log.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import type { AgentOrder } from "./shared_log_agent.ts";

const AGENT = new URL("./shared_log_agent.ts", import.meta.url);

/** Runs an agent in a Worker of this process. */
async function runInWorker(order: AgentOrder): Promise<void> {
  const worker = new Worker(AGENT, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.onmessage = resolve;
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(order);
  await promise;
  worker.terminate();
}

/** Runs an agent as a separate process, which may access the log's directory and nothing else. */
async function runAsProcess({ dir, agent, sessionId }: AgentOrder): Promise<void> {
  const flags = ["--no-prompt", `--allow-read=${dir}`, `--allow-write=${dir}`];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, AGENT.href, dir, agent, sessionId],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${agent} failed`);
}

const dir = ".demo/shared_log";
Deno.mkdirSync(".demo", { recursive: true });
await using log = await AuditLog.open(`${dir}/audit.jsonl`);
// All agents log under one session ID, so one query finds the events of the whole run.
const sessionId = crypto.randomUUID();
await Promise.all([
  runInWorker({ dir, agent: "worker 1", sessionId }),
  runInWorker({ dir, agent: "worker 2", sessionId }),
  runAsProcess({ dir, agent: "process 1", sessionId }),
  runAsProcess({ dir, agent: "process 2", sessionId }),
]);

const steps = new Map<unknown, unknown[]>();
for await (const { agent, step } of log.query({ sessionId })) {
  steps.set(agent, [...steps.get(agent) ?? [], step]);
}
for (const [agent, taken] of [...steps].sort()) {
  const inOrder = taken.every((step, index) => step === index + 1);
  console.log(`${agent}: ${taken.length} events, ${inOrder ? "in" : "out of"} order`);
}
console.log("USD in the last hour:", await log.hourlySpend());
