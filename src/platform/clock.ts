/**
 * Waiting and timers, behind an interface so that tests decide when time passes.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** A running timer of a {@linkcode Clock}. */
export interface Timer {
  /** Stops the timer; does nothing when it has fired. */
  cancel(): void;
}

/** Waits and starts timers. */
export interface Clock {
  /** Milliseconds on a clock that never steps. */
  monotonicMs(): number;
  /** Resolves when the event loop has turned, so that everything else has had its chance. */
  turn(): Promise<void>;
  /** Resolves after the delay; keeps the process alive meanwhile. */
  wait(delayMs: number): Promise<void>;
  /** Blocks the thread for the delay. */
  waitSync(delayMs: number): void;
  /** Calls back after the delay; does not keep the process alive. */
  startTimer(delayMs: number, callback: () => void): Timer;
}

/** The system's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  // A timer of 0 ms would take one.
  turn: () => new Promise((resolve) => void setImmediate(resolve)),
  wait: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  waitSync(delayMs) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delayMs);
  },
  startTimer(delayMs, callback) {
    const id = setTimeout(callback, delayMs);
    Deno.unrefTimer(id);
    return { cancel: () => clearTimeout(id) };
  },
};
