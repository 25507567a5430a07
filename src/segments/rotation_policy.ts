/**
 * Determines which line is the last one of a segment, by the limit on its size, and determines the stamp of a segment,
 * which is the time in its file name. Pure.
 *
 * @module
 */
import { type Stamp, stampEpochMs, stampOf } from "./segment_name.ts";

const LINE_BREAK = 0x0a;

/**
 * Returns the number of bytes of a batch to append to the active file, which has `byteLength` bytes. The batch must
 * consist of complete lines. The line with which the file reaches `limitBytes` is the last line to append; the other
 * lines belong in the next active file.
 *
 * If the file has already reached `limitBytes`, an attempt to seal the file (to rename it to a segment) has failed.
 * Then the whole batch is appended to the full file.
 */
export function partLength(batch: Uint8Array, byteLength: number, limitBytes: number): number {
  if (byteLength >= limitBytes) return batch.byteLength;
  const lineBreak = batch.indexOf(LINE_BREAK, limitBytes - byteLength - 1);
  return lineBreak < 0 ? batch.byteLength : lineBreak + 1;
}

/** The values that determine the stamp of a segment, which is the time in its file name. */
export interface StampFacts {
  /** The time of the log's clock, epoch milliseconds. */
  readonly nowMs: number;
  /**
   * The newest stamp (time in the name of a segment) that the log already has, in the directory or in the manifest;
   * undefined if it has none.
   */
  readonly newestStamp: Stamp | undefined;
  /** The time of the newest event in the segment, epoch milliseconds; -Infinity if no event has a time. */
  readonly newestEventMs: number;
}

/**
 * Latest time from which a stamp, the time in the name of a segment, is derived, in epoch milliseconds. Later times are
 * ignored: a stamp has a year of four digits, so after a stamp of the year 9999, the next segments might not get later
 * stamps.
 */
export const STAMP_MAX_MS: number = Date.UTC(9999, 0, 1) - 1;

/**
 * Returns the stamp of the next segment, which is the time in its file name. The stamp is later than the newest stamp
 * of the log, and not earlier than the clock and the newest event of the segment. Thus the order of stamps is the order
 * of content, even if the clock is set back.
 *
 * @throws {RangeError} If the newest stamp of the log is already the last possible time.
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
      `Cannot name segment: the newest file already has the last possible time in its name, got ${newestStamp}; ` +
        "move this file to another directory",
    );
  }
  return stamp;
}
