/**
 * Decides holds (reservations on budgets) and limits under the append lock, so that only one process decides at a time.
 * For these decisions, keeps a ledger up to date: the amounts that the budgets of the log have spent and hold.
 *
 * Invariant: at each decision, the ledger has counted every line that precedes the decision in the log, and no other
 * line. Several decisions can be made together; one write then appends their lines. If this write fails, the ledger
 * counts lines that the log does not have, so it is discarded and read again from the file.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { type AuditEvent, isReservedType } from "../event.ts";
import type { LineSource } from "../read/line_source.ts";
import type { Damage } from "../read/damage.ts";
import { LogCursor } from "../read/log_cursor.ts";
import { linesOf } from "../read/manifest_lines.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { ActiveEnd } from "../segments/log_directory.ts";
import { eventFilter } from "../read/filter.ts";
import type { Decider } from "../write/log_sink.ts";
import {
  BUDGET_FIELDS,
  BUDGET_LINE,
  type LineFields,
  stateFields,
  stateOf,
} from "./budget_lines.ts";
import { BudgetLedger } from "./ledger.ts";

/**
 * Maximum number of bytes that are read under the append lock, because other processes wait for the lock. If more bytes
 * are unread, they are first read without the lock.
 */
const UNREAD_BYTES_MAX = 1024 * 1024;
/**
 * Maximum number of bytes of the lines that one write appends for several decisions. The last of these lines may exceed
 * the maximum.
 */
const TOGETHER_BYTES = 64 * 1024;
/**
 * Number of bytes after which a new `budget_state` line is written, just before the next line of a budget. A process
 * that opens the log starts to read at the newest such line, so it usually has to read little more.
 */
const STATE_EVERY_BYTES = 1024 * 1024;
/**
 * If a file has a `budget_state` line, the next such line, of n bytes, is written only after `STATE_SHARE * n` bytes of
 * other lines. So `budget_state` lines take only a small part of a file, even if they are long.
 */
const STATE_SHARE = 4;
/** Assumed length of a line in bytes. If only the number of lines is known, their total length is estimated with it. */
const LINE_BYTES = 100;

/** The line that a decision on a hold or limit appends to the log. */
export interface DecidedLine {
  readonly type: string;
  readonly fields: LineFields;
  /** Time with which the line is dated, epoch milliseconds. */
  readonly ms: number;
}

/**
 * Decides, for example, whether a hold is granted. Called under the append lock, when the ledger has counted every line
 * of the log so far. Returns the line to append; null if the decision appends no line.
 */
export type Decision = (ledger: BudgetLedger, nowMs: number) => DecidedLine | null;

/** A decision that waits until the lines before it are written. */
interface Queued {
  readonly decision: Decision;
  /** Number of lines of this writer that must be written before the decision is made. */
  readonly afterLines: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The parts of a log that its {@linkcode BudgetKeeper} uses. */
export interface KeeperOptions {
  readonly source: LineSource;
  readonly now: () => number;
  /** Number of bytes at which a file of the log is full, so that the log continues in a new file. */
  readonly rotationSizeBytes: number;
  /** Returns the number of lines that the log has accepted from this process, written or not. */
  readonly acceptedLines: () => number;
  /** Returns the text of the line that a decision writes. */
  readonly lineOf: (line: DecidedLine) => string;
  /** Starts the decisions that are due, after the current turn of the event loop. */
  readonly start: () => void;
  /** Returns the number of syncs of the log that have failed. */
  readonly failedSyncs: () => number;
  /**
   * Resolves when everything in the active file is durable, including the lines of other processes. Rejects if a sync
   * has failed since the number of failed syncs was `failedBefore`.
   */
  readonly syncFile: (failedBefore: number) => Promise<void>;
}

/** Makes the decisions of one writer (an open log in one process) on its holds and limits. */
export class BudgetKeeper implements Decider {
  readonly #options: KeeperOptions;
  readonly #closing = new AbortController();
  readonly #queue: Queued[] = [];
  /** The regions of the log that the keeper could not read since it began its ledger. They may contain holds. */
  readonly #damage: Damage[] = [];
  /** The functions that are called with each event that is added to the ledger. */
  readonly #listeners = new Set<(event: AuditEvent) => void>();
  #cursor: LogCursor;
  /**
   * The ledger, which begins at the newest `budget_state` line; undefined until the keeper has searched for that line.
   */
  #ledger: BudgetLedger | undefined;
  /**
   * Approximate offset of the newest `budget_state` line in the active file; undefined if the file is not known to have
   * such a line.
   */
  #stateEndsAt: number | undefined;
  /** Number of events after the newest `budget_state` line. */
  #sinceState = 0;
  /** The last event of the log that the ledger has counted. */
  #lastEvent: AuditEvent | undefined;
  #generation = 0;
  #closed: Error | undefined;
  /**
   * The promise of the running catchUp(), which reads without the append lock; undefined if catchUp() is not running.
   */
  #catchingUp: Promise<void> | undefined;
  /** The decisions that were made and whose lines are not in the file yet. They resolve when the lines are written. */
  readonly #decided: Queued[] = [];

  /** Creates the keeper. The log is not read before the first decision. */
  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#cursor = this.#newCursor();
  }

  get nextAfter(): number {
    return this.#queue[0]?.afterLines ?? Infinity;
  }

  /**
   * Makes a decision when all lines that the log has accepted so far are written. An urgent decision is made before all
   * waiting lines and decisions. Resolves when the decision is made and its line, if it has one, is written. Rejects if
   * the decision cannot be made; the log then has no line of the decision.
   */
  decide(decision: Decision, { isUrgent = false } = {}): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const afterLines = isUrgent ? 0 : this.#options.acceptedLines();
    const queued = { decision, afterLines, resolve, reject };
    if (isUrgent) this.#queue.unshift(queued);
    else this.#queue.push(queued);
    this.#options.start();
    return promise;
  }

  /** Number of times that the keeper has discarded its ledger to begin another one. */
  get generation(): number {
    return this.#generation;
  }

  /** The last event of the log that the ledger has counted; undefined if it has counted none. */
  get lastEvent(): AuditEvent | undefined {
    return this.#lastEvent;
  }

  /**
   * Calls `look` with the ledger, as it was after the last decision, and returns the result. Does not read the log, so
   * newer lines are missing. If the ledger was not read yet, returns undefined.
   */
  peek<T>(look: (ledger: BudgetLedger, nowMs: number) => T): T | undefined {
    return this.#ledger === undefined ? undefined : look(this.#ledger, this.#options.now());
  }

  /**
   * From now on, calls `listener` with each event that is added to the ledger. Returns a function that ends these
   * calls.
   */
  listen(listener: (event: AuditEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * If the log has budgets, makes sure that the active file has a durable `budget_state` line, which sums up all
   * budgets. Called before an archive that may have the newest such line is removed, because the budgets would be lost
   * with it. Resolves with false if the line cannot be written or synced.
   */
  async keep(): Promise<boolean> {
    const { failedSyncs, syncFile } = this.#options;
    let failedBefore = 0;
    const stateIfNeeded: Decision = (ledger, nowMs) => {
      failedBefore = failedSyncs();
      const isNeeded = this.#stateEndsAt === undefined && ledger.names.next().done === false;
      return isNeeded ? stateLine(ledger, nowMs) : null;
    };
    try {
      // The decision is urgent, so that it does not wait for accepted lines. These lines may wait for the removal of an
      // archive, and the removal waits for this decision. Without the urgency, both could wait forever.
      await this.decide(stateIfNeeded, { isUrgent: true });
      // The archive with the older `budget_state` line must not be removed before the newer line is durable, even if
      // another process has written the newer line.
      await syncFile(failedBefore);
      return true;
    } catch {
      // If keep() returns false, retention keeps the archive that has the newest state of the budgets, and tries to
      // remove it again later.
      return false;
    }
  }

  /** Rejects the waiting decisions with the error, and closes the files that the keeper reads. */
  async close(error: Error): Promise<void> {
    this.#closed = error;
    this.#closing.abort();
    this.failed(error, "all");
    await this.#catchingUp;
    this.#cursor.close();
  }

  decideSync(end: ActiveEnd, afterLines: number): string | null {
    // While catchUp() runs, which reads without the append lock, it moves the log cursor. So decideSync() must not move
    // the cursor, and makes no decision.
    if (this.#catchingUp !== undefined) return null;
    const ledger = this.#caughtUp(end);
    if (ledger === null) {
      this.#cursor.aim(end);
      return null;
    }
    let texts = "";
    const endMax = Math.min(this.#options.rotationSizeBytes, end.byteLength + TOGETHER_BYTES);
    // At least one decision is made, even if the file is full: a full file that cannot be sealed still takes lines.
    while (
      this.nextAfter <= afterLines && (this.#decided.length === 0 || end.byteLength < endMax)
    ) {
      const next = this.#queue.shift()!;
      try {
        const text = this.#linesOf(next.decision, ledger, end);
        texts += text;
        end = { ...end, byteLength: end.byteLength + Buffer.byteLength(text) };
        this.#decided.push(next);
      } catch (error) {
        // The decision may have failed because of an earlier decision, whose line is not in the file yet. So the failed
        // decision rejects only when the line of the earlier one is in the file.
        this.#decided.push({ ...next, resolve: () => next.reject(error) });
      }
    }
    if (texts === "") this.#resolveDecided();
    return texts;
  }

  appended(end: ActiveEnd): void {
    this.#cursor.skipTo(end);
    this.#resolveDecided();
  }

  failed(error: unknown, which: "decided" | "all"): void {
    const failed = this.#decided.splice(0);
    // If decisions were made but not written, the ledger has counted lines that are not in the file. So the ledger is
    // discarded and read again.
    if (failed.length > 0) this.#restart();
    // If no decision was made, the keeper could not read the lines before the first waiting decision. Another attempt
    // would fail too. So the first waiting decision rejects, and cannot block the log for ever.
    if (which === "all") failed.push(...this.#queue.splice(0));
    else if (failed.length === 0) failed.push(...this.#queue.splice(0, 1));
    for (const { reject } of failed) reject(error);
  }

  /** Makes a decision, adds its lines to the ledger, and returns their text; "" if the decision writes no line. */
  #linesOf(decision: Decision, ledger: BudgetLedger, end: ActiveEnd): string {
    const nowMs = this.#options.now();
    const line = decision(ledger, nowMs);
    if (line === null) return "";
    const needsState = isReservedType(line.type) && line.type !== BUDGET_LINE.state;
    const lines = needsState && this.#needsState(ledger, end)
      ? [stateLine(ledger, nowMs), line]
      : [line];
    const texts = lines.map((each) => this.#options.lineOf(each));
    const events: AuditEvent[] = texts.map((text) => JSON.parse(text));
    for (const [index, each] of lines.entries()) checkReadable(events[index]!, each);
    this.#take(events, end);
    return texts.join("");
  }

  #resolveDecided(): void {
    for (const { resolve } of this.#decided.splice(0)) resolve();
  }

  catchUp(): Promise<void> {
    return this.#catchingUp ??= this.#catchUp().catch((error) => {
      const { fileSystem } = this.#options.source.log;
      try {
        // If retention has removed a file while it was read, the waiting decisions do not reject. The next attempt
        // succeeds, because a newer `budget_state` line is written before a file is removed.
        const isGone = this.#unread.some(({ path }) => fileSystem.status(path) === null);
        if (!isGone || this.#closed !== undefined) this.failed(error, "all");
      } finally {
        this.#restart();
      }
    }).finally(() => this.#catchingUp = undefined);
  }

  async #catchUp(): Promise<void> {
    if (this.#ledger === undefined) {
      const isState = (event: AuditEvent) => stateOf(event) !== null;
      const isFound = await this.#cursor.goToNewest(BUDGET_LINE.state, isState);
      this.#checkRead();
      // If the result is null, no search was possible, because the file at which decideSync() aimed the cursor is no
      // longer the active file. The next decideSync() aims the cursor at the current active file.
      if (isFound === null) return;
      this.#ledger = new BudgetLedger({ isWhole: !isFound });
    }
    for (let hasMoved = true; hasMoved;) {
      const reading = this.#cursor.read({ isBounded: true });
      let result = await reading.next();
      for (; !result.done; result = await reading.next()) this.#take(result.value);
      this.#checkRead();
      hasMoved = result.value;
      if (hasMoved) this.#stateEndsAt = undefined;
    }
  }

  /**
   * The files of this log that could not be read up to their ends. While there are any, decisions reject, because the
   * unread parts may contain holds.
   */
  get #unread(): readonly Damage[] {
    const unread = this.#damage.filter(({ byteLength }) => byteLength === 0);
    if (unread.length === 0) return [];
    const { log, logger, manifest = new ManifestReader(log) } = this.#options.source;
    const { byArchive } = linesOf(manifest, logger);
    // If a file has the name of an archive but is not in the manifest, another program has written it, so it cannot
    // contain holds.
    return unread.filter(({ path }) => !path.endsWith(".gz") || byArchive.has(basename(path)));
  }

  /**
   * Checks that every file was read up to its end, because an unread part may contain the newest `budget_state` line or
   * a hold. Throws otherwise. A line that is not JSON is ignored, because the log never acknowledged it.
   */
  #checkRead(): void {
    const [unread] = this.#unread;
    if (unread === undefined) return;
    throw new Error(`the budgets cannot be read: ${unread.reason}: ${unread.path}`);
  }

  /**
   * Returns the ledger after it has counted every event before the end of the active file. Returns null if too many
   * bytes are unread: these bytes must first be read without the append lock.
   */
  #caughtUp(end: ActiveEnd): BudgetLedger | null {
    if (this.#ledger === undefined) return null;
    const events = this.#cursor.readSync(end, UNREAD_BYTES_MAX);
    if (events === "cut") {
      // If another program has shortened the file, the ledger may have counted events that the file no longer has.
      this.#restart();
      return null;
    }
    if (events === null) return null;
    this.#take(events, end);
    if (this.#ledger.isWhole) return this.#ledger;
    throw new Error("the state of the budgets cannot be read");
  }

  #take(events: readonly AuditEvent[], end?: ActiveEnd): void {
    for (const event of events) {
      this.#ledger!.add(event);
      this.#lastEvent = event;
      for (const listener of this.#listeners) listener(event);
      this.#sinceState++;
      if (event.event !== BUDGET_LINE.state) continue;
      this.#stateEndsAt = end?.byteLength;
      this.#sinceState = 0;
    }
  }

  /**
   * Checks whether a `budget_state` line must precede the next line of a budget. It must if the active file has no
   * `budget_state` line, or if 1 MiB was written since the newest one. If many holds are open, a `budget_state` line is
   * so long that it could fill most of a file. Then only some files get one.
   */
  #needsState(ledger: BudgetLedger, { byteLength }: ActiveEnd): boolean {
    const isInFile = this.#stateEndsAt !== undefined;
    const writtenBytes = isInFile ? byteLength - this.#stateEndsAt! : this.#sinceState * LINE_BYTES;
    if (isInFile && writtenBytes < STATE_EVERY_BYTES) return false;
    const dueBytes = STATE_SHARE * ledger.stateBytes;
    return writtenBytes >= dueBytes || !isInFile && dueBytes <= this.#options.rotationSizeBytes;
  }

  #restart(): void {
    this.#generation++;
    this.#cursor.close();
    this.#cursor = this.#newCursor();
    this.#ledger = undefined;
    this.#stateEndsAt = undefined;
    this.#sinceState = 0;
    this.#damage.length = 0;
  }

  #newCursor(): LogCursor {
    // The cursor, which reads the log for the keeper, must also read lines that are longer than this writer's
    // `maxLineBytes`. Another writer may have a larger `maxLineBytes`, and its long lines may be holds.
    const source = { ...this.#options.source, maxLineBytes: Number.MAX_SAFE_INTEGER };
    return new LogCursor(source, {
      filter: eventFilter({}),
      signal: this.#closing.signal,
      damage: this.#damage,
    });
  }
}

/**
 * Returns a `budget_state` line, dated by the clock. The time of a decision may be later than the clock, because one of
 * its budgets has seen a later time. If the `budget_state` line had the later time, it would move the latest time
 * (`clockMs`) of every budget ahead.
 */
function stateLine(ledger: BudgetLedger, ms: number): DecidedLine {
  ledger.compact(ms);
  return { type: BUDGET_LINE.state, fields: stateFields(ledger.state()), ms };
}

/**
 * Checks that the fields of a budget's line have the values that were decided. Every process reads the decision from
 * the line, so a changed value would make the processes disagree.
 *
 * @throws {Error} If a field of the budgets is missing or has another value, for example because the option `redact`
 *   replaced it.
 */
function checkReadable(event: AuditEvent, { type, fields }: DecidedLine): void {
  if (!isReservedType(type)) return;
  for (const name of BUDGET_FIELDS) {
    const [read, written] = [event[name], fields[name]];
    if (read === written || JSON.stringify(read) === JSON.stringify(written)) continue;
    throw new Error(`the option redact changes the field "${name}", which budgets need`);
  }
}
