/**
 * Decides whether the next sync of a file to the disk blocks this thread ("spot") or runs on another thread. Pure.
 *
 * Handing a sync over to another thread and back takes a few hundred microseconds. Many disks do not need more time for
 * the sync itself. On such a disk, a sync that blocks this thread ends sooner for the callers that wait for it. It also
 * blocks this thread no longer than the hand-over would.
 *
 * @module
 */

/** Minimum number of consecutive quick syncs before a sync may block the thread. */
const QUICK_RUN = 4;
/**
 * Minimum number of consecutive quick syncs before a sync may block the thread, once a sync was slow. This number is
 * higher than {@linkcode QUICK_RUN}, because another program may soon slow the disk down again.
 */
const QUICK_RUN_AFTER_SLOW = 16;
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
  #quickSyncs = 0;
  #quickRun = QUICK_RUN;

  /** Records how long a sync took, in milliseconds, and on which thread it ran. */
  took(elapsedMs: number, place: SyncPlace): void {
    const isQuick = elapsedMs < (place === "spot" ? SPOT_MAX_MS : THREAD_MAX_MS);
    this.#quickSyncs = isQuick ? this.#quickSyncs + 1 : 0;
    if (!isQuick) this.#quickRun = QUICK_RUN_AFTER_SLOW;
  }

  /** Returns the thread that should run a sync of this number of lines. */
  placeFor(lines: number): SyncPlace {
    return lines <= LINES_MAX && this.#quickSyncs >= this.#quickRun ? "spot" : "thread";
  }
}
