/**
 * Last stage of the write path: batches -> the active file, synced in cadence.
 *
 * Each batch is one write under the append lock. Syncs run beside the writes: a batch never waits
 * for a sync that serves earlier ones, so what is accepted reaches the kernel in the same turn.
 *
 * Group commit: at most one sync runs; everybody who needs a later one shares the next. A waiter is
 * served only by a sync that began after its lines were written.
 *
 * A failed sync is final: the kernel may have dropped the pages and would report the next sync as a
 * success, so nothing is written or called durable by this sink after it.
 *
 * @module
 */
import { dirname } from "@std/path";
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle } from "../file_system.ts";
import type { Logger } from "../logger.ts";
import { type AuditLogOptions, type ResolvedOptions, resolveOptions } from "../options.ts";
import { denoPlatform, type Platform } from "../platform.ts";
import { ensureDirectory } from "../regular_file.ts";
import type { Clock, Timer } from "../time.ts";
import type { LineOutcomes } from "./acknowledgements.ts";
import { ActiveFile } from "./active_file.ts";
import { AppendLock } from "./append_lock.ts";
import { FsyncCadence } from "./fsync_cadence.ts";

const LINE_BREAK = 0x0a;

/** Options of {@linkcode FsyncSink.open}. */
export type FsyncSinkOptions = Pick<
  AuditLogOptions,
  "path" | "fsyncEveryNLines" | "fsyncIntervalSec" | "lockTimeoutSec" | "logger"
>;

/**
 * Appends batches of whole lines to a log file.
 *
 * - A write resolves when its batch is in the kernel, and when it is durable if the batch makes
 *   `fsyncEveryNLines` lines not yet durable; `close()` resolves when everything is durable.
 * - A batch that fails errors the stream, like with any `WritableStream`; nothing of it is in the
 *   file.
 * - Other processes may append to the file meanwhile; no line is mixed with one of theirs.
 *
 * @example Records of another source, durable when the pipe ends
 * ```ts
 * import { FsyncSink, LineBufferStream, SerializeStream } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await ReadableStream.from([{ event: "nav", cost: 0.002 }, { event: "brief" }])
 *   .pipeThrough(new SerializeStream())
 *   .pipeThrough(new LineBufferStream())
 *   .pipeTo(await FsyncSink.open({ path }));
 * assertEquals(Deno.readTextFileSync(path).split("\n").length, 3);
 * ```
 */
export class FsyncSink extends WritableStream<Uint8Array<ArrayBuffer>> {
  readonly #lock: AppendLock;
  readonly #file: ActiveFile;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #intervalMs: number;
  readonly #cadence: FsyncCadence;
  readonly #outcomes: LineOutcomes | undefined;
  /** Batches that were written or refused, so that a stream and a drain never both write one. */
  readonly #decided = new WeakSet<Uint8Array>();
  #timer: Timer | undefined;
  /** A sync, and the lines that are durable once it succeeds: a drain beside it may add some. */
  #runningSync: { covered: number; done: Promise<void> } | undefined;
  #nextSync: Promise<void> | undefined;
  #syncError: AuditWriteError | undefined;
  #isReleased = false;

  /**
   * Opens the file for appending, and makes it and its directory when there is none. Needs
   * `--allow-read=DIR --allow-write=DIR`.
   *
   * @throws {TypeError} when the path holds a symlink, a directory or anything but a plain file.
   * @throws {RangeError} for an option out of its range.
   */
  static open(options: FsyncSinkOptions = {}): Promise<FsyncSink> {
    return Promise.try(() => FsyncSink.openOn(denoPlatform, resolveOptions(options)));
  }

  /**
   * Opens a sink on any platform. With `outcomes`, what becomes of each line is told there, and a
   * failed batch leaves the stream working.
   *
   * @internal
   */
  static openOn(platform: Platform, options: ResolvedOptions, outcomes?: LineOutcomes): FsyncSink {
    return new FsyncSink(platform, options, outcomes);
  }

  private constructor(platform: Platform, options: ResolvedOptions, outcomes?: LineOutcomes) {
    super({
      write: (batch) => this.#write(batch),
      close: () => this.#close(),
      abort: () => this.#release(),
    });
    const { fileSystem, clock } = platform;
    const { path, lockTimeoutSec } = options;
    ensureDirectory(fileSystem, dirname(path));
    this.#lock = new AppendLock({ fileSystem, clock, path, lockTimeoutSec });
    try {
      this.#file = new ActiveFile(fileSystem, path);
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
    this.#clock = clock;
    this.#logger = options.logger;
    this.#intervalMs = options.fsyncIntervalSec * 1000;
    this.#cadence = new FsyncCadence(options.fsyncEveryNLines);
    this.#outcomes = outcomes;
  }

  /**
   * Writes a batch at once, blocking the thread while others hold the lock; does nothing if the
   * batch has been written or refused already. {@linkcode syncSync} has to follow: it acknowledges
   * the lines, so that no sync is begun beside it.
   *
   * @internal
   * @throws {AuditWriteError} after the outcome was told.
   */
  writeSync(batch: Uint8Array<ArrayBuffer>): void {
    if (this.#decided.has(batch)) return;
    try {
      this.#lock.runSync(() => this.#append(batch));
    } catch (error) {
      throw this.#refuse(batch, error);
    }
  }

  /**
   * Resolves when everything written before the call is durable.
   *
   * @internal
   * @throws {AuditWriteError} with phase "sync" when that can no longer be.
   */
  sync(): Promise<void> {
    if (this.#syncError !== undefined) return Promise.reject(this.#syncError);
    if (!this.#cadence.hasUnsynced) return Promise.resolve();
    const running = this.#runningSync;
    if (running === undefined) return this.#startSync();
    if (running.covered === this.#cadence.written) return running.done;
    return this.#nextSync ??= running.done.finally(() => {
      this.#nextSync = undefined;
    }).then(() => this.sync());
  }

  /**
   * As {@linkcode sync}, at once.
   *
   * @internal
   */
  syncSync(): void {
    if (this.#syncError !== undefined) throw this.#syncError;
    if (!this.#cadence.hasUnsynced) return;
    try {
      this.#file.syncSync();
    } catch (cause) {
      throw this.#failSync(cause);
    }
    // The kernel tells an error of the disk to one of two syncs that run beside each other, so the
    // lines are sure only when the other one has succeeded too.
    if (this.#runningSync !== undefined) this.#runningSync.covered = this.#cadence.written;
    else this.#synced(this.#cadence.written);
  }

  /**
   * Runs a section under the append lock, with the handle of the lock file.
   *
   * @internal
   */
  underLock<T>(section: (lockFile: FileHandle) => T): Promise<T> {
    return this.#lock.run(section);
  }

  async #write(batch: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      await this.#lock.run(() => this.#append(batch));
    } catch (error) {
      const refused = this.#refuse(batch, error);
      if (this.#outcomes !== undefined) return;
      // The stream is errored now and will call neither close nor abort.
      this.#release();
      throw refused;
    }
    const synced = this.#afterWrite();
    if (this.#outcomes === undefined) await synced;
  }

  /** Runs under the lock. */
  #append(batch: Uint8Array<ArrayBuffer>): void {
    if (this.#decided.has(batch)) return;
    if (this.#syncError !== undefined) throw this.#syncError;
    this.#file.appendSync(batch);
    this.#decided.add(batch);
    const lines = countLines(batch);
    this.#cadence.wrote(lines);
    this.#outcomes?.written(lines);
  }

  #refuse(batch: Uint8Array<ArrayBuffer>, error: unknown): Error {
    const reason = error instanceof Error ? error : new Error(String(error));
    // A batch that timed out on the lock may have been written by a drain while it waited.
    if (this.#decided.has(batch)) return reason;
    this.#decided.add(batch);
    this.#outcomes?.refused(countLines(batch), reason);
    return reason;
  }

  /** Acknowledges what may be, and starts the sync or the timer that the rest needs. */
  #afterWrite(): Promise<void> | undefined {
    this.#outcomes?.acknowledged(this.#cadence.acknowledged);
    if (this.#cadence.isDue) {
      const synced = this.sync();
      // Every waiter of a failed sync is told by #failSync(); this promise is one way among others.
      synced.catch(() => {});
      return synced;
    }
    if (this.#cadence.hasUnsynced) this.#startTimer();
    return undefined;
  }

  #startTimer(): void {
    this.#timer ??= this.#clock.startTimer(this.#intervalMs, () => {
      this.#timer = undefined;
      // A failure is told by #failSync().
      this.sync().catch(() => {});
    });
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #startSync(): Promise<void> {
    this.#stopTimer();
    const { written } = this.#cadence;
    const done = this.#file.sync().then(
      () => {
        const covered = this.#runningSync!.covered;
        this.#runningSync = undefined;
        // A drain that synced meanwhile and failed has the last word.
        if (this.#syncError !== undefined) throw this.#syncError;
        this.#synced(covered);
      },
      (cause) => {
        this.#runningSync = undefined;
        throw this.#failSync(cause);
      },
    );
    this.#runningSync = { covered: written, done };
    return done;
  }

  #synced(written: number): void {
    this.#cadence.synced(written);
    if (this.#isReleased) return;
    this.#afterWrite();
    if (!this.#cadence.hasUnsynced) this.#stopTimer();
  }

  #failSync(cause: unknown): AuditWriteError {
    this.#stopTimer();
    if (this.#syncError !== undefined) return this.#syncError;
    const { path } = this.#file;
    this.#syncError = new AuditWriteError(
      `Cannot make audit log durable: ${messageOf(cause)}: ${path}`,
      { phase: "sync", path, cause },
    );
    this.#logger.error(this.#syncError.message);
    this.#outcomes?.syncFailed(this.#syncError);
    return this.#syncError;
  }

  async #close(): Promise<void> {
    try {
      await this.sync();
      // A drain may have made everything durable while a sync of the same lines still runs.
      await this.#runningSync?.done;
    } finally {
      this.#release();
    }
  }

  #release(): void {
    this.#isReleased = true;
    this.#stopTimer();
    this.#file.close();
    this.#lock[Symbol.dispose]();
  }
}

function countLines(batch: Uint8Array): number {
  let lines = 0;
  for (let at = batch.indexOf(LINE_BREAK); at >= 0; at = batch.indexOf(LINE_BREAK, at + 1)) lines++;
  return lines;
}
