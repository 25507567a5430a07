/**
 * Claims: locks with which one process keeps a piece of work from all others, such as archiving one segment.
 *
 * A process claims work by locking a separate file, the claim file. On Windows, other processes cannot read a locked
 * file, so files with events are never locked. If the process dies, the OS releases the lock, and the claim file stays:
 * the next process locks the same file.
 *
 * Invariant: a lock counts only while the locked file is at its path. The owner removes the file before it releases the
 * lock. A process that opened the file before the removal then locks a file that is no longer at its path, and tries
 * again.
 *
 * @module
 */
import type { FileHandle, FileStatus, Ownership } from "../platform/file_system.ts";
import { removeFile } from "../platform/regular_file.ts";
import type { LogDirectory } from "./log_directory.ts";

/** A claim that this process holds. Disposal releases it, and removes its file if that is possible. */
export class Claim implements Disposable {
  /** The open file of the claim. Its owner may write it. */
  readonly handle: FileHandle;
  readonly #log: LogDirectory;
  readonly #path: string;
  #isHeld = true;

  /** Creates the object for a locked file at its path, see {@linkcode tryClaim}. */
  constructor(log: LogDirectory, { path, handle }: { path: string; handle: FileHandle }) {
    this.#log = log;
    this.#path = path;
    this.handle = handle;
  }

  /** Checks whether the locked file is still at its path. If not, another process may hold the claim too. */
  isAtPath(): boolean {
    return this.#log.isAt(this.#path, this.handle);
  }

  /**
   * Removes the file, and releases the lock. If another process has put its own claim file at the path, that one stays.
   *
   * @throws {Error} If the file cannot be removed. The lock is then released too.
   */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    using stack = new DisposableStack();
    stack.defer(() => this.handle.close());
    if (this.isAtPath()) removeFile(this.#log.fileSystem, this.#path);
  }

  /** Does what {@linkcode release} does, but does not throw, so that it does not hide the error of the work. */
  [Symbol.dispose](): void {
    try {
      this.release();
    } catch {
      // The file stays as after a kill: the next owner takes it over, or the next recovery removes it.
    }
  }
}

/**
 * Takes the claim whose file has the path. Returns null if another process holds it.
 *
 * @param ownership The ownership of the file that the work is about, if the caller knows it. A missing claim is created
 *   with this ownership, by default with that of the log.
 * @throws {TypeError} If the path is not a regular file with a single hard link.
 * @throws {Deno.errors.PermissionDenied} If the file belongs to another user than the log. Who owns a file can read and
 *   change what this process writes into it.
 * @throws {Error} If the file cannot be created or locked.
 */
export function tryClaim(
  log: LogDirectory,
  path: string,
  ownership?: Ownership | null,
): Claim | null {
  for (;;) {
    using stack = new DisposableStack();
    const { handle, identity, created } = log.openForAppend(path, ownership);
    stack.defer(() => handle.close());
    if (!created) checkOwner(identity, ownership === undefined ? log.ownership() : ownership, path);
    if (!handle.tryLock()) return null;
    // The owner before this one may have removed the file after it was opened here.
    if (!log.isAt(path, handle)) continue;
    stack.move();
    return new Claim(log, { path, handle });
  }
}

/** Checks that a file which another process has created belongs to the owner of the log. */
function checkOwner({ ownership }: FileStatus, ofLog: Ownership | null, path: string): void {
  if (ownership === null || ofLog === null || ownership.uid === ofLog.uid) return;
  throw new Deno.errors.PermissionDenied(
    `the file belongs to uid ${ownership.uid}, but the log to uid ${ofLog.uid}: ${path}`,
  );
}
