/**
 * Logs `count` events with ascending numbers. Awaits every seventh call.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = "", by = "", count = ""] = Deno.args;
await using log = await AuditLog.open({ path });
for (let n = 0; n < Number(count); n++) {
  const logged = log.log("nav", { by, n, text: "é".repeat(n % 300) });
  if (n % 7 === 0) await logged;
}
