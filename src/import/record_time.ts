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

/** Returns the milliseconds between two times; `undefined` if the first is unknown, or is after the second. */
export function durationBetween(fromMs: number | undefined, toMs: number): number | undefined {
  return fromMs === undefined || toMs < fromMs ? undefined : toMs - fromMs;
}
