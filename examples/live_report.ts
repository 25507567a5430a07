#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * Agents at work, and a web page that shows their spend live.
 *
 *     examples/live_report.ts [port]
 *
 * @module
 */
import { AuditLog, type AuditLogger, AuditReader } from "@vivarium/scout";
import { serveReport } from "@vivarium/scout/report";

const AGENTS = ["scout", "mapper", "critic"];
const [port = "8788"] = Deno.args;
const path = ".demo/live_report/audit.jsonl";
const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());

/** Logs a paid call about four times a second until Ctrl-C. */
async function work(log: AuditLogger): Promise<void> {
  while (!stop.signal.aborted) {
    const model = Math.random() < 0.2 ? "large" : "small";
    const input_t = Math.ceil(4_000 * Math.random());
    await log.log("nav", { model, input_t, cost: input_t / 1e6 });
    if (Math.random() < 0.1) await log.log("validation_fail", { reason: "no such file" });
    await new Promise((resolve) => setTimeout(resolve, 500 * Math.random()));
  }
}

await using log = await AuditLog.open(path);
await using reader = await AuditReader.open(path);
await using server = serveReport(reader, {
  title: "Agents at work",
  budgetPerHour: 20,
  port: Number(port),
  signal: stop.signal,
});
console.log(`${server.url} until Ctrl-C`);
await Promise.all([...AGENTS.map((agent) => work(log.child({ agent }))), server.finished]);
