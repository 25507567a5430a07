/**
 * The lock under which every append runs, across processes, Workers and logs of one isolate.
 *
 * It is a flock on a file of its own, never on the data file, which is replaced by rotation. The
 * lock file is never deleted by us; when somebody else deletes it, two writers could hold locks on
 * two files of one name, so a lock counts only while its file is still the one at the path.
 *
 * Whoever holds the lock runs to its release without waiting for anything, so no other log of the
 * same isolate ever finds it taken by us.
 *
 * @module
 */
import { AuditWriteError } from "../errors.ts";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import { isSameFile, openForAppend, type RegularFile } from "../platform/regular_file.ts";
import type { LogFiles } from "../segments/segment_name.ts";
import type { Clock } from "../platform/clock.ts";

/** Options of {@linkcode AppendLock}. */
export interface AppendLockOptions {
  fileSystem: FileSystem;
  clock: Clock;
  /** The log that the lock guards. */
  files: LogFiles;
  lockTimeoutSec: number;
}

/** The exclusive right to append to one log. */
export class AppendLock implements Disposable {
  readonly #options: AppendLockOptions;
  readonly #path: string;
  #lockFile: RegularFile;

  /** Opens the lock file, without taking the lock. */
  constructor(options: AppendLockOptions) {
    this.#options = options;
    this.#path = options.files.lock;
    this.#lockFile = this.#open();
  }

  /**
   * Runs the section under the lock; `section` gets the handle of the lock file.
   *
   * @throws {AuditWriteError} with phase "lock" when others hold it for `lockTimeoutSec`.
   */
  async run<T>(section: (lockFile: FileHandle) => T): Promise<T> {
    for (const delayMs of this.#attempts()) {
      if (this.#tryTake()) return this.#runAndRelease(section);
      await this.#options.clock.wait(delayMs);
    }
    throw this.#timeout();
  }

  /** As {@linkcode run}, blocking the thread while others hold the lock. */
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
    return openForAppend(this.#options.fileSystem, this.#path);
  }

  /** Delays between attempts, growing from 1 to 16 ms, until the time is up; at least two attempts. */
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
    const { handle, identity } = this.#lockFile;
    if (!handle.tryLock()) return false;
    const status = this.#options.fileSystem.status(this.#path);
    if (status !== null && isSameFile(status, identity)) return true;
    this.#lockFile = this.#open();
    handle.close();
    return this.#tryTake();
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
    const { files, lockTimeoutSec } = this.#options;
    return new AuditWriteError(
      `Cannot append: another process has held the lock for ${lockTimeoutSec} s: ${this.#path}`,
      { phase: "lock", path: files.active },
    );
  }
}
