/**
 * Decides whether the next sync blocks this thread ("spot") or runs on another thread. Pure.
 *
 * Handing a sync over to another thread and back takes a few hundred microseconds. Many disks need no longer for the
 * sync itself. On such a disk a blocking sync serves its waiters sooner, and it blocks this thread no longer than the
 * hand-over would keep it busy.
 *
 * @module
 */

/** Number of consecutive quick syncs before a sync blocks the thread. */
const QUICK_RUN = 4;
/** The same number after a slow sync. It is higher, because another user of the disk may soon slow it down again. */
const QUICK_RUN_AFTER_SLOW = 16;
/** Time limit of a quick blocking sync, milliseconds. */
const SPOT_MAX_MS = 1;
/** Time limit of a quick sync on another thread, with the hand-over, milliseconds. */
const THREAD_MAX_MS = 2;
/** Maximum number of lines for a blocking sync. With more lines, this thread prepares the next batch meanwhile. */
const LINES_MAX = 256;

/** The thread of a sync: this thread ("spot"), or another one. */
export type SyncPlace = "spot" | "thread";

/** The durations of the last syncs of one log. */
export class SyncPace {
  #quickSyncs = 0;
  #quickRun = QUICK_RUN;

  /** Records the duration of a sync, in milliseconds. */
  took(elapsedMs: number, place: SyncPlace): void {
    const isQuick = elapsedMs < (place === "spot" ? SPOT_MAX_MS : THREAD_MAX_MS);
    this.#quickSyncs = isQuick ? this.#quickSyncs + 1 : 0;
    if (!isQuick) this.#quickRun = QUICK_RUN_AFTER_SLOW;
  }

  /** Returns the better place for a sync of this number of lines. */
  placeFor(lines: number): SyncPlace {
    return lines <= LINES_MAX && this.#quickSyncs >= this.#quickRun ? "spot" : "thread";
  }
}
