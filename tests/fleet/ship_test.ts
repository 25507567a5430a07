import type { NatsConnection } from "@nats-io/transport-node";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import {
  createFleetStream,
  FleetConflictError,
  FleetMismatchError,
  FleetServerError,
  type FleetStreamOptions,
  ship,
} from "@vivarium/scout/fleet";
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
function shippingProcess(server: NatsServer, path: string): Deno.ChildProcess {
  const { url, port } = server;
  const args = programArgs(SHIPS, {
    dir: "",
    args: [url, path, "a"],
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

/** A server or a cluster with the stream of a fleet, and the place of a log that is shipped to it. */
class Scene<Server extends NatsServer | NatsCluster> implements AsyncDisposable {
  readonly server: Server;
  readonly connection: NatsConnection;
  readonly path: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    stack: AsyncDisposableStack,
    { server, connection }: { server: Server; connection: NatsConnection },
  ) {
    this.#stack = stack;
    this.server = server;
    this.connection = connection;
    this.path = stack.use(tempDir()).path("audit.jsonl");
  }

  static async of<Server extends NatsServer | NatsCluster>(
    starting: Promise<Server>,
    settings: Omit<FleetStreamOptions, "connection"> = {},
  ): Promise<Scene<Server>> {
    const stack = new AsyncDisposableStack();
    const server = stack.use(await starting);
    const connection = await server.connect();
    stack.defer(() => connection.close());
    await createdInTime({ connection, ...settings });
    return new Scene(stack, { server, connection });
  }

  /** What to ship. */
  get options() {
    const { connection, path } = this;
    const place = { connection, path, fleet: "f", log: "a" };
    return { ...place, blockBytes: 2_000, timeoutSec: 1, logger: silent };
  }

  /** Ships what is left, and checks that the stream holds the log byte by byte. */
  async assertWhole(): Promise<void> {
    const { gaps } = await ship({ ...this.options, once: true });
    const { text, seams } = await shippedOf(this.connection, "a");
    assertEquals([text === textOfLog(this.path), seams, gaps], [true, [], []]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** A shipper that goes on until it is told to stop. */
class Shipper {
  readonly #controller = new AbortController();
  readonly #shipping: ReturnType<typeof ship>;
  #told = Promise.withResolvers<void>();

  constructor(options: Scene<NatsServer>["options"]) {
    const { signal } = this.#controller;
    this.#shipping = ship({ ...options, signal, onProgress: () => this.#told.resolve() });
  }

  /** Resolves when so many more blocks were stored. */
  async stored(blocks = 1): Promise<void> {
    for (let left = blocks; left > 0; left--) {
      this.#told = Promise.withResolvers();
      await this.#told.promise;
    }
  }

  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#shipping;
  }
}

natsTest(
  "ship() copies archives, sealed segments and the active file, and goes on where it was",
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
      await scene.assertWhole();
    }
  },
);

natsTest(
  "ship() follows a log that is written, rotated and archived, until its signal",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const shipper = new Shipper(scene.options);
    await writingWhile(scene.path, () => shipper.stored(60));
    await shipper.stop();
    await scene.assertWhole();
  },
);

natsTest(
  "ship() is exactly once however often the shipper is killed beside the writer",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const random = new SeededRandom(7);
    await writingWhile(scene.path, async () => {
      for (let kill = 0; kill < 12; kill++) {
        const process = shippingProcess(scene.server, scene.path);
        const told = process.stdout.getReader();
        for (let blocks = random.below(6); blocks >= 0; blocks--) await told.read();
        process.kill("SIGKILL");
        await told.cancel();
        await process.status;
      }
    });
    await scene.assertWhole();
  },
);

natsTest("ship() is exactly once however often the server is killed", async () => {
  await using scene = await Scene.of(NatsServer.start());
  const shipper = new Shipper(scene.options);
  await writingWhile(scene.path, async () => {
    for (let kill = 0; kill < 8; kill++) {
      await shipper.stored();
      await scene.server.kill();
      await scene.server.restart();
    }
  });
  await shipper.stop();
  await scene.assertWhole();
});

natsTest("ship() is exactly once in a cluster whose leader is killed again and again", async () => {
  await using scene = await Scene.of(NatsCluster.start(), { replicas: 3 });
  const shipper = new Shipper(scene.options);
  await writingWhile(scene.path, async () => {
    for (let kill = 0; kill < 3; kill++) {
      await shipper.stored();
      await scene.server.killLeader(scene.connection, "AUDIT");
    }
  });
  await shipper.stop();
  await scene.assertWhole();
});

natsTest("ship() ends where a second one ships the same log, and nothing is doubled", async () => {
  await using scene = await Scene.of(NatsServer.start());
  const controller = new AbortController();
  const { signal } = controller;
  const shippers = [1, 2].map(() => ship({ ...scene.options, signal }));
  await writingWhile(scene.path, async () => {
    await assertRejects(() => Promise.race(shippers), FleetConflictError);
  });
  controller.abort();
  await Promise.allSettled(shippers);
  await scene.assertWhole();
});

natsTest("ship() sends again what a stream that was made anew does not hold", async () => {
  await using scene = await Scene.of(NatsServer.start());
  const { connection } = scene;
  const shipper = new Shipper(scene.options);
  await writingWhile(scene.path, async () => {
    await shipper.stored();
    await connection.request("$JS.API.STREAM.DELETE.AUDIT");
    await createFleetStream({ connection });
    await shipper.stored();
  });
  await shipper.stop();
  await scene.assertWhole();
});

natsTest(
  "ship() sends again what a stream that was put back to an older copy does not hold",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const { server } = scene;
    const shipper = new Shipper(scene.options);
    await writingWhile(scene.path, async () => {
      await shipper.stored(5);
      await server.kill();
      server.saveStore();
      await server.restart();
      await shipper.stored(5);
      await server.kill();
      server.restoreStore();
      await server.restart();
      await shipper.stored(5);
    });
    await shipper.stop();
    await scene.assertWhole();
  },
);

natsTest("ship() waits while the stream is full, and goes on when it has grown", async () => {
  await using scene = await Scene.of(NatsServer.start(), { maxBytes: 20_000 });
  const { connection, path } = scene;
  await using log = await AuditLog.open({ path, logger: silent });
  for (let n = 0; n < 500; n++) log.log("nav", { n });
  await log.flush();
  const full = Promise.withResolvers<void>();
  const logger = { ...silent, warn: () => full.resolve() };
  const shipping = ship({ ...scene.options, encoding: "identity", once: true, logger });
  await full.promise;
  const info = await connection.request("$JS.API.STREAM.INFO.AUDIT");
  const { config } = JSON.parse(new TextDecoder().decode(info.data));
  const grown = JSON.stringify({ ...config, max_bytes: 1_000_000 });
  await connection.request("$JS.API.STREAM.UPDATE.AUDIT", grown);
  await shipping;
  await scene.assertWhole();
});

natsTest("ship() sends nothing of a log that is another one than the stream holds", async () => {
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
});

natsTest(
  "ship() tells exactly what was gone before it was shipped, by retention or by hand",
  async () => {
    await using scene = await Scene.of(NatsServer.start());
    const { path } = scene;
    const once = { ...scene.options, once: true };
    await using log = await AuditLog.open({ path, retention: { archivesMax: 2 }, logger: silent });
    /** Logs ten events into the active file, and gives what it holds then. */
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

natsTest(
  "createFleetStream() can be called again, and names the settings of a stream that differs",
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
