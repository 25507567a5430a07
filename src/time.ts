/**
 * Instants as callers write them and as lines carry them, and the clock that waits.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** A point in time: a string is ISO 8601 with an offset or `Z`, a number is epoch milliseconds. */
export type TimeLike = Date | Temporal.Instant | string | number;

/**
 * Gives the instant in epoch milliseconds. `name` is the argument's name for the error.
 *
 * @throws {RangeError} for an invalid date, a string without an offset, or a number that is no time.
 */
export function toEpochMs(time: TimeLike, name: string): number {
  const ms = epochMsOf(time, name);
  if (Number.isNaN(new Date(ms).getTime())) {
    throw new RangeError(`Cannot read ${name} as it is no valid time: ${String(time)}`);
  }
  return ms;
}

function epochMsOf(time: TimeLike, name: string): number {
  if (typeof time === "number") return time;
  if (time instanceof Date) return time.getTime();
  if (time instanceof Temporal.Instant) return time.epochMilliseconds;
  try {
    return Temporal.Instant.from(time).epochMilliseconds;
  } catch (cause) {
    throw new RangeError(
      `Cannot read ${name} as it is no ISO 8601 time with an offset or Z: ${String(time)}`,
      { cause },
    );
  }
}

const ENDS_WITH_OFFSET = /(?:Z|[+-]\d\d:?\d\d)$/i;

/**
 * Gives the instant that a line's `ts` names, or NaN. A time without an offset counts as UTC, which
 * is what writers of such lines (Python's `utcnow().isoformat()`) mean by it.
 */
export function eventEpochMs(ts: unknown): number {
  if (typeof ts !== "string") return NaN;
  // As this library writes it.
  if (ts.endsWith("Z")) return Date.parse(ts);
  return Date.parse(ENDS_WITH_OFFSET.test(ts) ? ts : `${ts}Z`);
}

/** A running timer of a {@linkcode Clock}. */
export interface Timer {
  /** Stops the timer; does nothing when it has fired. */
  cancel(): void;
}

/** Waiting, behind an interface so that tests decide when time passes. */
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
