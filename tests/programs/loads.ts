/**
 * Does one thing, then prints the URLs of the modules that were loaded for it, as the last line of standard output. Needs
 * `--allow-sys`.
 *
 *     loads.ts import
 *     loads.ts log PATH
 *     loads.ts scout COMMAND ...
 *
 * @module
 */
import { type Debugger, Session } from "node:inspector";

const loaded: string[] = [];
const session = new Session();
session.connect();
session.on(
  "Debugger.scriptParsed",
  ({ params }: { params: Debugger.ScriptParsedEventDataType }) => {
    loaded.push(params.url);
  },
);
session.post("Debugger.enable");
// The events arrive after a turn of the event loop. The modules of this program are left out.
await turn();
loaded.length = 0;
// The inspector has loaded node:process. So its first use by another module is recorded here.
const { process } = globalThis;
Object.defineProperty(globalThis, "process", {
  configurable: true,
  get() {
    loaded.push("ext:deno_node/process.ts");
    return process;
  },
});

const [action, ...args] = Deno.args;
if (action === "import") {
  await import("../../mod.ts");
} else if (action === "log") {
  const { AuditLog } = await import("../../mod.ts");
  const log = await AuditLog.open(args[0]!);
  await log.log("nav", { cost: 0.002 });
  await log.close();
} else {
  const { main } = await import("../../src/cli/main.ts");
  await main(args);
}
await turn();
console.log(`\n${JSON.stringify(loaded)}`);

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
