/**
 * A service that writes a log as the user with the given IDs. The program must be started as root.
 *
 * The program executes the commands on standard input, one a line: `log N` logs N events of 0.25 USD, `refuse` logs an
 * invalid event, `rotate` rotates the log, `spend` returns the spend of the last hour. After each command, it prints the result or the error as JSON.
 * At the end, it prints what the logger received.
 *
 * @module
 */
import process from "node:process";
import { TextLineStream } from "@std/streams";
import { AuditLog, type Logger } from "@vivarium/scout";

const [uid = "", gid = "", path = "", rotationSizeBytes = ""] = Deno.args;
// All modules are loaded before the user changes, because the new user may not read Deno's cache of the user who runs
// the tests.
process.setgid!(Number(gid));
process.setuid!(Number(uid));

const problems: string[] = [];
const note = (...parts: unknown[]) => void problems.push(parts.map(String).join(" "));
const logger: Logger = { debug() {}, info() {}, warn: note, error: note };
const log = await AuditLog.open({ path, rotationSizeBytes: Number(rotationSizeBytes), logger });

const COMMANDS: Readonly<Record<string, (count: number) => unknown>> = {
  log: (count) => Promise.all(Array.from({ length: count }, () => log.log("nav", { cost: 0.25 }))),
  refuse: () => log.log("nav", { cost: -1 }),
  rotate: () => log.rotate(),
  spend: () => log.hourlySpend(),
};

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(
  new TextLineStream(),
);
for await (const line of lines) {
  const [name = "", count = ""] = line.split(" ");
  try {
    const result = await COMMANDS[name]!(Number(count));
    console.log(JSON.stringify(typeof result === "number" ? result : "done"));
  } catch (error) {
    console.log(JSON.stringify(String(error)));
  }
}
await log.close();
console.log(JSON.stringify(problems));
