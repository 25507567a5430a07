import { assert, assertEquals } from "@std/assert";
import type { MsgHdrs } from "@nats-io/nats-core";
import { AuditLog } from "@vivarium/scout";
import { gunzipSync } from "node:zlib";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import type { FleetConnection, FleetMessage } from "../../src/fleet/connection.ts";
import { fleetEventsBy } from "../../src/fleet/fleet_events.ts";
import { shipOn } from "../../src/fleet/ship.ts";
import { FleetConflictError } from "../../src/fleet/ship_options.ts";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";
import { hastyClock as clock } from "./clocks.ts";
import { textOfLog } from "./shipped.ts";
import { SimulatedStream } from "./simulated_stream.ts";

const FAULTS = { lost: 8, answerLost: 12, late: 12, stale: 10, known: 50 };
/** The stream is read several times, because a simulated server returns stale responses only rarely. */
const READINGS = 3;
/**
 * Number of times that the simulated server is asked to store a late request. There are never more late requests, so
 * afterwards none is left.
 */
const LATE_MAX = 10;
/**
 * Maximum number of requests, many times more than a correct shipper sends. If a shipper sends more, the test aborts
 * it.
 */
const REQUESTS_MAX = 5_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A planted bug, which the simulation must detect: a connection or a file system that misbehaves. */
interface Plant {
  readonly connection?: (connection: FleetConnection) => FleetConnection;
  readonly fileSystem?: FileSystem;
}

/**
 * Ships a log that grows and is rotated between any two requests, with one or two shippers that start several times.
 * Resolves with a description of the fault in the final stream, or null if the stream is correct.
 */
async function wrongWith(seed: number, plant: Plant = {}): Promise<string | null> {
  const random = new SeededRandom(seed);
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const log = await AuditLog.open({ path, logger: silent });
  let n = 0;
  const grow = async () => {
    for (let left = random.below(4); left > 0; left--) {
      await log.log("nav", { n: n++, reason: "x".repeat(random.below(120)) });
    }
    if (random.below(25) === 0) await log.rotate();
  };
  let growing = 60;
  let requests = 0;
  // The test aborts a shipper that sends requests in an endless loop. Bytes are then missing in the stream, and the
  // test fails.
  const patience = new AbortController();
  const stream = new SimulatedStream(random, FAULTS, async () => {
    if (++requests === REQUESTS_MAX) patience.abort();
    if (growing-- > 0) await grow();
  });
  const connection = plant.connection?.(stream) ?? stream;
  const platform = { fileSystem: plant.fileSystem ?? denoFileSystem, clock };
  const shipOnce = () =>
    shipOn(platform, {
      connection,
      fleet: "f",
      log: "a",
      path,
      once: true,
      blockBytes: 200 + random.below(500),
      encoding: random.below(2) === 0 ? "gzip" : "identity",
      logger: silent,
      signal: patience.signal,
    });
  const shippers = seed % 3 === 0 ? 2 : 1;
  try {
    for (let run = 0; run < 4; run++) {
      const outcomes = await Promise.allSettled(Array.from({ length: shippers }, shipOnce));
      for (const outcome of outcomes) {
        if (outcome.status === "rejected" && !(outcome.reason instanceof FleetConflictError)) {
          return String(outcome.reason);
        }
      }
      await grow();
    }
    growing = 0;
    await log.flush();
    // All late messages are stored before the last shipper starts. A late message that was stored while the last
    // shipper runs would look like the message of another running shipper.
    for (let late = 0; late < LATE_MAX; late++) stream.land();
    await shipOnce();
    for (let late = 0; late < LATE_MAX; late++) stream.land();
  } catch (error) {
    return String(error);
  } finally {
    await log.close();
  }
  const text = stream.stored.map(({ data, headers }) =>
    decoder.decode(headers.get("Scout-Encoding") === "gzip" ? gunzipSync(data) : data)
  ).join("");
  if (text !== textOfLog(path)) return `${text.length} bytes of ${textOfLog(path).length}`;
  const query = fleetEventsBy(clock, { connection: stream, fleet: "f" });
  for (let reading = 0; reading < READINGS; reading++) {
    const read = (await Array.fromAsync(query)).map((event) => event["n"]);
    const isRead = read.length === n && read.every((number, index) => number === index);
    if (!isRead || query.gaps.length > 0) return `${read.length} events of ${n}`;
  }
  return null;
}

Deno.test("ship() and fleetEvents() deliver every event once, even if responses are lost, late or stale", async () => {
  for (let seed = 1; seed <= 12; seed++) assertEquals(await wrongWith(seed), null, `seed ${seed}`);
});

/** Returns a connection that drops one header from each request. */
function without(header: string) {
  return (connection: FleetConnection): FleetConnection => ({
    request: (subject, payload, options) => {
      (options?.headers as MsgHdrs | undefined)?.delete(header);
      return connection.request(subject, payload, options);
    },
  });
}

/** Returns a connection whose responses report a duplicate as a stored block. */
function trusting(connection: FleetConnection): FleetConnection {
  return {
    async request(subject, payload, options): Promise<FleetMessage> {
      const message = await connection.request(subject, payload, options);
      if (subject.startsWith("$JS.")) return message;
      const { duplicate: _, ...answer } = JSON.parse(decoder.decode(message.data));
      return { ...message, data: encoder.encode(JSON.stringify(answer)) };
    },
  };
}

/** Returns a file handle with some of its methods replaced, in order to plant a bug. */
function withMembers(handle: FileHandle, members: Partial<FileHandle>): FileHandle {
  return new Proxy(handle, {
    get: (target, name) => {
      if (name in members) return members[name as keyof FileHandle];
      const member = target[name as keyof FileHandle];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/**
 * A planted bug: a file system on which each read opens the path again, like a shipper that does not keep its handle.
 * After a rotation, the path leads to another file.
 */
const byName: FileSystem = {
  ...denoFileSystem,
  open(path, access) {
    const handle = denoFileSystem.open(path, access);
    const reread = async (buffer: Uint8Array, position: number) => {
      const now = denoFileSystem.open(path, access);
      try {
        return await now.read(buffer, position);
      } finally {
        now.close();
      }
    };
    return withMembers(handle, { read: reread });
  },
};

const PLANTS: [what: string, plant: Plant][] = [
  ["requests without the expected last sequence", {
    connection: without("Nats-Expected-Last-Subject-Sequence"),
  }],
  ["requests without a message ID", { connection: without("Nats-Msg-Id") }],
  ["a duplicate that counts as stored", { connection: trusting }],
  ["a file that is opened again by its name at each read", { fileSystem: byName }],
];
for (const [what, plant] of PLANTS) {
  Deno.test(`The simulation detects a planted bug: ${what}`, async () => {
    for (let seed = 1; seed <= 100; seed++) if (await wrongWith(seed, plant) !== null) return;
    assert(false, "the bug was not detected");
  });
}

Deno.test("ship() reads the length of the active file under the append lock", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path, logger: silent });
    await log.log("nav", { n: 1 });
  }
  let isLocked = false;
  const asked: boolean[] = [];
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    open(opened, access) {
      const handle = denoFileSystem.open(opened, access);
      if (opened === path) {
        return withMembers(handle, {
          status() {
            asked.push(isLocked);
            return handle.status();
          },
        });
      }
      if (!opened.endsWith(".lock")) return handle;
      return withMembers(handle, {
        tryLock: () => isLocked = handle.tryLock(),
        unlock() {
          isLocked = false;
          handle.unlock();
        },
        close() {
          isLocked = false;
          handle.close();
        },
      });
    },
  };
  const connection = SimulatedStream.faultless();
  const place = { connection, fleet: "f", log: "a", path, logger: silent };
  const { blocks } = await shipOn({ fileSystem, clock }, { ...place, once: true });
  assertEquals([blocks, asked.length > 0, asked.every((isLocked) => isLocked)], [1, true, true]);
});
