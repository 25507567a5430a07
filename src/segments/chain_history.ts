/**
 * Finds the last link of a log's hash chain before the active file: the number and the hash of the last chained line. A
 * writer continues the chain from this link.
 *
 * The link comes from the last chained line of a sealed segment, or from the manifest line of an archive. If an archive
 * has no manifest line, the archive must be decoded. Decoding takes too long to be done under a lock, so
 * {@linkcode ChainHistory.prepare} decodes before the lock is taken.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { type ChainLink, later } from "../line/chain.ts";
import { loadSha256 } from "../line/digest.ts";
import { Turns } from "../platform/turns.ts";
import { type ContentReading, summaryOf } from "./archive_content.ts";
import { chainTail } from "./chain_tail.ts";
import type { ListedSegment, LogDirectory } from "./log_directory.ts";
import { ManifestReader } from "./manifest_reader.ts";
import type { Stamp } from "./segment_name.ts";
import { lastLinkOf } from "./segment_summary.ts";

/** The part of a log's hash chain that comes before the active file. */
export class ChainHistory {
  readonly #log: LogDirectory;
  readonly #reading: ContentReading;
  readonly #manifest: ManifestReader;
  /**
   * The number and the hash of the last chained line that {@linkcode prepare} has found in archives without a manifest
   * line; null if it has found none.
   */
  #unlisted: ChainLink | null = null;

  /** Creates the history; does not read any file yet. */
  constructor(log: LogDirectory, reading: ContentReading) {
    this.#log = log;
    this.#reading = reading;
    this.#manifest = new ManifestReader(log);
  }

  /**
   * Decodes the archives that have no manifest line, newest first, until an archive contains a chained line. Must be
   * called before {@linkcode last}. The caller must not hold a lock meanwhile, because decoding takes long.
   */
  async prepare(): Promise<void> {
    const turns = new Turns(this.#reading.clock);
    await loadSha256(turns);
    await this.#manifest.catchUp(turns);
    const { byArchive } = this.#manifest.read();
    const segments = await this.#log.segmentsInTurns(turns);
    for (const { stamp, forms } of segments.reverse()) {
      if (turns.isDue) await turns.take();
      const name = basename(this.#log.files.archive(stamp));
      if (forms.has("sealed") || !forms.has("archive") || byArchive.has(name)) continue;
      const link = await this.#linkInArchive(stamp);
      this.#unlisted = later(this.#unlisted, link);
      if (link !== null) return;
    }
  }

  /**
   * Returns the number and the hash of the last chained line in all segments and archives; null if no line is chained.
   *
   * @param segments The segments of the log, oldest first. By default they are listed synchronously, because a writer
   *   calls this method under the append lock.
   */
  last(segments: readonly ListedSegment[] = this.#log.segments()): ChainLink | null {
    const archived = later(this.#unlisted, this.#manifest.read().lastLink);
    for (const { stamp, forms } of segments.toReversed()) {
      if (!forms.has("sealed")) continue;
      const link = this.#linkInSealed(stamp);
      if (link !== null) return later(archived, link);
    }
    return archived;
  }

  #linkInSealed(stamp: Stamp): ChainLink | null {
    if (this.#log.isReserved(stamp)) return null;
    using stack = new DisposableStack();
    const handle = this.#log.openSealed(stamp, stack);
    return handle === null ? null : chainTail(handle, handle.status().byteLength)?.link ?? null;
  }

  async #linkInArchive(stamp: Stamp): Promise<ChainLink | null> {
    using stack = new DisposableStack();
    try {
      const archive = this.#log.openArchive(stamp, stack);
      if (archive === null) return null;
      return lastLinkOf(await summaryOf(archive, this.#reading));
    } catch (error) {
      // Skip an archive that is damaged or is not a regular file. Readers report such an archive, and `verify()` finds
      // the gap in the chain.
      if (error instanceof TypeError) return null;
      throw error;
    }
  }
}
