/**
 * Removes the archives that a log is to keep no longer, such that none goes that is not told of first:
 *
 *     see that the file is the one of its manifest line -> manifest line that it goes -> remove it ->
 *     sync the directory
 *
 * Only a file whose name and whose line in the manifest, digest included, prove that this library made
 * it is ever removed; an archive that was there before its line is somebody else's. A removal that was
 * cut short is finished by the next one.
 *
 * @module
 */
import { basename } from "@std/path";
import { messageOf } from "../errors.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Logger } from "../logger.ts";
import type { RetentionPolicy } from "../options/log_options.ts";
import { isSameFile, openInto } from "../platform/regular_file.ts";
import { fileDigest, type InTurns } from "./archive_content.ts";
import { listSegments } from "./list_segments.ts";
import type { Manifest } from "./manifest.ts";
import type { ArchiveLine } from "./manifest_line.ts";
import type { ManifestLines } from "./manifest_lines.ts";
import { type DueArchive, dueArchives, type OwnArchive } from "./retention_policy.ts";
import type { LogFiles } from "./segment_name.ts";

/** What {@linkcode Retention} is made of. */
export interface RetentionOptions extends InTurns {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
  readonly manifest: Manifest;
  readonly logger: Logger;
  readonly policy: RetentionPolicy;
  /** The clock of the log, epoch milliseconds. */
  readonly now: () => number;
}

/** An archive whose name and line say that it is ours. */
interface ToldArchive extends OwnArchive {
  readonly name: string;
  readonly line: ArchiveLine;
}

/** Keeps the archives of one log within its policy. */
export class Retention {
  readonly #options: RetentionOptions;
  /** Files that are none of ours, whatever the manifest says; each is told of once. */
  readonly #foreign = new Set<string>();
  #running: Promise<string[]> = Promise.resolve([]);

  /** Touches nothing yet. */
  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Removes what is to go; gives the names. What cannot be removed is told to the logger. */
  apply(): Promise<string[]> {
    return this.#running = this.#running.then(() => this.#apply());
  }

  async #apply(): Promise<string[]> {
    const { logger, signal } = this.#options;
    const removed: string[] = [];
    try {
      await this.#finishRemovals(removed);
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        if (signal.aborted) break;
        await this.#prune(next, removed);
      }
    } catch (error) {
      if (!signal.aborted) logger.error(`Archives are kept for longer: ${messageOf(error)}`);
    }
    return removed;
  }

  #next(): DueArchive<ToldArchive> | undefined {
    const { policy, now, fileSystem, files, manifest } = this.#options;
    const own = ownArchives({ fileSystem, files, lines: manifest.read() })
      .filter(({ name }) => !this.#foreign.has(name));
    return dueArchives(own, policy, now())[0];
  }

  async #prune(
    { archive, reason }: DueArchive<ToldArchive>,
    removed: string[],
  ): Promise<void> {
    const { manifest, now, logger } = this.#options;
    const { name, line } = archive;
    if (!(await this.#isOurs(name, line.gzip_sha256))) {
      this.#foreign.add(name);
      logger.warn(`An archive is kept as it is not the one that the manifest tells of: ${name}`);
      return;
    }
    await manifest.append(({ byArchive }) => {
      // Another process may have been quicker.
      if (byArchive.get(name)?.gzip_sha256 !== line.gzip_sha256) return null;
      const { gzip_sha256 } = line;
      return { pruned: name, gzip_sha256, reason, pruned_ts: new Date(now()).toISOString() };
    });
    // Nothing goes that is not told of, whoever changed the manifest meanwhile.
    const told = manifest.read().pruned.get(name);
    if (told?.gzip_sha256 === line.gzip_sha256) await this.#remove(name, removed);
  }

  /** Removes what was told of and is still there. */
  async #finishRemovals(removed: string[]): Promise<void> {
    const { fileSystem, files, manifest } = this.#options;
    const { pruned } = manifest.read();
    if (pruned.size === 0) return;
    for (const { stamp, forms } of listSegments(fileSystem, files)) {
      const name = basename(files.archive(stamp));
      const line = pruned.get(name);
      if (line === undefined || !forms.has("archive") || forms.has("sealed")) continue;
      if (await this.#isOurs(name, line.gzip_sha256)) await this.#remove(name, removed);
    }
  }

  async #isOurs(name: string, gzip_sha256: string): Promise<boolean> {
    const { fileSystem } = this.#options;
    const path = this.#pathOf(name);
    using stack = new DisposableStack();
    const archive = openInto(stack, fileSystem, path);
    if (archive === null) return false;
    const { sha256 } = await fileDigest(archive, this.#options);
    const atPath = fileSystem.status(path);
    return sha256 === gzip_sha256 && atPath !== null &&
      isSameFile(atPath, archive.status());
  }

  async #remove(name: string, removed: string[]): Promise<void> {
    const { fileSystem, files } = this.#options;
    try {
      await fileSystem.removeAsync(this.#pathOf(name));
      removed.push(name);
    } catch (error) {
      // Another process was quicker.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await fileSystem.syncDirectory(files.directory);
  }

  #pathOf(name: string): string {
    const { stamp } = this.#options.files.parse(name)!;
    return this.#options.files.archive(stamp);
  }
}

/** The archives whose names and lines say that they are ours, oldest first. */
export function ownArchives({ fileSystem, files, lines }: {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
  readonly lines: ManifestLines;
}): ToldArchive[] {
  return listSegments(fileSystem, files).flatMap(({ stamp, forms }) => {
    const path = files.archive(stamp);
    const name = basename(path);
    const line = lines.byArchive.get(name);
    if (line === undefined || line.rebuilt || forms.has("sealed")) return [];
    const status = forms.has("archive") ? fileSystem.status(path) : null;
    const isTold = status?.kind === "file" && status.byteLength === line.gzip_bytes;
    return isTold ? [{ stamp, name, line, gzip_bytes: line.gzip_bytes }] : [];
  });
}
