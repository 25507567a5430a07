/**
 * Claims: locks with which one process keeps a piece of work from all others, such as archiving one segment.
 *
 * A claim is the lock of a file of its own. On Windows nobody else can read a locked file, so files with content are
 * never locked. The OS releases the claim when its process dies. The file that is left then has no lock, and the next
 * process that claims the work takes it over.
 *
 * Invariant: a claim counts only if the locked file is still at its path. Its owner removes the file before it releases
 * the lock, so a process that has opened the removed file does not hold the claim, and tries again.
 *
 * @module
 */
import type { FileHandle } from "../platform/file_system.ts";
import { removeFile } from "../platform/regular_file.ts";
import type { LogDirectory } from "./log_directory.ts";

/** A claim that this process holds. Disposal gives it up, and removes its file if that is possible. */
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

  /**
   * Removes the file, and gives the claim up.
   *
   * @throws {Error} If the file cannot be removed. The claim is then given up too.
   */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    using stack = new DisposableStack();
    stack.defer(() => this.handle.close());
    removeFile(this.#log.fileSystem, this.#path);
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
 * @throws {TypeError} If the path is not a regular file with a single hard link.
 * @throws {Error} If the file cannot be created or locked.
 */
export function tryClaim(log: LogDirectory, path: string): Claim | null {
  for (;;) {
    using stack = new DisposableStack();
    const { handle } = log.openForAppend(path);
    stack.defer(() => handle.close());
    if (!handle.tryLock()) return null;
    // The owner before this one may have removed the file after it was opened here.
    if (!log.isAt(path, handle)) continue;
    stack.move();
    return new Claim(log, { path, handle });
  }
}
