/**
 * Decides whether the next sync of a file to the disk blocks this thread ("spot") or runs on another thread. Pure.
 *
 * Handing a sync over to another thread and back takes a few hundred microseconds, and more on a busy machine. Many
 * disks do not need more time for the sync itself. On such a disk, a sync that blocks this thread ends sooner for the
 * callers that wait for it. It also blocks this thread no longer than the hand-over would.
 *
 * @module
 */

/** Number of quick syncs on another thread before a sync may block the thread. */
const TRIALS_MIN = 4;
/**
 * Maximum of that number. Each sync that blocks the thread for long doubles the number, because another program may slow
 * the disk down for some time. {@linkcode QUICK_RUN} quick syncs that block the thread halve the number again.
 */
const TRIALS_MAX = 64;
/** Number of consecutive quick syncs that block the thread after which the thread is trusted more. */
const QUICK_RUN = 4;
/** Maximum duration of a blocking sync that counts as quick, in milliseconds. */
const SPOT_MAX_MS = 1;
/** Maximum duration of a sync on another thread that counts as quick, including the hand-over, in milliseconds. */
const THREAD_MAX_MS = 2;
/**
 * Maximum number of lines for a blocking sync. More lines are synced on another thread, because this thread can prepare
 * the next batch meanwhile.
 */
const LINES_MAX = 256;

/** The thread of a sync: this thread ("spot"), or another thread ("thread"). */
export type SyncPlace = "spot" | "thread";

/** The durations of the last syncs of one log. */
export class SyncPace {
  /** Number of quick syncs on another thread that are still missing before a sync may block the thread. */
  #missing = TRIALS_MIN;
  /** Number of quick syncs on another thread that the next slow sync on this thread will demand. */
  #trials = TRIALS_MIN;
  #quickRun = 0;

  /** Records how long a sync took, in milliseconds, and on which thread it ran. */
  took(elapsedMs: number, place: SyncPlace): void {
    if (place === "thread") {
      if (elapsedMs < THREAD_MAX_MS) this.#missing--;
    } else if (elapsedMs < SPOT_MAX_MS) {
      if (++this.#quickRun % QUICK_RUN === 0) this.#trials = Math.max(TRIALS_MIN, this.#trials / 2);
    } else {
      this.#missing = this.#trials;
      this.#trials = Math.min(TRIALS_MAX, 2 * this.#trials);
      this.#quickRun = 0;
    }
  }

  /** Returns the thread that should run a sync of this number of lines. */
  placeFor(lines: number): SyncPlace {
    return lines <= LINES_MAX && this.#missing <= 0 ? "spot" : "thread";
  }
}
