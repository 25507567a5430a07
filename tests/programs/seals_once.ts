/**
 * Opens a log, logs a few events, has them sealed and archived, and closes.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = ""] = Deno.args;
await using log = await AuditLog.open({ path });
for (const n of [0, 1, 2]) await log.log("nav", { n });
await log.rotate();
