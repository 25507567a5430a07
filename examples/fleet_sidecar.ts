#!/usr/bin/env -S deno run --allow-read=.demo/machine-1 --allow-net=127.0.0.1:4222
/**
 * Ships the log of a machine, beside whatever writes it, with two scoped permissions: it may read the
 * directory of the log, and reach one server. Ctrl-C, or SIGTERM as a container gets it, ends it when what
 * was written last is shipped too.
 *
 *     fleet_sidecar.ts [log] [path] [server]
 *
 * @module
 */
import { connect } from "@nats-io/transport-node";
import { ship } from "@vivarium/scout/fleet";

const [log = "machine-1", path = ".demo/machine-1/audit.jsonl", servers = "127.0.0.1:4222"] =
  Deno.args;
/** How long what was written last may take. */
const FAREWELL_MS = 10_000;

const stop = new AbortController();
const signals = Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const;
for (const signal of signals) Deno.addSignalListener(signal, () => stop.abort());

// A server that is away is waited for: the log is the buffer.
const connection = await connect({ servers, maxReconnectAttempts: -1 });
const shipping = { connection, fleet: "mine", log, path };
console.log("shipping", path);
await ship({ ...shipping, signal: stop.signal });
const signal = AbortSignal.timeout(FAREWELL_MS);
const { position, end, gaps } = await ship({ ...shipping, once: true, signal });
console.log(`shipped ${position} of ${end} bytes, ${gaps.length} gaps`);
await connection.close();
Deno.exit(position === end && gaps.length === 0 ? 0 : 1);
