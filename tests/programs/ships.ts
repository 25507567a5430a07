/**
 * Ships a log until it is killed, or with "once" until all of it is shipped. Prints the position after each block.
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
