/**
 * Logs numbered events until its standard input ends, and prints the number of each acknowledged event.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = "", by = "", rotationSizeBytes = ""] = Deno.args;
const encoder = new TextEncoder();
let isEnding = false;
Deno.stdin.readable.pipeTo(new WritableStream()).then(() => isEnding = true);

await using log = await AuditLog.open({
  path,
  rotationSizeBytes: Number(rotationSizeBytes),
  lockTimeoutSec: 60,
});
for (let n = 0; !isEnding; n++) {
  await log.log("nav", { by, n });
  Deno.stdout.writeSync(encoder.encode(`${n}\n`));
}
