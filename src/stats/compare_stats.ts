/**
 * Compares the statistics of two sources figure by figure, with confidence intervals of the differences. Pure.
 *
 * @module
 */
import { checkOption, type OptionCheck } from "../options/option_checks.ts";
import { type CallFigures, intervalOf, type QuantileFigure } from "./call_figures.ts";
import { type FailureReason, OTHER_REASONS } from "../rollup/failure_reasons.ts";
import type { GroupKey } from "./group_key.ts";
import {
  differenceInterval,
  type Estimate,
  type Interval,
  type Sample,
  welchInterval,
  wilsonInterval,
} from "./intervals.ts";
import { RELATIVE_ERROR } from "../rollup/quantile_sketch.ts";
import type { Stats, StatsGroup } from "./stats.ts";

/** The name of a figure that {@linkcode compareStats} compares. */
export type FigureName =
  | "events"
  | "calls"
  | "errors"
  | "usd"
  | "inputTokens"
  | "outputTokens"
  | "outcomes"
  | "errorPct"
  | "usdPerCall"
  | "durationMs"
  | "p50Ms"
  | "p95Ms"
  | "p99Ms"
  | "tokensPerSecond"
  | "cacheHitPct"
  | "usdPerOutcome";

/** The kind of a figure. Rates, means and quantiles have confidence intervals; totals and ratios do not. */
export type FigureKind = "total" | "rate" | "mean" | "quantile" | "ratio";

/** The unit of a figure. The difference of two percentages is in percentage points. */
export type FigureUnit = "count" | "USD" | "tokens" | "%" | "ms" | "tokens/s";

/** A figure of two sources of events, a (the first) and b (the second), side by side. */
export interface ComparedFigure {
  /** The name of the figure. `durationMs` is the mean of the durations. */
  readonly name: FigureName;
  /** The kind of the figure. */
  readonly kind: FigureKind;
  /** The unit of `a`, `b`, `difference` and `interval`. */
  readonly unit: FigureUnit;
  /** The value of the figure in the first source, a; null if nothing was measured. */
  readonly a: number | null;
  /** The value of the figure in the second source, b; null if nothing was measured. */
  readonly b: number | null;
  /** Number of events, calls or outcomes in the first source from which `a` is computed. */
  readonly nA: number;
  /** Number of events, calls or outcomes in the second source from which `b` is computed. */
  readonly nB: number;
  /** `b - a`; null if a value is null, or if both values are infinite. */
  readonly difference: number | null;
  /** The difference relative to the absolute value of `a`, in percent; null if `a` is 0, null or infinite. */
  readonly changePct: number | null;
  /**
   * The 95 % confidence interval of the difference; null for totals and ratios, and if there are too few values. One of
   * twenty such intervals does not contain the true difference.
   */
  readonly interval: Interval | null;
}

/** The figures of a group of events that both sources have. */
export interface ComparedGroup {
  /** The values of the fields by which the events are grouped. Null if the events have no value. */
  readonly key: GroupKey;
  /** The figures of the group, in the same order as those of the total. */
  readonly figures: readonly ComparedFigure[];
}

/** The result of {@linkcode compareStats}. */
export interface StatsComparison {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  /** The figures of all events. */
  readonly figures: readonly ComparedFigure[];
  /** The groups that both sources have, in the order of the second source (b). */
  readonly groups: readonly ComparedGroup[];
  /** The groups that only the second source (b) has. */
  readonly newGroups: readonly StatsGroup[];
  /** The groups that only the first source (a) has. */
  readonly goneGroups: readonly StatsGroup[];
  /**
   * Whether the sources list all their groups. If not, a group in `newGroups` or `goneGroups` may also be in the other
   * source, among the groups that it combines in `others`.
   */
  readonly areGroupsComplete: boolean;
  /** The failure reasons that only the second source (b) has, the most frequent first. */
  readonly newFailures: readonly FailureReason[];
  /** The failure reasons that only the first source (a) has, the most frequent first. */
  readonly goneFailures: readonly FailureReason[];
  /**
   * Whether the sources list all their failure reasons. If not, a reason in `newFailures` or `goneFailures` may also be
   * in the other source, among the reasons that it combines.
   */
  readonly areFailuresComplete: boolean;
}

/** The definition of a figure that {@linkcode compareStats} compares. */
interface Figure {
  readonly name: FigureName;
  readonly kind: FigureKind;
  readonly unit: FigureUnit;
  /** Returns the value of the figure; null if nothing was measured. */
  readonly value: (figures: CallFigures) => number | null;
  /** Returns the number of events, calls or outcomes from which the value is computed. */
  readonly count: (figures: CallFigures) => number;
  /** Returns the 95 % confidence interval of the difference of b and a; null if a or b has too few values. */
  readonly interval?: (a: CallFigures, b: CallFigures) => Interval | null;
}

const costs = ({ cost }: CallFigures) => cost?.n ?? 0;
const durations = ({ duration }: CallFigures) => duration?.n ?? 0;

const FIGURES: readonly Figure[] = [
  total("events", "count", ({ events }) => events, ({ events }) => events),
  total(
    "calls",
    "count",
    ({ events, calls }) => events === 0 ? null : calls,
    ({ events }) => events,
  ),
  total(
    "errors",
    "count",
    ({ calls, errors }) => calls === 0 ? null : errors,
    ({ calls }) => calls,
  ),
  total("usd", "USD", ({ cost, usd }) => cost === null ? null : usd, costs),
  total(
    "inputTokens",
    "tokens",
    ({ inputCalls, inputTokens }) => inputCalls === 0 ? null : inputTokens,
    ({ inputCalls }) => inputCalls,
  ),
  total(
    "outputTokens",
    "tokens",
    ({ outputCalls, outputTokens }) => outputCalls === 0 ? null : outputTokens,
    ({ outputCalls }) => outputCalls,
  ),
  total(
    "outcomes",
    "count",
    ({ events, outcomes }) => events === 0 ? null : outcomes,
    ({ events }) => events,
  ),
  {
    name: "errorPct",
    kind: "rate",
    unit: "%",
    value: ({ errorPct }) => errorPct,
    count: ({ calls }) => calls,
    interval: errorInterval,
  },
  mean("usdPerCall", "USD", ({ cost }) => cost),
  mean("durationMs", "ms", ({ duration }) => duration),
  quantile("p50Ms", ({ duration }) => duration?.p50),
  quantile("p95Ms", ({ duration }) => duration?.p95),
  quantile("p99Ms", ({ duration }) => duration?.p99),
  ratio(
    "tokensPerSecond",
    "tokens/s",
    ({ tokensPerSecond }) => tokensPerSecond,
    ({ speedCalls }) => speedCalls,
  ),
  ratio("cacheHitPct", "%", ({ cacheHitPct }) => cacheHitPct, ({ inputCalls }) => inputCalls),
  ratio(
    "usdPerOutcome",
    "USD",
    ({ cost, usdPerOutcome }) => cost === null ? null : usdPerOutcome,
    ({ outcomes }) => outcomes,
  ),
];

function total(
  name: FigureName,
  unit: FigureUnit,
  value: Figure["value"],
  count: Figure["count"],
): Figure {
  return { name, kind: "total", unit, value, count };
}

function ratio(
  name: FigureName,
  unit: FigureUnit,
  value: Figure["value"],
  count: Figure["count"],
): Figure {
  return { name, kind: "ratio", unit, value, count };
}

function mean(
  name: FigureName,
  unit: FigureUnit,
  sampleOf: (figures: CallFigures) => Sample | null,
): Figure {
  return {
    name,
    kind: "mean",
    unit,
    value: (figures) => sampleOf(figures)?.mean ?? null,
    count: (figures) => sampleOf(figures)?.n ?? 0,
    interval: (a, b) => {
      const [sampleA, sampleB] = [sampleOf(a), sampleOf(b)];
      return sampleA === null || sampleB === null ? null : welchInterval(sampleA, sampleB);
    },
  };
}

function quantile(
  name: FigureName,
  quantileOf: (figures: CallFigures) => QuantileFigure | undefined,
): Figure {
  return {
    name,
    kind: "quantile",
    unit: "ms",
    value: (figures) => quantileOf(figures)?.value ?? null,
    count: durations,
    interval: (a, b) => {
      const [estimateA, estimateB] = [quantileOf(a), quantileOf(b)].map(quantileEstimate);
      return estimateA == null || estimateB == null ? null : quantileInterval(estimateA, estimateB);
    },
  };
}

/** Returns a quantile and its interval; null if an end of the interval is unknown. */
function quantileEstimate(figure: QuantileFigure | undefined): Estimate | null {
  const interval = figure === undefined ? null : intervalOf(figure);
  return figure === undefined || interval === null ? null : { value: figure.value, ...interval };
}

/**
 * Returns the interval of the difference of two quantiles. The quantiles are estimates with an error of at most 1 %, so
 * the interval is extended by the maximum error. Otherwise the interval of many values would be narrower than the
 * error.
 */
function quantileInterval(a: Estimate, b: Estimate): Interval {
  const { low, high } = differenceInterval(a, b);
  // The error is relative to the true quantile, which can be larger than the estimate.
  const error = (a.value + b.value) * RELATIVE_ERROR / (1 - RELATIVE_ERROR);
  return { low: low - error, high: high + error };
}

function errorInterval(a: CallFigures, b: CallFigures): Interval | null {
  if (a.calls === 0 || b.calls === 0) return null;
  const { low, high } = differenceInterval(errorShare(a), errorShare(b));
  return { low: 100 * low, high: 100 * high };
}

function errorShare({ errors, calls }: CallFigures): Estimate {
  return { value: errors / calls, ...wilsonInterval(errors, calls) };
}

const statsCheck: OptionCheck = {
  must: "the result of stats()",
  isOfType: (value) =>
    typeof value === "object" && value !== null &&
    ["by", "total", "groups", "failures"].every((name) => name in value),
};

/**
 * Compares the statistics of two sources, such as two logs or two sessions of a log, figure by figure. Lists the groups
 * and the failure reasons that only one of the sources has.
 *
 * The differences of rates, means and quantiles have 95 % confidence intervals:
 *
 * - rates: method 10 of R. G. Newcombe, "Interval Estimation for the Difference Between Independent Proportions", 1998;
 * - means: B. L. Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are
 *   Involved", 1947;
 * - quantiles: the intervals of order statistics, combined by the method of G. Y. Zou, A. Donner, 2008, and extended by
 *   1 % of both quantiles, which is their maximum error.
 *
 * The intervals assume that the calls are independent of each other. Totals and ratios have no intervals.
 *
 * @param a The statistics of the first source.
 * @param b The statistics of the second source, grouped by the same fields.
 * @returns The figures side by side, and the groups and failure reasons that only one of the sources has.
 * @throws {TypeError} If an argument is not the result of `stats()`, or if the sources are grouped by different fields;
 *   the message names the fields of both.
 *
 * @example
 * ```ts
 * import { AuditLog, compareStats, stats } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * await log.log("llm_call", { session_id: "monday", model: "small", cost: 0.5 });
 * await log.log("llm_call", { session_id: "tuesday", model: "large", cost: 0.75 });
 *
 * const [a, b] = await Promise.all(["monday", "tuesday"].map((sessionId) =>
 *   stats(log.query({ sessionId }), { by: "model" })
 * ));
 * const { figures, newGroups } = compareStats(a!, b!);
 * const usd = figures.find(({ name }) => name === "usd");
 * assertEquals([usd?.a, usd?.b, usd?.difference, usd?.changePct], [0.5, 0.75, 0.25, 50]);
 * assertEquals(newGroups.map(({ key }) => key), [["large"]]);
 * ```
 */
export function compareStats(a: Stats, b: Stats): StatsComparison {
  checkOption(a, statsCheck, "Cannot compare statistics: a");
  checkOption(b, statsCheck, "Cannot compare statistics: b");
  if (JSON.stringify(a.by) !== JSON.stringify(b.by)) {
    throw new TypeError(
      `Cannot compare statistics: both must be grouped by the same fields, got ${
        shownFields(a.by)
      } and ${shownFields(b.by)}`,
    );
  }
  const [groupsA, groupsB] = [groupsById(a), groupsById(b)];
  return {
    by: b.by,
    figures: compareFigures(a.total, b.total),
    groups: shared(groupsA, groupsB),
    newGroups: missingIn(groupsA, groupsB),
    goneGroups: missingIn(groupsB, groupsA),
    areGroupsComplete: a.others === null && b.others === null,
    newFailures: unlisted(b.failures, a.failures),
    goneFailures: unlisted(a.failures, b.failures),
    areFailuresComplete: ![...a.failures, ...b.failures].some(isCombined),
  };
}

function shownFields(by: readonly string[]): string {
  return by.length === 0 ? "no fields" : by.map((field) => JSON.stringify(field)).join(", ");
}

function compareFigures(a: CallFigures, b: CallFigures): ComparedFigure[] {
  return FIGURES.map((figure) => compareFigure(figure, a, b));
}

function compareFigure(
  { name, kind, unit, value, count, interval }: Figure,
  a: CallFigures,
  b: CallFigures,
): ComparedFigure {
  const [valueA, valueB] = [value(a), value(b)];
  const difference = valueA === null || valueB === null ? null : numberOrNull(valueB - valueA);
  return {
    name,
    kind,
    unit,
    a: valueA,
    b: valueB,
    nA: count(a),
    nB: count(b),
    difference,
    changePct: valueA === null || valueA === 0 || difference === null
      ? null
      : numberOrNull(100 * difference / Math.abs(valueA)),
    interval: knownInterval(interval?.(a, b) ?? null),
  };
}

/** Returns null in place of NaN, which results from infinite sums. */
function numberOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function knownInterval(interval: Interval | null): Interval | null {
  return interval === null || Number.isNaN(interval.low) || Number.isNaN(interval.high)
    ? null
    : interval;
}

function groupsById({ groups }: Stats): Map<string, StatsGroup> {
  return new Map(groups.map((group) => [JSON.stringify(group.key), group]));
}

function shared(
  a: ReadonlyMap<string, StatsGroup>,
  b: ReadonlyMap<string, StatsGroup>,
): ComparedGroup[] {
  return [...b].flatMap(([id, groupB]) => {
    const groupA = a.get(id);
    return groupA === undefined
      ? []
      : [{ key: groupB.key, figures: compareFigures(groupA, groupB) }];
  });
}

/** Returns the groups of `groups` that `others` does not have. */
function missingIn(
  others: ReadonlyMap<string, StatsGroup>,
  groups: ReadonlyMap<string, StatsGroup>,
): StatsGroup[] {
  return [...groups].filter(([id]) => !others.has(id)).map(([, group]) => group);
}

/** Returns the failure reasons that `others` does not list. */
function unlisted(
  failures: readonly FailureReason[],
  others: readonly FailureReason[],
): FailureReason[] {
  const known = new Set(others.map(({ reason }) => reason));
  return failures.filter((failure) => !isCombined(failure) && !known.has(failure.reason));
}

function isCombined({ reason }: FailureReason): boolean {
  return reason === OTHER_REASONS;
}
