/**
 * Finds the main range of a report: the range of time in which almost all events lie. Pure.
 *
 * A few events with a wrong time, for example in 1970, make the buckets of a chart so wide that the chart shows little.
 *
 * @module
 */
import type { BucketFigures } from "./bucket_content.ts";

/** A time span: its first and its last instant in epoch milliseconds, which may be infinite. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The whole time axis. */
export const ALL_TIME: TimeSpan = { fromMs: -Infinity, toMs: Infinity };

/** The times of the first and the last event in the main range, and the number of events outside of this range. */
export interface MainRange {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly outside: number;
  /**
   * The span of the main range. It has no end if no event is after the main range, so that it includes events that are
   * appended to the log later.
   */
  readonly span: TimeSpan;
}

/** Maximum share of the events that lie outside of the main range. A single event may always lie outside. */
const OUTSIDE_SHARE = 0.001;
/** If a report has fewer events than this number, no event may lie outside of the main range. */
const EVENTS_MIN = 10;
/**
 * Maximum length of the main range, in which almost all events lie, as a share of the whole range. If the main range is
 * longer, the charts are readable, and the report does not mention it.
 */
const RANGE_SHARE = 0.25;

/**
 * Returns the main range, which contains all events except a few; null if it is not much shorter than the range of all
 * events.
 *
 * @param buckets The time buckets of a report.
 * @param alreadyOutside Number of further events that are not in the buckets, because they are outside of the main
 *   range that was found before.
 */
export function mainRange(
  buckets: readonly BucketFigures[],
  alreadyOutside: number = 0,
): MainRange | null {
  const total = buckets.reduce((sum, { events }) => sum + events, alreadyOutside);
  const share = Math.max(1, Math.floor(total * OUTSIDE_SHARE));
  const allowed = total < EVENTS_MIN ? 0 : share - alreadyOutside;
  let [first, last, outside] = [0, buckets.length - 1, 0];
  // Of the first and the last bucket, the bucket with fewer events is left out first.
  while (first < last) {
    const [atStart, atEnd] = [buckets[first]!.events, buckets[last]!.events];
    const fewer = Math.min(atStart, atEnd);
    if (outside + fewer > allowed) break;
    outside += fewer;
    if (atStart <= atEnd) first++;
    else last--;
  }
  if (outside === 0) return null;
  const [firstMs, lastMs] = [buckets[first]!.firstMs, buckets[last]!.lastMs];
  const wholeMs = buckets.at(-1)!.lastMs - buckets[0]!.firstMs;
  if (lastMs - firstMs > RANGE_SHARE * wholeMs) return null;
  const span = {
    fromMs: first === 0 ? -Infinity : firstMs,
    toMs: last === buckets.length - 1 ? Infinity : lastMs,
  };
  return { firstMs, lastMs, outside, span };
}
