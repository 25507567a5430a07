/**
 * Determines the end of a segment and its stamp. Pure.
 *
 * @module
 */
import { type Stamp, stampEpochMs, stampOf } from "./segment_name.ts";

const LINE_BREAK = 0x0a;

/**
 * Returns the number of bytes of a batch that belong in a segment of `byteLength` bytes. The segment ends with the
 * first line that reaches the limit. The batch must consist of complete lines. If the segment has already reached the
 * limit, sealing it has failed, so the whole batch belongs in it.
 */
export function partLength(batch: Uint8Array, byteLength: number, limitBytes: number): number {
  if (byteLength >= limitBytes) return batch.byteLength;
  const lineBreak = batch.indexOf(LINE_BREAK, limitBytes - byteLength - 1);
  return lineBreak < 0 ? batch.byteLength : lineBreak + 1;
}

/** The values that determine the stamp of a segment. */
export interface StampFacts {
  /** The time of the log's clock, epoch milliseconds. */
  readonly nowMs: number;
  /** The newest stamp in the directory, if there is one. */
  readonly newestStamp: Stamp | undefined;
  /** The time of the newest event in the segment, epoch milliseconds; -Infinity if no event has a time. */
  readonly newestEventMs: number;
}

/**
 * The latest time that is used for a stamp, epoch milliseconds. Times in the year 9999 are ignored, because they would
 * use up the stamps, whose years have four digits.
 */
export const STAMP_MAX_MS: number = Date.UTC(9999, 0, 1) - 1;

/**
 * Returns the stamp of the next segment. It is later than the newest stamp in the directory, and not earlier than the
 * clock and the newest event of the segment. Thus the order of stamps is the order of content, even if the clock is
 * set back.
 *
 * @throws {RangeError} If the newest stamp is the last one possible.
 */
export function nextStamp({ nowMs, newestStamp, newestEventMs }: StampFacts): Stamp {
  const afterNewestMs = newestStamp === undefined ? 0 : stampEpochMs(newestStamp) + 1000;
  const stampMs = [nowMs, newestEventMs].reduce(
    (latest, ms) => ms <= STAMP_MAX_MS ? Math.max(latest, ms) : latest,
    afterNewestMs,
  );
  const stamp = stampMs < Date.UTC(10_000, 0, 1) ? stampOf(stampMs) : "";
  if (stamp === "") {
    throw new RangeError(
      `Cannot name segment: its stamp must be later than the newest one, got ${newestStamp}; ` +
        "move the file with that stamp to another directory",
    );
  }
  return stamp;
}
