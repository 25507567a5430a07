/**
 * Waiting and timers, behind an interface so that tests control the time.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** A running timer of a {@linkcode Clock}. */
export interface Timer {
  /** Stops the timer; does nothing if the timer has already fired. */
  cancel(): void;
}

/** A clock that waits and starts timers. */
export interface Clock {
  /** Returns the milliseconds of a monotonic clock. */
  monotonicMs(): number;
  /** Resolves after one turn of the event loop, so that other tasks can run in between. */
  turn(): Promise<void>;
  /** Resolves after the delay; keeps the process alive until then. */
  wait(delayMs: number): Promise<void>;
  /** Blocks the thread for the delay. */
  waitSync(delayMs: number): void;
  /** Calls `callback` after the delay. Does not keep the process alive, unless `keepsAlive` is true. */
  startTimer(delayMs: number, callback: () => void, options?: { keepsAlive?: boolean }): Timer;
}

/** The clock of the system. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  // setImmediate() is used, because setTimeout() with 0 ms takes at least 1 ms.
  turn: () => new Promise((resolve) => void setImmediate(resolve)),
  wait: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  waitSync(delayMs) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delayMs);
  },
  startTimer(delayMs, callback, { keepsAlive = false } = {}) {
    const id = setTimeout(callback, delayMs);
    if (!keepsAlive) Deno.unrefTimer(id);
    return { cancel: () => clearTimeout(id) };
  },
};
