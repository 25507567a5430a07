/**
 * Waiting and timers, behind an interface so that tests control the time.
 *
 * @module
 */

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

// The class is read when this module is loaded, because an import of node:worker_threads replaces the global class.
// Messages of the new class delay other tasks too.
const { MessageChannel } = globalThis;

/**
 * If a program waits for `setImmediate()` in a loop, Deno 2.9 delays file and network operations by up to 40 ms. So after
 * this time in milliseconds, a turn also waits for a message, which takes longer and lets them continue.
 */
const MESSAGE_EVERY_MS = 10;
let lastMessageMs = 0;

/** Resolves after one turn of the event loop. `setTimeout()` is not used, because it takes at least a millisecond. */
async function turn(): Promise<void> {
  const nowMs = performance.now();
  if (nowMs - lastMessageMs >= MESSAGE_EVERY_MS) {
    lastMessageMs = nowMs;
    await message();
  }
  await new Promise((resolve) => void setImmediate(resolve));
}

/** Resolves when a message of this process to itself has arrived. */
function message(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** The clock of the system. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  turn,
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
