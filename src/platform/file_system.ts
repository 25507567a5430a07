/**
 * The operating system as this library needs it, in one narrow interface, so that a simulated disk
 * can stand in for the real one. Errors are those of Deno (`Deno.errors.NotFound` and so on).
 *
 * @module
 */

/** What stands at a path or behind a handle. */
export interface FileStatus {
  /** What it is; "other" for a FIFO, a socket or a device. */
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Length in bytes. */
  readonly byteLength: number;
  /** Device that holds it. */
  readonly device: number;
  /** Its number on the device; null where the system does not tell. */
  readonly inode: number | null;
  /** How many names it has; null where the system does not tell. */
  readonly links: number | null;
}

/** What a file is opened for. "create" refuses an existing one; all but "read" write at the end. */
export type FileAccess = "read" | "append" | "create";

/** An open file. */
export interface FileHandle {
  /** The file behind the handle, wherever its name has gone. */
  status(): FileStatus;
  /** Reads up to `buffer.byteLength` bytes from the position; 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** As {@linkcode read}, at once. */
  readSync(buffer: Uint8Array, position: number): number;
  /** Writes at the end of the file; gives the number of bytes written, which may be smaller. */
  appendSync(bytes: Uint8Array): number;
  /** Cuts the file to the length. */
  truncateSync(byteLength: number): void;
  /** Brings content and length to the disk. */
  syncData(): Promise<void>;
  /** As {@linkcode syncData}, at once. */
  syncDataSync(): void;
  /** Takes the exclusive lock of the file if nobody has it. */
  tryLock(): boolean;
  /** Gives the lock back. */
  unlock(): void;
  /** Closes the handle, which also gives the lock back. */
  close(): void;
}

/** A running {@linkcode FileSystem.watch}. */
export interface Watcher {
  /** Ends it; does nothing when it has ended. */
  close(): void;
}

/** The calls on paths. */
export interface FileSystem {
  /** What stands at the path, a symlink itself and not its target; null if nothing does. */
  status(path: string): FileStatus | null;
  /** Opens a file; a new one is readable and writable by its owner alone. */
  open(path: string, access: FileAccess): FileHandle;
  /** Names of what is in the directory, in no order. */
  list(path: string): string[];
  /** Gives a file another name; what had that name is gone. */
  rename(from: string, to: string): void;
  /** Gives a file a second name; refuses one that is taken. */
  link(path: string, newPath: string): void;
  /** Takes a name away, and the file with its last one; a symlink itself and not its target. */
  remove(path: string): void;
  /** As {@linkcode remove}, without blocking: who takes the last name away frees the content. */
  removeAsync(path: string): Promise<void>;
  /** Makes one directory, for its owner alone. */
  makeDirectory(path: string): void;
  /** Brings the entries of the directory to the disk. */
  syncDirectorySync(path: string): void;
  /** As {@linkcode syncDirectorySync}, without blocking. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Calls back after changes of what is in the directory, as far as the system tells of them; reading
   * is none. Null where it cannot be watched. May keep the process alive.
   */
  watch(path: string, onChange: () => void): Watcher | null;
}
