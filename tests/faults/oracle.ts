/**
 * What a writer was told of its events, and what must be in the log therefore, after whatever happened.
 *
 * @module
 */
import { type AuditLog, AuditWriteError } from "@vivarium/scout";
import { Manifest } from "../../src/segments/manifest.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { Violation } from "./harness.ts";
import type { SimulatedDisk } from "./simulated_disk.ts";
import { silent } from "../loggers.ts";

/** What one writer was told of its events, which are numbers from 0. */
export class Ledger {
  /** Session id of its events. */
  readonly writer: string;
  /** Lines after which a sync is due, so that at most one less may be lost with the power. */
  readonly everyNLines: number;
  /** Events that may be in the log. */
  readonly logged = new Set<number>();
  /** Events whose call resolved. */
  readonly acknowledged = new Set<number>();
  /** Events that a flush() or a close() made durable. */
  readonly durable = new Set<number>();
  /** Events whose call rejected with a phase that says: not in the log. */
  readonly refused = new Set<number>();

  /** Begins with no events, or with those of another ledger. */
  constructor(of: Pick<Ledger, "writer" | "everyNLines"> | Ledger) {
    this.writer = of.writer;
    this.everyNLines = of.everyNLines;
    if (!(of instanceof Ledger)) return;
    for (const events of ["logged", "acknowledged", "durable", "refused"] as const) {
      for (const n of of[events]) this[events].add(n);
    }
  }

  /** Logs the next event. */
  async log(log: AuditLog, fields: { reason?: string } = {}): Promise<void> {
    const n = this.logged.size;
    this.logged.add(n);
    try {
      await log.log("nav", { n, session_id: this.writer, ...fields });
      this.acknowledged.add(n);
    } catch (error) {
      const isRefused = error instanceof AuditWriteError && error.phase !== "sync";
      if (isRefused) this.refused.add(n);
    }
  }

  /** Waits for a flush() or a close(), and takes down what it makes durable. */
  async settle(log: AuditLog, how: "flush" | "close"): Promise<void> {
    const before = [...this.acknowledged];
    try {
      await log[how]();
    } catch {
      // Of events that it could not make durable nothing is known.
      return;
    }
    for (const n of before) this.durable.add(n);
  }

  /**
   * Checks which of its events were found.
   *
   * @throws {Violation}
   */
  check(found: readonly number[], { powerLost }: Allowance): void {
    const isThere = new Set(found);
    if (isThere.size < found.length) this.#fail("doubled", found);
    if (found.some((n, at) => at > 0 && n < found[at - 1]!)) this.#fail("reordered", found);
    const lost = [...this.acknowledged].filter((n) => !isThere.has(n));
    if (lost.some((n) => this.durable.has(n))) this.#fail("lost", found);
    if (lost.length > (powerLost ? this.everyNLines - 1 : 0)) this.#fail("lost", found);
    if (found.some((n) => this.refused.has(n))) this.#fail("other", found);
    if (found.some((n) => !this.logged.has(n))) this.#fail("other", found);
  }

  #fail(kind: Violation["kind"], found: readonly number[]): never {
    const { logged, acknowledged, durable, refused } = this;
    const told = `${logged.size} logged, acknowledged ${listOf(acknowledged)}, durable ` +
      `${listOf(durable)}, refused ${listOf(refused)}`;
    throw new Violation(kind, `writer ${this.writer}: ${told}, but found ${listOf(found)}`);
  }
}

function listOf(events: Iterable<number>): string {
  return `[${[...events].join(" ")}]`;
}

/** What the oracle allows. */
export interface Allowance {
  /** Whether the power went, which may take acknowledged events that were not durable. */
  readonly powerLost: boolean;
}

/** How the oracle opens the log again. */
export interface Reopening {
  readonly path: string;
  /** Opens the log in a new process on the disk. */
  open(process: ReturnType<SimulatedDisk["process"]>): Promise<AuditLog>;
}

/**
 * Recovers the log in a new process, and checks that each event is there as often as it was promised,
 * in order, that recovery left nothing undone, and that another one changes nothing.
 *
 * @throws {Violation}
 */
export async function checkRecovered(
  disk: SimulatedDisk,
  ledgers: readonly Ledger[],
  { path, open, powerLost }: Reopening & Allowance,
): Promise<void> {
  const process = disk.process();
  const log = await open(process);
  const found = await eventsOf(log);
  for (const ledger of ledgers) {
    const own = found.filter(({ writer }) => writer === ledger.writer).map(({ n }) => n);
    ledger.check(own, { powerLost });
  }
  await log.recovery;
  const next = { writer: "next", n: 0 };
  await log.log("nav", { n: next.n, session_id: next.writer });
  expectSame(await eventsOf(log), [...found, next], "recovery or the next event moved events");
  await log.close();
  expectSame(process.openHandles, 0, "handles are left open");
  // What goes with the power is missing in the chain, and is found to be.
  if (!powerLost) {
    const { faults } = await verifyLog({ fileSystem: disk.process(), path, maxLineBytes: 10_000 });
    expectSame(faults, [], "verify() finds faults where nobody has changed anything");
  }
  checkTidy(disk, path);
  await checkSettled(disk, open);
}

async function eventsOf(log: AuditLog): Promise<{ writer: string; n: number }[]> {
  const events = await log.query().toArray();
  return events.map(({ session_id, n }) => ({ writer: String(session_id), n: Number(n) }));
}

/** No half archive, no segment left, and a manifest line for each archive. */
function checkTidy(disk: SimulatedDisk, path: string): void {
  const files = new LogFiles(path);
  const process = disk.process();
  const forms = process.list(files.directory).map((name) => files.parse(name))
    .filter((parsed) => parsed !== null);
  expectSame(forms.filter(({ form }) => form !== "archive"), [], "recovery left work undone");
  const options = { fileSystem: process, path: files.manifest, logger: silent };
  const manifest = new Manifest({ ...options, underLock: (section) => Promise.try(section) });
  const { byArchive } = manifest.read();
  const told = forms.map(({ stamp }) => byArchive.has(files.archive(stamp).split("/").at(-1)!));
  expectSame(told.filter((isTold) => !isTold), [], "archives that the manifest does not tell of");
}

/** Another recovery has nothing to do. */
async function checkSettled(disk: SimulatedDisk, open: Reopening["open"]): Promise<void> {
  const before = disk.snapshot();
  const process = disk.process();
  await (await open(process)).close();
  const changes = process.calls.filter(({ name }) =>
    ["append", "truncate", "rename", "link", "remove"].includes(name)
  );
  expectSame(changes, [], "another recovery found something to do");
  expectSame(disk.snapshot(), before, "another recovery changed files");
}

function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [text, expectedText] = [actual, expected].map((value) => JSON.stringify(value));
  if (text !== expectedText) {
    throw new Violation("other", `${what}: ${text}, not ${expectedText}`);
  }
}
