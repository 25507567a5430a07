#!/usr/bin/env -S deno run --allow-read --allow-write=.demo --allow-run
/**
 * Runs untrusted code in a process with two scoped permissions, then reads from its log which actions were
 * denied and how much the run cost.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";

const dir = ".demo/sandbox";
Deno.mkdirSync(".demo", { recursive: true });
const startMs = Date.now();
const agent = new URL("./untrusted_agent.ts", import.meta.url);
const { success } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "--no-prompt", `--allow-read=${dir}`, `--allow-write=${dir}`, agent.href, dir],
  stdout: "inherit",
  stderr: "inherit",
}).output();

await using reader = await AuditReader.open(`${dir}/audit.jsonl`);
for await (
  const { event, reason } of reader.query({ since: startMs, eventType: ["skip", "escaped"] })
) {
  console.log(event, "-", reason);
}
console.log("USD in the last hour:", await reader.hourlySpend());
if (!success) console.log("The agent failed");
