/**
 * The figures of a time bucket, the period that one bar of a chart over time shows. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { type AccuracyMetrics, accuracyOf } from "../metrics/accuracy.ts";
import type { CallFacts } from "../rollup/call_tally.ts";
import { byCount, type FailureReason } from "../rollup/failure_reasons.ts";
import { QuantileSketch } from "../rollup/quantile_sketch.ts";
import { TimeRange } from "../rollup/time_range.ts";
import type { Group } from "./groups.ts";
import type { Bucket, BucketContent } from "./time_buckets.ts";

/** Number of reasons of failed validations that are listed for each time bucket. */
const TOP_REASONS = 3;
/** Minimum number of durations from which a 95th percentile is computed. With fewer, it would be close to the maximum. */
const P95_DURATIONS_MIN = 20;

/** Number of calls, and of calls that failed. */
export interface CallCounts {
  readonly calls: number;
  readonly errors: number;
}

/** The durations of the calls with a duration, in milliseconds. */
export interface Latency {
  /** Number of these calls. */
  readonly n: number;
  /** The median, with a relative error of at most 1 %; null without durations. */
  readonly p50: number | null;
  /** The 95th percentile, with a relative error of at most 1 %; null for fewer than 20 durations. */
  readonly p95: number | null;
  /** The longest duration; null without durations. */
  readonly longest: number | null;
}

/** The figures of a time bucket. */
export interface BucketFigures {
  /** The start (inclusive) and the end (exclusive) of the bucket in epoch milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly events: number;
  /** The times of the first and the last event in epoch milliseconds; Infinity and -Infinity without events. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly usd: number;
  /** The spend in USD of each group of the report, in the order of its groups; combined groups come last. */
  readonly usdByGroup: readonly number[];
  readonly accuracy: AccuracyMetrics;
  /** The most frequent reasons of failed validations, at most three. */
  readonly topReasons: readonly ReasonCount[];
  readonly latency: Latency;
}

/** A reason of failed validations, and how many have it. */
export type ReasonCount = Pick<FailureReason, "reason" | "count">;

/** The counters of a report for a time bucket. */
export class Content implements BucketContent {
  readonly sums = new Map<Group, PreciseSum>();
  readonly times = new TimeRange();
  events = 0;
  totalNav = 0;
  validationFailCount = 0;
  /** The number of failed validations, by the name of their reason. */
  readonly validations = new Map<string, number>();
  /** The calls of each agent. */
  readonly calls = new Map<Group, { calls: number; errors: number }>();
  readonly durations = new QuantileSketch();

  addAll(other: Content): void {
    this.events += other.events;
    this.times.addAll(other.times);
    for (const [group, sum] of other.sums) this.sumOf(group).addSum(sum);
    this.totalNav += other.totalNav;
    this.validationFailCount += other.validationFailCount;
    for (const [reason, count] of other.validations) this.addValidations(reason, count);
    for (const [agent, counts] of other.calls) this.addCalls(agent, counts);
    this.durations.addAll(other.durations);
  }

  addValidations(reason: string, count: number): void {
    this.validations.set(reason, (this.validations.get(reason) ?? 0) + count);
  }

  /** Adds an event if it is a call. */
  addCall(agent: Group, { isCall, hasFailed, durationMs }: CallFacts): void {
    if (!isCall) return;
    this.addCalls(agent, { calls: 1, errors: hasFailed ? 1 : 0 });
    if (durationMs !== null) this.durations.add(durationMs);
  }

  addCalls(agent: Group, { calls, errors }: CallCounts): void {
    const counts = this.calls.get(agent);
    if (counts === undefined) this.calls.set(agent, { calls, errors });
    else {
      counts.calls += calls;
      counts.errors += errors;
    }
  }

  /** Returns the most frequent reasons of failed validations. */
  topReasons(): ReasonCount[] {
    return Array.from(this.validations, ([reason, count]) => ({ reason, count }))
      .sort(byCount)
      .slice(0, TOP_REASONS);
  }

  add(group: Group, usd: number): void {
    if (group.last?.content !== this) group.last = { content: this, sum: this.sumOf(group) };
    group.last.sum.add(usd);
  }

  sumOf(group: Group): PreciseSum {
    let sum = this.sums.get(group);
    if (sum === undefined) this.sums.set(group, sum = new PreciseSum());
    return sum;
  }
}

/**
 * Returns the figures of a bucket.
 *
 * @param groups The groups of the report, in the order of {@linkcode BucketFigures.usdByGroup}.
 */
export function bucketFigures(
  { startMs, endMs, content }: Bucket<Content>,
  groups: readonly Group[],
): BucketFigures {
  const total = new PreciseSum();
  for (const sum of content?.sums.values() ?? []) total.addSum(sum);
  return {
    startMs,
    endMs,
    events: content?.events ?? 0,
    firstMs: content?.times.firstMs ?? Infinity,
    lastMs: content?.times.lastMs ?? -Infinity,
    usd: total.value,
    usdByGroup: groups.map((group) => content?.sums.get(group)?.value ?? 0),
    accuracy: accuracyOf(content?.totalNav ?? 0, content?.validationFailCount ?? 0),
    topReasons: content?.topReasons() ?? [],
    latency: latencyOf(content?.durations ?? new QuantileSketch()),
  };
}

function latencyOf(durations: QuantileSketch): Latency {
  const { count: n } = durations;
  if (n === 0) return { n, p50: null, p95: null, longest: null };
  const [p50, p95, longest] = durations.atRanks([0.5, 0.95, 1].map((q) => Math.ceil(q * n)));
  return { n, p50: p50!, p95: n < P95_DURATIONS_MIN ? null : p95!, longest: longest! };
}
