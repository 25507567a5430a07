/**
 * A delay that an abort signal can end early.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";

/**
 * Resolves after the delay, or as soon as the signal is aborted. Keeps the process alive during the delay, because a
 * process with nothing else to do would otherwise exit.
 */
export function delay(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  if (signal.aborted) return Promise.resolve();
  // The timers of `clock` do not keep the process alive, so an interval that does nothing keeps it alive.
  const keepAlive = setInterval(() => {}, 2 ** 31 - 1);
  const timer = clock.startTimer(delayMs, wake);
  signal.addEventListener("abort", wake);
  return promise.finally(() => {
    clearInterval(keepAlive);
    timer.cancel();
    signal.removeEventListener("abort", wake);
  });
}
