/**
 * Logs 25 events one by one, rotates, logs one more event, and closes the log. Prints, as JSON, the number of
 * acknowledged events, the warnings and errors that the logger received, and the error that ended the program early, if
 * any.
 *
 * @module
 */
import { AuditLog, type Logger } from "@vivarium/scout";

const [path = ""] = Deno.args;
const told: string[] = [];
const note = (...parts: unknown[]) => void told.push(parts.map(String).join(" "));
const logger: Logger = { debug() {}, info() {}, warn: note, error: note };
let acknowledged = 0;
let failure: string | null = null;
try {
  await using log = await AuditLog.open({ path, logger });
  for (let n = 0; n < 25; n++) {
    await log.log("nav", { n });
    acknowledged++;
  }
  await log.rotate();
  await log.log("nav", { n: 25 });
  acknowledged++;
} catch (error) {
  failure = `${error}`;
}
console.log(JSON.stringify({ acknowledged, told, failure }));
