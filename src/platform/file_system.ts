/**
 * The file operations that this library needs, in one narrow interface, so that tests can use a simulated disk.
 * Errors are of Deno's classes (`Deno.errors.NotFound` and so on).
 *
 * @module
 */

/** The owner, the group and the permission bits of a file. */
export interface Ownership {
  /** User ID of the owner. */
  readonly uid: number;
  /** ID of the group. */
  readonly gid: number;
  /** Permission bits, such as 0o600. */
  readonly mode: number;
}

/** The status of the file at a path or of an open file. */
export interface FileStatus {
  /** Kind of the file; "other" for a FIFO, a socket or a device. */
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Length in bytes. */
  readonly byteLength: number;
  /** ID of the device that holds the file. */
  readonly device: number;
  /** Inode number on the device; null if the system does not report it. A number above 2^53, as on NTFS, is rounded. */
  readonly inode: number | null;
  /** Number of hard links; null if the system does not report it. */
  readonly links: number | null;
  /** Time of the creation, epoch milliseconds; null if the system does not report it. */
  readonly createdMs: number | null;
  /**
   * Time of the last change, epoch milliseconds; null if the time is not known or not reliable. For a directory, the
   * time of the last change of its entries.
   */
  readonly modifiedMs: number | null;
  /** Owner, group and mode; null if the system has none, as on Windows. */
  readonly ownership: Ownership | null;
}

/** Checks whether two statuses are of the same file. Without inode numbers, any two files count as the same. */
export function isSameFile(a: FileStatus, b: FileStatus): boolean {
  return a.inode === b.inode && (a.inode === null || a.device === b.device);
}

/**
 * The mode in which a file is opened. "create" fails if the file exists. All modes except "read" write at the end of
 * the file. With "append" and "create", the system finds the end of the file at each write, even if another program
 * appends at the same time. On Windows, a handle with these two modes cannot truncate the file, but a handle with
 * "update" can.
 */
export type FileAccess = "read" | "append" | "update" | "create";

/** An open file. */
export interface FileHandle {
  /** Returns the status of the open file, even if it was renamed or removed. */
  status(): FileStatus;
  /**
   * Reads up to `buffer.byteLength` bytes at the position. Resolves with the number of bytes; 0 at the end of the file.
   */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Reads like {@linkcode read}, synchronously. */
  readSync(buffer: Uint8Array, position: number): number;
  /** Writes at the end of the file. Returns the number of written bytes, possibly less than `bytes.byteLength`. */
  appendSync(bytes: Uint8Array): number;
  /**
   * Truncates the file to the length.
   *
   * @throws {Deno.errors.PermissionDenied} If the system needs a handle that was opened with "update".
   */
  truncateSync(byteLength: number): void;
  /**
   * Sets owner, group and mode of the file, and syncs them. This handle must have created the file, and the file must
   * still be at its path.
   *
   * @throws {Deno.errors.PermissionDenied} If the process may not assign files to this owner or group.
   * @throws {Deno.errors.Busy} If another file has replaced this file at its path.
   */
  setOwnership(ownership: Ownership): void;
  /**
   * Syncs the content and the length to the disk.
   *
   * @throws {Deno.errors.PermissionDenied} If the system needs a handle that can write.
   */
  syncData(): Promise<void>;
  /** Syncs like {@linkcode syncData}, synchronously. */
  syncDataSync(): void;
  /**
   * Takes the exclusive lock of the file and returns `true`, or returns `false` if another handle holds the lock. A
   * handle must not take a lock that it already holds. On Windows, no other handle can read or write the locked file.
   */
  tryLock(): boolean;
  /** Releases the lock of the file. */
  unlock(): void;
  /** Closes the handle, which also releases the lock. */
  close(): void;
}

/** A running {@linkcode FileSystem.watch}. */
export interface Watcher {
  /** Stops watching; does nothing if the watcher has already stopped. */
  close(): void;
}

/** The operations on paths. */
export interface FileSystem {
  /** Returns the status of the file at the path, without following a symlink; null if the path does not exist. */
  status(path: string): FileStatus | null;
  /** Returns the status of the directory at the path, and follows symlinks; null if the path does not exist. */
  directoryStatus(path: string): FileStatus | null;
  /** Opens a file. A new file is readable and writable only by its owner. */
  open(path: string, access: FileAccess): FileHandle;
  /** Returns the names of the entries of the directory, in any order. */
  list(path: string): string[];
  /** Lists like {@linkcode list}, without blocking, because the listing of a large directory takes time. */
  listLater(path: string): Promise<string[]>;
  /** Renames a file; a file that already has the new name is replaced. */
  rename(from: string, to: string): void;
  /** Creates a hard link; fails if the new path exists. */
  link(path: string, newPath: string): void;
  /** Removes a name of a file. When the last name is removed, the file is deleted. Does not follow a symlink. */
  remove(path: string): void;
  /** Removes like {@linkcode remove}, without blocking, because the deletion of a large file takes time. */
  removeAsync(path: string): Promise<void>;
  /** Creates a directory that only its owner can access. With `withParents`, also creates its missing parents. */
  makeDirectory(path: string, withParents?: boolean): void;
  /** Syncs the entries of the directory to the disk. */
  syncDirectorySync(path: string): void;
  /** Syncs like {@linkcode syncDirectorySync}, without blocking. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Calls `onChange` after changes in the directory, as far as the system reports them. Reads are not changes.
   * Returns null if the directory cannot be watched. The watcher may keep the process alive.
   */
  watch(path: string, onChange: () => void): Watcher | null;
}
