/**
 * A program that opens a log, logs one event, and closes the log.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { fieldsOf } from "../event.ts";

const log = await AuditLog.open(Deno.args[0]!);
await log.log("nav", fieldsOf(0));
await log.close();
