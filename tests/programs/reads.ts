/**
 * Reads a log with every method of a reader, and prints the results as JSON.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";

const [path = ""] = Deno.args;
await using reader = await AuditReader.open({ path });
let followed: string | undefined;
for await (const { event } of reader.follow({ since: 0 })) {
  followed = event;
  break;
}
console.log(JSON.stringify({
  followed,
  events: (await reader.query().toArray()).length,
  last: (await reader.lastEvents(1))[0]?.event,
  spend: await reader.hourlySpend(),
  nav: (await reader.accuracyMetrics(0)).totalNav,
  passes: (await reader.gateMetrics()).passCount,
}));
