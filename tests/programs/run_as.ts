/**
 * Runs a `scout` command as the user with the given IDs. The program must be started as root.
 *
 * @module
 */
import process from "node:process";
import { loadCommands } from "../../src/cli/commands.ts";
import { main } from "../../src/cli/main.ts";

const [uid = "", gid = "", ...args] = Deno.args;
// All modules are loaded before the user changes, because the new user may not read Deno's cache of the user who runs
// the tests.
await loadCommands();
await import("../../src/audit_log.ts");
await import("../../src/fields/schema.ts");
process.setgid!(Number(gid));
process.setuid!(Number(uid));
Deno.exit(await main(args));
