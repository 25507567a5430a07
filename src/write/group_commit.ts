/**
 * Which syncs run, whom they serve, and which lines may be acknowledged.
 *
 * Group commit: at most one sync runs; everybody who needs a later one shares the next. A waiter is
 * served only by a sync that began after its lines were written.
 *
 * A failed sync is final: the kernel may have dropped the pages and would report the next sync as a
 * success. So no line that waited for it is ever called durable, its file takes no line more, and
 * never again can it be said that everything is durable. Lines in the next file can be, each.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import type { LineOutcomes } from "./acknowledgements.ts";
import type { ActiveFile } from "./active_file.ts";
import { FsyncCadence } from "./fsync_cadence.ts";
import { SyncPace } from "./sync_pace.ts";

/** What a {@linkcode GroupCommit} is made of. */
export interface GroupCommitOptions {
  readonly file: ActiveFile;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fsyncEveryNLines: number;
  readonly fsyncIntervalSec: number;
  readonly outcomes: LineOutcomes | undefined;
}

/** A sync that runs, and the lines that are durable once it succeeds: a drain beside it may add some. */
interface RunningSync {
  covered: number;
  /** Set when a sync beside this one failed, which has the last word. */
  failure: AuditWriteError | undefined;
  done: Promise<void>;
}

/** What {@linkcode GroupCommit.settleBatch} came to. */
export interface Settlement {
  /** The sync that was due. */
  readonly synced: Promise<void> | undefined;
  /** Whether it was made on the spot. */
  readonly hasBlocked: boolean;
}

/** Brings the lines of one writer to the disk. */
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
  #isStopped = false;

  /** Starts with no line written. */
  constructor(options: GroupCommitOptions) {
    this.#file = options.file;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#intervalMs = options.fsyncIntervalSec * 1000;
    this.#cadence = new FsyncCadence(options.fsyncEveryNLines);
    this.#outcomes = options.outcomes;
  }

  /** More lines were written; one of the two settlings or {@linkcode syncSync} has to follow. */
  wrote(lines: number): void {
    this.#cadence.wrote(lines);
    this.#outcomes?.written(lines);
  }

  /**
   * Acknowledges what may be, and starts the sync or the timer that the rest needs; gives the promise
   * of that sync if one is due.
   */
  settle(): Promise<void> | undefined {
    this.#outcomes?.acknowledged(this.#cadence.acknowledged);
    if (this.#cadence.isDue) {
      const synced = this.sync();
      // Every waiter of a failed sync is told by #fail(); this promise is one way among others.
      synced.catch(() => {});
      return synced;
    }
    if (this.#cadence.hasUnsynced) this.#startTimer();
    return undefined;
  }

  /**
   * As {@linkcode settle}, for a caller that lets the event loop turn after it has been blocked: a sync
   * that promises to be quick, with nobody else of us at the disk, is made on the spot.
   */
  settleBatch({ isDiskBusy }: { isDiskBusy: boolean }): Settlement {
    const isQuick = !isDiskBusy && this.#pace.placeFor(this.#cadence.unsynced) === "spot";
    return isQuick && this.#cadence.isDue && this.#running === undefined
      ? { synced: this.#syncOnTheSpot(), hasBlocked: true }
      : { synced: this.settle(), hasBlocked: false };
  }

  /**
   * Resolves when everything written before the call is durable.
   *
   * @throws {AuditWriteError} with phase "sync" when that can no longer be.
   */
  sync(): Promise<void> {
    if (!this.#cadence.hasUnsynced) return Promise.resolve();
    const running = this.#running;
    if (running === undefined) return this.#start();
    if (running.covered === this.#cadence.written) return running.done;
    return this.#next ??= this.#startAfter(running);
  }

  /**
   * As {@linkcode sync}, at once. With "file" it also brings to the disk what others wrote into the
   * file.
   */
  syncSync(scope: "ours" | "file" = "ours"): void {
    if (scope === "ours" && !this.#cadence.hasUnsynced) return;
    try {
      this.#file.syncSync();
    } catch (cause) {
      throw this.#fail(cause);
    }
    // The kernel tells an error of the disk to one of two syncs that run beside each other, so the
    // lines are sure only when the other one has succeeded too.
    if (this.#running !== undefined) this.#running.covered = this.#cadence.written;
    else this.#synced(this.#cadence.written);
  }

  /** As {@linkcode sync}, for everything written ever: rejects once any sync has failed. */
  async flush(): Promise<void> {
    await this.sync();
    this.#throwFailure();
  }

  /** As {@linkcode flush}, at once. */
  flushSync(): void {
    this.syncSync();
    this.#throwFailure();
  }

  /** Ends the timer, and acknowledges nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#stopTimer();
  }

  #syncOnTheSpot(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    // Those that wait for it are told by #fail() too.
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
    // If it fails, that is the failure that is looked for next.
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
    const failure = new AuditWriteError(
      `Cannot make audit log durable: ${messageOf(cause)}: ${path}`,
      { phase: "sync", path, cause },
    );
    this.#logger.error(failure.message);
    this.#stopTimer();
    this.#file.abandon();
    this.#cadence.gaveUp();
    this.#lastFailure = failure;
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
      // A failure is told by #fail().
      this.sync().catch(() => {});
    });
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
