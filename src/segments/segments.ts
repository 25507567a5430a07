/**
 * Maintains the segments of a log, their archives and the manifest, concurrently with appends.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { RetentionPolicy } from "../options/log_options.ts";
import type { Clock } from "../platform/clock.ts";
import { Archiver } from "./archiver.ts";
import type { LogDirectory } from "./log_directory.ts";
import { Manifest, type UnderLock } from "./manifest.ts";
import { recoverSegments, type RecoveryReport } from "./recover.ts";
import { Retention, type RetentionOptions } from "./retention.ts";
import type { Stamp } from "./segment_name.ts";

/** Options of {@linkcode Segments}. */
export interface SegmentsOptions {
  readonly log: LogDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxLineBytes: number;
  /** The fields by which the rollup (the sums) of an archive groups events, besides type, model and session. */
  readonly rollupFields: readonly string[];
  readonly underLock: UnderLock;
  /** The limits on the archives; empty to keep all archives. */
  readonly retention: RetentionPolicy;
  /** Returns the time of the log's clock, epoch milliseconds. */
  readonly now: () => number;
  /**
   * Writes a `budget_state` line, with the amounts of all budgets, into the active file unless the file already has
   * such a line. Called before the removal of an archive that may have the newest such line, because the amounts would
   * otherwise be lost.
   */
  readonly keepBudgets?: RetentionOptions["keepBudgets"];
}

/**
 * Maximum time in milliseconds that `close()` waits until recovery has added the missing lines to the manifest. After
 * this time, recovery is aborted; the next `open()` continues the work.
 */
const MANIFEST_GRACE_MS = 1_000;

/**
 * The part of a writer that takes care of the segments of its log: recovers them after a crash, compresses them into
 * archives, and deletes archives that exceed a limit.
 */
export class Segments {
  readonly #options: SegmentsOptions;
  readonly #manifest: Manifest;
  readonly #archiver: Archiver;
  readonly #retention: Retention | undefined;
  /** Aborts the work of recovery on the manifest, and the deletion of old archives. */
  readonly #ending = new AbortController();
  #recovery: Promise<RecoveryReport> | undefined;

  /** Creates the object; does not access the disk. */
  constructor(options: SegmentsOptions) {
    const { log, logger, underLock, retention: policy } = options;
    const manifest = new Manifest({ log, logger, underLock });
    const { signal } = this.#ending;
    const retention = Object.values(policy).some((limit) => limit !== undefined)
      ? new Retention({ ...options, manifest, policy, signal })
      : undefined;
    this.#options = options;
    this.#manifest = manifest;
    this.#retention = retention;
    this.#archiver = new Archiver({
      ...options,
      manifest,
      onArchived: async () => void await retention?.apply(),
    });
  }

  /**
   * Repairs what crashed writers left behind, deletes archives that exceed a limit, and resolves with the report.
   *
   * @param closedTornTail Whether the caller has ended a torn last line with a line break; copied to the report.
   */
  recover(closedTornTail: boolean): Promise<RecoveryReport> {
    return this.#recovery = this.#recover(closedTornTail);
  }

  /**
   * Starts to compress sealed segments into archives in the background. Must be called once for each segment that this
   * process seals.
   */
  sealed(): void {
    this.#archiver.sealed();
  }

  /** Deletes the archives that exceed a limit of the retention policy, oldest first. Logs a failure; never rejects. */
  async prune(): Promise<void> {
    await this.#retention?.apply();
  }

  /** Whether an archiving job is running or queued. */
  get isBusy(): boolean {
    return this.#archiver.isBusy;
  }

  /**
   * Resolves when few enough sealed segments wait to be archived, or when archiving fails. Appends wait for this
   * promise. Returns undefined if an append need not wait.
   */
  room(): Promise<void> | undefined {
    return this.#archiver.room();
  }

  /**
   * Resolves when the segment is archived, by this process or another.
   *
   * @throws {Error} If the segment cannot be archived or the archiver is stopped.
   */
  archived(stamp: Stamp): Promise<void> {
    return this.#archiver.archived(stamp);
  }

  /**
   * Resolves when all queued archiving is done. If recovery is still adding lines to the manifest after a grace period,
   * aborts this work.
   */
  async finish(): Promise<void> {
    const timer = this.#options.clock.startTimer(MANIFEST_GRACE_MS, () => this.#ending.abort());
    await this.#recovery;
    timer.cancel();
    await this.#archiver.finish();
  }

  /** Aborts recovery, archiving and pruning, and resolves when they have ended. The next `open()` continues them. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#archiver.stop();
    await this.#recovery;
  }

  async #recover(closedTornTail: boolean): Promise<RecoveryReport> {
    const { log, logger } = this.#options;
    const archiving = { ...this.#options, manifest: this.#manifest, signal: this.#ending.signal };
    const recovered = await recoverSegments({ archiving, archiver: this.#archiver, logger });
    const pruned = await this.#retention?.apply() ?? [];
    const report = { closedTornTail, ...recovered, pruned };
    const { archived, removed, addedToManifest } = recovered;
    const done = [archived, removed, addedToManifest, pruned];
    if (closedTornTail || done.some((names) => names.length > 0)) {
      logger.info(`Recovered audit log: ${log.files.active}`, report);
    }
    return report;
  }
}
