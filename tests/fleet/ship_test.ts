import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import {
  createFleetStream,
  FleetServerError,
  type FleetStreamOptions,
} from "../../src/fleet/fleet_stream.ts";
import { FleetConflictError, FleetMismatchError, ship } from "../../src/fleet/ship.ts";
import { silent } from "../loggers.ts";
import { programArgs } from "../run_program.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";
import { NatsCluster, NatsServer, natsTest } from "./nats_server.ts";
import { shippedOf, textOfLog } from "./shipped.ts";

const SHIPS = fromFileUrl(new URL("../programs/ships.ts", import.meta.url));

/** A log that goes on being written and rotated, as long as somebody works. */
async function writingWhile(path: string, work: () => Promise<void>): Promise<void> {
  await using log = await AuditLog.open({ path, rotationSizeBytes: 20_000, logger: silent });
  let isOver = false;
  const writing = (async () => {
    for (let n = 0; !isOver; n++) {
      await log.log("nav", { n, reason: "x".repeat(n % 300) });
      if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await writing;
  }
}

/** A shipper in a process of its own. */
function shipper(server: NatsServer, path: string, log: string): Deno.ChildProcess {
  const { url, port } = server;
  const args = programArgs(SHIPS, {
    dir: "",
    args: [url, path, log],
    flags: [
      `--allow-read=${path.slice(0, path.lastIndexOf("/"))}`,
      `--allow-net=127.0.0.1:${port}`,
    ],
  });
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
}

/** Makes the stream as soon as the cluster has elected who makes it. */
async function createdInTime(options: FleetStreamOptions): Promise<void> {
  while (true) {
    try {
      return await createFleetStream(options);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

natsTest(
  "ship() copies archives, sealed segments and the active file, and goes on where it was",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using server = await NatsServer.start();
    const connection = await server.connect();
    await createFleetStream({ connection });
    await using log = await AuditLog.open({ path, rotationSizeBytes: 3_000, logger: silent });
    const shipped = { connection, fleet: "f", log: "a", path, once: true, blockBytes: 1_000 };
    assertEquals(await ship(shipped), { position: 0, end: 0, blocks: 0, bytes: 0, gaps: [] });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 50; n++) await log.log("nav", { n, reason: `${n}`.repeat(n) });
      await log.log("long", { reason: "y".repeat(5_000) });
      await log.flush();
      const report = await ship(shipped);
      const text = textOfLog(path);
      assertEquals([report.position, report.end, report.gaps], [text.length, text.length, []]);
      const { seams, ...back } = await shippedOf(connection, "a");
      assertEquals([back.text, seams], [text, []]);
    }
    await connection.close();
  },
);

natsTest(
  "ship() follows a log that is written, rotated and archived, until its signal",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using server = await NatsServer.start();
    const connection = await server.connect();
    await createFleetStream({ connection });
    const controller = new AbortController();
    let blocks = 0;
    const enough = Promise.withResolvers<void>();
    const shipping = ship({
      connection,
      fleet: "f",
      log: "a",
      path,
      blockBytes: 4_000,
      signal: controller.signal,
      onProgress: () => ++blocks === 60 && enough.resolve(),
    });
    await writingWhile(path, () => enough.promise);
    controller.abort();
    const { gaps } = await shipping;
    assertEquals(gaps, []);
    await ship({ connection, fleet: "f", log: "a", path, once: true });
    const { text, seams } = await shippedOf(connection, "a");
    assertEquals([text === textOfLog(path), seams], [true, []]);
    await connection.close();
  },
);

natsTest(
  "ship() is exactly once however often the shipper is killed beside the writer",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using server = await NatsServer.start();
    const connection = await server.connect();
    await createFleetStream({ connection });
    const random = new SeededRandom(7);
    await writingWhile(path, async () => {
      for (let kill = 0; kill < 12; kill++) {
        const process = shipper(server, path, "a");
        const told = process.stdout.getReader();
        for (let blocks = random.below(6); blocks >= 0; blocks--) await told.read();
        process.kill("SIGKILL");
        await told.cancel();
        await process.status;
      }
    });
    await ship({ connection, fleet: "f", log: "a", path, once: true });
    const { text, seams } = await shippedOf(connection, "a");
    assertEquals([text === textOfLog(path), seams], [true, []]);
    await connection.close();
  },
);

natsTest("ship() is exactly once however often the server is killed", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using server = await NatsServer.start();
  const connection = await server.connect();
  await createFleetStream({ connection });
  const controller = new AbortController();
  let told = Promise.withResolvers<void>();
  const shipping = ship({
    connection,
    fleet: "f",
    log: "a",
    path,
    blockBytes: 2_000,
    timeoutSec: 1,
    logger: silent,
    signal: controller.signal,
    onProgress: () => told.resolve(),
  });
  await writingWhile(path, async () => {
    for (let kill = 0; kill < 8; kill++) {
      told = Promise.withResolvers<void>();
      await told.promise;
      await server.kill();
      await server.restart();
    }
  });
  controller.abort();
  await shipping;
  await ship({ connection, fleet: "f", log: "a", path, once: true });
  const { text, seams } = await shippedOf(connection, "a");
  assertEquals([text === textOfLog(path), seams], [true, []]);
  await connection.close();
});

natsTest("ship() is exactly once in a cluster whose leader is killed again and again", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using cluster = await NatsCluster.start();
  const connection = await cluster.connect();
  await createdInTime({ connection, replicas: 3 });
  const controller = new AbortController();
  let told = Promise.withResolvers<void>();
  const shipping = ship({
    connection,
    fleet: "f",
    log: "a",
    path,
    blockBytes: 2_000,
    timeoutSec: 1,
    logger: silent,
    signal: controller.signal,
    onProgress: () => told.resolve(),
  });
  await writingWhile(path, async () => {
    for (let kill = 0; kill < 3; kill++) {
      told = Promise.withResolvers<void>();
      await told.promise;
      await cluster.killLeader(connection, "AUDIT");
    }
  });
  controller.abort();
  await shipping;
  await ship({ connection, fleet: "f", log: "a", path, once: true, logger: silent });
  const { text, seams } = await shippedOf(connection, "a");
  assertEquals([text === textOfLog(path), seams], [true, []]);
  await connection.close();
});

natsTest("ship() ends where a second one ships the same log, and nothing is doubled", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using server = await NatsServer.start();
  const connection = await server.connect();
  await createFleetStream({ connection });
  const controller = new AbortController();
  const options = { connection, fleet: "f", log: "a", path, blockBytes: 1_000, logger: silent };
  const shippers = [1, 2].map(() => ship({ ...options, signal: controller.signal }));
  await writingWhile(path, async () => {
    const error = await Promise.race(shippers).then(() => undefined, (error) => error);
    assert(error instanceof FleetConflictError, String(error));
  });
  controller.abort();
  await Promise.allSettled(shippers);
  await ship({ ...options, once: true });
  const { text, seams } = await shippedOf(connection, "a");
  assertEquals([text === textOfLog(path), seams], [true, []]);
  await connection.close();
});

natsTest("ship() sends again what a stream that was made anew does not hold", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using server = await NatsServer.start();
  const connection = await server.connect();
  await createFleetStream({ connection });
  const controller = new AbortController();
  const options = { connection, fleet: "f", log: "a", path, blockBytes: 1_000, logger: silent };
  let told = Promise.withResolvers<void>();
  const shipping = ship({
    ...options,
    timeoutSec: 1,
    signal: controller.signal,
    onProgress: () => told.resolve(),
  });
  await writingWhile(path, async () => {
    await told.promise;
    await connection.request("$JS.API.STREAM.DELETE.AUDIT");
    await createFleetStream({ connection });
    told = Promise.withResolvers<void>();
    await told.promise;
  });
  controller.abort();
  await shipping;
  await ship({ ...options, once: true });
  const { text, seams } = await shippedOf(connection, "a");
  assertEquals([text === textOfLog(path), seams], [true, []]);
  await connection.close();
});

natsTest("ship() waits while the stream is full, and goes on when it has grown", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using server = await NatsServer.start();
  const connection = await server.connect();
  await createFleetStream({ connection, maxBytes: 20_000 });
  await using log = await AuditLog.open({ path, logger: silent });
  for (let n = 0; n < 500; n++) log.log("nav", { n });
  await log.flush();
  const full = Promise.withResolvers<void>();
  const shipping = ship({
    connection,
    fleet: "f",
    log: "a",
    path,
    once: true,
    blockBytes: 2_000,
    logger: { ...silent, warn: () => full.resolve() },
  });
  await full.promise;
  const { config } = JSON.parse(
    new TextDecoder().decode((await connection.request("$JS.API.STREAM.INFO.AUDIT")).data),
  );
  await connection.request(
    "$JS.API.STREAM.UPDATE.AUDIT",
    JSON.stringify({ ...config, max_bytes: 1_000_000 }),
  );
  await shipping;
  const { text, seams } = await shippedOf(connection, "a");
  assertEquals([text, seams], [textOfLog(path), []]);
  await connection.close();
});

natsTest("ship() sends nothing of a log that is another one than the stream holds", async () => {
  using dir = tempDir();
  await using server = await NatsServer.start();
  const connection = await server.connect();
  await createFleetStream({ connection });
  const options = { connection, fleet: "f", log: "a", once: true, logger: silent };
  const paths = ["mine", "other", "shorter"].map((name) => dir.path(`${name}/audit.jsonl`));
  const [mine = "", other = "", shorter = ""] = paths;
  for (const [path, events] of [[mine, 9], [other, 20], [shorter, 3]] as const) {
    await using log = await AuditLog.open({ path, sessionId: path });
    for (let n = 0; n < events; n++) await log.log("nav", { n });
  }
  await ship({ ...options, path: mine });
  const before = await shippedOf(connection, "a");
  for (const path of [other, shorter]) {
    await assertRejects(() => ship({ ...options, path }), FleetMismatchError, path);
  }
  assertEquals(await shippedOf(connection, "a"), before);
  await connection.close();
});

natsTest(
  "ship() tells exactly what was gone before it was shipped, by retention or by hand",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using server = await NatsServer.start();
    const connection = await server.connect();
    await createFleetStream({ connection });
    const options = { connection, fleet: "f", log: "a", path, once: true, logger: silent };
    let all = "";
    await using log = await AuditLog.open({ path, retention: { archivesMax: 2 }, logger: silent });
    const segments: number[] = [];
    for (let segment = 0; segment < 5; segment++) {
      for (let n = 0; n < 10; n++) await log.log("nav", { segment, n });
      await log.flush();
      const text = Deno.readTextFileSync(path);
      all += text;
      segments.push(text.length);
      await log.rotate();
    }
    const pruned = segments[0]! + segments[1]! + segments[2]!;
    assertEquals((await ship(options)).gaps, [{ from: 0, to: pruned }]);
    for (let n = 0; n < 10; n++) await log.log("nav", { n });
    await log.flush();
    const byHand = Deno.readTextFileSync(path);
    await log.rotate();
    const archives = [...Deno.readDirSync(dir.path(""))].map(({ name }) => name)
      .filter((name) => name.endsWith(".gz")).sort();
    Deno.removeSync(dir.path(archives.at(-1)!));
    await log.log("last");
    await log.flush();
    const last = Deno.readTextFileSync(path);
    const gap = { from: all.length, to: all.length + byHand.length };
    assertEquals((await ship(options)).gaps, [gap]);
    const { text, seams } = await shippedOf(connection, "a");
    assertEquals(text, all.slice(pruned) + last);
    assertEquals(seams, [[0, pruned], [gap.from, gap.to]]);
    await connection.close();
  },
);

natsTest(
  "createFleetStream() can be called again, and names the settings of a stream that differs",
  async () => {
    await using server = await NatsServer.start();
    const connection = await server.connect();
    await createFleetStream({ connection });
    await createFleetStream({ connection });
    const error = await assertRejects(
      () => createFleetStream({ connection, maxAgeSec: 60, maxBytes: 5_000 }),
      FleetServerError,
      "max_bytes is -1, not 5000",
    );
    assert(error.message.includes("max_age is "), error.message);
    await connection.close();
  },
);
