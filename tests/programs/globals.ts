/**
 * Prints the names of the global objects that change when a log is opened and used, as JSON.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = ""] = Deno.args;
const before = Object.getOwnPropertyNames(globalThis)
  .map((name) => [name, Reflect.get(globalThis, name)] as const);

{
  await using log = await AuditLog.open(path);
  await log.log("nav");
}
console.log(JSON.stringify(
  before.filter(([name, value]) => !Object.is(Reflect.get(globalThis, name), value))
    .map(([name]) => name),
));
