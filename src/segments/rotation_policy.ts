/**
 * Where a segment ends and what it is called. Pure.
 *
 * @module
 */
import { type Stamp, stampEpochMs, stampOf } from "./segment_name.ts";

const LINE_BREAK = 0x0a;

/**
 * How many bytes of a batch of whole lines belong in the segment that holds `byteLength` bytes: up to
 * the first line with which it reaches the limit, or all of them. A segment that is over the limit
 * already could not be ended, so it takes everything.
 */
export function partLength(batch: Uint8Array, byteLength: number, limitBytes: number): number {
  if (byteLength >= limitBytes) return batch.byteLength;
  const lineBreak = batch.indexOf(LINE_BREAK, limitBytes - byteLength - 1);
  return lineBreak < 0 ? batch.byteLength : lineBreak + 1;
}

/** What the stamp of a segment depends on. */
export interface StampFacts {
  /** The clock, epoch milliseconds. */
  readonly nowMs: number;
  /** The newest stamp in the directory, if there is one. */
  readonly newestStamp: Stamp | undefined;
  /** The newest event in the segment, epoch milliseconds; -Infinity if none has a time. */
  readonly newestEventMs: number;
}

/**
 * The latest instant that moves the stamps, epoch milliseconds: a clock or an event of the year 9999
 * would use up all stamps there are.
 */
export const STAMP_MAX_MS: number = Date.UTC(9999, 0, 1) - 1;

/**
 * The stamp of the next segment: never before the clock, its events or the segments there are, so
 * that the order of names is the order of content, whatever the clock does.
 *
 * @throws {RangeError} when there is no later stamp.
 */
export function nextStamp({ nowMs, newestStamp, newestEventMs }: StampFacts): Stamp {
  const afterNewestMs = newestStamp === undefined ? 0 : stampEpochMs(newestStamp) + 1000;
  const stampMs = [nowMs, newestEventMs].reduce(
    (latest, ms) => ms <= STAMP_MAX_MS ? Math.max(latest, ms) : latest,
    afterNewestMs,
  );
  const stamp = stampMs < Date.UTC(10_000, 0, 1) ? stampOf(stampMs) : "";
  if (stamp === "") {
    throw new RangeError(`Cannot name a segment: no stamp comes after ${newestStamp}`);
  }
  return stamp;
}
