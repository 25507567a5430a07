/**
 * The figures of a group of calls, as {@linkcode stats} returns them. Pure.
 *
 * @module
 */
import type { CallTally } from "../rollup/call_tally.ts";
import type { Moments } from "../rollup/moments.ts";
import type { QuantileSketch } from "../rollup/quantile_sketch.ts";
import { type Interval, quantileRanks, type Sample } from "./intervals.ts";

/**
 * A quantile, and the ends of its 95 % confidence interval. An end is null if there are too few values to compute it.
 */
export interface QuantileFigure {
  /** The quantile, with a relative error of at most 1 %. */
  readonly value: number;
  /** The lower end of the interval. */
  readonly low: number | null;
  /** The upper end of the interval. */
  readonly high: number | null;
}

/** The durations of the calls that state `duration_ms`, in milliseconds. */
export interface DurationFigures extends Sample {
  /** The median. */
  readonly p50: QuantileFigure;
  /** The 95th percentile. */
  readonly p95: QuantileFigure;
  /** The 99th percentile. */
  readonly p99: QuantileFigure;
}

/** The figures of a group of events. A figure is null if no event of the group states what it is computed from. */
export interface CallFigures {
  /** Number of events in the group. */
  readonly events: number;
  /**
   * Number of calls. A call is an event that states a status, a duration, a cost or tokens, and an event of type
   * `validation_fail`. The event that begins a span, and the lines of budgets, are calls only if they have a cost.
   */
  readonly calls: number;
  /** Number of calls that failed: their status is "error", or their type is `validation_fail`. */
  readonly errors: number;
  /** Number of calls whose status is "aborted". */
  readonly aborted: number;
  /** Share of the calls that failed, in percent. */
  readonly errorPct: number | null;
  /** The durations of the calls that state `duration_ms`; null if no call does. */
  readonly duration: DurationFigures | null;
  /** Sum of `input_t`. */
  readonly inputTokens: number;
  /** Number of calls that state `input_t`. */
  readonly inputCalls: number;
  /** Sum of `output_t`. */
  readonly outputTokens: number;
  /** Number of calls that state `output_t`. */
  readonly outputCalls: number;
  /**
   * Output tokens per second, of all calls together that state `output_t` and a duration above 0; null if no call does.
   */
  readonly tokensPerSecond: number | null;
  /** Number of calls from which `tokensPerSecond` is computed: those that state `output_t` and a duration above 0. */
  readonly speedCalls: number;
  /**
   * Share of the input tokens that came from the provider's cache, in percent: the sum of `cache_read_t` in the sum of
   * `input_t`. Null if no call states `cache_read_t`.
   */
  readonly cacheHitPct: number | null;
  /** Sum of the costs in USD. */
  readonly usd: number;
  /** The costs of the calls that state `cost`, in USD; null if no call does. */
  readonly cost: Sample | null;
  /** Number of events for which the option `outcome` returns true, such as finished tasks. 0 without this option. */
  readonly outcomes: number;
  /** The sum of the costs divided by the number of outcomes, in USD. Null without outcomes. */
  readonly usdPerOutcome: number | null;
}

/** Returns the figures of a group of events, from the tally of its calls and its number of outcomes. */
export function figuresOf(tally: CallTally, outcomes: number): CallFigures {
  const { events, calls, errors, aborted, inputTokens, inputCalls } = tally;
  const { outputTokens, outputCalls } = tally;
  const usd = tally.costs.sum;
  return {
    events,
    calls,
    errors,
    aborted,
    errorPct: ratio(100 * errors, calls),
    duration: durationFigures(tally),
    inputTokens,
    inputCalls,
    outputTokens,
    outputCalls,
    tokensPerSecond: ratio(1_000 * tally.timedOutputTokens, tally.timedOutputMs),
    speedCalls: tally.timedOutputCalls,
    cacheHitPct: tally.cachedCalls === 0 ? null : ratio(100 * tally.cachedTokens, inputTokens),
    usd,
    cost: costSample(tally),
    outcomes,
    usdPerOutcome: ratio(usd, outcomes),
  };
}

function durationFigures({ durations, sketch }: CallTally): DurationFigures | null {
  const sample = sampleOf(durations);
  if (sample === null) return null;
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantileOf(sketch, q));
  return { ...sample, p50: p50!, p95: p95!, p99: p99! };
}

/**
 * Returns the quantile `q` with its confidence interval. The quantile is the value whose rank is `q` times the number
 * of values, rounded up.
 */
function quantileOf(sketch: QuantileSketch, q: number): QuantileFigure {
  const { count } = sketch;
  const { low, high } = quantileRanks(q, count);
  const [value, lowest, highest] = sketch.atRanks([Math.ceil(q * count), low ?? 1, high ?? count]);
  return {
    value: value!,
    low: low === null ? null : lowest!,
    high: high === null ? null : highest!,
  };
}

function sampleOf({ n, mean, deviation }: Moments): Sample | null {
  return n === 0 ? null : { n, mean, deviation };
}

/** Returns the sample of the costs. The cost of an event that adjusts a call belongs to that call. */
function costSample({ costs, adjustedCosts }: CallTally): Sample | null {
  const n = costs.n - adjustedCosts;
  if (adjustedCosts === 0 || n <= 0) return sampleOf(costs);
  return { n, mean: costs.sum / n, deviation: costs.deviation };
}

function ratio(amount: number, of: number): number | null {
  return of === 0 ? null : amount / of;
}

/** Returns the interval of a quantile if both ends are known; null otherwise. */
export function intervalOf({ low, high }: QuantileFigure): Interval | null {
  return low === null || high === null ? null : { low, high };
}
