import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import {
  createFleetStream,
  FleetConflictError,
  FleetMismatchError,
  FleetServerError,
  ship,
} from "@vivarium/scout/fleet";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { shipOn } from "../../src/fleet/ship.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { NatsServer, natsTest } from "./nats_server.ts";
import { Scene, Shipper, writingWhile } from "./scene.ts";
import { shippedOf, textOfLog } from "./shipped.ts";

/** Ships the remainder of the log, and checks that the stream holds the log byte for byte. */
async function assertWhole({ connection, options, path }: Scene<NatsServer>): Promise<void> {
  const { gaps } = await ship({ ...options, once: true });
  const { text, seams } = await shippedOf(connection, "a");
  assertEquals([text === textOfLog(path), seams, gaps], [true, [], []]);
}

await natsTest(
  "ship() copies archives, sealed segments and the active file, and resumes after the last stored block",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const { path } = scene;
    await using log = await AuditLog.open({ path, rotationSizeBytes: 3_000, logger: silent });
    const once = { ...scene.options, once: true, blockBytes: 1_000 };
    assertEquals(await ship(once), { position: 0, end: 0, blocks: 0, bytes: 0, gaps: [] });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 50; n++) await log.log("nav", { n, reason: `${n}`.repeat(n) });
      await log.log("long", { reason: "y".repeat(5_000) });
      await log.flush();
      const { position, end, gaps } = await ship(once);
      const { length } = textOfLog(path);
      assertEquals([position, end, gaps], [length, length, []]);
      await assertWhole(scene);
    }
  },
);

await natsTest("ship() resumes in the middle of a line", async () => {
  await using scene = await Scene.of(NatsServer.start());
  const { path, options } = scene;
  await using log = await AuditLog.open({ path, logger: silent });
  await log.log("long", { reason: "y".repeat(9_000) });
  await log.flush();
  for (let blocks = 1; blocks <= 3; blocks++) {
    const controller = new AbortController();
    const { signal } = controller;
    const report = await ship({ ...options, signal, onProgress: () => controller.abort() });
    assertEquals([report.blocks, report.position], [1, 2_000 * blocks]);
  }
  await assertWhole(scene);
});

await natsTest(
  "ship() follows a log that is written, rotated and archived, until its signal is aborted",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const shipper = new Shipper(scene.options);
    await writingWhile(scene.path, () => shipper.stored(60));
    await shipper.stop();
    await assertWhole(scene);
  },
);

await natsTest("ship() with an interval sends all lines of the interval as one block", async () => {
  await using scene = await Scene.of(NatsServer.start());
  const { path, options } = scene;
  await using log = await AuditLog.open({ path, logger: silent });
  const write = async (n: number) => {
    await log.log("nav", { n });
    await log.flush();
  };
  await write(0);
  let waiting = Promise.withResolvers<() => void>();
  const clock: Clock = {
    ...systemClock,
    startTimer(delayMs, callback) {
      if (delayMs < 60_000) return systemClock.startTimer(delayMs, callback);
      waiting.resolve(callback);
      return { cancel() {} };
    },
  };
  const controller = new AbortController();
  const shipping = shipOn({ fileSystem: denoFileSystem, clock }, {
    ...options,
    intervalSec: 3_600,
    signal: controller.signal,
  });
  for (let block = 0; block < 3; block++) {
    // The shipper waits until its interval of an hour is over, although it has seen the new line.
    await write(1);
    const goOn = await waiting.promise;
    waiting = Promise.withResolvers();
    for (let n = 2; n < 10; n++) await write(n);
    goOn();
  }
  await write(10);
  await waiting.promise;
  controller.abort();
  const { blocks, gaps } = await shipping;
  assertEquals([blocks, gaps], [4, []]);
  await assertWhole(scene);
});

await natsTest(
  "ship() rejects when a second shipper sends the same log, and stores nothing twice",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const controller = new AbortController();
    const { signal } = controller;
    const shippers = [1, 2].map(() => ship({ ...scene.options, signal }));
    await writingWhile(scene.path, async () => {
      await assertRejects(() => Promise.race(shippers), FleetConflictError);
    });
    controller.abort();
    await Promise.allSettled(shippers);
    await assertWhole(scene);
  },
);

await natsTest(
  "ship() sends nothing if the stream holds a different log",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const { options } = scene;
    using dir = tempDir();
    const paths = ["mine", "other", "shorter"].map((name) => dir.path(`${name}/audit.jsonl`));
    const [mine = "", other = "", shorter = ""] = paths;
    for (const [path, events] of [[mine, 9], [other, 20], [shorter, 3]] as const) {
      await using log = await AuditLog.open({ path, sessionId: path });
      for (let n = 0; n < events; n++) await log.log("nav", { n });
    }
    await ship({ ...options, path: mine, once: true });
    const before = await shippedOf(scene.connection, "a");
    for (const path of [other, shorter]) {
      await assertRejects(() => ship({ ...options, path, once: true }), FleetMismatchError, path);
    }
    assertEquals(await shippedOf(scene.connection, "a"), before);
  },
);

await natsTest(
  "ship() reports exactly the bytes that were deleted before they were shipped",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const { path } = scene;
    const once = { ...scene.options, once: true };
    await using log = await AuditLog.open({ path, retention: { maxArchives: 2 }, logger: silent });
    /** Logs ten events and returns the text of the active file. */
    const fill = async (segment: number) => {
      for (let n = 0; n < 10; n++) await log.log("nav", { segment, n });
      await log.flush();
      return Deno.readTextFileSync(path);
    };
    const texts: string[] = [];
    for (let segment = 0; segment < 5; segment++) {
      texts.push(await fill(segment));
      await log.rotate();
    }
    const pruned = texts.slice(0, 3).join("").length;
    assertEquals((await ship(once)).gaps, [{ from: 0, to: pruned }]);
    const { length } = texts.join("");
    const byHand = await fill(5);
    await log.rotate();
    const archives = [...Deno.readDirSync(dirname(path))].map(({ name }) => name)
      .filter((name) => name.endsWith(".gz")).sort();
    Deno.removeSync(join(dirname(path), archives.at(-1)!));
    const last = await fill(6);
    const gap = { from: length, to: length + byHand.length };
    assertEquals((await ship(once)).gaps, [gap]);
    const { text, seams } = await shippedOf(scene.connection, "a");
    assertEquals(text, texts.slice(3).join("") + last);
    assertEquals(seams, [[0, pruned], [gap.from, gap.to]]);
  },
);

await natsTest(
  "createFleetStream() accepts an existing stream, or names the settings in which the stream differs",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const { connection } = scene;
    await createFleetStream({ connection });
    const error = await assertRejects(
      () => createFleetStream({ connection, maxAgeSec: 60, maxBytes: 5_000 }),
      FleetServerError,
      "max_bytes is -1, not 5000",
    );
    assert(error.message.includes("max_age is "), error.message);
  },
);
