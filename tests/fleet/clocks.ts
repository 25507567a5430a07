/**
 * Clocks by which nobody has to wait.
 *
 * @module
 */
import { type Clock, systemClock } from "../../src/platform/clock.ts";

/** A clock whose timers are over at the next turn of the event loop. */
export const hastyClock: Clock = {
  ...systemClock,
  wait: () => systemClock.turn(),
  startTimer(_delayMs, callback) {
    let isCancelled = false;
    systemClock.turn().then(() => isCancelled || callback());
    return { cancel: () => void (isCancelled = true) };
  },
};

/** As {@linkcode hastyClock}, and its time passes as soon as somebody waits for it; `onWait` is told how much has. */
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
