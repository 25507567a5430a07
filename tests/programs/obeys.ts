/**
 * Does what it reads, a line at a time: `rotate` rotates the log, and anything else is logged as an event
 * of that type that costs a quarter of a USD. Tells when it is done.
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
