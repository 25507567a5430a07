/**
 * Ships a log until the process is killed, or with "once" until the whole log is shipped. After each block, prints the
 * position in the log up to which it is shipped.
 *
 * @module
 */
import { connect } from "@nats-io/transport-node";
import { ship } from "../../src/fleet/ship.ts";

const [servers = "", path = "", log = "", mode = ""] = Deno.args;
const connection = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
const encoder = new TextEncoder();
const report = await ship({
  connection,
  fleet: "f",
  log,
  path,
  once: mode === "once",
  blockBytes: 4_000,
  timeoutSec: 1,
  onProgress: ({ position }) => Deno.stdout.writeSync(encoder.encode(`${position}\n`)),
});
console.log(JSON.stringify(report));
await connection.close();
