/**
 * The manifest of a log: one line per archive, which tells what it holds without decoding it.
 *
 * The manifest is derived: what is missing or damaged in it is made again from the archives, behind what
 * is there. Only a line that a crash has cut short is cut off; one that was changed stays, as evidence.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import type { Logger } from "../logger.ts";
import { openForAppend } from "../platform/regular_file.ts";
import type { ArchiveFacts, PruneFacts } from "./manifest_line.ts";
import type { ManifestLines } from "./manifest_lines.ts";
import { ManifestReader } from "./manifest_reader.ts";

/** Runs a section under the append lock of the log. */
export type UnderLock = <T>(section: () => T) => Promise<T>;

/** What a manifest is made of. */
export interface ManifestOptions {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly logger: Logger;
  readonly underLock: UnderLock;
}

/** The manifest of one log, read and extended. */
export class Manifest {
  readonly #options: ManifestOptions;
  readonly #reader: ManifestReader;

  /** Does not touch the file. */
  constructor(options: ManifestOptions) {
    this.#options = options;
    this.#reader = new ManifestReader(options.fileSystem, options.path);
  }

  /** As {@linkcode ManifestReader.read}. */
  read(): ManifestLines {
    return this.#reader.read();
  }

  /** Adds the line of an archive and brings it to the disk; does nothing if the manifest has it. */
  async add(facts: ArchiveFacts): Promise<void> {
    await this.append(({ byArchive }) => {
      const last = byArchive.get(facts.archive);
      const isThere = last?.sha256 === facts.sha256 && last.gzip_sha256 === facts.gzip_sha256;
      return isThere ? null : facts;
    });
  }

  /**
   * Adds the line that the function asks for when it sees the lines there are, if it asks for one, and
   * brings it to the disk.
   */
  async append(
    choose: (lines: ManifestLines) => ArchiveFacts | PruneFacts | null,
  ): Promise<void> {
    const { fileSystem, path, underLock } = this.#options;
    using stack = new DisposableStack();
    const handle = await underLock(() => {
      const { handle } = openForAppend(fileSystem, path);
      stack.defer(() => handle.close());
      const lines = this.#reader.readFrom(handle);
      const facts = choose(lines);
      if (facts !== null) this.#append(handle, lines, facts);
      return handle;
    });
    await handle.syncData();
  }

  /** Runs under the append lock. */
  #append(handle: FileHandle, lines: ManifestLines, facts: ArchiveFacts | PruneFacts): void {
    this.#cutOffTornTail(handle, lines);
    const bytes = lines.next(facts);
    const written = handle.appendSync(bytes);
    if (written === bytes.byteLength) return;
    // Half a line is damage that the next one would cut off; there is no need to leave it there.
    handle.truncateSync(lines.byteLength);
    throw new Error("Only a part of the manifest line was written (disk full?)");
  }

  #cutOffTornTail(handle: FileHandle, { byteLength, count }: ManifestLines): void {
    const tornBytes = handle.status().byteLength - byteLength;
    if (tornBytes === 0) return;
    const { logger, path } = this.#options;
    logger.warn(`Cut ${tornBytes} torn bytes off behind line ${count} of manifest: ${path}`);
    handle.truncateSync(byteLength);
  }
}
