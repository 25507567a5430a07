/**
 * Opens a log by a relative path, changes the working directory to the first argument, and continues to log.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [elsewhere = ""] = Deno.args;
await using log = await AuditLog.open({ path: "a.jsonl" });
Deno.chdir(elsewhere);
await log.log("nav", { n: 0 });
await log.rotate();
await log.log("nav", { n: 1 });
