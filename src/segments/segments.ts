/**
 * What lies behind the active file: the segments of a log, their archives and the manifest, kept in
 * order beside the appends.
 *
 * @module
 */
import type { FileSystem } from "../platform/file_system.ts";
import type { Logger } from "../logger.ts";
import type { RetentionPolicy } from "../options/log_options.ts";
import type { Clock } from "../platform/clock.ts";
import { Archiver } from "./archiver.ts";
import { Manifest, type UnderLock } from "./manifest.ts";
import { recoverSegments, type RecoveryReport } from "./recover.ts";
import { Retention } from "./retention.ts";
import type { LogFiles, Stamp } from "./segment_name.ts";

/** What {@linkcode Segments} are made of. */
export interface SegmentsOptions {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxLineBytes: number;
  readonly underLock: UnderLock;
  /** What is to be kept; everything by default. */
  readonly retention: RetentionPolicy;
  /** The clock of the log, epoch milliseconds. */
  readonly now: () => number;
}

/** How long a close() lets the work on an incomplete manifest go on. */
const MANIFEST_GRACE_MS = 1_000;

/** The segments of one log, as one of its writers sees to them. */
export class Segments {
  readonly #options: SegmentsOptions;
  readonly #manifest: Manifest;
  readonly #archiver: Archiver;
  readonly #retention: Retention | undefined;
  /** Ends the work on the manifest. */
  readonly #ending = new AbortController();
  #recovery: Promise<RecoveryReport> | undefined;

  /** Touches nothing yet. */
  constructor(options: SegmentsOptions) {
    const { fileSystem, files, logger, underLock, retention: policy } = options;
    const manifest = new Manifest({ fileSystem, path: files.manifest, logger, underLock });
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

  /** Puts in order what the dead left behind, and tells of it and of what was done before. */
  recover(closedTornTail: boolean): Promise<RecoveryReport> {
    return this.#recovery = this.#recover(closedTornTail);
  }

  /** A segment was sealed. */
  sealed(): void {
    this.#archiver.sealed();
  }

  /** Whether archiving keeps the disk busy. */
  get isBusy(): boolean {
    return this.#archiver.isBusy;
  }

  /** Resolves when archiving is not far behind, or has failed; undefined when that is so now. */
  room(): Promise<void> | undefined {
    return this.#archiver.room();
  }

  /**
   * Resolves when the segment is archived, by this process or another.
   *
   * @throws what keeps it from being archived.
   */
  archived(stamp: Stamp): Promise<void> {
    return this.#archiver.archived(stamp);
  }

  /** Resolves when all archiving is done, and the work on the manifest, or as much as time allows. */
  async finish(): Promise<void> {
    const timer = this.#options.clock.startTimer(MANIFEST_GRACE_MS, () => this.#ending.abort());
    await this.#recovery;
    timer.cancel();
    await this.#archiver.finish();
  }

  /** Gives up what is being done, for the next open() to go on with. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#archiver.stop();
    await this.#recovery;
  }

  async #recover(closedTornTail: boolean): Promise<RecoveryReport> {
    const { files, logger } = this.#options;
    const site = { ...this.#options, manifest: this.#manifest, signal: this.#ending.signal };
    const recovered = await recoverSegments({ site, archiver: this.#archiver, logger });
    const pruned = await this.#retention?.apply() ?? [];
    const report = { closedTornTail, ...recovered, pruned };
    const { archived, removed, addedToManifest } = recovered;
    const done = [archived, removed, addedToManifest, pruned];
    if (closedTornTail || done.some((names) => names.length > 0)) {
      logger.info(`Recovered audit log: ${files.active}`, report);
    }
    return report;
  }
}
