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
const DAY_MS = 24 * 3_600_000;
/**
 * Maximum length of the main range, in which almost all events lie, as a share of the whole range. If the main range is
 * longer, the charts are readable, and the report does not mention it.
 */
const RANGE_SHARE = 0.25;

/**
 * Returns the main range, which contains all events except a few; null if it is not much shorter than the range of all
 * events.
 *
 * The first events are left out if they are at least a day before all others. The last events are left out only if they
 * are in the future: otherwise they are the newest of a log whose program runs again.
 *
 * @param report The time buckets of a report, and the number of events that are not in the buckets, because they are
 *   outside of the main range that was found before.
 * @param nowMs The present time in epoch milliseconds.
 */
export function mainRange(
  { buckets, outside: before }: {
    readonly buckets: readonly BucketFigures[];
    readonly outside: { readonly count: number };
  },
  nowMs: number = Date.now(),
): MainRange | null {
  const total = buckets.reduce((sum, { events }) => sum + events, before.count);
  const share = Math.max(1, Math.floor(total * OUTSIDE_SHARE));
  const allowed = total < EVENTS_MIN ? 0 : share - before.count;
  let [first, last, outside] = [0, buckets.length - 1, 0];
  const isFuture = (index: number) => buckets[index]!.firstMs > nowMs + DAY_MS;
  // Of the first and the last bucket, the bucket with fewer events is left out first.
  while (first < last) {
    const [atStart, atEnd] = [buckets[first]!.events, buckets[last]!.events];
    const leavesFirst = atStart <= atEnd || !isFuture(last);
    const fewer = leavesFirst ? atStart : atEnd;
    if (outside + fewer > allowed) break;
    outside += fewer;
    if (leavesFirst) first++;
    else last--;
  }
  if (outside === 0) return null;
  const [firstMs, lastMs] = [buckets[first]!.firstMs, buckets[last]!.lastMs];
  const [wholeFirst, wholeLast] = [buckets[0]!.firstMs, buckets.at(-1)!.lastMs];
  const isMuchShorter = lastMs - firstMs <= RANGE_SHARE * (wholeLast - wholeFirst);
  const lastBefore = buckets.slice(0, first).reduce(
    (max, { lastMs }) => Math.max(max, lastMs),
    -Infinity,
  );
  if (!isMuchShorter || firstMs - lastBefore < DAY_MS) return null;
  const span = {
    fromMs: first === 0 ? -Infinity : firstMs,
    toMs: last === buckets.length - 1 ? Infinity : lastMs,
  };
  return { firstMs, lastMs, outside, span };
}
