/**
 * Finds the range of time in which almost all events lie. Pure.
 *
 * A few events with a wrong clock, of 1970 for example, make every bucket of a chart so wide that it shows nothing.
 *
 * @module
 */
import type { BucketFigures } from "./aggregate.ts";

/** The times of the first and the last of almost all events, and the number of the other events. */
export interface MainRange {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly outside: number;
}

/** Maximum share of the events that may lie outside, if more than one event may. */
const OUTSIDE_SHARE = 0.001;
/** Minimum number of events with which one event may lie outside. */
const EVENTS_MIN = 10;
/** Maximum share of the whole range. A longer main range is not worth a hint. */
const RANGE_SHARE = 0.25;

/** Returns the range in which all events but a few lie; null if it is not much shorter than the whole range. */
export function mainRange(buckets: readonly BucketFigures[]): MainRange | null {
  const total = buckets.reduce((sum, { events }) => sum + events, 0);
  const allowed = total < EVENTS_MIN ? 0 : Math.max(1, Math.floor(total * OUTSIDE_SHARE));
  let [first, last, outside] = [0, buckets.length - 1, 0];
  // The bucket at either end with fewer events is left out first.
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
