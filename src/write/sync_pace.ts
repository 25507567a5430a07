/**
 * Whether the next sync is made on the spot, blocking the thread, or handed to another one. Pure.
 *
 * To hand a sync over and to hear of its end takes a few hundred microseconds; many disks need no more
 * than that for the sync itself. On those, whoever waits for it is served sooner on the spot, and the
 * thread is blocked for no longer than the handing over would have kept it busy.
 *
 * @module
 */

/** So many syncs one after the other have to be quick, */
const QUICK_RUN = 4;
/** and so many once one of them was not: who shares the disk may want it again soon. */
const QUICK_RUN_AFTER_SLOW = 16;
/** What is quick on the spot, milliseconds. */
const SPOT_MAX_MS = 1;
/** What is quick with the handing over. */
const THREAD_MAX_MS = 2;
/** With more lines than these, the thread has better things to do: it makes the next batch meanwhile. */
const LINES_MAX = 256;

/** Where a sync was made. */
export type SyncPlace = "spot" | "thread";

/** Remembers how long the syncs of one log took lately. */
export class SyncPace {
  #quickSyncs = 0;
  #quickRun = QUICK_RUN;

  /** A sync took so long, in milliseconds. */
  took(elapsedMs: number, place: SyncPlace): void {
    const isQuick = elapsedMs < (place === "spot" ? SPOT_MAX_MS : THREAD_MAX_MS);
    this.#quickSyncs = isQuick ? this.#quickSyncs + 1 : 0;
    if (!isQuick) this.#quickRun = QUICK_RUN_AFTER_SLOW;
  }

  /** Where a sync of so many lines is made best. */
  placeFor(lines: number): SyncPlace {
    return lines <= LINES_MAX && this.#quickSyncs >= this.#quickRun ? "spot" : "thread";
  }
}
