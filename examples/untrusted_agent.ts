#!/usr/bin/env -S deno run --allow-read=.demo/sandbox --allow-write=.demo/sandbox
/**
 * An agent whose code you have not reviewed. The agent has permission for its log's directory only, tries other
 * actions and logs whether they were denied. `sandbox.ts` runs this program.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [dir = ".demo/sandbox"] = Deno.args;
await using log = await AuditLog.open(`${dir}/audit.jsonl`);

/** Tries an action without permission, and logs whether the action was denied or succeeded. */
async function attempt(what: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
    await log.log("escaped", { reason: what });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    await log.log("skip", { reason: `${what}: denied` });
  }
}

await log.log("nav", { cost: 0.002, model: "small" });
await attempt("read a password file", () => Deno.readTextFile("/etc/passwd"));
await attempt("call home", () => fetch("https://example.com"));
await attempt("run a program", () => new Deno.Command("sh").output());
await attempt("read the environment", () => Promise.try(() => Deno.env.toObject()));
await log.log("nav", { cost: 0.003, model: "small" });
