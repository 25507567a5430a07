/**
 * The last stage of the write path. Writes batches of lines into the active file, syncs the file when a sync is due,
 * and seals the file when it is full: renames it to a segment, which is then compressed into an archive.
 *
 * Each batch is one write under the append lock. If a batch fills the active file, it is split, and the lock is
 * released between the parts. Syncs run concurrently with writes: a batch never waits for a sync of earlier batches, so
 * accepted lines reach the kernel in the same event-loop turn. If the disk is faster than a hand-over to another
 * thread, a sync blocks the thread instead, and the event loop makes a turn every two milliseconds. Archiving runs
 * concurrently too, and its failures never fail an append.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { countLines } from "../line/line_splitter.ts";
import type { Logger } from "../logger.ts";
import type { ResolvedOptions } from "../options/log_options.ts";
import { ensureDirectory } from "../platform/regular_file.ts";
import { clearMarks, clearMarksPast } from "../segments/active_marks.ts";
import { ChainHistory } from "../segments/chain_history.ts";
import type { ActiveEnd, LogDirectory } from "../segments/log_directory.ts";
import type { RecoveryReport } from "../segments/recover.ts";
import type { Stamp } from "../segments/segment_name.ts";
import { Segments } from "../segments/segments.ts";
import { checkSpelling } from "../segments/spelling.ts";
import type { Clock } from "../platform/clock.ts";
import { Turns } from "../platform/turns.ts";
import type { LineOutcomes } from "./acknowledgements.ts";
import { ActiveFile } from "./active_file.ts";
import { AgeWatch } from "./age_watch.ts";
import { AppendLock } from "./append_lock.ts";
import { type DiskState, GroupCommit } from "./group_commit.ts";
import { LineChain } from "./line_chain.ts";

/**
 * Delay in milliseconds before a failed seal (the rename of the full active file to a segment) is retried. Lines are
 * appended to the full file meanwhile.
 */
const SEAL_RETRY_MS = 1_000;

/**
 * Maximum number of bytes of lines without a hash that are read each time the append lock is taken. Reading them takes
 * about a millisecond, during which other writers wait for the lock.
 */
const FOLLOW_BYTES = 1024 * 1024;

/**
 * Number of bytes between two marks, which are places where a query may start. A query of the last hour reads at most
 * this many bytes of older events.
 */
const MARK_EVERY_BYTES = 256 * 1024;
/**
 * Minimum number of marks (places where a query may start) in a segment. In a small segment the marks are closer
 * together.
 */
const MARKS_MIN = 4;

/** Options of {@linkcode LogSink}. */
export interface LogSinkOptions extends ResolvedOptions {
  readonly clock: Clock;
  /**
   * Receives the outcome of each line. If it is set, the stream continues after a failed batch. If it is not set, a
   * failed batch errors the stream.
   */
  readonly outcomes?: LineOutcomes;
  /**
   * Called before the removal of an archive that may have the newest `budget_state` line, which has the amounts of all
   * budgets. The function writes such a line into the active file, unless the file already has one. If it resolves with
   * false, the archive stays.
   */
  readonly keepBudgets?: () => Promise<boolean>;
}

/**
 * Decides which lines the log itself adds between the lines of this writer, such as a `budget_*` line that grants a
 * request to spend. Each decision is made under the append lock and considers all lines that are in the file.
 */
export interface Decider {
  /** Number of lines of this writer that come before the next decision; infinite if no decision waits. */
  readonly nextAfter: number;
  /**
   * Makes decisions that are due when `afterLines` lines of this writer were written or refused. Returns the lines to
   * append, "" if there are no such lines, or null if {@linkcode catchUp} must run first. The caller holds the append
   * lock.
   */
  decideSync(end: ActiveEnd, afterLines: number): string | null;
  /**
   * Called when the lines of the decisions were appended, with the new end of the active file. The caller holds the
   * append lock.
   */
  appended(end: ActiveEnd): void;
  /**
   * Called if decisions fail. `which` is "decided" if {@linkcode decideSync} has thrown or its lines cannot be
   * appended. `which` is "all" if the waiting decisions cannot be made either.
   */
  failed(error: unknown, which: "decided" | "all"): void;
  /**
   * Reads the lines on which the next decision depends, without the append lock, so that other writers need not wait.
   */
  catchUp(): Promise<void>;
}

const LINE_BREAK = 0x0a;
const encoder = new TextEncoder();
const EMPTY = new Uint8Array();

/**
 * The last stage of the write path of a log. A write resolves when its batch of lines is in the kernel, so that a kill
 * of the process cannot lose the lines. If the batch brings the number of lines that are not yet durable to
 * `fsyncEveryNLines`, the write resolves when the batch is durable. `close()` resolves when everything is durable.
 */
export class LogSink extends WritableStream<Uint8Array<ArrayBuffer>> {
  readonly #lock: AppendLock;
  readonly #file: ActiveFile;
  readonly #commit: GroupCommit;
  readonly #segments: Segments;
  readonly #chainHistory: ChainHistory | undefined;
  readonly #closing = new AbortController();
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #rotationSizeBytes: number;
  readonly #rotationAgeMs: number;
  readonly #outcomes: LineOutcomes | undefined;
  #decider: Decider | undefined;
  /** Number of lines that were written or refused. */
  #decidedLines = 0;
  #isDeciding = false;
  /**
   * For each batch, the number of its bytes that were written or refused. So if the stream and {@linkcode writeSync}
   * receive the same batch, they never write the same bytes twice.
   */
  readonly #decided = new WeakMap<Uint8Array, number>();
  /**
   * The running read of other writers' lines. A mark, which is a place in the file where a query may start, can only be
   * set when these lines were read. The read runs concurrently with appends.
   */
  #catchingUp: Promise<void> | undefined;
  /**
   * Whether the lock file still has marks (places where a query may start) past the end of the active file, because an
   * attempt to remove them failed. The next append tries again.
   */
  #hasOldMarks = false;
  /** Seals the active file when it is too old; undefined if no option limits its age. */
  readonly #ageWatch: AgeWatch | undefined;
  #sealFailure: { message: string; retryMs: number } | undefined;

  /**
   * Opens the sink like the constructor, but also checks that the directory lists the log in the spelling that the
   * caller passed. Otherwise two processes with different spellings would miss each other's files.
   *
   * @throws {TypeError} If the path is not a regular file with a single hard link, or the directory lists it under
   *   another spelling.
   */
  static async open(log: LogDirectory, options: LogSinkOptions): Promise<LogSink> {
    await checkSpelling(log);
    const sink = new LogSink(log, options);
    try {
      // The lock file exists now. If another process created it first, the directory may list it in another spelling,
      // so the check is repeated.
      await checkSpelling(log);
    } catch (error) {
      await sink.abort(error);
      throw error;
    }
    return sink;
  }

  /**
   * Opens the active file of the log for appending if it exists. Otherwise {@linkcode recover} or the first write
   * creates the file. If its directory does not exist, creates the directory.
   *
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   */
  constructor(log: LogDirectory, options: LogSinkOptions) {
    super({
      write: (batch) => this.#write(batch),
      close: () => this.#close(),
      abort: () => this.#abort(),
    });
    const { clock, outcomes, lockTimeoutSec, maxLineBytes, logger, rotationSizeBytes } = options;
    const { signal } = this.#closing;
    ensureDirectory(log.fileSystem, log.files.directory);
    this.#lock = new AppendLock({ log, clock, lockTimeoutSec });
    try {
      const markEveryBytes = Math.min(MARK_EVERY_BYTES, Math.ceil(rotationSizeBytes / MARKS_MIN));
      const isOwnText = outcomes !== undefined;
      const history = options.chain
        ? new ChainHistory(log, { clock, maxLineBytes, signal })
        : undefined;
      const chain = history === undefined ? undefined : new LineChain(() => history.last());
      this.#chainHistory = history;
      this.#file = new ActiveFile({ log, markEveryBytes, isOwnText, chain });
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
    this.#commit = new GroupCommit({ ...options, file: this.#file, outcomes });
    const underLock = <T>(section: () => T) => this.#lock.run(section);
    this.#segments = new Segments({ ...options, log, underLock });
    this.#clock = clock;
    this.#turns = new Turns(clock);
    this.#logger = logger;
    this.#now = options.now;
    this.#rotationSizeBytes = rotationSizeBytes;
    this.#rotationAgeMs = options.rotationAgeSec * 1000;
    this.#outcomes = outcomes;
    this.#ageWatch = this.#rotationAgeMs === Infinity ? undefined : new AgeWatch({
      clock,
      maxAgeMs: this.#rotationAgeMs,
      look: async () => {
        const leftMs = await this.#sealIfOld();
        await this.#segments.prune();
        return leftMs;
      },
    });
  }

  /**
   * Repairs what crashed writers left behind. The outer promise resolves when the end of the active file is repaired: a
   * last line that a crash left incomplete has a line break, and the end of the hash chain is known. The inner promise,
   * `report`, resolves when the segments are repaired.
   */
  async recover(): Promise<{ report: Promise<RecoveryReport> }> {
    await this.#chainHistory?.prepare();
    const closedTornTail = await this.#repairEnd();
    return { report: this.#recoverSegments(closedTornTail) };
  }

  async #recoverSegments(closedTornTail: boolean): Promise<RecoveryReport> {
    const report = await this.#segments.recover(closedTornTail);
    await this.#ageWatch?.start();
    return report;
  }

  /**
   * Writes a batch, blocking the thread while another writer holds the lock. Does nothing if the batch was written or
   * refused already. Starts no sync: the caller must then call {@linkcode syncSync}, after which the promises of the
   * lines resolve.
   *
   * @throws {AuditWriteError} If the write fails. Before that, the lines are reported as refused.
   */
  writeSync(batch: Uint8Array<ArrayBuffer>): void {
    try {
      while (this.#rest(batch).byteLength > 0) {
        this.#lock.runSync((lockFile) => this.#appendPart(batch, { lockFile, mayWait: false }));
      }
    } catch (error) {
      throw this.#refuse(batch, error);
    }
  }

  /**
   * Syncs the written lines that can still become durable, blocking the thread.
   *
   * @throws {AuditWriteError} If the sync fails; the phase is "sync".
   */
  syncSync(): void {
    this.#commit.syncSync();
  }

  /**
   * Resolves when everything written before the call is durable.
   *
   * @throws {AuditWriteError} If this sync or any earlier one failed; the phase is "sync".
   */
  flush(): Promise<void> {
    return this.#commit.flush();
  }

  /** Makes everything written before the call durable, like {@linkcode flush}, but blocks the thread. */
  flushSync(): void {
    this.#commit.flushSync();
  }

  /**
   * Seals the active file: renames it to a segment, to which no more lines are appended. Resolves when the segment is
   * compressed into an archive. If the active file is empty, does nothing.
   *
   * @throws {AuditWriteError} If the file cannot be sealed or archived; the phase is "rotate", "write" or "lock".
   */
  async rotate(): Promise<void> {
    let stamp: Stamp | undefined;
    for (let isReady = false; !isReady;) {
      isReady = await this.#lock.run((lockFile) => {
        const { byteLength } = this.#file.readySync();
        if (this.#file.isBehind(byteLength)) return false;
        if (byteLength > 0) stamp = this.#seal(lockFile);
        return true;
      });
      if (!isReady) await this.#catchUp();
    }
    this.#commit.settle();
    if (stamp === undefined) return;
    try {
      await this.#segments.archived(stamp);
    } catch (cause) {
      throw this.#rotateError("Cannot archive segment", cause);
    }
  }

  /** Sets the object that decides which further lines to append between the lines of this writer. */
  decideWith(decider: Decider): void {
    this.#decider = decider;
  }

  /**
   * Makes the decisions of the {@linkcode Decider} that are due, and appends their lines. If a decision must follow
   * lines that are not appended yet, it is made when these lines are appended.
   */
  async decide(): Promise<void> {
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      while (this.#isDecisionDue) {
        const isMade = await this.#lock.run((lockFile) =>
          this.#appendPart(EMPTY, { lockFile, mayWait: true })
        );
        if (!isMade) await this.#catchUp();
      }
    } catch (error) {
      this.#decider!.failed(error, "all");
    } finally {
      this.#isDeciding = false;
    }
    this.#commit.settleBatch(this.#disk);
  }

  get #disk(): DiskState {
    return { isDiskBusy: this.#segments.isBusy };
  }

  /** Number of syncs that have failed. */
  get failedSyncs(): number {
    return this.#commit.failedSyncs;
  }

  /**
   * Resolves when everything written before the call is durable. Unlike {@linkcode flush}, ignores failures from before
   * the caller's lines were written: `failedBefore` is the value of {@linkcode failedSyncs} just before that.
   *
   * @throws {AuditWriteError} If this sync fails, or another sync has failed since; the phase is "sync".
   */
  async sync(failedBefore: number): Promise<void> {
    const { synced, hasBlocked } = this.#commit.syncBatch(this.#disk);
    await synced;
    this.#commit.throwFailureSince(failedBefore);
    if (hasBlocked && this.#turns.isDue) await this.#turns.take();
  }

  /**
   * Resolves when everything in the active file is durable, including the lines of other writers. `failedBefore` is that
   * of {@linkcode sync}.
   *
   * @throws {AuditWriteError} If this sync fails, or another sync has failed since; the phase is "sync".
   */
  async syncFile(failedBefore: number): Promise<void> {
    await this.#commit.syncFile();
    this.#commit.throwFailureSince(failedBefore);
  }

  /** Runs a function while this process holds the append lock. Passes the handle of the lock file to the function. */
  underLock<T>(section: (lockFile: FileHandle) => T): Promise<T> {
    return this.#lock.run(section);
  }

  async #write(batch: Uint8Array<ArrayBuffer>): Promise<void> {
    while (this.#rest(batch).byteLength > 0 || this.#isDecisionDue) {
      const decides = this.#isDecisionDue;
      try {
        const isAppended = await this.#lock.run((lockFile) =>
          this.#appendPart(batch, { lockFile, mayWait: true })
        );
        if (!isAppended) await this.#catchUp().catch((error) => this.#goOnUnsealed(error));
      } catch (error) {
        const refused = this.#refuse(batch, error);
        if (this.#isDecisionDue) this.#decider!.failed(error, "all");
        // Some lines of the batch may have been written before the error. Their promises are still pending; settle()
        // resolves them or waits for a sync.
        this.#commit.settle();
        if (this.#outcomes !== undefined) return;
        // The error makes the stream errored. An errored stream calls neither close() nor abort(), so the files are
        // closed here.
        await this.#abort();
        throw refused;
      }
      const { synced, hasBlocked } = this.#commit.settleBatch(this.#disk);
      if (this.#outcomes === undefined) await synced;
      // A producer that awaits each call leaves no turn of the event loop to timers and other tasks, if syncs block the
      // thread, or if the producer awaits decisions on holds, which resolve without a turn. So from time to time this
      // method waits for a turn.
      if ((hasBlocked || decides) && this.#turns.isDue) await this.#turns.take();
      const room = this.#segments.room();
      if (room !== undefined) await room;
      // A batch of lines may fill many segments, and each seal blocks the thread. So the event loop makes a turn
      // between two parts of a batch, in which other tasks can run.
      if (this.#rest(batch).byteLength > 0) await this.#clock.turn();
    }
    // Without `outcomes`, a caller may write the same chunk to the stream again, so the number of its written bytes is
    // deleted. With `outcomes`, the number is kept, because the log may pass the same batch to writeSync() too, for
    // example at the exit of the program.
    if (this.#outcomes === undefined) this.#decided.delete(batch);
  }

  /** Returns the part of a batch that is neither written nor refused. */
  #rest(batch: Uint8Array): Uint8Array {
    return batch.subarray(this.#decided.get(batch) ?? 0);
  }

  /**
   * Appends as much of a batch as fits in the active file. If `mayWait` is true and lines of other writers must be read
   * outside the append lock first, returns false. The caller holds the append lock.
   */
  #appendPart(
    batch: Uint8Array,
    { lockFile, mayWait }: { lockFile: FileHandle; mayWait: boolean },
  ): boolean {
    // writeSync() may have written the batch while this call waited for the lock.
    if (this.#rest(batch).byteLength === 0 && !(mayWait && this.#isDecisionDue)) return true;
    let { byteLength } = this.#file.readySync();
    if (this.#hasOldMarks || !this.#file.endsInOurs(byteLength)) {
      this.#clearMarksPast(lockFile, byteLength);
    }
    if (this.#mustSeal(byteLength)) {
      if (mayWait && this.#file.isBehind(byteLength)) return false;
      if (this.#sealOrGoOn(lockFile)) byteLength = this.#file.readySync().byteLength;
    } else if (this.#file.isMarkDue(byteLength)) this.#mark(lockFile, byteLength);
    if (mayWait && this.#isDecisionDue) return this.#decideSync(byteLength);
    const rest = mayWait ? this.#upToDecision(this.#rest(batch)) : this.#rest(batch);
    const takenBytes = this.#file.appendSync(rest, byteLength, this.#rotationSizeBytes);
    this.#commit.wrote(this.#countDecided(batch, rest.subarray(0, takenBytes)));
    return true;
  }

  get #isDecisionDue(): boolean {
    return this.#decider !== undefined && this.#decider.nextAfter <= this.#decidedLines;
  }

  /**
   * Makes the decisions of the {@linkcode Decider} that are due, until the file is full. Returns false if the decider
   * must read more lines first. The caller holds the append lock.
   */
  #decideSync(byteLength: number): boolean {
    const decider = this.#decider!;
    while (this.#isDecisionDue && !this.#mustSeal(byteLength)) {
      try {
        const end = { file: this.#file.identity, byteLength };
        const lines = decider.decideSync(end, this.#decidedLines);
        if (lines === null) return false;
        if (lines === "") continue;
        const bytes = encoder.encode(lines);
        // The lines that decideSync() returns are appended with one write, even if the first of them fills the file.
        this.#file.appendSync(bytes, byteLength);
        this.#commit.inserted(countLines(bytes));
        decider.appended(this.#file.ourEnd);
        byteLength = this.#file.ourEnd.byteLength;
      } catch (error) {
        decider.failed(error, "decided");
        byteLength = this.#file.readySync().byteLength;
      }
    }
    return true;
  }

  /** Returns the lines of a batch that are written before the next decision of the {@linkcode Decider}. */
  #upToDecision(lines: Uint8Array): Uint8Array {
    let left = (this.#decider?.nextAfter ?? Infinity) - this.#decidedLines;
    if (left === Infinity) return lines;
    let end = 0;
    for (; left > 0; left--) {
      const lineBreak = lines.indexOf(LINE_BREAK, end);
      if (lineBreak < 0) return lines;
      end = lineBreak + 1;
    }
    return lines.subarray(0, end);
  }

  /**
   * Places a mark, a place where a query may start, at the end of the active file. If lines of other writers must be
   * read before, starts this read instead. The caller holds the append lock.
   */
  #mark(lockFile: FileHandle, byteLength: number): void {
    const isBehind = this.#marking(() => !this.#file.markSync(lockFile, byteLength));
    if (!isBehind) return;
    this.#catchingUp ??= this.#file.catchUp()
      .catch((error) => this.#warnOfMark(error))
      .finally(() => this.#catchingUp = undefined);
  }

  /**
   * Removes the marks (places where a query may start) if one of them lies past the end of the active file, because
   * another program has truncated the file. If the removal fails, warns, and tries again at the next append. The caller
   * holds the append lock.
   */
  #clearMarksPast(lockFile: FileHandle, byteLength: number): void {
    const clear = () => {
      clearMarksPast(lockFile, this.#hasOldMarks ? -1 : byteLength);
      this.#hasOldMarks = false;
    };
    this.#marking(clear, (error) => {
      if (!this.#hasOldMarks) {
        this.#logger.warn(
          "Cannot remove marks (places in the log where queries start) of an earlier active file from the lock file, so queries may miss events after a power loss; " +
            "the next append tries again: " +
            `${messageOf(error)}: ${this.#file.path}`,
        );
      }
      this.#hasOldMarks = true;
    });
  }

  /**
   * Runs a function that reads or writes marks, which are places in the active file where a query may start. If the
   * function throws, calls `onError`, which warns by default, and returns undefined. But if a permission is missing,
   * throws the error.
   */
  #marking<T>(
    work: () => T,
    onError = (error: unknown) => this.#warnOfMark(error),
  ): T | undefined {
    try {
      return work();
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      onError(error);
      return undefined;
    }
  }

  /**
   * Warns that a mark (a place where a query may start) could not be written. The lines are appended nevertheless:
   * without marks, a query only reads more of the file.
   */
  #warnOfMark(error: unknown): void {
    this.#logger.warn(
      `Cannot write marks (places in the log where queries start), so queries read more of the log: ${
        messageOf(error)
      }: ${this.#file.path}`,
    );
  }

  #refuse(batch: Uint8Array, error: unknown): Error {
    const reason = error instanceof Error ? error : new Error(String(error));
    const lineCount = this.#countDecided(batch, this.#rest(batch));
    this.#outcomes?.refused(lineCount, reason);
    return reason;
  }

  /** Counts a part of a batch as written or refused. Returns the number of its lines. */
  #countDecided(batch: Uint8Array, part: Uint8Array): number {
    const lineCount = countLines(part);
    this.#decided.set(batch, (this.#decided.get(batch) ?? 0) + part.byteLength);
    this.#decidedLines += lineCount;
    return lineCount;
  }

  #mustSeal(byteLength: number): boolean {
    if (this.#file.hasFailed) return true;
    const isDue = byteLength >= this.#rotationSizeBytes || this.#ageLeftMs(byteLength) <= 0;
    if (!isDue) return false;
    return this.#sealFailure === undefined ||
      this.#clock.monotonicMs() >= this.#sealFailure.retryMs;
  }

  /**
   * Returns the number of milliseconds until the active file is so old that it must be sealed (renamed to a segment).
   */
  #ageLeftMs(byteLength: number): number {
    if (this.#rotationAgeMs === Infinity) return Infinity;
    return this.#rotationAgeMs - this.#file.ageMs(byteLength, this.#now());
  }

  /**
   * Seals the active file if it is too old. Resolves with the number of milliseconds after which the age must be
   * checked again; infinite if the file was sealed.
   */
  async #sealIfOld(): Promise<number> {
    try {
      for (;;) {
        const leftMs = await this.#lock.run((lockFile) => {
          const { byteLength } = this.#file.readySync();
          const leftMs = this.#ageLeftMs(byteLength);
          if (leftMs > 0) return leftMs;
          if (this.#file.isBehind(byteLength)) return null;
          return this.#sealOrGoOn(lockFile) ? Infinity : SEAL_RETRY_MS;
        });
        this.#commit.settle();
        if (leftMs !== null) return leftMs;
        await this.#catchUp();
      }
    } catch (error) {
      // If a sync of the file has failed, the error is ignored here: the next append seals the file or reports the
      // error.
      if (!this.#file.hasFailed) this.#goOnUnsealed(error);
      return SEAL_RETRY_MS;
    }
  }

  /**
   * Seals the active file (renames it to a segment) and returns true. If that fails, postpones it and returns false.
   */
  #sealOrGoOn(lockFile: FileHandle): boolean {
    try {
      this.#seal(lockFile);
      return true;
    } catch (error) {
      this.#goOnUnsealed(error);
      return false;
    }
  }

  /**
   * Postpones a failed seal, so that lines are appended to the full file meanwhile. But if a sync of the active file
   * has failed, no line may be appended to the file, so throws the error.
   */
  #goOnUnsealed(error: unknown): void {
    if (this.#file.hasFailed) throw error;
    const message = messageOf(error);
    if (message !== this.#sealFailure?.message) this.#logger.error(message);
    this.#sealFailure = { message, retryMs: this.#clock.monotonicMs() + SEAL_RETRY_MS };
  }

  async #catchUp(): Promise<void> {
    try {
      await this.#file.catchUp();
      if (this.#isDecisionDue) {
        await this.#decider!.catchUp();
        // The caller repeats this read until the decider has read enough. So the event loop makes a turn between two
        // reads, in which other tasks can run.
        await this.#clock.turn();
      }
    } catch (cause) {
      throw this.#rotateError("Cannot read the lines of other writers from audit log", cause);
    }
  }

  /**
   * Seals the active file and returns the stamp of the segment, which is the time in its file name. The file must be
   * ready, see {@linkcode ActiveFile.readySync}. Returns undefined if another process has moved the file away. The
   * caller holds the append lock.
   */
  #seal(lockFile: FileHandle): Stamp | undefined {
    this.#marking(() => clearMarks(lockFile));
    if (!this.#file.hasFailed) {
      try {
        this.#commit.syncSync("file");
      } catch {
        // GroupCommit has reported the failure. The file is sealed anyway, so that the log can continue in a new file.
      }
    }
    let stamp: Stamp | undefined;
    try {
      stamp = this.#file.sealSync(this.#now());
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      throw this.#rotateError("Cannot seal audit log", cause);
    }
    this.#sealFailure = undefined;
    if (stamp !== undefined) this.#segments.sealed();
    return stamp;
  }

  #rotateError(failure: string, cause: unknown): AuditWriteError {
    const { path } = this.#file;
    return new AuditWriteError(`${failure}: ${messageOf(cause)}: ${path}`, {
      phase: "rotate",
      path,
      cause,
    });
  }

  /**
   * Creates the active file if it is missing, adds a line break after a torn tail (a last line that a crash left
   * incomplete), and reads the hash chain. Returns whether the file had a torn tail.
   */
  async #repairEnd(): Promise<boolean> {
    let closedTornTail = false;
    try {
      closedTornTail = await this.#lock.run(() => {
        this.#file.openSync();
        return this.#file.readySync().closedTornTail;
      });
      // Lines without a hash are read in pieces, and the append lock is released between two pieces, because other
      // writers may wait for it.
      while (!(await this.#lock.run(() => this.#file.followChain(FOLLOW_BYTES)))) {
        await this.#clock.turn();
      }
    } catch (error) {
      // If an error of the phase "lock" has a cause, the system cannot lock the file, and the log cannot be opened.
      // Without a cause, another writer holds the lock.
      const isUnlockable = error instanceof AuditWriteError && error.phase === "lock" &&
        error.cause !== undefined;
      if (!(error instanceof AuditWriteError) || isUnlockable) throw error;
      // The disk is full, or another writer holds the lock. The log opens nevertheless.
      this.#logger.warn(
        `Cannot repair the end of the log now, so the first append will repair it: ${error.message}`,
      );
    }
    return closedTornTail;
  }

  async #close(): Promise<void> {
    if (this.#ageWatch !== undefined) await this.#ageWatch.stop();
    try {
      await this.#commit.flush();
    } finally {
      this.#closeFile();
      await this.#catchingUp;
      await this.#segments.finish();
      this.#lock[Symbol.dispose]();
    }
  }

  async #abort(): Promise<void> {
    if (this.#ageWatch !== undefined) await this.#ageWatch.stop();
    this.#closeFile();
    await this.#catchingUp;
    await this.#segments.stop();
    this.#lock[Symbol.dispose]();
  }

  #closeFile(): void {
    this.#closing.abort();
    this.#commit.stop();
    this.#file.close();
  }
}
