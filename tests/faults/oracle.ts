/**
 * Compares a log after a fault with the promises that its writers received.
 *
 * @module
 */
import {
  type AuditEvent,
  type AuditLog,
  type AuditLogger,
  type AuditReader,
  type AuditSpan,
  AuditWriteError,
  type Budget,
  type BudgetHold,
  type HoldOptions,
  spend,
} from "@vivarium/scout";
import { openReaderOn } from "../../src/audit_reader.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { Violation } from "./harness.ts";
import { rollupFaults } from "./rollup_check.ts";
import { SERVICE, type SimulatedDisk } from "./simulated_disk.ts";

/**
 * The outcomes that one writer received for its events, which are numbered from 0. A later check compares the log with
 * them.
 */
export class Ledger {
  /** Session ID of the writer's events. */
  readonly writer: string;
  /** Number of lines after which the log syncs. A power loss may lose fewer acknowledged lines than this number. */
  readonly everyNLines: number;
  /** Events that may be in the log. */
  readonly logged = new Set<number>();
  /** Events whose call resolved. */
  readonly acknowledged = new Set<number>();
  /** Events that a flush() or close() has made durable. */
  readonly durable = new Set<number>();
  /** Events that cannot be in the log, because their call rejected in a phase other than "sync". */
  readonly refused = new Set<number>();
  /** The IDs of the holds (reserved amounts) that were granted. */
  readonly holds = new Set<string>();
  /**
   * The spans whose begin() resolved: for each its ID, the number of the event of its beginning, and that of its end.
   */
  readonly spans: { readonly id: string; readonly begin: number; end?: number }[] = [];

  /** Creates an empty ledger, or a copy of another one. */
  constructor(of: Pick<Ledger, "writer" | "everyNLines"> | Ledger) {
    this.writer = of.writer;
    this.everyNLines = of.everyNLines;
    if (!(of instanceof Ledger)) return;
    for (const events of ["logged", "acknowledged", "durable", "refused"] as const) {
      for (const n of of[events]) this[events].add(n);
    }
    for (const id of of.holds) this.holds.add(id);
    this.spans.push(...of.spans.map((span) => ({ ...span })));
  }

  /** Logs the next event and records the outcome. */
  async log(log: AuditLog, fields: { reason?: string } = {}): Promise<void> {
    await this.write((own) => log.log("nav", { ...own, ...fields }));
  }

  /** Begins a span and records the outcome. Resolves with `undefined` if that fails. */
  async begin(
    logger: Pick<AuditLogger, "begin">,
    event: string,
  ): Promise<AuditSpan | undefined> {
    const begin = this.logged.size;
    const span = await this.write((fields) => logger.begin(event, fields));
    if (span !== undefined) this.spans.push({ id: span.id, begin });
    return span;
  }

  /** Ends a span and records the outcome. */
  async end(span: AuditSpan): Promise<void> {
    this.spans.find(({ id }) => id === span.id)!.end = this.logged.size;
    await this.write((fields) => span.end(fields));
  }

  /** Reserves (holds) an amount on a budget, and records the hold. Resolves with `undefined` if the hold is refused. */
  async hold(
    budget: Budget,
    usd: number,
    options: HoldOptions = {},
  ): Promise<BudgetHold | undefined> {
    try {
      const hold = await budget.hold({ usd, ...options });
      this.holds.add(hold.id);
      return hold;
    } catch {
      // The workloads expect refused holds and injected faults. If a sync failed, the line of the hold may be in the
      // log nevertheless; checkBudget() then counts it like every other hold in the log.
      return undefined;
    }
  }

  /** Calls the function, which logs the next event with the fields, and records the outcome. */
  async write<T>(
    write: (fields: { n: number; session_id: string }) => Promise<T>,
  ): Promise<T | undefined> {
    const n = this.logged.size;
    this.logged.add(n);
    try {
      const result = await write({ n, session_id: this.writer });
      this.acknowledged.add(n);
      return result;
    } catch (error) {
      const isRefused = error instanceof AuditWriteError && error.phase !== "sync";
      if (isRefused) this.refused.add(n);
      return undefined;
    }
  }

  /** Waits for a flush() or close(), and records which events it makes durable. */
  async settle(log: AuditLog, how: "flush" | "close"): Promise<void> {
    const before = [...this.acknowledged];
    try {
      await log[how]();
    } catch {
      // The call failed, so it is unknown whether these events are durable. They are not recorded as durable.
      return;
    }
    for (const n of before) this.durable.add(n);
  }

  /**
   * Checks which of the writer's events were found.
   *
   * @throws {Violation} If the found events break a promise.
   */
  check(found: readonly number[], { powerLost, prunes }: Allowance): void {
    const isThere = new Set(found);
    if (isThere.size < found.length) this.#fail("doubled", found);
    if (found.some((n, at) => at > 0 && n < found[at - 1]!)) this.#fail("reordered", found);
    const isPruned = (n: number) => prunes && !(n > found[0]!);
    const lost = [...this.acknowledged].filter((n) => !isThere.has(n) && !isPruned(n));
    if (lost.some((n) => this.durable.has(n))) this.#fail("lost", found);
    if (lost.length > (powerLost ? this.everyNLines - 1 : 0)) this.#fail("lost", found);
    if (found.some((n) => this.refused.has(n))) this.#fail("other", found);
    if (found.some((n) => !this.logged.has(n))) this.#fail("other", found);
  }

  /**
   * Checks which of the writer's spans are listed as unfinished.
   *
   * @throws {Violation} If a span is not listed although it did not end, or is listed although it ended.
   */
  checkSpans(listed: readonly string[], { powerLost }: Allowance): void {
    const sure = powerLost ? this.durable : this.acknowledged;
    for (const { id, begin, end } of this.spans) {
      const isListed = listed.includes(id);
      const hasEnded = end !== undefined && sure.has(end);
      const mayHaveEnded = end !== undefined && !this.refused.has(end);
      if (hasEnded && isListed) throw spanViolation(`event ${end} ended ${id}, but it is listed`);
      if (sure.has(begin) && !mayHaveEnded && !isListed) {
        throw spanViolation(`event ${begin} began ${id}, but it is not listed`);
      }
    }
  }

  #fail(kind: Violation["kind"], found: readonly number[]): never {
    const { logged, acknowledged, durable, refused } = this;
    const outcomes = `${logged.size} logged, acknowledged ${listOf(acknowledged)}, durable ` +
      `${listOf(durable)}, refused ${listOf(refused)}`;
    throw new Violation(kind, `writer ${this.writer}: ${outcomes}, but found ${listOf(found)}`);
  }
}

function spanViolation(what: string): Violation {
  return new Violation("other", `unfinished spans: ${what}`);
}

function listOf(events: Iterable<number>): string {
  return `[${[...events].join(" ")}]`;
}

/** The losses that the oracle allows. */
export interface Allowance {
  /** Is true if the power was lost. If so, acknowledged events that were not durable may be missing. */
  readonly powerLost: boolean;
  /** Is true if retention may have removed the oldest events. */
  readonly prunes: boolean;
}

/** The path of the log, and a function that opens the log again. */
export interface Reopening {
  readonly path: string;
  /** Opens the log in a new process on the disk. */
  open(process: ReturnType<SimulatedDisk["process"]>): Promise<AuditLog>;
}

/**
 * Recovers the log in a new process. Checks that each event is in the log as often as promised and in order, that
 * recovery left nothing to do, and that another recovery changes nothing.
 *
 * @throws {Violation} If a promise is broken.
 */
export async function checkRecovered(
  disk: SimulatedDisk,
  ledgers: readonly Ledger[],
  { path, open, ...allowance }: Reopening & Allowance,
): Promise<void> {
  const { powerLost, prunes } = allowance;
  const process = disk.process();
  const log = await open(process);
  if (prunes) await log.recovery;
  const found = await eventsOf(log);
  for (const ledger of ledgers) {
    const own = found.filter(({ writer }) => writer === ledger.writer).map(({ n }) => n);
    ledger.check(own, allowance);
  }
  await checkBudget(log, ledgers, allowance);
  const hasSpans = await checkSpans(log, ledgers, allowance);
  await log.recovery;
  const next = { writer: "next", n: 0 };
  await log.log("nav", { n: next.n, session_id: next.writer });
  expectSame(await eventsOf(log), [...found, next], "recovery or the next event moved events");
  await log.close();
  expectSame(process.openHandles, 0, "handles were left open");
  // A power loss may remove lines, so the hash chain then has gaps, which verify() rightly reports.
  if (!powerLost) {
    const { faults } = await verifyLog({
      log: new LogDirectory(disk.process(), path),
      clock: new SimulatedClock(),
      maxLineBytes: 10_000,
    });
    expectSame(faults, [], "verify() found faults in an unmodified log");
  }
  // For archives that retention has removed, only the manifest states the unfinished spans. So without the manifest
  // they are lost.
  if (hasSpans && !prunes) {
    await checkSpansWithoutManifest(disk, { path, ledgers, ...allowance });
  }
  checkTidy(disk, path);
  await checkRollups(disk, path);
  checkOwner(disk);
  await checkSettled(disk, open);
}

async function eventsOf(log: AuditLog): Promise<{ writer: string; n: number }[]> {
  const events = await log.query().toArray();
  return events.map(({ session_id, n }) => ({ writer: String(session_id), n: Number(n) }));
}

/** The budget of the workloads. */
export const BUDGET = { name: "run", limit: { usd: 1 }, hours: 1 } as const;

/**
 * Checks that every granted hold (reserved amount) is in the log, that the budget was not exceeded at any line, and
 * that the log states the same amounts as a plain replay of its lines.
 *
 * After a power loss, lines before a `budget_state` line, which states all amounts, may be missing. Then the replay
 * takes over the amounts of that line, and does not check whether the budget was exceeded.
 */
async function checkBudget(
  log: AuditLog,
  ledgers: readonly Ledger[],
  { powerLost }: Allowance,
): Promise<void> {
  const events = await log.query().toArray();
  const parts = (usd: unknown) => BigInt(Math.round(Number(usd) * 1e9));
  const open = new Map<unknown, bigint>();
  const granted = new Set<unknown>();
  /**
   * The amounts of the waiting holds, by the ID of the hold, oldest first. A waiting hold has a `budget_wait` line,
   * which keeps room for it. These lines do not expire here, because the clock of a workload stands still.
   */
  const tickets = new Map<unknown, bigint>();
  let spent = 0n;
  for (const { event, cost, hold, hold_usd, accounts, holds } of events) {
    if (event === "budget_state" && powerLost) {
      open.clear();
      for (const each of holds as AuditEvent[]) open.set(each.hold, parts(each.hold_usd));
      const [account] = accounts as { sums: [number, number][] }[];
      spent = BigInt(account?.sums.reduce((sum, [, amount]) => sum + amount, 0) ?? 0);
    }
    const estimate = open.get(hold);
    if (event === "budget_wait") tickets.set(hold, parts(hold_usd));
    const [oldest] = tickets.keys();
    const claimed = event !== "budget_hold" || oldest === hold ? 0n : tickets.get(oldest) ?? 0n;
    if (event !== "budget_wait") tickets.delete(hold);
    if (event === "budget_hold") {
      granted.add(hold);
      open.set(hold, parts(hold_usd));
    } else if (event === "budget_charge") spent += estimate ?? 0n;
    else if (cost !== undefined || estimate !== undefined && !event!.startsWith("budget_")) {
      spent += cost === undefined ? estimate! : parts(cost);
    }
    if (event !== "budget_hold") open.delete(hold);
    const held = open.values().reduce((sum, amount) => sum + amount, 0n);
    if (!powerLost && spent + held + claimed > parts(BUDGET.limit.usd)) {
      const sums = `${spent} spent, ${held} held and ${claimed} kept for the oldest waiting hold`;
      throw new Violation("other", `budget exceeded: ${sums}`);
    }
  }
  const missing = ledgers.flatMap(({ holds }) => [...holds].filter((id) => !granted.has(id)));
  expectSame(missing, [], "granted holds that are not in the log");
  if (!events.some(({ event }) => event === "budget_limit")) return;
  const state = await (await log.budget(BUDGET)).state();
  const held = open.values().reduce((sum, amount) => sum + amount, 0n);
  expectSame(
    [parts(state.spent), parts(state.held)].map(String),
    [spent, held].map(String),
    "budget",
  );
}

/**
 * Checks that unfinished() lists exactly the spans that begin in the log and do not end in it. Resolves with `true` if
 * the log has spans.
 */
async function checkSpans(
  log: AuditLog | AuditReader,
  ledgers: readonly Ledger[],
  allowance: Allowance,
): Promise<boolean> {
  const events = (await log.query().toArray()).filter(({ span }) => span !== undefined);
  const isBegin = ({ event }: AuditEvent) => event!.endsWith("_begin");
  const ended = events.filter((event) => !isBegin(event)).map(({ span }) => span);
  const open = events.filter(isBegin).map(({ span }) => span).filter((span) =>
    !ended.includes(span)
  );
  const listed = (await Array.fromAsync(log.unfinished())).map(({ span }) => span);
  for (const ledger of ledgers) ledger.checkSpans(listed, allowance);
  if (!allowance.prunes) expectSame(listed, open, "unfinished spans");
  return events.length > 0;
}

/** Checks the unfinished spans again on a copy of the disk without the manifest, which recovery then rebuilds. */
async function checkSpansWithoutManifest(
  disk: SimulatedDisk,
  { path, ledgers, ...allowance }: { path: string; ledgers: readonly Ledger[] } & Allowance,
): Promise<void> {
  const process = disk.afterKill().process();
  const { manifest } = new LogDirectory(process, path).files;
  if (process.status(manifest) === null) return;
  process.remove(manifest);
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path, logger: silent });
  await checkSpans(reader, ledgers, allowance);
}

/** Checks that no segment or unfinished archive is left, and that each archive has a line in the manifest. */
function checkTidy(disk: SimulatedDisk, path: string): void {
  const process = disk.process();
  const log = new LogDirectory(process, path);
  const { files } = log;
  const forms = process.list(files.directory).map((name) => files.parse(name))
    .filter((parsed) => parsed !== null);
  const undone = forms.filter(({ form }) => form !== "archive" && form !== "rollup");
  expectSame(undone, [], "recovery left work undone");
  const { byArchive } = new ManifestReader(log).read();
  const isListed = forms.map(({ stamp }) => byArchive.has(files.archive(stamp).split("/").at(-1)!));
  expectSame(isListed.filter((is) => !is), [], "archives without a manifest line");
}

/**
 * Checks that each archive has a rollup (sums) that matches its events, and that readers use the rollups instead of
 * decoding the archives.
 */
async function checkRollups(disk: SimulatedDisk, path: string): Promise<void> {
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path, logger: silent });
  expectSame(await rollupFaults(new LogDirectory(process, path), reader), [], "rollups");
  const { length } = process.calls;
  await spend(reader, { by: "model" });
  const decoded = process.calls.slice(length)
    .filter(({ name, path }) => name === "read" && path.endsWith(".gz"));
  expectSame(decoded, [], "archives that were decoded despite their rollups");
}

/**
 * Checks that the owner of the directory owns each file, and that all files except the lock file have the same mode.
 */
function checkOwner(disk: SimulatedDisk): void {
  const paths = Object.keys(disk.snapshot());
  const owners = new Set(paths.map((path) => disk.ownershipOf(path).uid));
  expectSame([...owners], [SERVICE.uid], "owners of the files");
  const modes = paths.filter((path) => !path.endsWith(".lock"))
    .map((path) => disk.ownershipOf(path).mode);
  expectSame(new Set(modes).size, 1, `modes of the files: ${modes}`);
}

/** Checks that another recovery changes nothing. */
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
    throw new Violation("other", `${what}: ${text}, expected ${expectedText}`);
  }
}
