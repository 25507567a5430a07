/**
 * Runs the commands on standard input, one a line: `rotate` rotates the log, and any other line is logged as the type
 * of an event that costs 0.25 USD. Prints "done" after each command.
 *
 * @module
 */
import { TextLineStream } from "@std/streams";
import { AuditLog } from "@vivarium/scout";

const [path = ""] = Deno.args;
await using log = await AuditLog.open({ path });
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(
  new TextLineStream(),
);
for await (const line of lines) {
  if (line === "rotate") await log.rotate();
  else await log.log(line, { cost: 0.25, model: "small" });
  console.log("done");
}
