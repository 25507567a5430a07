#!/usr/bin/env -S deno run --allow-read --allow-write=.demo --allow-run
/**
 * Kills an agent in the middle of a tool call, then reads from its log what it was doing. `scout inflight` shows the
 * same.
 *
 * @module
 */
import { emptyDir } from "@std/fs";
import { AuditLog, AuditReader } from "@vivarium/scout";

const DIR = ".demo/killed_agent";
const PATH = `${DIR}/audit.jsonl`;

/** The agent: works on a task, and waits for a tool that never answers. */
async function work(): Promise<never> {
  const log = await AuditLog.open(PATH);
  const turn = await log.child({ agent: "mapper" }).begin("turn", { task: "rename parse()" });
  {
    await using read = await turn.begin("tool_call", { tool: "read", file: "src/parse.ts" });
    await read.end({ lines: 120 });
  }
  await turn.begin("tool_call", { tool: "run_tests", suite: "parser" });
  console.log("waiting");
  while (true) await new Promise((resolve) => setTimeout(resolve, 60_000));
}

/** Runs the agent as a separate process, and kills it while it waits. */
async function runAndKill(): Promise<void> {
  const flags = ["--no-prompt", `--allow-read=${DIR}`, `--allow-write=${DIR}`];
  await using agent = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, import.meta.url, "agent"],
    stdout: "piped",
  }).spawn();
  const stdout = agent.stdout.getReader();
  await stdout.read();
  agent.kill("SIGKILL");
  await stdout.cancel();
}

if (Deno.args[0] === "agent") await work();
await emptyDir(DIR);
await runAndKill();
await using reader = await AuditReader.open(PATH);
console.log("The agent was killed. These calls have no end:");
for await (const { event, fields } of reader.unfinished()) console.log(event, fields);
console.log(`List them: deno run --allow-read src/cli/main.ts inflight ${DIR}`);
