/**
 * The archiving of one log, behind the appends: one segment at a time, the oldest first.
 *
 * Any process that has the log open may archive any of its segments, so that nothing is left behind
 * by one that died. A segment that fails, or that another process has in hand, is looked at again
 * later, at ever longer intervals; it can be read meanwhile, and appends go on.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Timer } from "../platform/clock.ts";
import {
  ArchiveConflictError,
  type ArchiveOutcome,
  archiveSegment,
  type ArchiveSite,
} from "./archive.ts";
import { listSegments } from "./list_segments.ts";
import type { Stamp } from "./segment_name.ts";

/** What an archiver is made of. */
export interface ArchiverOptions extends Omit<ArchiveSite, "signal"> {
  readonly logger: Logger;
  /** Waited for behind each look at the segments, some of which may be archives now. */
  readonly onArchived: () => Promise<void>;
}

/** A segment that is one no more. */
export interface SweptSegment {
  readonly stamp: Stamp;
  readonly outcome: Exclude<ArchiveOutcome, "busy">;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
const BUSY_WAIT_MAX_MS = 100;
/** Segments sealed and not archived at which appends wait for the archiver to get one done. */
const BACKLOG_MAX = 8;
/** A disk that fails so many segments would fail all, each after the work of compressing it. */
const FAILURES_MAX = 3;

/** Archives the sealed segments of one log. */
export class Archiver {
  readonly #site: ArchiveSite;
  readonly #logger: Logger;
  readonly #onArchived: () => Promise<void>;
  readonly #stopping = new AbortController();
  /** Settles when all that was asked for so far is done; one job follows the other. */
  #jobs: Promise<unknown> = Promise.resolve();
  #jobsLeft = 0;
  #isSweepQueued = false;
  /** Segments sealed here that no sweep has come by yet. */
  #backlog = 0;
  #progress = Promise.withResolvers<void>();
  #retryTimer: Timer | undefined;
  #retryMs = RETRY_MIN_MS;
  /** What failed of which segment when it was tried last, so that each failure is told once. */
  readonly #failures = new Map<Stamp | "", string>();
  /** Segments whose archive is no copy of them, which does not change by trying again. */
  readonly #conflicts = new Set<Stamp>();

  /** Starts with nothing to do. */
  constructor(options: ArchiverOptions) {
    this.#site = { ...options, signal: this.#stopping.signal };
    this.#logger = options.logger;
    this.#onArchived = options.onArchived;
  }

  /** Whether it is at work, or soon will be. */
  get isBusy(): boolean {
    return this.#jobsLeft > 0;
  }

  /** A segment was sealed; it and all others are archived soon. */
  sealed(): void {
    this.#backlog++;
    this.#wake();
  }

  /**
   * Resolves when the archiver is not far behind, so that segments do not become ever more, or when it
   * has given up for a while, as a failing compression stops no appends; undefined when that is so now.
   */
  room(): Promise<void> | undefined {
    return this.#backlog > BACKLOG_MAX ? this.#progress.promise.then(() => this.room()) : undefined;
  }

  #wake(): void {
    if (this.#isSweepQueued) return;
    this.sweep();
    this.#enqueue(this.#onArchived);
  }

  /** Tries each sealed segment once, and gives those that are done with; what follows is the caller's. */
  sweep(): Promise<SweptSegment[]> {
    this.#isSweepQueued = true;
    return this.#enqueue(async () => {
      this.#isSweepQueued = false;
      this.#stopRetryTimer();
      const done: SweptSegment[] = [];
      const isNothingLeft = await this.#sweepInto(done);
      // What was sealed meanwhile waits for the next sweep, unless this one shows that it is no use.
      if (!isNothingLeft || !this.#isSweepQueued) this.#gotOn(this.#backlog);
      if (isNothingLeft) this.#retryMs = RETRY_MIN_MS;
      else this.#retryLater();
      return done;
    });
  }

  /**
   * Resolves when the segment is archived, by this process or another.
   *
   * @throws what keeps it from being archived.
   */
  async archived(stamp: Stamp): Promise<void> {
    for (let waitMs = 1;; waitMs = Math.min(2 * waitMs, BUSY_WAIT_MAX_MS)) {
      this.#stopping.signal.throwIfAborted();
      const outcome = await this.#enqueue(() => this.#archiveOne(stamp));
      if (outcome !== "busy") return;
      await this.#site.clock.wait(waitMs);
    }
  }

  async #archiveOne(stamp: Stamp): Promise<ArchiveOutcome> {
    const outcome = await archiveSegment(this.#site, stamp);
    if (outcome === "archived") await this.#onArchived();
    return outcome;
  }

  /** Resolves when all that was asked for is done; nothing is done after that. */
  async finish(): Promise<void> {
    for (let awaited; awaited !== this.#jobs;) await (awaited = this.#jobs);
    this.#stopRetryTimer();
    this.#stopping.abort();
  }

  /** Gives up what is being done; the next owner of the segment begins it again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.finish();
  }

  #enqueue<T>(job: () => Promise<T>): Promise<T> {
    this.#jobsLeft++;
    const result = this.#jobs.then(job).finally(() => this.#jobsLeft--);
    // Who asked for the job is told of its failure; the next job has to come all the same.
    this.#jobs = result.catch(() => {});
    return result;
  }

  /** Tells whether nothing is left for later. */
  async #sweepInto(done: SweptSegment[]): Promise<boolean> {
    const stamps = this.#sealedStamps();
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

  /** Oldest first; null when the directory cannot be listed. */
  #sealedStamps(): Stamp[] | null {
    const { fileSystem, files } = this.#site;
    try {
      const segments = listSegments(fileSystem, files);
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
      const outcome = await archiveSegment(this.#site, stamp);
      this.#failures.delete(stamp);
      return outcome;
    } catch (error) {
      this.#report(stamp, error);
      if (error instanceof ArchiveConflictError) {
        this.#conflicts.add(stamp);
        return "conflict";
      }
      // Something odd at a path of this segment says nothing of the others.
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
    // A full disk says the same of every segment.
    const isTold = new Set(this.#failures.values()).has(message);
    this.#failures.set(stamp, message);
    if (isTold || this.#stopping.signal.aborted) return;
    this.#logger.error(`A segment is kept as it is not archived: ${message}`);
  }

  #retryLater(): void {
    if (this.#stopping.signal.aborted) return;
    this.#retryTimer = this.#site.clock.startTimer(this.#retryMs, () => this.#wake());
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }

  #stopRetryTimer(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
  }
}
