/**
 * Opens a log, logs three events, rotates (which seals and archives them), and closes the log.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = ""] = Deno.args;
await using log = await AuditLog.open({ path });
for (const n of [0, 1, 2]) await log.log("nav", { n });
await log.rotate();
