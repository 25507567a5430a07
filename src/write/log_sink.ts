/**
 * Last stage of the write path: batches -> the active file, synced in cadence, sealed when it is full.
 *
 * Each batch is one write under the append lock; one that reaches the size of a segment is split
 * there, and the lock given back between its parts. Syncs run beside the writes: a batch never waits
 * for a sync that serves earlier ones, so what is accepted reaches the kernel in the same turn. Where
 * the disk is quicker than another thread would be, a sync is made on the spot, one in each turn.
 * Archiving runs beside them too, and no failure of it is one of the appends.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { countLines } from "../line/line_splitter.ts";
import type { Logger } from "../logger.ts";
import type { ResolvedOptions } from "../options/log_options.ts";
import type { Platform } from "../platform/platform.ts";
import { ensureDirectory } from "../platform/regular_file.ts";
import { clearMarks, clearMarksPast } from "../segments/active_marks.ts";
import { ChainHistory } from "../segments/chain_history.ts";
import type { RecoveryReport } from "../segments/recover.ts";
import { LogFiles, type Stamp } from "../segments/segment_name.ts";
import { Segments } from "../segments/segments.ts";
import type { Clock } from "../platform/clock.ts";
import type { LineOutcomes } from "./acknowledgements.ts";
import { ActiveFile } from "./active_file.ts";
import { AppendLock } from "./append_lock.ts";
import { GroupCommit } from "./group_commit.ts";
import { LineChain } from "./line_chain.ts";

/** How long a segment that could not be sealed for its size takes lines before it is tried again. */
const SEAL_RETRY_MS = 1_000;

/** What is read under the lock of a file that is to be continued as a chain: a millisecond's work. */
const FOLLOW_BYTES = 1024 * 1024;

/** From one mark in the file to the next; a reader of the last hour reads as much in vain. */
const MARK_EVERY_BYTES = 256 * 1024;
/** Marks in a small segment, in which that would be none. */
const MARKS_MIN = 4;

/**
 * The end of the write path of a log. A write resolves when its batch is in the kernel, and when it is durable
 * if the batch makes `fsyncEveryNLines` lines not yet durable; `close()` resolves when everything is durable.
 */
export class LogSink extends WritableStream<Uint8Array<ArrayBuffer>> {
  readonly #lock: AppendLock;
  readonly #file: ActiveFile;
  readonly #commit: GroupCommit;
  readonly #segments: Segments;
  readonly #chainHistory: ChainHistory | undefined;
  readonly #closing = new AbortController();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #rotationSizeBytes: number;
  readonly #outcomes: LineOutcomes | undefined;
  /** How much of a batch was written or refused, so that a stream and a drain never both do it. */
  readonly #decided = new WeakMap<Uint8Array, number>();
  /** Reading what others wrote, so that a later mark can be made; beside the appends. */
  #catchingUp: Promise<void> | undefined;
  #sealFailure: { message: string; retryMs: number } | undefined;

  /**
   * Opens the file for appending, and creates it and its directory if there is none. With `outcomes`, the
   * outcome of each line is reported there, and a failed batch leaves the stream working.
   *
   * @throws {TypeError} If the path holds a symlink, a directory or anything but a plain file.
   */
  constructor(platform: Platform, options: ResolvedOptions, outcomes?: LineOutcomes) {
    super({
      write: (batch) => this.#write(batch),
      close: () => this.#close(),
      abort: () => this.#abort(),
    });
    const { fileSystem, clock } = platform;
    const { path, lockTimeoutSec, maxLineBytes, logger, rotationSizeBytes } = options;
    const { signal } = this.#closing;
    const files = new LogFiles(path);
    ensureDirectory(fileSystem, files.directory);
    this.#lock = new AppendLock({ fileSystem, clock, files, lockTimeoutSec });
    try {
      const markEveryBytes = Math.min(MARK_EVERY_BYTES, Math.ceil(rotationSizeBytes / MARKS_MIN));
      const isOwnText = outcomes !== undefined;
      const history = options.chain
        ? new ChainHistory({ fileSystem, files, clock, maxLineBytes, signal })
        : undefined;
      const chain = history === undefined ? undefined : new LineChain(() => history.last());
      this.#chainHistory = history;
      this.#file = new ActiveFile({ fileSystem, files, markEveryBytes, isOwnText, chain });
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
    this.#commit = new GroupCommit({ ...options, file: this.#file, clock, outcomes });
    const underLock = <T>(section: () => T) => this.#lock.run(section);
    this.#segments = new Segments({ ...options, fileSystem, files, clock, underLock });
    this.#clock = clock;
    this.#logger = logger;
    this.#now = options.now;
    this.#rotationSizeBytes = rotationSizeBytes;
    this.#outcomes = outcomes;
  }

  /**
   * Closes off a torn tail and takes up the chain, which resolves the outer promise, and begins to put
   * the segments in order, whose end resolves the inner one.
   */
  async recover(): Promise<{ report: Promise<RecoveryReport> }> {
    await this.#chainHistory?.prepare();
    const closedTornTail = await this.#lookAfterEnd();
    return { report: this.#segments.recover(closedTornTail) };
  }

  /**
   * Writes a batch at once, blocking the thread while others hold the lock; does nothing if the
   * batch has been written or refused already. {@linkcode syncSync} has to follow: it acknowledges
   * the lines, so that no sync is begun beside it.
   * @throws {AuditWriteError} after the outcome was told.
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
   * Brings to the disk, at once, what was written before the call and can still be brought there.
   * @throws {AuditWriteError} with phase "sync" when it fails.
   */
  syncSync(): void {
    this.#commit.syncSync();
  }

  /**
   * Resolves when everything written before the call is durable.
   * @throws {AuditWriteError} with phase "sync" when that can no longer be: for good, after a sync
   * failed.
   */
  flush(): Promise<void> {
    return this.#commit.flush();
  }

  /**
   * As {@linkcode flush}, at once.
   */
  flushSync(): void {
    this.#commit.flushSync();
  }

  /**
   * Seals the file now, and resolves when the segment is archived. An empty file stays.
   * @throws {AuditWriteError} with phase "rotate", or "lock".
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

  /**
   * Runs a section under the append lock, with the handle of the lock file.
   */
  underLock<T>(section: (lockFile: FileHandle) => T): Promise<T> {
    return this.#lock.run(section);
  }

  async #write(batch: Uint8Array<ArrayBuffer>): Promise<void> {
    while (this.#rest(batch).byteLength > 0) {
      try {
        const isAppended = await this.#lock.run((lockFile) =>
          this.#appendPart(batch, { lockFile, mayWait: true })
        );
        if (!isAppended) await this.#catchUp().catch((error) => this.#goOnUnsealed(error));
      } catch (error) {
        const refused = this.#refuse(batch, error);
        // What of it was written before, or in spite of the error, has a promise that waits.
        this.#commit.settle();
        if (this.#outcomes !== undefined) return;
        // The stream is errored now and will call neither close nor abort.
        await this.#abort();
        throw refused;
      }
      const { synced, hasBlocked } = this.#commit.settleBatch({
        isDiskBusy: this.#segments.isBusy,
      });
      if (this.#outcomes === undefined) await synced;
      // Whoever has blocked the thread lets everything else have its turn before it does so again.
      if (hasBlocked) await this.#clock.turn();
      const room = this.#segments.room();
      if (room !== undefined) await room;
      // A batch that fills many segments seals as many, so the event loop turns in between.
      if (this.#rest(batch).byteLength > 0) await this.#clock.turn();
    }
    // A stream may give a chunk again. A log never does, and may still drain this one.
    if (this.#outcomes === undefined) this.#decided.delete(batch);
  }

  /** What of a batch is neither written nor refused. */
  #rest(batch: Uint8Array): Uint8Array {
    return batch.subarray(this.#decided.get(batch) ?? 0);
  }

  /**
   * Appends as much of a batch as the segment takes; false when the file has to catch up first, for
   * which `mayWait` says that there is time. Runs under the lock.
   */
  #appendPart(
    batch: Uint8Array,
    { lockFile, mayWait }: { lockFile: FileHandle; mayWait: boolean },
  ): boolean {
    // A drain may have written it while it waited for the lock.
    if (this.#rest(batch).byteLength === 0) return true;
    let { byteLength } = this.#file.readySync();
    if (!this.#file.endsInOurs(byteLength)) {
      this.#marking(() => clearMarksPast(lockFile, byteLength));
    }
    if (this.#mustSeal(byteLength)) {
      if (mayWait && this.#file.isBehind(byteLength)) return false;
      if (this.#sealOrGoOn(lockFile)) byteLength = this.#file.readySync().byteLength;
    } else if (this.#file.isMarkDue(byteLength)) this.#mark(lockFile, byteLength);
    const rest = this.#rest(batch);
    const takenBytes = this.#file.appendSync(rest, byteLength, this.#rotationSizeBytes);
    const part = rest.subarray(0, takenBytes);
    this.#decide(batch, part);
    this.#commit.wrote(countLines(part));
    return true;
  }

  /** Marks how new the file is up to here, or begins to find that out. Runs under the lock. */
  #mark(lockFile: FileHandle, byteLength: number): void {
    const isBehind = this.#marking(() => !this.#file.markSync(lockFile, byteLength));
    if (!isBehind) return;
    this.#catchingUp ??= this.#file.catchUp()
      .catch((error) => this.#warnOfMark(error))
      .finally(() => this.#catchingUp = undefined);
  }

  /** Runs work on the marks; when it fails, warns and returns undefined. */
  #marking<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      this.#warnOfMark(error);
      return undefined;
    }
  }

  /** A mark saves readers work, and is no reason to refuse a line. */
  #warnOfMark(error: unknown): void {
    this.#logger.warn(`Cannot mark the age of audit log: ${messageOf(error)}: ${this.#file.path}`);
  }

  #refuse(batch: Uint8Array, error: unknown): Error {
    const reason = error instanceof Error ? error : new Error(String(error));
    const rest = this.#rest(batch);
    this.#decide(batch, rest);
    this.#outcomes?.refused(countLines(rest), reason);
    return reason;
  }

  #decide(batch: Uint8Array, part: Uint8Array): void {
    this.#decided.set(batch, (this.#decided.get(batch) ?? 0) + part.byteLength);
  }

  #mustSeal(byteLength: number): boolean {
    if (this.#file.hasFailed) return true;
    if (byteLength < this.#rotationSizeBytes) return false;
    return this.#sealFailure === undefined ||
      this.#clock.monotonicMs() >= this.#sealFailure.retryMs;
  }

  /** Seals the file; tells whether it could. */
  #sealOrGoOn(lockFile: FileHandle): boolean {
    try {
      this.#seal(lockFile);
      return true;
    } catch (error) {
      this.#goOnUnsealed(error);
      return false;
    }
  }

  /** Leaves a file that could not be sealed the active one for a while; throws if it cannot be that. */
  #goOnUnsealed(error: unknown): void {
    if (this.#file.hasFailed) throw error;
    const message = messageOf(error);
    if (message !== this.#sealFailure?.message) this.#logger.error(message);
    this.#sealFailure = { message, retryMs: this.#clock.monotonicMs() + SEAL_RETRY_MS };
  }

  async #catchUp(): Promise<void> {
    try {
      await this.#file.catchUp();
    } catch (cause) {
      throw this.#rotateError("Cannot read what others wrote to audit log", cause);
    }
  }

  /** Makes the file, which is ready, a segment, unless it is at its path no more. Runs under the lock. */
  #seal(lockFile: FileHandle): Stamp | undefined {
    this.#marking(() => clearMarks(lockFile));
    if (!this.#file.hasFailed) {
      try {
        this.#commit.syncSync("file");
      } catch {
        // Who has to know is told by now. The file is sealed as it is, so that the log can go on.
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

  #rotateError(what: string, cause: unknown): AuditWriteError {
    const { path } = this.#file;
    return new AuditWriteError(`${what}: ${messageOf(cause)}: ${path}`, {
      phase: "rotate",
      path,
      cause,
    });
  }

  /** Tells whether there was a torn tail, which is closed off. */
  async #lookAfterEnd(): Promise<boolean> {
    let closedTornTail = false;
    try {
      closedTornTail = await this.#lock.run(() => this.#file.readySync().closedTornTail);
      // A file that was written without a chain is read in pieces, as others wait for the lock.
      while (!(await this.#lock.run(() => this.#file.followChain(FOLLOW_BYTES)))) {
        await this.#clock.turn();
      }
    } catch (error) {
      if (!(error instanceof AuditWriteError)) throw error;
      // On a full disk, or while another holds the lock; the first append has to do it then.
      this.#logger.warn(`Cannot look after the end of the file yet: ${error.message}`);
    }
    return closedTornTail;
  }

  async #close(): Promise<void> {
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
