/**
 * Logs at work on a simulated disk, which may end their processes, fail their calls and lose its power.
 *
 * @module
 */
import type { AuditLog } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { SimulatedClock } from "../platform.ts";
import type { SeededRandom } from "../seeded_random.ts";
import { checkRecovered, Ledger, type Reopening } from "./oracle.ts";
import { SimulatedDisk, type SimulatedProcess } from "./simulated_disk.ts";
import { silent } from "../loggers.ts";

/** Where the log of a workload lies. */
export const PATH = "/log/a.jsonl";

const NOW_MS = Date.UTC(2026, 1, 13, 14, 30, 22);

/** How big everything is, and whether the lines are in a chain, which makes them longer. */
export interface Sizes {
  readonly rotationSizeBytes: number;
  readonly everyNLines: number;
  /** How many characters a line is longer by than it has to be. */
  readonly padding: number;
  readonly chain: boolean;
}

/** Segments of four or five lines, and a sync after the third. */
const USUAL_SIZES: Sizes = {
  rotationSizeBytes: 300,
  everyNLines: 3,
  padding: 0,
  chain: false,
};

/** The same of a chained log, whose lines are three times as long. */
const USUAL_CHAINED_SIZES: Sizes = { ...USUAL_SIZES, rotationSizeBytes: 900, chain: true };

/** The sizes of a round: the usual ones first, whatever the seed is, and then chained. */
export function sizesOf(round: number, random: SeededRandom): Sizes {
  return [USUAL_SIZES, USUAL_CHAINED_SIZES][round] ?? randomSizes(random);
}

/** Other sizes: segments of one line up to a dozen, a sync after each line up to the tenth. */
function randomSizes(random: SeededRandom): Sizes {
  return {
    rotationSizeBytes: 60 + random.below(900),
    everyNLines: 1 + random.below(10),
    padding: random.below(60),
    chain: random.below(2) === 0,
  };
}

/** What stands between a log and its disk; a canary plants its fault here. */
export type Plant = (process: SimulatedProcess) => FileSystem;

/** Who writes one log, on which disk. */
export class Scene {
  readonly disk: SimulatedDisk;
  readonly writers: readonly Writer[];
  readonly sizes: Sizes;
  /** What all were told that ever wrote the log, the dead included. */
  readonly ledgers: readonly Ledger[];

  /** Sets up the writers with these names, on a disk that may hold the events of dead ones. */
  constructor(
    disk: SimulatedDisk,
    names: readonly string[],
    { sizes, plant = (process) => process, dead = [] }: {
      sizes: Sizes;
      plant?: Plant | undefined;
      dead?: readonly Ledger[];
    },
  ) {
    this.disk = disk;
    this.sizes = sizes;
    const ledgers = names.map((writer) => new Ledger({ writer, ...sizes }));
    this.writers = ledgers.map((ledger) => new Writer(disk.process(), ledger, { sizes, plant }));
    this.ledgers = [...dead, ...ledgers];
  }

  /** How often the writers have made the active file a segment. */
  get rotations(): number {
    const calls = this.writers.flatMap(({ process }) => process.calls);
    return calls.filter(({ name, path }) => name === "rename" && path === PATH).length;
  }

  /**
   * Recovers the log on the disk, or on what is left of it, and checks what must be there.
   *
   * @throws {Violation}
   */
  check(
    { disk = this.disk.afterKill(), ledgers = this.ledgers, powerLost = false }: {
      disk?: SimulatedDisk;
      ledgers?: readonly Ledger[];
      powerLost?: boolean;
    } = {},
  ): Promise<void> {
    return checkRecovered(disk, ledgers, { ...reopening(this.sizes), powerLost });
  }
}

/** One process that writes the log. */
export class Writer {
  readonly process: SimulatedProcess;
  readonly ledger: Ledger;
  readonly #fileSystem: FileSystem;
  readonly #sizes: Sizes;

  /** Makes the writer, which has nothing open yet. */
  constructor(
    process: SimulatedProcess,
    ledger: Ledger,
    { sizes, plant }: { sizes: Sizes; plant: Plant },
  ) {
    this.process = process;
    this.ledger = ledger;
    this.#fileSystem = plant(process);
    this.#sizes = sizes;
  }

  /** Opens the log; undefined where that fails. */
  async open(): Promise<AuditLog | undefined> {
    try {
      return await openIn(this.#fileSystem, this.#sizes);
    } catch {
      // What a fault does to open() is no concern of the workload: the oracle judges what is left.
      return undefined;
    }
  }

  /** Logs some events, each awaited. */
  async logOneByOne(log: AuditLog, count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.ledger.log(log, this.#fields());
  }

  /** Logs some events at once. */
  async logTogether(log: AuditLog, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.ledger.log(log, this.#fields())));
  }

  #fields(): { reason?: string } {
    const { padding } = this.#sizes;
    // Of two bytes each, so that a line may be torn within one.
    return padding === 0 ? {} : { reason: "é".repeat(padding) };
  }
}

function openIn(fileSystem: FileSystem, sizes: Sizes): Promise<AuditLog> {
  return openLogOn({ fileSystem, clock: new SimulatedClock() }, {
    path: PATH,
    sessionId: "s",
    rotationSizeBytes: sizes.rotationSizeBytes,
    fsyncEveryNLines: sizes.everyNLines,
    chain: sizes.chain,
    now: () => NOW_MS,
    logger: silent,
  });
}

function reopening(sizes: Sizes): Reopening {
  return { path: PATH, open: (process) => openIn(process, sizes) };
}

/** Something that writers do. */
export interface Workload {
  readonly name: string;
  /** Sets the scene up, before anything is counted. */
  stage(sizes: Sizes, plant?: Plant): Promise<Scene>;
  /** Runs to the end whatever fails. */
  run(scene: Scene): Promise<void>;
}

function emptyScene(writers: readonly string[]): Workload["stage"] {
  return (sizes, plant) => {
    const disk = new SimulatedDisk();
    disk.plant("/log", "directory");
    return Promise.resolve(new Scene(disk, writers, { sizes, plant }));
  };
}

/** What one writer does with the log, between opening and closing it. */
function ofOne(
  name: string,
  work: (writer: Writer, log: AuditLog) => Promise<void>,
  stage: Workload["stage"] = emptyScene(["a"]),
): Workload {
  async function run({ writers: [writer] }: Scene): Promise<void> {
    const log = await writer!.open();
    if (log === undefined) return;
    await work(writer!, log);
    await writer!.ledger.settle(log, "close");
  }
  return { name, stage, run };
}

const append = ofOne("append", (writer, log) => writer.logOneByOne(log, 7));

const flush = ofOne("flush", async (writer, log) => {
  const flushes: Promise<void>[] = [];
  for (let n = 0; n < 4; n++) {
    const logged = writer.logTogether(log, 2);
    flushes.push(writer.ledger.settle(log, "flush"));
    await logged;
  }
  await Promise.all(flushes);
  await writer.logOneByOne(log, 1);
  await writer.ledger.settle(log, "flush");
});

/** Appends one by one and all at once, flushes, rotates when it is told and when a segment is full. */
export const rotate = ofOne("rotate", async (writer, log) => {
  await writer.logOneByOne(log, 4);
  await writer.ledger.settle(log, "flush");
  await writer.logTogether(log, 7);
  await log.rotate().catch(() => {});
  await writer.logOneByOne(log, 1);
});

const archive = ofOne("archive", async (writer, log) => {
  for (let n = 0; n < 3; n++) {
    await writer.logTogether(log, 3);
    await log.rotate().catch(() => {});
  }
});

/** Opens what a process left behind that was killed while it rotated, and goes on. */
function recoverFrom(killedAt: number): Workload {
  const stage: Workload["stage"] = async (sizes, plant) => {
    const scene = await rotate.stage(sizes);
    scene.writers[0]!.process.killAt(killedAt, killedAt % 2 === 0 ? "before" : "after");
    await rotate.run(scene);
    return new Scene(scene.disk.afterKill(), ["b"], { sizes, plant, dead: scene.ledgers });
  };
  const work = async (writer: Writer, log: AuditLog) => {
    await log.recovery;
    await writer.logOneByOne(log, 2);
  };
  return ofOne(`recover from a kill at call ${killedAt}`, work, stage);
}

const twoWriters: Workload = {
  name: "two writers",
  stage: emptyScene(["a", "b"]),
  async run({ writers }) {
    await Promise.all(writers.map(async (writer) => {
      const log = await writer.open();
      if (log === undefined) return;
      await writer.logOneByOne(log, 3);
      await writer.logTogether(log, 3);
      await writer.ledger.settle(log, "close");
    }));
  },
};

/** The standard workloads. Recovery begins at some of the places where it finds work. */
export const WORKLOADS: readonly Workload[] = [
  append,
  flush,
  rotate,
  archive,
  ...[40, 90, 120, 150, 180, 210].map(recoverFrom),
  twoWriters,
];
