/**
 * The standard workloads: writers of logs on a simulated disk. Harnesses kill their processes, make their calls fail or
 * cut the power.
 *
 * @module
 */
import { basename } from "@std/path";
import type { AuditLog, AuditLogOptions, RetentionPolicy } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { type Received, recordReceived } from "../../src/segments/shipped_file.ts";
import { SimulatedClock } from "../platform.ts";
import type { SeededRandom } from "../seeded_random.ts";
import { BUDGET, checkRecovered, Ledger, type Reopening } from "./oracle.ts";
import {
  ROOT_USER,
  SERVICE,
  SimulatedDisk,
  type SimulatedProcess,
  type User,
} from "./simulated_disk.ts";
import { silent } from "../loggers.ts";

/** Path of a workload's log. */
export const PATH = "/log/a.jsonl";

const NOW_MS = Date.UTC(2026, 1, 13, 14, 30, 22);
/** A signal that is never aborted. */
const NEVER = new AbortController().signal;

/**
 * Sizes of a workload: numbers of bytes and lines. `chain` makes the lines form a hash chain; its fields `seq` and
 * `hash` make the lines longer.
 */
export interface Sizes {
  readonly rotationSizeBytes: number;
  readonly everyNLines: number;
  /** Number of additional characters in each line. */
  readonly padding: number;
  readonly chain: boolean;
}

/** Sizes with which a segment (closed part of the log) has four or five lines, and every third line is synced. */
const USUAL_SIZES: Sizes = {
  rotationSizeBytes: 300,
  everyNLines: 3,
  padding: 0,
  chain: false,
};

/** The usual sizes for a log with hash-chained lines, which are three times as long as other lines. */
const USUAL_CHAINED_SIZES: Sizes = { ...USUAL_SIZES, rotationSizeBytes: 900, chain: true };

/**
 * Returns the sizes for a round: the usual sizes in round 0, sizes for a log with a hash chain in round 1, and random
 * sizes in later rounds.
 */
export function sizesOf(round: number, random: SeededRandom): Sizes {
  return [USUAL_SIZES, USUAL_CHAINED_SIZES][round] ?? randomSizes(random);
}

/** Returns random sizes: segments of one to a dozen lines, and a sync after every first to tenth line. */
function randomSizes(random: SeededRandom): Sizes {
  return {
    rotationSizeBytes: 60 + random.below(900),
    everyNLines: 1 + random.below(10),
    padding: random.below(60),
    chain: random.below(2) === 0,
  };
}

/**
 * A function that returns the file system through which a log accesses the disk. To plant a fault, a test passes a
 * function that returns a faulty file system.
 */
export type Plant = (process: SimulatedProcess) => FileSystem;

/** The writers of one log, and their disk. */
export class Scene {
  readonly disk: SimulatedDisk;
  readonly writers: readonly Writer[];
  readonly sizes: Sizes;
  /** For each writer, including killed ones, the outcomes that it received for its events. */
  readonly ledgers: readonly Ledger[];
  /** The limits on the archives, for all writers and for the process that checks the log. */
  readonly retention: RetentionPolicy | undefined;

  /** Creates writers with these names. The disk may already contain events of writers that were killed. */
  constructor(
    disk: SimulatedDisk,
    names: readonly string[],
    { sizes, plant = (process) => process, dead = [], users = [], retention }: {
      sizes: Sizes;
      plant?: Plant | undefined;
      dead?: readonly Ledger[];
      /** The user of each writer, by default the owner of the log. */
      users?: readonly User[];
      retention?: RetentionPolicy;
    },
  ) {
    this.disk = disk;
    this.retention = retention;
    this.sizes = sizes;
    const ledgers = names.map((writer) => new Ledger({ writer, ...sizes }));
    this.writers = ledgers.map((ledger, n) =>
      new Writer(disk.process(users[n]), ledger, { sizes, plant })
    );
    this.ledgers = [...dead, ...ledgers];
  }

  /** Is true if retention may remove events, because it does not wait until shippers have shipped the archives. */
  get prunes(): boolean {
    return this.retention !== undefined && this.retention.untilShipped === undefined;
  }

  /** Number of times that the writers have renamed the active file to a segment. */
  get rotations(): number {
    const calls = this.writers.flatMap(({ process }) => process.calls);
    return calls.filter(({ name, path }) => name === "rename" && path === PATH).length;
  }

  /**
   * Recovers the log on the disk, or on a copy of it, and checks its events.
   *
   * @throws {Violation} If a promise is broken.
   */
  check(
    { disk = this.disk.afterKill(), ledgers = this.ledgers, powerLost = false }: {
      disk?: SimulatedDisk;
      ledgers?: readonly Ledger[];
      powerLost?: boolean;
    } = {},
  ): Promise<void> {
    const { sizes, retention, prunes } = this;
    return checkRecovered(disk, ledgers, { ...reopening(sizes, retention), powerLost, prunes });
  }
}

/** A process that writes the log. */
export class Writer {
  readonly process: SimulatedProcess;
  readonly ledger: Ledger;
  readonly clock = new SimulatedClock();
  /** The file system of the process, with the planted fault. */
  readonly fileSystem: FileSystem;
  readonly #sizes: Sizes;

  /** Creates the writer. It has not opened the log yet. */
  constructor(
    process: SimulatedProcess,
    ledger: Ledger,
    { sizes, plant }: { sizes: Sizes; plant: Plant },
  ) {
    this.process = process;
    this.ledger = ledger;
    this.fileSystem = plant(process);
    this.#sizes = sizes;
  }

  /** Opens the log. Resolves with `undefined` if that fails. */
  async open(
    options: Pick<AuditLogOptions, "rotationAgeSec" | "now" | "retention"> = {},
  ): Promise<AuditLog | undefined> {
    try {
      return await openIn(this.fileSystem, this.#sizes, { clock: this.clock, ...options });
    } catch {
      // An injected fault may make open() fail. The log is checked later, so the failure is ignored here.
      return undefined;
    }
  }

  /** Logs events, and awaits each. */
  async logOneByOne(log: AuditLog, count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.ledger.log(log, this.#fields());
  }

  /** Logs events in one turn, and awaits them together. */
  async logTogether(log: AuditLog, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.ledger.log(log, this.#fields())));
  }

  #fields(): { reason?: string } {
    const { padding } = this.#sizes;
    // Each character has two bytes, so that a fault can cut a line within a character.
    return padding === 0 ? {} : { reason: "é".repeat(padding) };
  }
}

function openIn(
  fileSystem: FileSystem,
  sizes: Sizes,
  { clock = new SimulatedClock(), ...options }:
    & { clock?: SimulatedClock }
    & Pick<AuditLogOptions, "rotationAgeSec" | "now" | "retention"> = {},
): Promise<AuditLog> {
  return openLogOn({ fileSystem, clock }, {
    path: PATH,
    sessionId: "s",
    rotationSizeBytes: sizes.rotationSizeBytes,
    fsyncEveryNLines: sizes.everyNLines,
    chain: sizes.chain,
    now: () => NOW_MS,
    logger: silent,
    ...options,
  });
}

function reopening(sizes: Sizes, retention: RetentionPolicy | undefined): Reopening {
  const options = retention === undefined ? {} : { retention };
  return { path: PATH, open: (process) => openIn(process, sizes, options) };
}

/** A workload: the work of one or more writers of a log. */
export interface Workload {
  readonly name: string;
  /**
   * Creates the disk and the writers. The file system calls for this are not part of the workload, so no fault is
   * injected into them.
   */
  stage(sizes: Sizes, plant?: Plant): Promise<Scene>;
  /** Runs the workload to its end, even if calls fail. */
  run(scene: Scene): Promise<void>;
}

function emptyScene(writers: readonly string[], users: readonly User[] = []): Workload["stage"] {
  return (sizes, plant) => {
    const disk = new SimulatedDisk();
    disk.plant("/log", "directory");
    return Promise.resolve(new Scene(disk, writers, { sizes, plant, users }));
  };
}

/**
 * Returns a function that creates writers and an empty disk. A file of the log is large enough for several
 * `budget_state` lines, each of which states the amounts of all budgets.
 */
function emptyLargeScene(writers: readonly string[]): Workload["stage"] {
  return (sizes, plant) => {
    const rotationSizeBytes = 12 * sizes.rotationSizeBytes;
    return emptyScene(writers)({ ...sizes, rotationSizeBytes }, plant);
  };
}

/** Returns a workload in which one writer opens the log, does the work and closes the log. */
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

/** Appends events one by one and together, flushes, and rotates on demand and when a segment is full. */
export const rotate = ofOne("rotate", async (writer, log) => {
  await writer.logOneByOne(log, 4);
  await writer.ledger.settle(log, "flush");
  await writer.logTogether(log, 7);
  await log.rotate().catch(() => {});
  await writer.logOneByOne(log, 1);
});

const archive = ofOne("archive", rotateThrice);

async function rotateThrice(writer: Writer, log: AuditLog): Promise<void> {
  for (let n = 0; n < 3; n++) {
    await writer.logTogether(log, 3);
    await log.rotate().catch(() => {});
  }
}

/** A workload with nested spans whose beginnings and ends are in different files. */
const spans: Workload = ofOne("spans", ({ ledger }, log) => logSpans(ledger, log));

async function logSpans(ledger: Ledger, log: AuditLog): Promise<void> {
  const turn = await ledger.begin(log, "turn");
  for (let n = 0; n < 2; n++) {
    const call = await ledger.begin(turn ?? log, "tool_call");
    if (n === 0) await log.rotate().catch(() => {});
    if (call !== undefined) await ledger.end(call);
  }
  await log.rotate().catch(() => {});
  if (turn !== undefined) await ledger.end(turn);
}

/**
 * A workload with holds (reserved amounts) that are settled with a cost, released, charged or never ended, and with
 * costs without a hold. The lines are in several files.
 */
const holds: Workload = ofOne("holds", logHolds, emptyLargeScene(["a"]));

/**
 * A workload like {@linkcode holds} with smaller files. Not every file has room for a `budget_state` line, which states
 * the amounts of all budgets.
 */
const holdsInSmallFiles: Workload = ofOne("holds in small files", logHolds);

async function logHolds({ ledger }: Writer, log: AuditLog): Promise<void> {
  const budget = await log.budget(BUDGET).catch(() => undefined);
  if (budget === undefined) return;
  for (let n = 0; n < 5; n++) {
    const pair = await Promise.all([ledger.hold(budget, 0.2), ledger.hold(budget, 0.3)]);
    const [first, second] = pair;
    if (n % 2 === 1) await log.rotate().catch(() => {});
    if (first !== undefined) {
      await ledger.write((fields) => first.settle("nav", { ...fields, cost: 0.1 }));
    }
    if (n === 0) await ledger.write((fields) => log.log("nav", { ...fields, cost: 0.05 }));
    else if (n === 2) await Promise.try(() => second?.[Symbol.asyncDispose]()).catch(() => {});
    else if (n < 4) await second?.release("not sent").catch(() => {});
  }
}

/**
 * A workload in which a hold of one process has to wait for a hold of another process. The waiting process writes a
 * `budget_wait` line, which keeps room for its hold, and the hold is granted in the end.
 */
const waits: Workload = {
  name: "holds that wait",
  stage: emptyLargeScene(["a", "b"]),
  async run({ writers }) {
    const [a, b] = writers as [Writer, Writer];
    const [logA, logB] = [await a.open(), await b.open()];
    const runs = await Promise.all(
      [logA, logB].map((log) => log?.budget(BUDGET).catch(() => undefined)),
    );
    const [runA, runB] = runs;
    const first = runA && await a.ledger.hold(runA, 0.6);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = runB && b.ledger.hold(runB, 0.5, { wait: true, signal });
    await look(b, 24);
    // The `budget_wait` line of writer b keeps 0.5 USD for its hold, so the budget has no room for this hold of writer
    // a.
    if (runA !== undefined) await a.ledger.hold(runA, 0.1);
    await logA?.rotate().catch(() => {});
    if (first !== undefined) {
      await a.ledger.write((fields) => first.settle("nav", { ...fields, cost: 0.25 }));
    }
    await look(b, 2);
    controller.abort();
    const second = await waiting;
    if (second !== undefined) {
      await b.ledger.write((fields) => second.settle("nav", { ...fields, cost: 0.5 }));
    }
    if (logA !== undefined) await a.ledger.settle(logA, "close");
    if (logB !== undefined) await b.ledger.settle(logB, "close");
  },
};

/** Fires the timers of a writer `times` times. At each, the waiting holds of the writer read the log again. */
async function look({ clock }: Writer, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    clock.waitSync(50);
    clock.fireTimers();
    await clock.turn();
  }
}

/** A workload with spans whose beginnings are in archives that retention removes. */
export const prunedSpans: Workload = {
  name: "spans under retention",
  async stage(sizes, plant) {
    const { disk } = await emptyScene(["a"])(sizes, plant);
    return new Scene(disk.afterKill(), ["a"], { sizes, plant, retention: { maxArchives: 1 } });
  },
  async run({ writers: [writer], retention }) {
    const log = await writer!.open({ retention: retention! });
    if (log === undefined) return;
    await writer!.ledger.begin(log, "turn");
    await logSpans(writer!.ledger, log);
    await writer!.ledger.settle(log, "close");
  },
};

/**
 * A workload of two writers, one after the other. The simulated clock runs fast, so the limit on the age of files makes
 * the writers rotate: when they open the log, at appends and by timers.
 */
const age: Workload = {
  name: "age",
  stage: emptyScene(["a", "b"]),
  async run({ writers }) {
    let nowMs = NOW_MS;
    for (const writer of writers) {
      const log = await writer.open({ rotationAgeSec: 60, now: () => nowMs += 15_000 });
      if (log === undefined) continue;
      await writer.logOneByOne(log, 4);
      nowMs += 60_000;
      writer.clock.fireTimers();
      await writer.logTogether(log, 2);
      await writer.ledger.settle(log, "close");
      nowMs += 60_000;
    }
  },
};

/** Returns a workload that opens and continues the log of a process that was killed while it rotated. */
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

/** A workload in which root creates a log in the directory of another user. */
const rootCreates = ofOne("root creates a log", rotateThrice, emptyScene(["a"], [ROOT_USER]));

/**
 * A workload in which root rotates the log of another user, after an administrator has changed the mode of its files.
 */
const rootRotates = ofOne("root rotates a log", rotateThrice, async (sizes, plant) => {
  const scene = await append.stage(sizes);
  await append.run(scene);
  for (const path of filesOf(scene.disk)) {
    scene.disk.setOwnership(path, { ...SERVICE, mode: 0o640 });
  }
  return new Scene(scene.disk.afterKill(), ["b"], {
    sizes,
    plant,
    dead: scene.ledgers,
    users: [ROOT_USER],
  });
});

/** Returns the paths of the log's files, except the lock file. */
function filesOf(disk: SimulatedDisk): string[] {
  return Object.keys(disk.snapshot()).filter((path) => !path.endsWith(".lock"));
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

/** A workload in which the owner of the log and root write at the same time. */
const rootBesideOwner: Workload = {
  ...twoWriters,
  name: "root beside the owner",
  stage: emptyScene(["a", "b"], [SERVICE, ROOT_USER]),
};

/**
 * Returns a line of `audit.shipped.jsonl`. It states that the fleet has received the log up to `archive`, or nothing
 * yet if `archive` is null.
 */
function received(fleet: string, archive: string | null): Received {
  const ts = new Date(NOW_MS).toISOString();
  return { stream: "AUDIT", fleet, log: "a", archive, position: 0, ts };
}

/**
 * A workload whose retention waits until two fleets have received an archive. The fleet "fast" receives each archive at
 * once, and the fleet "slow" receives none.
 */
const untilShipped: Workload = {
  name: "retention that waits for shippers",
  async stage(sizes, plant) {
    const scene = await emptyScene(["a", "shipper"])(sizes, plant);
    const retention = { maxArchives: 1, untilShipped: { maxBytes: 1e9 } };
    const log = new LogDirectory(scene.disk.process(), PATH);
    scene.disk.writeFile(log.files.shipped, "");
    const recording = { clock: new SimulatedClock(), signal: NEVER };
    await recordReceived(log, received("slow", null), recording);
    const users = [SERVICE, SERVICE];
    return new Scene(scene.disk.afterKill(), ["a", "shipper"], { sizes, plant, users, retention });
  },
  async run({ writers: [writer, shipper], retention }) {
    const log = await writer!.open({ retention: retention! });
    if (log === undefined) return;
    const shipped = new LogDirectory(shipper!.fileSystem, PATH);
    const recording = { clock: shipper!.clock, signal: NEVER };
    for (let n = 0; n < 3; n++) {
      await writer!.logTogether(log, 3);
      await log.rotate().catch(() => {});
      // An injected fault may make the shipper fail. Then the line of the fleet in the file stays as it was.
      await Promise.try(() => {
        const { stamp } = shipped.segments().at(-1)!;
        const archive = basename(shipped.files.archive(stamp));
        return recordReceived(shipped, received("fast", archive), recording);
      }).catch(() => {});
    }
    await writer!.ledger.settle(log, "close");
  },
};

/**
 * The standard workloads. The arguments of {@linkcode recoverFrom} are numbers of file system calls at which the first
 * writer is killed. A kill at any of these calls leaves work for the recovery.
 */
export const WORKLOADS: readonly Workload[] = [
  append,
  rootRotates,
  rootCreates,
  rootBesideOwner,
  untilShipped,
  age,
  flush,
  rotate,
  archive,
  spans,
  prunedSpans,
  holds,
  holdsInSmallFiles,
  waits,
  ...[40, 90, 120, 150, 180, 210].map(recoverFrom),
  twoWriters,
];
