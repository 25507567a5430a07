/**
 * The queue of the holds of one process that wait for room, in the order in which the program asked for them.
 *
 * A hold is first if no hold before it in the queue shares a budget with it. Only the holds that are first ask again:
 * when the active file has changed, when time alone may have made room, or when a hold of this process has ended.
 *
 * @module
 */
import type { Clock, Timer } from "../platform/clock.ts";

/** Milliseconds between two checks of the active file. */
const LOOK_MS = 50;

/** The place of a hold in the queue, at the time when the hold asks. */
export interface Turn {
  /** Milliseconds since the hold entered the queue. */
  readonly waitedMs: number;
  /** Checks whether no hold before this one in the queue shares a budget with it. */
  isFirst(): boolean;
  /** Leaves the queue, because the hold is granted. */
  leave(): void;
}

/** A hold that can wait. */
export interface WaitingHold<T> {
  /** The names of the budgets. */
  readonly budgets: readonly string[];
  /** The signal that ends the waiting when it aborts. */
  readonly signal: AbortSignal | undefined;
  /** Asks for the hold. Resolves with null if it does not fit yet. */
  ask(turn: Turn): Promise<T | null>;
  /**
   * Checks whether the hold must ask again although the active file has not changed: because it now fits or can never
   * fit, or because its `budget_wait` line must be written or renewed.
   */
  mustAsk(turn: Turn): boolean;
  /** If the hold has a `budget_wait` line, logs that the hold no longer waits. */
  withdraw(): void;
}

/** A place in the queue. */
interface Place {
  readonly hold: WaitingHold<unknown>;
  readonly enteredMs: number;
  /** Makes the hold ask again whether it fits. */
  call(): void;
}

/** The queue of the holds that wait. */
export class WaitingHolds {
  readonly #clock: Clock;
  readonly #hasChanged: () => boolean;
  readonly #line: Place[] = [];
  #timer: Timer | undefined;

  /** @param hasChanged Returns whether the active file has changed since the last call. */
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
        // If call() runs while the hold asks, the hold asks once more.
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
   * Makes every hold that shares no budget with an earlier hold in the queue ask again. Called when a hold of this
   * process has ended or has left the queue.
   */
  callFirst(): void {
    for (const place of this.#first()) place.call();
  }

  /**
   * Withdraws the `budget_wait` lines of the waiting holds, and makes every hold ask again. The closed log then refuses
   * it.
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
