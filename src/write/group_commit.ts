/**
 * Group commit: one sync makes the lines of many callers durable. Decides when syncs run, for which callers each sync
 * counts, and when the promise of a line resolves.
 *
 * At most one sync runs, and all callers that need a later sync share the next sync. A sync serves a waiter only if the
 * sync began after the waiter's lines were written.
 *
 * A failed sync is final: the kernel may have dropped the pages, and would report the next sync as a success. Therefore
 * no line that waited for the failed sync is ever reported as durable, and no line is appended to that file. Lines in
 * the next file can become durable, but every later flush rejects, because not everything is durable.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import { isMissingFeature } from "../platform/system_error.ts";
import type { LineOutcomes } from "./acknowledgements.ts";
import type { ActiveFile } from "./active_file.ts";
import { FsyncCadence } from "./fsync_cadence.ts";
import { SyncPace } from "./sync_pace.ts";

/** Options of {@linkcode GroupCommit}. */
export interface GroupCommitOptions {
  readonly file: ActiveFile;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fsyncEveryNLines: number;
  readonly fsyncIntervalSec: number;
  readonly outcomes: LineOutcomes | undefined;
}

/** The sync that is running. */
interface RunningSync {
  /**
   * Number of lines that are durable if this sync succeeds. A concurrent call of {@linkcode GroupCommit.syncSync} may
   * raise the number.
   */
  covered: number;
  /**
   * The failure of a concurrent sync. If it is set, this sync counts as failed too, because the kernel reports an error
   * to only one of them.
   */
  failure: AuditWriteError | undefined;
  done: Promise<void>;
}

/** The result of {@linkcode GroupCommit.settleBatch} and {@linkcode GroupCommit.syncBatch}. */
export interface Settlement {
  /** The promise of the sync that was due; undefined if none was due. */
  readonly synced: Promise<void> | undefined;
  /** Whether the sync blocked the thread. */
  readonly hasBlocked: boolean;
}

/** Whether this process uses the disk for other work, such as archiving, which makes syncs slow. */
export interface DiskState {
  readonly isDiskBusy: boolean;
}

/** The syncs of one writer. */
export class GroupCommit {
  readonly #file: ActiveFile;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #intervalMs: number;
  readonly #cadence: FsyncCadence;
  readonly #outcomes: LineOutcomes | undefined;
  readonly #pace = new SyncPace();
  #timer: Timer | undefined;
  #running: RunningSync | undefined;
  #next: Promise<void> | undefined;
  #lastFailure: AuditWriteError | undefined;
  #failedSyncs = 0;
  #isStopped = false;

  /** Creates the object for a writer that has written no line yet. */
  constructor(options: GroupCommitOptions) {
    this.#file = options.file;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#intervalMs = options.fsyncIntervalSec * 1000;
    this.#cadence = new FsyncCadence(options.fsyncEveryNLines);
    this.#outcomes = options.outcomes;
  }

  /**
   * Adds `lines` to the number of written lines. The caller must then call {@linkcode settle}, {@linkcode settleBatch}
   * or {@linkcode syncSync}.
   */
  wrote(lines: number): void {
    this.#cadence.wrote(lines);
    this.#outcomes?.written(lines);
  }

  /**
   * Adds `lines` to the number of written lines, like {@linkcode wrote}, but for lines that have no caller, because the
   * log itself added them.
   */
  inserted(lines: number): void {
    this.#cadence.wrote(lines);
    this.#outcomes?.inserted(lines);
  }

  /**
   * Resolves the promises of the lines that need not wait for a sync, and starts the sync or the timer that the other
   * lines need. Returns the promise of the sync if one is due.
   */
  settle(): Promise<void> | undefined {
    this.#outcomes?.acknowledged(this.#cadence.acknowledged);
    if (this.#cadence.isDue) {
      const synced = this.sync();
      // If the sync fails, #fail() rejects the promise of every line that waits for it. So the rejection of this
      // promise may be ignored.
      synced.catch(() => {});
      return synced;
    }
    if (this.#cadence.hasUnsynced) this.#startTimer();
    return undefined;
  }

  /**
   * Resolves the promises of lines that need not wait for a sync, like {@linkcode settle}. If a sync is due, may run
   * the sync on this thread and block it. This happens only if the sync is likely to be quick, no other sync runs, and
   * the disk is not busy. If several syncs in a row block the thread, the caller must let the event loop make turns
   * between them.
   */
  settleBatch(disk: DiskState): Settlement {
    return this.#cadence.isDue && this.#maySyncOnTheSpot(disk)
      ? { synced: this.#syncOnTheSpot(), hasBlocked: true }
      : { synced: this.settle(), hasBlocked: false };
  }

  /**
   * Makes everything written before the call durable, like {@linkcode sync}, but blocks the thread on the same
   * conditions as {@linkcode settleBatch}.
   */
  syncBatch(disk: DiskState): Settlement {
    return this.#cadence.hasUnsynced && this.#maySyncOnTheSpot(disk)
      ? { synced: this.#syncOnTheSpot(), hasBlocked: true }
      : { synced: this.sync(), hasBlocked: false };
  }

  /**
   * Resolves when everything written before the call is durable.
   *
   * @throws {AuditWriteError} If the sync fails; the phase is "sync".
   */
  sync(): Promise<void> {
    if (!this.#cadence.hasUnsynced) return Promise.resolve();
    const running = this.#running;
    if (running === undefined) return this.#start();
    if (running.covered === this.#cadence.written) return running.done;
    return this.#next ??= this.#startAfter(running);
  }

  /** Number of syncs that have failed. */
  get failedSyncs(): number {
    return this.#failedSyncs;
  }

  /**
   * Throws the last failure if a sync has failed since {@linkcode failedSyncs} was `failedBefore`. The lines of a failed
   * sync stay in the file, but no later sync covers them, so a later sync can succeed without them. Therefore a caller
   * must call this method after its sync, with the value of {@linkcode failedSyncs} just before its lines were written.
   *
   * @throws {AuditWriteError} If a sync has failed since; the phase is "sync".
   */
  throwFailureSince(failedBefore: number): void {
    if (this.#failedSyncs > failedBefore) this.#throwFailure();
  }

  /**
   * Resolves when everything in the file is durable, including the lines that other writers have written before the
   * call.
   *
   * @throws {AuditWriteError} If the sync fails; the phase is "sync".
   */
  async syncFile(): Promise<void> {
    const synced = this.#file.sync().catch((cause) => {
      throw this.#fail(cause);
    });
    // The kernel reports a disk error to only one of two concurrent syncs, so both have to succeed.
    await Promise.all([synced, this.sync()]);
  }

  /**
   * Makes everything written before the call durable, like {@linkcode sync}, but blocks the thread. With the scope
   * "file", syncs even if only other writers have written to the file.
   *
   * @throws {AuditWriteError} If the sync fails; the phase is "sync".
   */
  syncSync(scope: "ours" | "file" = "ours"): void {
    if (scope === "ours" && !this.#cadence.hasUnsynced) return;
    try {
      this.#file.syncSync();
    } catch (cause) {
      throw this.#fail(cause);
    }
    const running = this.#running;
    // The kernel reports a disk error to only one of two concurrent syncs. So while an asynchronous sync of the same
    // file is running, the lines count as durable only when that sync succeeds too. But if any sync has failed since
    // the asynchronous sync began, the lines are in a new file, and the asynchronous sync does not matter.
    if (running !== undefined && running.failure === undefined) {
      running.covered = this.#cadence.written;
    } else this.#synced(this.#cadence.written);
  }

  /** Resolves when every line ever written is durable. Rejects if any sync has ever failed. */
  async flush(): Promise<void> {
    await this.sync();
    this.#throwFailure();
  }

  /**
   * Makes every line ever written durable, like {@linkcode flush}, but blocks the thread. Throws if any sync has ever
   * failed.
   */
  flushSync(): void {
    this.syncSync();
    this.#throwFailure();
  }

  /** Cancels the timer of the next sync. Afterwards, a sync that succeeds resolves no promise of a line. */
  stop(): void {
    this.#isStopped = true;
    this.#stopTimer();
  }

  #maySyncOnTheSpot({ isDiskBusy }: DiskState): boolean {
    return this.#running === undefined && !isDiskBusy &&
      this.#pace.placeFor(this.#cadence.unsynced) === "spot";
  }

  #syncOnTheSpot(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    // If the sync fails, #fail() rejects the promise of every line that waits for it. So the rejection of this promise
    // may be ignored.
    const synced = Promise.try(() => this.syncSync());
    synced.catch(() => {});
    this.#pace.took(this.#clock.monotonicMs() - startMs, "spot");
    return synced;
  }

  #start(): Promise<void> {
    this.#stopTimer();
    const startMs = this.#clock.monotonicMs();
    const running: RunningSync = {
      covered: this.#cadence.written,
      failure: undefined,
      done: this.#file.sync().then(
        () => {
          this.#pace.took(this.#clock.monotonicMs() - startMs, "thread");
          this.#ended();
          if (running.failure !== undefined) throw running.failure;
          this.#synced(running.covered);
        },
        (cause) => {
          this.#ended();
          throw running.failure ?? this.#fail(cause);
        },
      ),
    };
    this.#running = running;
    return running.done;
  }

  async #startAfter(running: RunningSync): Promise<void> {
    const lastFailure = this.#lastFailure;
    // If the running sync fails, it sets #lastFailure to a new error, and the next statement throws that error.
    await running.done.catch(() => {});
    if (this.#lastFailure !== lastFailure) throw this.#lastFailure;
    await this.sync();
  }

  #ended(): void {
    this.#running = undefined;
    this.#next = undefined;
  }

  #synced(written: number): void {
    this.#cadence.synced(written);
    if (this.#isStopped) return;
    this.settle();
    if (!this.#cadence.hasUnsynced) this.#stopTimer();
  }

  #fail(cause: unknown): AuditWriteError {
    const { path } = this.#file;
    // On macOS, some network volumes and memory cards do not support F_FULLFSYNC, the call that syncs a file. Then the
    // message suggests another file system.
    const remedy = isMissingFeature(cause)
      ? "; use a file system that can sync files, such as a local disk"
      : "";
    const failure = new AuditWriteError(
      `Cannot make audit log durable: ${messageOf(cause)}${remedy}: ${path}`,
      { phase: "sync", path, cause },
    );
    this.#logger.error(failure.message);
    this.#stopTimer();
    this.#file.abandon();
    this.#cadence.gaveUp();
    this.#lastFailure = failure;
    this.#failedSyncs++;
    if (this.#running !== undefined) this.#running.failure = failure;
    this.#next = undefined;
    this.#outcomes?.syncFailed(failure);
    return failure;
  }

  #throwFailure(): void {
    if (this.#lastFailure !== undefined) throw this.#lastFailure;
  }

  #startTimer(): void {
    this.#timer ??= this.#clock.startTimer(this.#intervalMs, () => {
      this.#timer = undefined;
      // If the sync fails, #fail() logs the failure and rejects the promises of the lines that wait for the sync. So
      // the rejection is ignored here.
      this.sync().catch(() => {});
    });
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
