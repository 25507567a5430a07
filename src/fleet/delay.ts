/**
 * Waiting that ends with a signal.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";

/** Resolves after the delay, and at once when the signal is aborted; keeps the process alive. */
export function delay(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  if (signal.aborted) return Promise.resolve();
  // The clock's timers keep no process alive.
  const keepAlive = setInterval(() => {}, 2 ** 31 - 1);
  const timer = clock.startTimer(delayMs, wake);
  signal.addEventListener("abort", wake);
  return promise.finally(() => {
    clearInterval(keepAlive);
    timer.cancel();
    signal.removeEventListener("abort", wake);
  });
}
