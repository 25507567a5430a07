/**
 * Waits for changes in the directory of a log. Uses a file system watcher if the system has one. Always polls too,
 * because a watcher may miss changes.
 *
 * @module
 */
import type { Watcher } from "../platform/file_system.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import type { LogDirectory } from "../segments/log_directory.ts";

/**
 * Poll interval in milliseconds. If the watcher does not report a change, the reader notices it after at most this
 * time.
 */
const POLL_MS = 250;
/**
 * Interval in milliseconds of the timer that keeps the process alive during a wait. The callback of the timer does
 * nothing, so the interval is as long as possible.
 */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** The changes in the directory of one log, for a reader that waits for changes repeatedly. */
export class DirectoryChanges {
  readonly #log: LogDirectory;
  readonly #clock: Clock;
  #watcher: Watcher | null = null;
  #canBeWatched = true;
  #hasChanged = false;
  #endWait: (() => void) | undefined;
  #restTimer: Timer | undefined;

  /** Stores the directory; does not watch it yet. */
  constructor(log: LogDirectory, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * Resolves when the files of the log may have changed, so that the reader must check them again. Keeps the process
   * alive until then.
   */
  async wait(): Promise<void> {
    // A new watcher does not report earlier changes, so the wait ends at once and the reader checks the files again.
    if (this.#watch()) return;
    if (!this.#hasChanged) await this.#changeOrPoll();
    this.#hasChanged = false;
  }

  /** Resolves the pending {@linkcode wait}. If no call is pending, the next call resolves at once. */
  wake(): void {
    this.#hasChanged = true;
    this.#endWait?.();
  }

  /** Lets the next {@linkcode wait} try again to start a watcher if the last attempt failed. */
  retryWatching(): void {
    this.#canBeWatched = true;
  }

  /**
   * Closes the watcher after one poll interval. A call of {@linkcode attend} before then keeps the watcher open. A
   * watcher keeps the process alive, so it must not stay open while the reader is idle. It is not closed at once,
   * because starting a new watcher is expensive.
   */
  rest(): void {
    if (this.#watcher === null) return;
    this.#restTimer ??= this.#clock.startTimer(POLL_MS, () => this.#unwatch());
  }

  /**
   * Cancels the closing that {@linkcode rest} has scheduled, because the reader is about to wait again and needs the
   * watcher.
   */
  attend(): void {
    this.#restTimer?.cancel();
    this.#restTimer = undefined;
  }

  /** Resolves the pending {@linkcode wait} and closes the watcher. */
  close(): void {
    this.wake();
    this.#unwatch();
  }

  /**
   * Starts a watcher if no watcher is running and the last attempt did not fail. Returns whether a watcher was started.
   */
  #watch(): boolean {
    if (this.#watcher !== null || !this.#canBeWatched) return false;
    const { fileSystem, files } = this.#log;
    this.#watcher = fileSystem.watch(files.directory, () => this.wake());
    return this.#canBeWatched = this.#watcher !== null;
  }

  #unwatch(): void {
    this.attend();
    this.#watcher?.close();
    this.#watcher = null;
  }

  #changeOrPoll(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // The timers of the clock and some watchers do not keep the process alive. Without this timer, the program could
    // end while the reader waits for new events.
    const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
    const timer = this.#clock.startTimer(POLL_MS, () => this.#endWait?.());
    this.#endWait = () => {
      clearInterval(keepAlive);
      timer.cancel();
      this.#endWait = undefined;
      resolve();
    };
    return promise;
  }
}
