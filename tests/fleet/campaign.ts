/**
 * Ships a log to real servers while faults are injected many times. After each fault, the stream must hold every byte
 * of the log exactly once, or a reader of the stream must report exactly the missing bytes.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { fleetEvents, type FleetGap, FleetMismatchError, ship } from "@vivarium/scout/fleet";
import { dirname } from "@std/path";
import { cpSync } from "node:fs";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";
import { NatsCluster, NatsServer } from "./nats_server.ts";
import { remakeStream, Scene, Shipper, shippingProcess, writingWhile } from "./scene.ts";
import { type Shipped, shippedOf, textOfLog } from "./shipped.ts";

/** A kind of fault in shipping a log, and the number of times that it is injected. */
export interface FaultScene {
  readonly what: string;
  readonly times: number;
  /** Injects the fault `times` times and resolves with the log and its copy. */
  run(times: number): Promise<Copied>;
}

/** A log, its copy in the stream, and the results of a reader of the copy. */
export interface Copied extends Shipped {
  /** All text that was ever in the log. */
  readonly logged: string;
  /** The ranges of the log that were deleted before they could be shipped, so that the copy cannot have them. */
  readonly expectedGaps: readonly Omit<FleetGap, "log">[];
  /** The missing ranges (gaps) that a reader of the copy reports. */
  readonly gaps: readonly Omit<FleetGap, "log">[];
  /** Number of events that a reader of the copy yields. */
  readonly events: number;
}

/** The outcome of a fault scenario. */
export interface Outcome {
  readonly what: string;
  readonly times: number;
  readonly blocks: number;
  readonly events: number;
  /** Number of bytes that the copy lacks, although they were not deleted from the log. */
  readonly lost: number;
  /** Number of bytes that are in the copy twice. */
  readonly doubled: number;
  /** Number of bytes that a reader of the copy reports as missing. */
  readonly told: number;
  /** Is true if the bytes, the events and the reported gaps are exactly as expected. */
  readonly isExact: boolean;
}

/** Runs a fault scenario and checks the copy of the log. */
export async function outcomeOf({ what, times, run }: FaultScene): Promise<Outcome> {
  const { logged, text, blocks, seams, events, gaps, expectedGaps } = await run(times);
  let [lost, doubled] = [0, 0];
  for (const [to, from] of seams) {
    if (from < to) doubled += to - from;
    else if (!expectedGaps.some((gap) => gap.from === to && gap.to === from)) lost += from - to;
  }
  const end = seams.reduce((end, [to, from]) => end + from - to, text.length);
  lost += Math.max(0, logged.length - end);
  const there = withoutGaps(logged, expectedGaps);
  const lines = there.split("\n").length - 1;
  return {
    what,
    times,
    blocks,
    events,
    lost,
    doubled,
    told: gaps.reduce((sum, { from, to }) => sum + to - from, 0),
    isExact: text === there && events === lines &&
      JSON.stringify(gaps) === JSON.stringify(expectedGaps),
  };
}

function withoutGaps(text: string, gaps: Copied["expectedGaps"]): string {
  return gaps.toReversed().reduce(
    (rest, { from, to }) => rest.slice(0, from) + rest.slice(to),
    text,
  );
}

const COLUMNS = ["what", "times", "blocks", "events", "lost", "doubled", "gaps", ""] as const;

/** Formats the outcomes of fault scenarios as a table. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const number = (value: number) => value.toLocaleString("en");
  const rows = outcomes.map(({ what, isExact, ...figures }) => {
    const { times, blocks, events, lost, doubled, told } = figures;
    const numbers = [times, blocks, events, lost, doubled, told].map(number);
    return [what, ...numbers, isExact ? "exact" : "WRONG"];
  });
  const widths = COLUMNS.map((head, column) =>
    Math.max(...[COLUMNS, ...rows].map((row) => row[column]!.length), head.length)
  );
  return [COLUMNS, ...rows].map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** Ships the remainder of the log and reads the copy. */
async function copied(
  { connection, options, path }: Scene<NatsServer | NatsCluster>,
  { logged, expectedGaps = [] }: { logged?: string; expectedGaps?: Copied["expectedGaps"] } = {},
): Promise<Copied> {
  await ship({ ...options, once: true });
  const query = fleetEvents({ connection, fleet: "f" });
  let events = 0;
  for await (const _ of query) events++;
  const gaps = query.gaps.map(({ from, to }) => ({ from, to }));
  const shipped = await shippedOf(connection, "a");
  return { ...shipped, logged: logged ?? textOfLog(path), expectedGaps, gaps, events };
}

const killedShipper: FaultScene = {
  what: "shipper killed while a writer rotates",
  times: 50,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const random = new SeededRandom(7);
    await writingWhile(scene.path, async () => {
      for (let kill = 0; kill < times; kill++) {
        const process = shippingProcess(scene.server, scene.path);
        const told = process.stdout.getReader();
        for (let blocks = random.below(6); blocks >= 0; blocks--) await told.read();
        process.kill("SIGKILL");
        await told.cancel();
        await process.status;
      }
    });
    return await copied(scene);
  },
};

const killedServer: FaultScene = {
  what: "server killed",
  times: 20,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const shipper = new Shipper(scene.options);
    await writingWhile(scene.path, async () => {
      for (let kill = 0; kill < times; kill++) {
        await shipper.stored();
        await scene.server.kill();
        await scene.server.restart();
      }
    });
    await shipper.stop();
    return await copied(scene);
  },
};

function killedLeader(shippers: number): FaultScene {
  return {
    what: `leader of three servers killed, ${shippers === 1 ? "one shipper" : "two shippers"}`,
    times: 10,
    async run(times) {
      await using scene = await Scene.of(NatsCluster.start(), { replicas: 3 });
      const all = Array.from({ length: shippers }, () => new Shipper(scene.options));
      await writingWhile(scene.path, async () => {
        for (let kill = 0; kill < times; kill++) {
          await Promise.any(all.map((shipper) => shipper.stored()));
          await scene.server.killLeader(scene.connection, "AUDIT");
        }
      });
      await Promise.all(all.map((shipper) => shipper.stop()));
      return await copied(scene);
    },
  };
}

const twoShippers: FaultScene = {
  what: "a second shipper of the same log",
  times: 10,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const shippers = [1, 2].map(() => new Shipper(scene.options));
    const conflicts = () => shippers.reduce((sum, { conflicts }) => sum + conflicts, 0);
    await writingWhile(scene.path, async () => {
      while (conflicts() < times) await Promise.any(shippers.map((shipper) => shipper.stored()));
    });
    await Promise.all(shippers.map((shipper) => shipper.stop()));
    return await copied(scene);
  },
};

const deletedStream: FaultScene = {
  what: "stream deleted and created again",
  times: 5,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const shipper = new Shipper(scene.options);
    await writingWhile(scene.path, async () => {
      for (let time = 0; time < times; time++) {
        await shipper.stored(3);
        await remakeStream({ connection: scene.connection });
      }
      await shipper.stored(3);
    });
    await shipper.stop();
    return await copied(scene);
  },
};

const olderStream: FaultScene = {
  what: "stream restored from an older copy",
  times: 5,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const { server } = scene;
    const shipper = new Shipper(scene.options);
    await writingWhile(scene.path, async () => {
      for (let time = 0; time < times; time++) {
        await shipper.stored(5);
        await server.kill();
        server.saveStore();
        await server.restart();
        await shipper.stored(5);
        await server.kill();
        server.restoreStore();
        await server.restart();
      }
      await shipper.stored(5);
    });
    await shipper.stop();
    return await copied(scene);
  },
};

/** Initial size limit of the stream in bytes, and the step by which the limit is raised when the stream is full. */
const ROOM_BYTES = 20_000;

const fullStream: FaultScene = {
  what: "stream full, then enlarged",
  times: 5,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start(), { maxBytes: ROOM_BYTES });
    const { connection, path, options } = scene;
    await using log = await AuditLog.open({ path, logger: silent });
    const fill = "x".repeat(500);
    for (let n = 0; n < times * ROOM_BYTES / fill.length; n++) log.log("nav", { n, fill });
    await log.flush();
    let full = Promise.withResolvers<void>();
    const logger = { ...silent, warn: () => full.resolve() };
    const shipping = ship({ ...options, encoding: "identity", once: true, logger });
    for (let time = 0; time < times; time++) {
      await full.promise;
      full = Promise.withResolvers();
      const info = await connection.request("$JS.API.STREAM.INFO.AUDIT");
      const { config } = JSON.parse(new TextDecoder().decode(info.data));
      const max_bytes = time === times - 1 ? 10_000_000 : config.max_bytes + ROOM_BYTES;
      const grown = JSON.stringify({ ...config, max_bytes });
      await connection.request("$JS.API.STREAM.UPDATE.AUDIT", grown);
    }
    await shipping;
    return await copied(scene);
  },
};

const clonedDirectory: FaultScene = {
  what: "a cloned directory with the same log name",
  times: 5,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const { path, options } = scene;
    const write = async (path: string, log: string) => {
      await using writer = await AuditLog.open({ path, sessionId: log, logger: silent });
      for (let n = 0; n < 20; n++) await writer.log("nav", { n });
    };
    await write(path, "original");
    await ship({ ...options, once: true });
    for (let time = 0; time < times; time++) {
      using dir = tempDir();
      cpSync(dirname(path), dir.path("clone"), { recursive: true });
      const clone = dir.path("clone/audit.jsonl");
      await write(path, "original");
      await ship({ ...options, once: true });
      await write(clone, "clone");
      const refused = await ship({ ...options, path: clone, once: true }).catch((error) => error);
      if (!(refused instanceof FleetMismatchError)) throw new Error("a clone was shipped");
    }
    return await copied(scene);
  },
};

const prunedArchives: FaultScene = {
  what: "archives deleted before they were shipped",
  times: 5,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const { path, options } = scene;
    const retention = { maxArchives: 2 };
    await using log = await AuditLog.open({ path, retention, logger: silent });
    const texts: string[] = [];
    const expectedGaps: { from: number; to: number }[] = [];
    const fill = async () => {
      for (let n = 0; n < 10; n++) await log.log("nav", { n, segment: texts.length });
      await log.flush();
      texts.push(Deno.readTextFileSync(path));
      await log.rotate();
    };
    for (let time = 0; time < times; time++) {
      const from = texts.join("").length;
      for (let segment = 0; segment < 5; segment++) await fill();
      // The log now has five archives. Retention keeps the last two, so the three older ones are gaps in the copy.
      expectedGaps.push({ from, to: texts.slice(0, -2).join("").length });
      await ship({ ...options, once: true });
    }
    return await copied(scene, { logged: texts.join(""), expectedGaps });
  },
};

const waitingRetention: FaultScene = {
  what: "shipper killed while retention waits for it",
  times: 20,
  async run(times) {
    await using scene = await Scene.of(NatsServer.start());
    const { path, server } = scene;
    const retention = { maxArchives: 2, untilShipped: { maxBytes: 10_000_000 } };
    await using log = await AuditLog.open({ path, retention, logger: silent });
    const random = new SeededRandom(7);
    const texts: string[] = [];
    for (let kill = 0; kill < times; kill++) {
      const process = shippingProcess(server, path, { mayWrite: true });
      const told = process.stdout.getReader();
      for (let segment = random.below(5); segment >= 0; segment--) {
        for (let n = 0; n < 10; n++) await log.log("nav", { n, segment: texts.length });
        await log.flush();
        texts.push(Deno.readTextFileSync(path));
        await log.rotate();
      }
      await told.read();
      process.kill("SIGKILL");
      await told.cancel();
      await process.status;
    }
    const archives = [...Deno.readDirSync(dirname(path))].filter(({ name }) =>
      name.endsWith(".gz")
    );
    if (archives.length === texts.length) throw new Error("retention has deleted nothing");
    return await copied(scene, { logged: texts.join("") });
  },
};

/** All fault scenarios. */
export const FAULT_SCENES: readonly FaultScene[] = [
  killedShipper,
  killedServer,
  killedLeader(1),
  killedLeader(2),
  twoShippers,
  deletedStream,
  olderStream,
  fullStream,
  clonedDirectory,
  prunedArchives,
  waitingRetention,
];
