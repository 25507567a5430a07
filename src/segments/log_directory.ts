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
  /** The forms of its files; more than one while the segment is being archived. */
  readonly forms: ReadonlySet<SegmentName["form"]>;
}

/** The directory of one log. It does not cache: each call reads from the file system. */
export class LogDirectory {
  readonly fileSystem: FileSystem;
  /** The paths of the files, whether they exist or not. */
  readonly files: LogFiles;

  /** Creates the names of the files of a log from the absolute path of its active file; does not access the disk. */
  constructor(fileSystem: FileSystem, path: string) {
    this.fileSystem = fileSystem;
    this.files = new LogFiles(path);
  }

  /**
   * Lists the segments, oldest first; none if the directory does not exist. A file with the name of a segment is
   * another log, not a segment, if a lock file for it exists.
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

  /** Returns the newest stamp in the names of the directory, even if the file with that name is another log. */
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
   * @throws {TypeError} If the path is not a regular file with one name.
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

  /** Opens the file of the log at the path for reading, like {@linkcode openActive}. */
  open(path: string, stack?: DisposableStack): FileHandle | null {
    const handle = openForRead(this.fileSystem, path);
    if (handle !== null) stack?.defer(() => handle.close());
    return handle;
  }

  /**
   * Opens the file of the log at the path for appending, and creates it if it does not exist.
   *
   * @throws {TypeError} If the path is not a regular file with one name.
   */
  openForAppend(path: string): RegularFile {
    return openForAppend(this.fileSystem, path);
  }

  /** Checks whether the open file is the one at the path. */
  isAt(path: string, handle: FileHandle): boolean {
    const status = this.fileSystem.status(path);
    return status !== null && isSameFile(status, handle.status());
  }

  /** Syncs the entries of the directory: the names of its files. */
  sync(): Promise<void> {
    return this.fileSystem.syncDirectory(this.files.directory);
  }

  /** Syncs like {@linkcode sync}, synchronously. */
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
