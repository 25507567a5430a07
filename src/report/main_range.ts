/**
 * Finds the main range of a report: the range of time in which almost all events lie. Pure.
 *
 * A few events with a wrong time, for example in 1970, make the buckets of a chart so wide that the chart shows little.
 *
 * @module
 */
import type { BucketFigures } from "./bucket_content.ts";

/** The times of the first and the last event in the main range, and the number of events outside of this range. */
export interface MainRange {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly outside: number;
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
 */
export function mainRange(buckets: readonly BucketFigures[]): MainRange | null {
  const total = buckets.reduce((sum, { events }) => sum + events, 0);
  const allowed = total < EVENTS_MIN ? 0 : Math.max(1, Math.floor(total * OUTSIDE_SHARE));
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
  return lastMs - firstMs > RANGE_SHARE * wholeMs ? null : { firstMs, lastMs, outside };
}
