#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * The essentials in twenty lines: open a log, log events, query the newest, and sum their costs.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [dir = ".demo/basic"] = Deno.args;
await using log = await AuditLog.open(`${dir}/audit.jsonl`);

await log.log("nav", { cost: 0.0021, model: "small", input_t: 812, output_t: 40 });
await log.log("brief", { cost: 0.0105, model: "large", files: ["src/a.ts"], duration_ms: 930 });
await log.log("validation_fail", { reason: "no such file" });

for await (const { ts, event, cost } of log.query({ order: "desc", limit: 3 })) {
  console.log(ts, event, cost ?? "-");
}
console.log("USD in the last hour:", await log.hourlySpend());
