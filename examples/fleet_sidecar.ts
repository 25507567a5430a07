#!/usr/bin/env -S deno run --allow-read=.demo/machine-1 --allow-net=127.0.0.1:4222
/**
 * Ships a machine's log while other programs write the log. Two scoped permissions are enough: read the log's
 * directory, and connect to one server. After Ctrl-C, or the SIGTERM that a container receives, the shipper
 * ships the remaining lines and ends. The exit code is 1 if lines are still missing in the stream.
 *
 *     examples/fleet_sidecar.ts [log] [path] [server]
 *
 * @module
 */
import { connect } from "@nats-io/transport-node";
import { ship } from "@vivarium/scout/fleet";

const [log = "machine-1", path = ".demo/machine-1/audit.jsonl", servers = "127.0.0.1:4222"] =
  Deno.args;
/** Maximum time in milliseconds for shipping the remaining lines after a signal to stop. */
const FAREWELL_MS = 10_000;

const stop = new AbortController();
const signals = Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const;
for (const signal of signals) Deno.addSignalListener(signal, () => stop.abort());

// While the server is unreachable, the client keeps trying to reconnect. The log serves as the buffer.
const connection = await connect({ servers, maxReconnectAttempts: -1 });
const shipping = { connection, fleet: "mine", log, path };
console.log("shipping", path);
await ship({ ...shipping, signal: stop.signal });
const signal = AbortSignal.timeout(FAREWELL_MS);
const { position, end, gaps } = await ship({ ...shipping, once: true, signal });
console.log(`shipped ${position} of ${end} bytes, ${gaps.length} gaps`);
await connection.close();
Deno.exit(position === end && gaps.length === 0 ? 0 : 1);
