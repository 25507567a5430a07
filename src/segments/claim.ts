/**
 * Claims: locks that reserve a piece of work, such as archiving one segment, for one process.
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

/**
 * A claim that this process holds: a locked file that reserves a piece of work for this process. Disposal releases the
 * claim, and removes the claim file if that is possible.
 */
export class Claim implements Disposable {
  /** The open claim file. The process that holds the claim may write into this file. */
  readonly handle: FileHandle;
  readonly #log: LogDirectory;
  readonly #path: string;
  #isHeld = true;

  /** Creates the claim. {@linkcode tryClaim} must have opened and locked its claim file, which is at the path. */
  constructor(log: LogDirectory, { path, handle }: { path: string; handle: FileHandle }) {
    this.#log = log;
    this.#path = path;
    this.handle = handle;
  }

  /**
   * Checks whether the locked claim file is still at its path. If another program has removed it, a second process may
   * hold the same claim.
   */
  isAtPath(): boolean {
    return this.#log.isAt(this.#path, this.handle);
  }

  /**
   * Removes the claim file, and releases its lock, so that another process can claim the work. If another process has
   * put its own claim file at the path, that file stays.
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

  /**
   * Removes the claim file and releases its lock, like {@linkcode release}, but never throws: an error here would hide
   * an error of the claimed work.
   */
  [Symbol.dispose](): void {
    try {
      this.release();
    } catch {
      // The claim file stays, like that of a killed process. The next process that claims the same work takes the file
      // over, or the next recovery removes it.
    }
  }
}

/**
 * Takes a claim: locks the claim file at `path`, which reserves a piece of work for this process. Returns null if
 * another process holds this claim.
 *
 * @param ownership The ownership for the claim file if it does not exist yet: that of the file that is worked on, such
 *   as the segment. By default, the ownership of the log.
 * @throws {TypeError} If the path is not a regular file with a single hard link.
 * @throws {Deno.errors.PermissionDenied} If the file belongs to another user than the log. That user could read and
 *   change the text that this process writes into the file.
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
    // The previous owner of the claim may have removed the claim file after this process opened it. So the file is
    // opened again.
    if (!log.isAt(path, handle)) continue;
    stack.move();
    return new Claim(log, { path, handle });
  }
}

/**
 * Checks that a claim file which another process has created belongs to the owner of the log. Otherwise another user
 * could change its text.
 */
function checkOwner({ ownership }: FileStatus, ofLog: Ownership | null, path: string): void {
  if (ownership === null || ofLog === null || ownership.uid === ofLog.uid) return;
  throw new Deno.errors.PermissionDenied(
    `the file belongs to uid ${ownership.uid}, but the log to uid ${ofLog.uid}: ${path}`,
  );
}
