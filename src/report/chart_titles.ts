/**
 * The values of the charts as texts, which browsers show when the pointer is over a bar or a point. Pure.
 *
 * @module
 */
import type { AccuracyMetrics } from "../metrics/accuracy.ts";
import { counted, shownDuration, shownTime, shownUsd } from "../shown.ts";
import { wilsonInterval } from "../stats/intervals.ts";
import type { BucketFigures, CallCounts, ReasonCount } from "./bucket_content.ts";
import type { Title } from "./drawing.ts";
import type { Bar, SpendSeries } from "./series.ts";
import { shownCount, shownShort } from "./shown_in_report.ts";

/** Maximum number of characters of a name in a title. Longer names are cut. */
const NAME_LENGTH_MAX = 40;
/** Maximum number of characters of the reason of a failure. Longer reasons are cut. */
const REASON_LENGTH_MAX = 60;
/** Maximum number of lanes in a title. */
const TITLE_LANES_MAX = 8;
const MINUTE_MS = 60_000;

/** Returns the spend of each bucket in total and by group. */
export function spendTitles(
  buckets: readonly BucketFigures[],
  { series, cumulative, lastHourUsd, timeZone }: {
    readonly series: readonly SpendSeries[];
    readonly cumulative: readonly number[];
    readonly lastHourUsd: readonly number[] | null;
    readonly timeZone: string;
  },
): Title[] {
  return buckets.map((bucket, index) => {
    const spent = series.filter(({ values }) => values[index] !== 0)
      .map(({ label, values }) => `${named(label)}: ${shownUsd(values[index]!)}`);
    return [
      shownRange(bucket, timeZone),
      ...spent,
      `total: ${shownUsd(bucket.usd)}`,
      ...lastHourUsd === null ? [] : [`hour before: ${shownUsd(lastHourUsd[index]!)}`],
      `since the start: ${shownUsd(cumulative[index]!)}`,
    ];
  });
}

/** Returns the accuracy of each bucket, with its confidence interval. */
export function accuracyTitles(buckets: readonly BucketFigures[], timeZone: string): Title[] {
  return buckets.map((bucket) => {
    const { totalNav, validationFailCount, accuracyPct } = bucket.accuracy;
    const range = shownRange(bucket, timeZone);
    const reasons = bucket.topReasons.map(shownReason);
    if (totalNav === 0) return [range, "no navigations", ...reasons];
    return [
      range,
      `accuracy: ${accuracyPct} %`,
      `95 % interval: ${shownInterval(bucket.accuracy)}`,
      counted(totalNav, "navigation"),
      counted(validationFailCount, "failed validation"),
      ...reasons,
    ];
  });
}

/** Returns the durations of the calls of each bucket. */
export function latencyTitles(buckets: readonly BucketFigures[], timeZone: string): Title[] {
  return buckets.map((bucket) => {
    const range = shownRange(bucket, timeZone);
    const { n, p50, p95, longest } = bucket.latency;
    if (p50 === null || longest === null) return [range, "no durations"];
    return [
      range,
      `median: ${shownDuration(p50)}`,
      `95th percentile: ${p95 === null ? "too few calls" : shownDuration(p95)}`,
      `longest: ${shownDuration(longest)}`,
      counted(n, "call"),
    ];
  });
}

/** Returns the calls of each lane in each bucket, and the cumulative spend. */
export function timelineTitles(
  buckets: readonly BucketFigures[],
  { lanes, cumulative, timeZone }: {
    readonly lanes: readonly { readonly label: string; readonly cells: readonly CallCounts[] }[];
    readonly cumulative: readonly number[];
    readonly timeZone: string;
  },
): Title[] {
  return buckets.map((bucket, index) => {
    const calling = lanes.map(({ label, cells }) => ({ label, ...cells[index]! }))
      .filter(({ calls }) => calls > 0);
    const rest = calling.length - TITLE_LANES_MAX;
    return [
      shownRange(bucket, timeZone),
      ...calling.slice(0, TITLE_LANES_MAX).map(({ label, calls, errors }) =>
        `${named(label)}: ${counted(calls, "call")}${errors === 0 ? "" : `, ${errors} failed`}`
      ),
      ...calling.length === 0 ? ["no calls"] : [],
      ...rest <= 0 ? [] : [`… and ${counted(rest, "more lane")}`],
      `since the start: ${shownUsd(cumulative[index]!)}`,
    ];
  });
}

/** Returns the 95 % confidence interval of an accuracy, in percent. */
export function accuracyInterval(
  { totalNav, validationFailCount }: AccuracyMetrics,
): { readonly low: number; readonly high: number } {
  const { low, high } = wilsonInterval(Math.max(0, totalNav - validationFailCount), totalNav);
  return { low: 100 * low, high: 100 * high };
}

/** Returns the 95 % confidence interval of an accuracy as a text. */
export function shownInterval(accuracy: AccuracyMetrics): string {
  const { low, high } = accuracyInterval(accuracy);
  return `${Math.round(low)} to ${Math.round(high)} %`;
}

/** Returns a reason of failed validations and how many have it, as a text. */
export function shownReason({ reason, count }: ReasonCount): string {
  return `${shownCount(count)} × ${shownShort(reason, REASON_LENGTH_MAX)}`;
}

/** Returns the number of events of each bar. */
export function typeTitles(bars: readonly Bar[]): Title[] {
  return bars.map(({ label, values }) => [`${named(label)}: ${counted(values[0]!, "event")}`]);
}

/** Returns the tokens of each bar. */
export function tokenTitles(bars: readonly Bar[]): Title[] {
  return bars.map(({ label, values: [input, output] }) => [
    `${named(label)}: ${shownCount(input!)} input, ${shownCount(output!)} output`,
  ]);
}

/** Returns the first and the last moment of a bucket. */
function shownRange({ startMs, endMs }: BucketFigures, timeZone: string): string {
  const smallestUnit = (endMs - startMs) % MINUTE_MS === 0 ? "minute" : "second";
  const [start, end] = [startMs, endMs].map((ms) =>
    shownTime(Temporal.Instant.fromEpochMilliseconds(ms), timeZone, { smallestUnit })
  );
  return `${start} to ${end}`;
}

function named(label: string): string {
  return shownShort(label, NAME_LENGTH_MAX);
}
