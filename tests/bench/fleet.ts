/**
 * A program that the benchmark measures, for fleets (machines that ship their logs to a NATS server). It ships logs to
 * real servers in blocks or as single messages, reads the events back, and measures how soon `fleetSpend()` includes an
 * event.
 *
 * @module
 */
import { headers, type RequestOptions } from "@nats-io/nats-core";
import type { NatsConnection } from "@nats-io/transport-node";
import { AuditLog } from "@vivarium/scout";
import { type FleetConnection, fleetEvents, fleetSpend, ship } from "@vivarium/scout/fleet";
import { dirname, join } from "@std/path";
import { NatsCluster, NatsServer } from "../fleet/nats_server.ts";
import { remakeStream } from "../fleet/scene.ts";
import { silent } from "../loggers.ts";
import { takeTurns, timed, type Workloads } from "./contender.ts";
import { fieldsOf } from "./event.ts";
import { median } from "./row.ts";

const FLEET = "bench";
const LOG = "log";
/** Number of messages with one event each that are in flight at a time. */
const UNDER_WAY = 1_000;

/** The servers to which logs are shipped, and a connection to them. */
interface Site {
  readonly server: NatsServer | NatsCluster;
  readonly connection: NatsConnection;
}

let site: Site | undefined;

function siteOf(): Site {
  if (site === undefined) throw new Error("Cannot run round: no server was started");
  return site;
}

/** Deletes the stream and creates it again, so that it is empty. On a cluster, waits until the stream has a leader. */
async function emptyStream({ connection, server }: Site): Promise<void> {
  const replicas = server instanceof NatsCluster ? server.servers.length : 1;
  await remakeStream({ connection, replicas });
}

async function storedBytes({ connection }: Site): Promise<number> {
  const info = await connection.request("$JS.API.STREAM.INFO.AUDIT");
  return JSON.parse(new TextDecoder().decode(info.data)).state.bytes;
}

function place(path: string) {
  return { connection: siteOf().connection, fleet: FLEET, path, once: true, logger: silent };
}

const workloads: Workloads = {
  async start({ path, servers }) {
    const parent = dirname(path);
    const server = servers === 1
      ? await NatsServer.start([], parent)
      : await NatsCluster.start(parent);
    site = { server, connection: await server.connect() };
    return {};
  },
  async stop() {
    const { server, connection } = siteOf();
    await connection.close();
    await server[Symbol.asyncDispose]();
    site = undefined;
    return {};
  },

  async ship({ path }) {
    await emptyStream(siteOf());
    let blocks = 0;
    const elapsedMs = await timed(async () => {
      blocks = (await ship({ ...place(path), log: LOG })).blocks;
    });
    return { elapsedMs, blocks, storedBytes: await storedBytes(siteOf()) };
  },
  /**
   * Ships each line as a message of its own, with many messages in flight, for comparison with the blocks of `ship`.
   */
  async shipLines({ path, events }) {
    const site = siteOf();
    await emptyStream(site);
    const lines = (await Deno.readTextFile(path)).split("\n").slice(0, events);
    const encoder = new TextEncoder();
    let next = 0;
    const publish = async () => {
      for (let n = next++; n < lines.length; n = next++) {
        const fields = headers();
        fields.set("Nats-Msg-Id", `${n}`);
        const options = { timeout: 30_000, headers: fields };
        await site.connection.request(`audit.${FLEET}.${LOG}`, encoder.encode(lines[n]), options);
      }
    };
    const elapsedMs = await timed(() => Promise.all(Array.from({ length: UNDER_WAY }, publish)));
    return { elapsedMs, storedBytes: await storedBytes(site) };
  },
  async read() {
    const { connection } = siteOf();
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of fleetEvents({ connection, fleet: FLEET })) events++;
    });
    return { elapsedMs, events };
  },

  /**
   * Measures the time until `fleetSpend()` includes an event: once from when the event is durable in the log, and once
   * from when the message that contains the event is sent.
   */
  async spend({ path, count }) {
    const { connection } = siteOf();
    await emptyStream(siteOf());
    await using log = await AuditLog.open({ path, logger: silent });
    const controller = new AbortController();
    let sentMs = NaN;
    const watched: FleetConnection = {
      info: connection.info,
      request(subject, payload, options) {
        if (subject.startsWith("audit.")) sentMs = performance.now();
        return connection.request(subject, payload, options as RequestOptions);
      },
    };
    const { signal } = controller;
    const shipping = ship({ ...place(path), connection: watched, once: false, log: LOG, signal });
    let changed = Promise.withResolvers<void>();
    await using spend = await fleetSpend({
      connection,
      fleet: FLEET,
      onChange() {
        changed.resolve();
        changed = Promise.withResolvers();
      },
    });
    const behindLog: number[] = [];
    const behindShipper: number[] = [];
    for (let n = 0; n < Number(count); n++) {
      const known = spend.usd();
      await log.log("nav", fieldsOf(n));
      await log.flush();
      const durableMs = performance.now();
      while (spend.usd() === known) await changed.promise;
      const shownMs = performance.now();
      behindLog.push(shownMs - durableMs);
      behindShipper.push(shownMs - sentMs);
    }
    controller.abort();
    await shipping;
    return { behindLogMs: median(behindLog), behindShipperMs: median(behindShipper) };
  },

  /** Ships many copies of one log at the same time, each from a separate directory, in small blocks. */
  async many({ path, count, blockBytes }) {
    const site = siteOf();
    await emptyStream(site);
    const paths = Array.from({ length: Number(count) }, (_, n) => {
      const copy = join(dirname(path), `${n}`, "audit.jsonl");
      Deno.mkdirSync(dirname(copy));
      Deno.copyFileSync(path, copy);
      return copy;
    });
    let blocks = 0;
    const elapsedMs = await timed(async () => {
      const reports = await Promise.all(
        paths.map((path, n) =>
          ship({ ...place(path), log: `log-${n}`, blockBytes: Number(blockBytes), timeoutSec: 30 })
        ),
      );
      blocks = reports.reduce((sum, report) => sum + report.blocks, 0);
    });
    for (const path of paths) Deno.removeSync(dirname(path), { recursive: true });
    const memoryBytes = site.server instanceof NatsServer ? site.server.memoryBytes() : NaN;
    return { elapsedMs, blocks, memoryBytes, storedBytes: await storedBytes(site) };
  },
};

await takeTurns(workloads);
