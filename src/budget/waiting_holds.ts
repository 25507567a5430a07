/**
 * The queue of the holds (reservations) of one process that wait until they fit on their budgets, in the order in which
 * the program requested them.
 *
 * A hold is called first if no hold before it in the queue shares a budget with it. Only the first holds check again
 * whether they fit. They do so when the active file has changed, when amounts may have left the rolling window, or when
 * a hold of this process has ended.
 *
 * @module
 */
import type { Clock, Timer } from "../platform/clock.ts";

/**
 * Milliseconds between two checks whether the active file has changed, because another process may have ended a hold.
 */
const LOOK_MS = 50;

/** The place of a waiting hold in the queue of its process, at the time when the hold checks again whether it fits. */
export interface Turn {
  /** Milliseconds since the hold entered the queue. */
  readonly waitedMs: number;
  /** Checks that no hold before this one in the queue shares a budget with it. */
  isFirst(): boolean;
  /** Removes the hold from the queue, because the hold is granted. */
  leave(): void;
}

/** A hold (a reservation on budgets) that can wait until it fits. */
export interface WaitingHold<T> {
  /** The names of the budgets on which the hold reserves an amount. */
  readonly budgets: readonly string[];
  /** The abort signal of the caller. If it aborts, the hold no longer waits. */
  readonly signal: AbortSignal | undefined;
  /** Requests a decision on the hold. Resolves with the granted hold; null if the hold does not fit yet. */
  ask(turn: Turn): Promise<T | null>;
  /**
   * Checks whether the hold must be decided again although the active file has not changed. That is so if the hold now
   * fits or can never fit, or if its `budget_wait` line must be written or renewed.
   */
  mustAsk(turn: Turn): boolean;
  /** If the hold has a `budget_wait` line, logs that the hold no longer waits. */
  withdraw(): void;
}

/** The place of one hold in the queue of waiting holds. */
interface Place {
  readonly hold: WaitingHold<unknown>;
  readonly enteredMs: number;
  /** Makes the waiting hold check again whether it fits. */
  call(): void;
}

/** The queue of the holds of one process that wait until they fit. */
export class WaitingHolds {
  readonly #clock: Clock;
  readonly #hasChanged: () => boolean;
  readonly #line: Place[] = [];
  #timer: Timer | undefined;

  /**
   * @param hasChanged Checks whether the active file, to which all processes append, has changed since the last call.
   */
  constructor(clock: Clock, hasChanged: () => boolean) {
    this.#clock = clock;
    this.#hasChanged = hasChanged;
  }

  /** Resolves with the hold when it is granted. Rejects if it is refused, or if its signal aborts. */
  async wait<T>(hold: WaitingHold<T>): Promise<T> {
    const { signal } = hold;
    let called = Promise.withResolvers<void>();
    const place = { hold, enteredMs: this.#clock.monotonicMs(), call: () => called.resolve() };
    this.#line.push(place);
    this.#start();
    signal?.addEventListener("abort", place.call);
    try {
      for (;;) {
        signal?.throwIfAborted();
        // The new promise is set before ask() runs. So if call() runs during ask(), the loop asks once more.
        called = Promise.withResolvers<void>();
        const granted = await hold.ask(this.#turnOf(place));
        if (granted !== null) return granted;
        await called.promise;
      }
    } finally {
      signal?.removeEventListener("abort", place.call);
      this.#leave(place);
      hold.withdraw();
    }
  }

  /**
   * Makes every waiting hold that shares no budget with an earlier hold in the queue check again whether it fits.
   * Called when a hold of this process has ended or has left the queue, because room may be free now.
   */
  callFirst(): void {
    for (const place of this.#first()) place.call();
  }

  /**
   * Withdraws the `budget_wait` lines of the waiting holds, and makes every waiting hold ask once more. Because the log
   * is closed, each of them then rejects.
   */
  close(): void {
    for (const { hold, call } of this.#line) {
      hold.withdraw();
      call();
    }
  }

  #first(): Place[] {
    return this.#line.filter((place) => this.#isFirst(place));
  }

  #isFirst(place: Place): boolean {
    const budgets = new Set(place.hold.budgets);
    for (const before of this.#line) {
      if (before === place) return true;
      if (before.hold.budgets.some((name) => budgets.has(name))) return false;
    }
    return true;
  }

  #turnOf(place: Place): Turn {
    return {
      waitedMs: this.#clock.monotonicMs() - place.enteredMs,
      isFirst: () => this.#isFirst(place),
      leave: () => this.#leave(place),
    };
  }

  #leave(place: Place): void {
    const index = this.#line.indexOf(place);
    if (index < 0) return;
    this.#line.splice(index, 1);
    if (this.#line.length === 0) this.#timer?.cancel();
    else this.callFirst();
  }

  #start(): void {
    if (this.#line.length !== 1) return;
    // The timer keeps the process alive while a hold waits. Without it, a process with nothing else to do would exit.
    this.#timer = this.#clock.startTimer(LOOK_MS, () => this.#look(), { keepsAlive: true });
  }

  #look(): void {
    const hasChanged = this.#hasChanged();
    for (const place of this.#first()) {
      if (hasChanged || place.hold.mustAsk(this.#turnOf(place))) place.call();
    }
    this.#timer = this.#clock.startTimer(LOOK_MS, () => this.#look(), { keepsAlive: true });
  }
}
