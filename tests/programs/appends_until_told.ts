/**
 * Logs numbered events until its standard input ends, and tells each that was acknowledged.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = "", by = "", rotationSizeBytes = ""] = Deno.args;
const encoder = new TextEncoder();
let isTold = false;
Deno.stdin.readable.pipeTo(new WritableStream()).then(() => isTold = true);

await using log = await AuditLog.open({
  path,
  rotationSizeBytes: Number(rotationSizeBytes),
  lockTimeoutSec: 60,
});
for (let n = 0; !isTold; n++) {
  await log.log("nav", { by, n });
  Deno.stdout.writeSync(encoder.encode(`${n}\n`));
}
