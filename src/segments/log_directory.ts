/**
 * The files of a log on a file system: their names, and methods that list, open and sync them.
 *
 * @module
 */
import { basename } from "@std/path";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import {
  isSameFile,
  openForAppend,
  openForRead,
  type RegularFile,
} from "../platform/regular_file.ts";
import { LogFiles, type SegmentName, type Stamp } from "./segment_name.ts";

/** A segment in a listing of the directory. */
export interface ListedSegment {
  readonly stamp: Stamp;
  /** The forms in which the segment exists as a file; more than one while the segment is being archived. */
  readonly forms: ReadonlySet<SegmentName["form"]>;
}

/** The directory of one log. It does not cache: each call reads from the file system. */
export class LogDirectory {
  readonly fileSystem: FileSystem;
  /** The paths of the log's files, whether the files exist or not. */
  readonly files: LogFiles;

  /** Creates the directory of the log whose active file has the absolute path `path`; does not access the disk. */
  constructor(fileSystem: FileSystem, path: string) {
    this.fileSystem = fileSystem;
    this.files = new LogFiles(path);
  }

  /**
   * Lists the segments, oldest first; returns an empty list if the directory does not exist. If a file with the name of
   * a segment has a lock file, the file is another log and is not listed.
   */
  segments(): ListedSegment[] {
    // If a segment is archived during a listing, that listing may miss both the segment and the archive. The second
    // listing, which begins after the first has ended, finds the archive.
    const names = new Set([...this.#names(), ...this.#names()]);
    const segments = new Map<Stamp, Set<SegmentName["form"]>>();
    for (const name of names) {
      const parsed = this.files.parse(name);
      if (parsed === null) continue;
      const { stamp, form } = parsed;
      const isOtherLog = form === "sealed" &&
        names.has(`${basename(this.files.sealed(stamp))}.lock`);
      if (!isOtherLog) segments.set(stamp, (segments.get(stamp) ?? new Set()).add(form));
    }
    return [...segments].map(([stamp, forms]) => ({ stamp, forms }))
      .sort((a, b) => a.stamp < b.stamp ? -1 : 1);
  }

  /** Returns the newest stamp in the file names of the directory, even if the file with that stamp is another log. */
  newestStamp(): Stamp | undefined {
    let newest: Stamp | undefined;
    for (const name of this.#names()) {
      const stamp = this.files.parse(name)?.stamp;
      if (stamp !== undefined && (newest === undefined || stamp > newest)) newest = stamp;
    }
    return newest;
  }

  /**
   * Opens the active file for reading.
   *
   * @param stack Closes the file when it is disposed. Without it, the caller must close the file.
   * @returns The open file, or null if it does not exist.
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   */
  openActive(stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.active, stack);
  }

  /** Opens a sealed segment for reading, like {@linkcode openActive}. */
  openSealed(stamp: Stamp, stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.sealed(stamp), stack);
  }

  /** Opens an archive for reading, like {@linkcode openActive}. */
  openArchive(stamp: Stamp, stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.archive(stamp), stack);
  }

  /** Opens the lock file for reading, like {@linkcode openActive}. */
  openLock(stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.lock, stack);
  }

  /** Opens any file of the log by its path for reading, like {@linkcode openActive}. */
  open(path: string, stack?: DisposableStack): FileHandle | null {
    const handle = openForRead(this.fileSystem, path);
    if (handle !== null) stack?.defer(() => handle.close());
    return handle;
  }

  /**
   * Opens any file of the log by its path for appending, and creates the file if it does not exist.
   *
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   */
  openForAppend(path: string): RegularFile {
    return openForAppend(this.fileSystem, path);
  }

  /** Checks whether the path still leads to the open file. */
  isAt(path: string, handle: FileHandle): boolean {
    const status = this.fileSystem.status(path);
    return status !== null && isSameFile(status, handle.status());
  }

  /** Syncs the entries of the directory: the names of its files. */
  sync(): Promise<void> {
    return this.fileSystem.syncDirectory(this.files.directory);
  }

  /** Syncs the entries of the directory like {@linkcode sync}, synchronously. */
  syncSync(): void {
    this.fileSystem.syncDirectorySync(this.files.directory);
  }

  #names(): string[] {
    try {
      return this.fileSystem.list(this.files.directory);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}
