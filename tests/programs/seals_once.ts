/**
 * Opens a log, logs three events, rotates (which closes the active file and compresses it into an archive), and closes
 * the log.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = ""] = Deno.args;
await using log = await AuditLog.open({ path });
for (const n of [0, 1, 2]) await log.log("nav", { n });
await log.rotate();
