/**
 * Clocks on which delays do not take time.
 *
 * @module
 */
import { type Clock, systemClock } from "../../src/platform/clock.ts";

/** A clock whose timers fire at the next turn of the event loop, without their delay. */
export const hastyClock: Clock = {
  ...systemClock,
  wait: () => systemClock.turn(),
  startTimer(_delayMs, callback) {
    let isCancelled = false;
    systemClock.turn().then(() => isCancelled || callback());
    return { cancel: () => void (isCancelled = true) };
  },
};

/**
 * Returns a clock like {@linkcode hastyClock} whose time advances by the delay of each timer. `onWait` is called with
 * the new time in milliseconds.
 */
export function passingClock(onWait: (nowMs: number) => void = () => {}): Clock {
  let nowMs = 0;
  return {
    ...hastyClock,
    monotonicMs: () => nowMs,
    startTimer(delayMs, callback) {
      nowMs += delayMs;
      onWait(nowMs);
      return hastyClock.startTimer(0, callback);
    },
  };
}
