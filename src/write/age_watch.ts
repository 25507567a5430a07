/**
 * Checks the age of a log's files from time to time, so that files of a log to which no events are written are sealed
 * or deleted in time too.
 *
 * @module
 */
import type { Clock, Timer } from "../platform/clock.ts";

const DELAY_MIN_MS = 1_000;
const DELAY_MAX_MS = 3_600_000;

/** Options of {@linkcode AgeWatch}. */
export interface AgeWatchOptions {
  readonly clock: Clock;
  /** The limit on the age in milliseconds. */
  readonly maxAgeMs: number;
  /**
   * Seals the active file and deletes archives if they are too old. Resolves with the number of milliseconds until the
   * active file will be too old. Must not reject.
   */
  readonly look: () => Promise<number>;
}

/** Checks the age of the files at the start, and then by a timer, which does not keep the process alive. */
export class AgeWatch {
  readonly #options: AgeWatchOptions;
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** Creates the watch. It does nothing before {@linkcode start}. */
  constructor(options: AgeWatchOptions) {
    this.#options = options;
  }

  /** Checks the files, and then starts the timer for the next check. Resolves when the first check has ended. */
  start(): Promise<void> {
    return this.#isStopped ? Promise.resolve() : this.#looking = this.#look();
  }

  /** Stops the timer, and resolves when a running check has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { clock, maxAgeMs, look } = this.#options;
    const dueMs = await look();
    if (this.#isStopped) return;
    const delayMs = Math.max(DELAY_MIN_MS, Math.min(dueMs, maxAgeMs, DELAY_MAX_MS));
    this.#timer = clock.startTimer(delayMs, () => void this.start());
  }
}
