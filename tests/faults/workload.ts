/**
 * A log at work on a simulated disk that may end its process at any call, and the oracle that says
 * what must be there afterwards.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { AuditLog, type AuditLogOptions, AuditWriteError, type Logger } from "@vivarium/scout";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { Manifest } from "../../src/segments/manifest.ts";
import { SimulatedClock } from "../platform.ts";
import type { SimulatedDisk, SimulatedProcess } from "./simulated_disk.ts";

/** Where the log of a workload lies. */
export const PATH = "/log/a.jsonl";

/** Lines after which a sync is due, so that at most one less may be lost with the power. */
export const EVERY_N_LINES = 3;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Opens the log in a process, with segments of four or five lines. */
export function openIn(
  process: SimulatedProcess,
  options: AuditLogOptions = {},
): Promise<AuditLog> {
  return AuditLog.openOn({ fileSystem: process, clock: new SimulatedClock() }, {
    path: PATH,
    sessionId: "s",
    rotationSizeBytes: 300,
    fsyncEveryNLines: EVERY_N_LINES,
    now: () => Date.UTC(2026, 1, 13, 14, 30, 22),
    logger: silent,
    ...options,
  });
}

/** What a writer was told of its events, which are numbers from 0. */
export class Ledger {
  /** Events that may be in the log. */
  readonly logged = new Set<number>();
  /** Events whose call resolved. */
  readonly acknowledged = new Set<number>();
  /** Events that a flush() or a close() made durable. */
  readonly durable = new Set<number>();
  /** Events whose call rejected with a phase that says: not in the log. */
  readonly refused = new Set<number>();

  /** Logs the next event. */
  async log(log: AuditLog): Promise<void> {
    const n = this.logged.size;
    this.logged.add(n);
    try {
      await log.log("nav", { n });
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
}

/** Appends one by one and all at once, flushes, rotates, and closes; goes on whatever fails. */
export async function work(process: SimulatedProcess, ledger: Ledger): Promise<void> {
  let log: AuditLog;
  try {
    log = await openIn(process);
  } catch {
    return;
  }
  for (let n = 0; n < 4; n++) await ledger.log(log);
  await ledger.settle(log, "flush");
  await Promise.all(Array.from({ length: 7 }, () => ledger.log(log)));
  await log.rotate().catch(() => {});
  await ledger.log(log);
  await ledger.settle(log, "close");
}

/** What the oracle allows. */
export interface Allowance {
  /** Whether the power went, which may take acknowledged events that were not durable. */
  powerLost?: boolean;
}

/**
 * Recovers the log in a new process, and checks that each event is there as often as it was promised,
 * in order, that recovery left nothing undone, and that another one changes nothing.
 */
export async function checkRecovered(
  disk: SimulatedDisk,
  ledger: Ledger,
  { powerLost = false }: Allowance = {},
): Promise<void> {
  const process = disk.process();
  const log = await openIn(process);
  const found = (await log.query().toArray()).map(({ n }) => n as number);
  checkFound(found, ledger, powerLost);
  await log.recovery;
  const next = ledger.logged.size;
  await log.log("nav", { n: next });
  const after = (await log.query().toArray()).map(({ n }) => n);
  assertEquals(after, [...found, next], "recovery or the next event moved events");
  await log.close();
  assertEquals(process.openHandles, 0, "handles are left open");
  checkTidy(disk);

  const before = disk.snapshot();
  const again = disk.process();
  await (await openIn(again)).close();
  const changes = again.calls.filter(({ name }) =>
    ["append", "truncate", "rename", "link", "remove"].includes(name)
  );
  assertEquals(changes, [], "another recovery found something to do");
  assertEquals(disk.snapshot(), before);
}

function checkFound(found: readonly number[], ledger: Ledger, powerLost: boolean): void {
  const sorted = found.toSorted((a, b) => a - b);
  assertEquals(found, sorted, "events are out of order");
  assertEquals(new Set(found).size, found.length, "events are doubled");
  const isThere = new Set(found);
  const lost = [...ledger.acknowledged].filter((n) => !isThere.has(n));
  assertEquals(lost.filter((n) => ledger.durable.has(n)), [], "durable events are lost");
  assert(lost.length <= (powerLost ? EVERY_N_LINES - 1 : 0), `events are lost: ${lost}`);
  assertEquals(found.filter((n) => ledger.refused.has(n)), [], "refused events are there");
  assertEquals(found.filter((n) => !ledger.logged.has(n)), [], "events that nobody logged");
}

/** No half archive, no segment left, and a manifest line for each archive. */
function checkTidy(disk: SimulatedDisk): void {
  const files = new LogFiles(PATH);
  const process = disk.process();
  const forms = process.list(files.directory).map((name) => files.parse(name))
    .filter((parsed) => parsed !== null);
  assertEquals(forms.filter(({ form }) => form !== "archive"), []);
  const options = { fileSystem: process, path: files.manifest, logger: silent };
  const manifest = new Manifest({ ...options, underLock: (section) => Promise.try(section) });
  const { byArchive } = manifest.read();
  for (const { stamp } of forms) {
    assert(byArchive.has(files.archive(stamp).slice("/log/".length)), `no line for ${stamp}`);
  }
}
