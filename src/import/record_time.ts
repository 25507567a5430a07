/**
 * The times of the records of transcripts. Pure.
 *
 * @module
 */
import { shown } from "../event.ts";
import { eventEpochMs } from "../time.ts";
import { RecordError } from "./stated_call.ts";

/**
 * Returns the time of a record in milliseconds since the epoch.
 *
 * @throws {RecordError} If its member `timestamp` is not a time.
 */
export function timeOf({ timestamp }: { timestamp?: unknown }, line: number): number {
  const epochMs = eventEpochMs(timestamp);
  if (!Number.isNaN(epochMs)) return epochMs;
  throw new RecordError(line, `timestamp must be a time, got ${shown(timestamp)}`);
}

/**
 * Maximum duration of a model call. A transcript does not state when a call began. If more time has passed since the line
 * that the call answers, the computer was asleep, or the user continued an old session.
 */
const CALL_MS_MAX = 30 * 60_000;

/**
 * Returns the duration of a model call, from the time of the line that it answers; `undefined` if that time is unknown or
 * too long ago.
 */
export function callDuration(askedMs: number | undefined, endMs: number): number | undefined {
  const durationMs = durationBetween(askedMs, endMs);
  return durationMs === undefined || durationMs > CALL_MS_MAX ? undefined : durationMs;
}

/** Returns the milliseconds between two times; `undefined` if the first is unknown, or is after the second. */
export function durationBetween(fromMs: number | undefined, toMs: number): number | undefined {
  return fromMs === undefined || toMs < fromMs ? undefined : toMs - fromMs;
}
