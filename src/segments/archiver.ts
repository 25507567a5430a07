/**
 * Archives the sealed segments of one log in the background: compresses one at a time, the oldest first. A sweep tries
 * to archive each sealed segment once.
 *
 * Any process that has the log open may archive any of its segments, so the segments of a crashed process are archived
 * too. If archiving fails, or another process is archiving the segment, the archiver retries with an increasing
 * back-off. Until the archive exists, readers read the segment. Appends continue.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Timer } from "../platform/clock.ts";
import { Turns } from "../platform/turns.ts";
import {
  ArchiveConflictError,
  type ArchiveOutcome,
  archiveSegment,
  type Archiving,
} from "./archive.ts";
import type { Stamp } from "./segment_name.ts";

/** Options of {@linkcode Archiver}. */
export interface ArchiverOptions extends Omit<Archiving, "signal"> {
  readonly logger: Logger;
  /**
   * Deletes the archives that exceed a limit of the retention policy. Called and awaited after archiving, because each
   * new archive may exceed a limit.
   */
  readonly onArchived: () => Promise<void>;
}

/**
 * A segment that no longer needs archiving, and the reason: this process archived it or removed it as empty, or another
 * process had archived it.
 */
export interface SweptSegment {
  readonly stamp: Stamp;
  readonly outcome: Exclude<ArchiveOutcome, "busy">;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
const BUSY_WAIT_MAX_MS = 100;
/** Maximum number of sealed segments that wait for the archiver. Above it, appends wait until a segment is archived. */
const BACKLOG_MAX = 8;
/**
 * Number of segments whose archiving may fail before the archiver stops trying the remaining ones, because they would
 * probably fail too. The archiver retries later.
 */
const FAILURES_MAX = 3;

/** The archiver of one log, which works in the background. */
export class Archiver {
  readonly #archiving: Archiving;
  readonly #logger: Logger;
  readonly #onArchived: () => Promise<void>;
  readonly #stopping = new AbortController();
  /** Settles when all queued jobs are done. Each job starts when the previous job has ended. */
  #jobs: Promise<unknown> = Promise.resolve();
  #jobsLeft = 0;
  #isSweepQueued = false;
  /** Number of segments that this process has sealed and not tried to archive yet. */
  #backlog = 0;
  #progress = Promise.withResolvers<void>();
  #retryTimer: Timer | undefined;
  #retryMs = RETRY_MIN_MS;
  /**
   * The message of the last failure of each segment. The key "" has the message of the last failure to list the
   * directory. The messages are stored so that each failure is logged only once.
   */
  readonly #failures = new Map<Stamp | "", string>();
  /**
   * Segments for which an archive exists that is not a copy of the segment. The archiver does not retry them, because a
   * retry cannot succeed.
   */
  readonly #conflicts = new Set<Stamp>();

  /** Creates the archiver; does not start any work. */
  constructor(options: ArchiverOptions) {
    this.#archiving = { ...options, signal: this.#stopping.signal };
    this.#logger = options.logger;
    this.#onArchived = options.onArchived;
  }

  /** Whether a job is running or queued. */
  get isBusy(): boolean {
    return this.#jobsLeft > 0;
  }

  /**
   * Queues an attempt to archive every sealed segment. Must be called once for each segment that this process seals.
   */
  sealed(): void {
    this.#backlog++;
    this.#wake();
  }

  /**
   * Resolves when few enough sealed segments wait to be archived. Also resolves when archiving fails, because a failure
   * must not stop appends. Appends wait for this promise, so that the number of sealed segments cannot grow without
   * limit. Returns undefined if an append need not wait.
   */
  room(): Promise<void> | undefined {
    return this.#backlog > BACKLOG_MAX ? this.#progress.promise.then(() => this.room()) : undefined;
  }

  #wake(): void {
    if (this.#isSweepQueued) return;
    this.sweep();
    this.#enqueue(this.#onArchived);
  }

  /**
   * Tries to archive each sealed segment once. Resolves with the segments that it archived, that it removed as empty,
   * or that another process had archived. Does not call `onArchived`, so the caller must delete the archives that
   * exceed a limit.
   */
  sweep(): Promise<SweptSegment[]> {
    this.#isSweepQueued = true;
    return this.#enqueue(async () => {
      this.#isSweepQueued = false;
      this.#stopRetryTimer();
      const done: SweptSegment[] = [];
      const isNothingLeft = await this.#sweepInto(done);
      // Segments that were sealed while #sweepInto() ran stay in the backlog, because another sweep is already queued
      // for them. But if a segment needs a retry, the backlog becomes 0, so that appends do not wait for the retry.
      if (!isNothingLeft || !this.#isSweepQueued) this.#gotOn(this.#backlog);
      if (isNothingLeft) this.#retryMs = RETRY_MIN_MS;
      else this.#retryLater();
      return done;
    });
  }

  /**
   * Resolves when the segment is archived, by this process or another.
   *
   * @throws {Error} If the segment cannot be archived or the archiver is stopped.
   */
  async archived(stamp: Stamp): Promise<void> {
    for (let waitMs = 1;; waitMs = Math.min(2 * waitMs, BUSY_WAIT_MAX_MS)) {
      this.#stopping.signal.throwIfAborted();
      const outcome = await this.#enqueue(() => this.#archiveOne(stamp));
      if (outcome !== "busy") return;
      await this.#archiving.clock.wait(waitMs);
    }
  }

  async #archiveOne(stamp: Stamp): Promise<ArchiveOutcome> {
    const outcome = await archiveSegment(this.#archiving, stamp);
    if (outcome === "archived") await this.#onArchived();
    return outcome;
  }

  /** Waits until all queued jobs are done, then stops the archiver and resolves. */
  async finish(): Promise<void> {
    for (let awaited; awaited !== this.#jobs;) await (awaited = this.#jobs);
    this.#stopRetryTimer();
    this.#stopping.abort();
  }

  /**
   * Aborts the running job, and resolves when the job has ended. If the job was archiving a segment, the next process
   * that archives this segment starts anew.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.finish();
  }

  #enqueue<T>(job: () => Promise<T>): Promise<T> {
    this.#jobsLeft++;
    const result = this.#jobs.then(job).finally(() => this.#jobsLeft--);
    // The caller gets a failure through `result`. The promise in `#jobs` ignores the failure, so that the next job runs
    // even after a failure.
    this.#jobs = result.catch(() => {});
    return result;
  }

  /**
   * Tries to archive each sealed segment. Adds to `done` the segments that it archived, that it removed as empty, or
   * that another process had archived. Resolves with true if no segment needs a retry.
   */
  async #sweepInto(done: SweptSegment[]): Promise<boolean> {
    const stamps = await this.#sealedStamps();
    if (stamps === null) return false;
    let isNothingLeft = true;
    let failures = 0;
    for (const stamp of stamps) {
      const outcome = await this.#tryToArchive(stamp);
      this.#gotOn(1);
      if (outcome === "busy" || outcome === "refused" || outcome === "failed") {
        isNothingLeft = false;
      } else if (outcome !== "conflict") done.push({ stamp, outcome });
      if (outcome === "failed" && ++failures === FAILURES_MAX) break;
    }
    return isNothingLeft;
  }

  /**
   * Returns the stamps (the times in the file names) of the segments to archive, oldest first; null if the directory
   * cannot be listed.
   */
  async #sealedStamps(): Promise<Stamp[] | null> {
    const { log, clock } = this.#archiving;
    try {
      const segments = await log.segmentsInTurns(new Turns(clock));
      this.#failures.delete("");
      return segments
        .filter(({ stamp, forms }) => forms.has("sealed") && !this.#conflicts.has(stamp))
        .map(({ stamp }) => stamp);
    } catch (error) {
      this.#report("", error);
      return null;
    }
  }

  async #tryToArchive(stamp: Stamp): Promise<ArchiveOutcome | "conflict" | "refused" | "failed"> {
    try {
      const outcome = await archiveSegment(this.#archiving, stamp);
      this.#failures.delete(stamp);
      return outcome;
    } catch (error) {
      this.#report(stamp, error);
      if (error instanceof ArchiveConflictError) {
        this.#conflicts.add(stamp);
        return "conflict";
      }
      // If the path is not a regular file or is not readable, only this segment is affected, so the archiver still
      // tries the other segments.
      const isOdd = error instanceof TypeError || error instanceof Deno.errors.PermissionDenied;
      return isOdd ? "refused" : "failed";
    }
  }

  #gotOn(segments: number): void {
    this.#backlog = Math.max(0, this.#backlog - segments);
    this.#progress.resolve();
    this.#progress = Promise.withResolvers<void>();
  }

  #report(stamp: Stamp | "", error: unknown): void {
    const message = messageOf(error);
    // A full disk causes the same message for every segment, so the message is logged only once.
    const isLogged = new Set(this.#failures.values()).has(message);
    this.#failures.set(stamp, message);
    if (isLogged || this.#stopping.signal.aborted) return;
    this.#logger.error(`Archiving failed; segments that are not archived are kept: ${message}`);
  }

  #retryLater(): void {
    if (this.#stopping.signal.aborted) return;
    this.#retryTimer = this.#archiving.clock.startTimer(this.#retryMs, () => this.#wake());
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }

  #stopRetryTimer(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
  }
}
