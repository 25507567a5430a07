/**
 * Reads a log in every way that a reader has, and tells what it saw.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";

const [path = ""] = Deno.args;
await using reader = await AuditReader.open({ path });
console.log(JSON.stringify({
  events: (await reader.query().toArray()).length,
  last: (await reader.lastEvents(1))[0]?.event,
  spend: await reader.hourlySpend(),
  nav: (await reader.accuracyMetrics(0)).totalNav,
  passes: (await reader.gateMetrics()).passCount,
}));
