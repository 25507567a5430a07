/**
 * Waiting for something to change in a directory: a watcher where there can be one, and a look every
 * now and then in any case, as a watcher may miss things.
 *
 * @module
 */
import type { FileSystem, Watcher } from "../platform/file_system.ts";
import type { Clock, Timer } from "../platform/clock.ts";

/** What {@linkcode DirectoryChanges} are made of. */
export interface DirectoryChangesOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly directory: string;
}

/** How long a change that no watcher tells of can stay unseen. */
const POLL_MS = 250;
/** The longest interval that there is: it is not for what it does that it runs. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** The changes of one directory, for one that waits for them again and again. */
export class DirectoryChanges {
  readonly #options: DirectoryChangesOptions;
  #watcher: Watcher | null = null;
  #canBeWatched = true;
  #hasChanged = false;
  #endWait: (() => void) | undefined;
  #restTimer: Timer | undefined;

  /** Watches nothing yet. */
  constructor(options: DirectoryChangesOptions) {
    this.#options = options;
  }

  /** Resolves when it is time to look; the process stays alive meanwhile. */
  async wait(): Promise<void> {
    // What has changed before the watcher was there is to be seen at once too.
    if (this.#watch()) return;
    if (!this.#hasChanged) await this.#changeOrPoll();
    this.#hasChanged = false;
  }

  /** Ends the wait. */
  wake(): void {
    this.#hasChanged = true;
    this.#endWait?.();
  }

  /** Tries again to watch, where it could not be done before. */
  retryWatching(): void {
    this.#canBeWatched = true;
  }

  /**
   * Nobody waits until {@linkcode attend}. A watcher keeps the process alive, so it does not outlast
   * a long rest; it is kept for a short one, as a new one costs more than all else.
   */
  rest(): void {
    if (this.#watcher === null) return;
    this.#restTimer ??= this.#options.clock.startTimer(POLL_MS, () => this.#unwatch());
  }

  /** Somebody is about to wait. */
  attend(): void {
    this.#restTimer?.cancel();
    this.#restTimer = undefined;
  }

  /** Ends it all. */
  close(): void {
    this.wake();
    this.#unwatch();
  }

  /** Watches the directory if it can; tells whether it did not before. */
  #watch(): boolean {
    if (this.#watcher !== null || !this.#canBeWatched) return false;
    const { fileSystem, directory } = this.#options;
    this.#watcher = fileSystem.watch(directory, () => this.wake());
    return this.#canBeWatched = this.#watcher !== null;
  }

  #unwatch(): void {
    this.attend();
    this.#watcher?.close();
    this.#watcher = null;
  }

  #changeOrPoll(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // The clock's timers and some watchers keep no process alive.
    const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
    const timer = this.#options.clock.startTimer(POLL_MS, () => this.#endWait?.());
    this.#endWait = () => {
      clearInterval(keepAlive);
      timer.cancel();
      this.#endWait = undefined;
      resolve();
    };
    return promise;
  }
}
