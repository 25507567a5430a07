/**
 * The append lock: only the log object that holds it may append to the file. The lock works between processes, between
 * Workers, and between two logs of the same path in one isolate.
 *
 * The lock is a flock on the lock file, not on the active file, because rotation replaces the active file. This library
 * never deletes the lock file. If another program deletes the lock file, two writers could lock two different files of
 * that name. Therefore a lock counts only if the locked file is still the file at the path.
 *
 * The code that holds the lock never awaits anything before it releases the lock. Therefore two logs of one isolate
 * never have to wait for each other's lock.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { isMissingFeature } from "../platform/system_error.ts";
import { type RegularFile, statusIfAt } from "../platform/regular_file.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { Clock } from "../platform/clock.ts";

/** Options of {@linkcode AppendLock}. */
export interface AppendLockOptions {
  /** The log that the lock guards. */
  readonly log: LogDirectory;
  readonly clock: Clock;
  readonly lockTimeoutSec: number;
}

/** The append lock of one log. */
export class AppendLock implements Disposable {
  readonly #options: AppendLockOptions;
  readonly #path: string;
  #lockFile: RegularFile;

  /** Opens the lock file, without taking the lock. */
  constructor(options: AppendLockOptions) {
    this.#options = options;
    this.#path = options.log.files.lock;
    this.#lockFile = this.#open();
  }

  /**
   * Takes the append lock, calls `section` with the handle of the lock file, and releases the lock.
   *
   * @throws {AuditWriteError} If another writer holds the lock for `lockTimeoutSec`, or if the system cannot lock the
   *   file. In the second case, `cause` is the error of the system. The phase is "lock".
   */
  async run<T>(section: (lockFile: FileHandle) => T): Promise<T> {
    for (const delayMs of this.#attempts()) {
      if (this.#tryTake()) return this.#runAndRelease(section);
      await this.#options.clock.wait(delayMs);
    }
    throw this.#timeout();
  }

  /**
   * Takes the lock, runs `section` and releases the lock, like {@linkcode run}, but blocks the thread while another
   * writer holds the lock.
   */
  runSync<T>(section: (lockFile: FileHandle) => T): T {
    for (const delayMs of this.#attempts()) {
      if (this.#tryTake()) return this.#runAndRelease(section);
      this.#options.clock.waitSync(delayMs);
    }
    throw this.#timeout();
  }

  /** Closes the lock file. */
  [Symbol.dispose](): void {
    this.#lockFile.handle.close();
  }

  #open(): RegularFile {
    return this.#options.log.openLockForUpdate();
  }

  /**
   * Yields the delay after each attempt to take the lock, in milliseconds: 0, then 1 to 16. Ends after
   * `lockTimeoutSec`, but allows at least two attempts.
   */
  *#attempts(): Generator<number> {
    const { clock, lockTimeoutSec } = this.#options;
    const deadlineMs = clock.monotonicMs() + lockTimeoutSec * 1000;
    yield 0;
    for (let delayMs = 1;; delayMs = Math.min(2 * delayMs, 16)) {
      const leftMs = deadlineMs - clock.monotonicMs();
      yield Math.max(0, Math.min(delayMs, leftMs));
      if (leftMs <= 0) return;
    }
  }

  #tryTake(): boolean {
    const { handle } = this.#lockFile;
    if (!this.#lock(handle)) return false;
    let isKept = false;
    try {
      const { fileSystem } = this.#options.log;
      isKept = statusIfAt(fileSystem, this.#path, this.#lockFile) !== null;
      if (isKept) return true;
      this.#lockFile = this.#open();
    } finally {
      // The lock is released even after an error, because no other writer can append while this writer holds it.
      if (!isKept) handle.unlock();
    }
    handle.close();
    return this.#tryTake();
  }

  #lock(handle: FileHandle): boolean {
    try {
      return handle.tryLock();
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      const remedy = isMissingFeature(cause)
        ? "; use a file system that supports locks, such as a local disk"
        : "";
      throw new AuditWriteError(
        `Cannot lock audit log: ${messageOf(cause)}${remedy}: ${this.#path}`,
        { phase: "lock", path: this.#options.log.files.active, cause },
      );
    }
  }

  #runAndRelease<T>(section: (lockFile: FileHandle) => T): T {
    const { handle } = this.#lockFile;
    try {
      return section(handle);
    } finally {
      handle.unlock();
    }
  }

  #timeout(): AuditWriteError {
    const { log, lockTimeoutSec } = this.#options;
    return new AuditWriteError(
      `Cannot append: another process has held the lock for ${lockTimeoutSec} s: ${this.#path}`,
      { phase: "lock", path: log.files.active },
    );
  }
}
