#!/usr/bin/env -S deno run --allow-read=.demo/shared_log --allow-write=.demo/shared_log
/**
 * An agent that shares its log with others. It is a Worker that is sent its order, or a program whose
 * arguments are the order; it writes the log in the same way in both.
 *
 *     shared_log_agent.ts DIR AGENT SESSION_ID
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { AuditLog } from "@vivarium/scout";

/** What an agent is told. */
export interface AgentOrder {
  /** Directory of the log. */
  dir: string;
  /** Name of the agent. */
  agent: string;
  /** Session that its events belong to. */
  sessionId: string;
}

const STEPS = 250;

async function work({ dir, agent, sessionId }: AgentOrder): Promise<void> {
  // Small segments, so that the writers also rotate under each other's hands.
  await using log = await AuditLog.open({
    path: `${dir}/audit.jsonl`,
    sessionId,
    rotationSizeBytes: 16_384,
  });
  for (let step = 1; step <= STEPS; step++) {
    await log.log("nav", { agent, step, model: "small", cost: 0.000_25 });
  }
}

const [dir, agent, sessionId] = Deno.args;
if (dir !== undefined && agent !== undefined && sessionId !== undefined) {
  await work({ dir, agent, sessionId });
} else {
  addEventListener("message", async (event) => {
    await work((event as MessageEvent<AgentOrder>).data);
    self.postMessage("done");
  });
}
