/**
 * The manifest of a log: one line per archive with the figures of its content, so that readers need not decode the
 * archive.
 *
 * The manifest is derived from the archives. Recovery appends a new line for each archive whose line is missing or
 * damaged. A torn last line, which a crash leaves behind, is removed. Any other damaged or modified line stays as
 * evidence.
 *
 * @module
 */
import { joined } from "../platform/chunks.ts";
import type { FileHandle } from "../platform/file_system.ts";
import type { Logger } from "../logger.ts";
import { truncate } from "../platform/regular_file.ts";
import type { Turns } from "../platform/turns.ts";
import type { LogDirectory } from "./log_directory.ts";
import type { ArchiveFacts, PruneFacts } from "./manifest_line.ts";
import type { ManifestLines } from "./manifest_lines.ts";
import { ManifestReader } from "./manifest_reader.ts";

/**
 * A function that takes the append lock of the log, runs the synchronous function `section`, and releases the lock.
 * Resolves with the result of `section`.
 */
export type UnderLock = <T>(section: () => T) => Promise<T>;

/** Options of {@linkcode Manifest}. */
export interface ManifestOptions {
  readonly log: LogDirectory;
  readonly logger: Logger;
  readonly underLock: UnderLock;
}

/** The manifest of one log, for reading and appending. */
export class Manifest {
  readonly #options: ManifestOptions;
  readonly #reader: ManifestReader;

  /** Creates the object; does not access the manifest file. */
  constructor(options: ManifestOptions) {
    this.#options = options;
    this.#reader = new ManifestReader(options.log);
  }

  /**
   * Reads the lines of the manifest that were not read before, in steps between which other tasks can run. See
   * {@linkcode ManifestReader.catchUp}.
   */
  catchUp(turns: Turns): Promise<void> {
    return this.#reader.catchUp(turns);
  }

  /** Reads the complete lines of the manifest, like {@linkcode ManifestReader.read}. */
  read(): ManifestLines {
    return this.#reader.read();
  }

  /**
   * Appends the line of an archive if the manifest does not have that line. Syncs the manifest even if nothing is
   * appended, because another process may have appended the line without a sync.
   */
  add(facts: ArchiveFacts): Promise<void> {
    return this.addAll([facts]);
  }

  /**
   * Appends the lines of archives that the manifest does not have, with one write. Syncs the manifest even if nothing
   * is appended, because another process may have appended the lines without a sync. Appends no line for an archive
   * whose removal the manifest records, because retention may remove an archive while recovery decodes it.
   */
  async addAll(archives: readonly ArchiveFacts[]): Promise<void> {
    await this.append(({ byArchive, pruned }) =>
      archives.filter((facts) => {
        if (pruned.get(facts.archive)?.gzip_sha256 === facts.gzip_sha256) return false;
        const last = byArchive.get(facts.archive);
        return last?.sha256 !== facts.sha256 || last.gzip_sha256 !== facts.gzip_sha256 ||
          last.rollup_sha256 !== facts.rollup_sha256;
      })
    );
  }

  /**
   * Calls `choose` with the lines that the manifest already has. Appends a line for each element of the list that the
   * function returns, and syncs the manifest.
   *
   * @throws {TypeError} If the path of the manifest is not a regular file with a single hard link.
   * @throws {Error} If the lines cannot be written or synced.
   */
  async append(
    choose: (lines: ManifestLines) => readonly (ArchiveFacts | PruneFacts)[],
  ): Promise<void> {
    const { log, underLock } = this.#options;
    using stack = new DisposableStack();
    const handle = await underLock(() => {
      const { handle } = log.openForAppend(log.files.manifest);
      stack.defer(() => handle.close());
      const lines = this.#reader.readFrom(handle);
      const chosen = choose(lines);
      if (chosen.length > 0) this.#append(handle, lines, chosen);
      return handle;
    });
    await handle.syncData();
  }

  /** Appends lines to the open manifest. The caller must hold the append lock. */
  #append(
    handle: FileHandle,
    lines: ManifestLines,
    chosen: readonly (ArchiveFacts | PruneFacts)[],
  ): void {
    this.#cutOffTornTail(handle, lines);
    const start = lines.byteLength;
    const parts = chosen.map((facts) => {
      const bytes = lines.next(facts);
      lines.take(bytes);
      return bytes;
    });
    const bytes = joined(parts, lines.byteLength - start);
    try {
      if (handle.appendSync(bytes) === bytes.byteLength) return;
    } catch (error) {
      this.#reader.forget();
      throw error;
    }
    this.#reader.forget();
    // Only a part of the line was written, so remove this part here, without a warning. Otherwise the next append would
    // remove it with a warning.
    this.#truncate(handle, start);
    throw new Error(
      "Cannot write manifest line: only a part of the line was written; the disk may be full",
    );
  }

  #truncate(handle: FileHandle, byteLength: number): void {
    const { fileSystem, files: { manifest } } = this.#options.log;
    truncate(fileSystem, manifest, { handle, byteLength });
  }

  #cutOffTornTail(handle: FileHandle, { byteLength, count }: ManifestLines): void {
    const tornBytes = handle.status().byteLength - byteLength;
    if (tornBytes === 0) return;
    const { logger, log: { files: { manifest } } } = this.#options;
    logger.warn(
      `Removed a torn tail of ${tornBytes} bytes after line ${count} of the manifest: ${manifest}`,
    );
    this.#truncate(handle, byteLength);
  }
}
