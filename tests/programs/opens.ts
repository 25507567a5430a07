/**
 * Opens the log at the path of the first argument. Prints the log's path, or the error message if opening fails.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = ""] = Deno.args;
try {
  await using log = await AuditLog.open(path);
  console.log(log.path);
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
}
