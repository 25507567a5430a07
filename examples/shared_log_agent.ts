#!/usr/bin/env -S deno run --allow-read=.demo/shared_log --allow-write=.demo/shared_log
/**
 * An agent that shares its log with other agents. The agent runs as a Worker, which receives its order as a
 * message, or as a program, which receives its order as arguments. Both write the log in the same way.
 *
 *     examples/shared_log_agent.ts DIR AGENT SESSION_ID
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { AuditLog } from "@vivarium/scout";

/** The order that an agent carries out. */
export interface AgentOrder {
  /** Directory of the log. */
  dir: string;
  /** Name of the agent, logged with each event. */
  agent: string;
  /** ID of the session that the agent's events belong to. */
  sessionId: string;
}

const STEPS = 250;

async function work({ dir, agent, sessionId }: AgentOrder): Promise<void> {
  // This size limit is small, so that the log also starts a new file (rotates) while the other agents write.
  await using log = await AuditLog.open({
    path: `${dir}/audit.jsonl`,
    sessionId,
    rotationSizeBytes: 16_384,
  });
  const logger = log.child({ agent, model: "small" });
  for (let step = 1; step <= STEPS; step++) {
    await logger.log("nav", { step, cost: 0.000_25 });
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
