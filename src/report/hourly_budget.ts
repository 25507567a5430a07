/**
 * Compares the spend with a budget per hour. Pure.
 *
 * If the bars of the chart are shorter than an hour, each bar is compared by the spend of the hour up to the end of the
 * bar. A share of the budget for a bar of five minutes would be exceeded by every short burst of calls.
 *
 * @module
 */
import type { ReportData } from "./aggregate.ts";
import type { BucketFigures } from "./bucket_content.ts";

const HOUR_MS = 3_600_000;
/** A limit of more than this multiple of the highest bar is not drawn. */
const FAR_FACTOR = 5;

/** The spend of each time bucket in relation to a budget per hour. */
export interface HourlyBudget {
  /** The budget in USD per hour. */
  readonly budgetPerHour: number;
  /**
   * The spend in USD of the hour up to the end of each bucket; null if the buckets are not shorter than an hour, so
   * that their own spend is compared.
   */
  readonly lastHourUsd: readonly number[] | null;
  /** The amount in USD with which the spend of a usual bucket is compared. */
  readonly limitUsd: number;
  /**
   * Whether the limit is so far above everything on its axis that a line at the limit would make the bars too low to
   * see.
   */
  readonly isFar: boolean;
  /** Number of buckets whose spend exceeds the budget. */
  readonly exceeded: number;
  /** The start of the first of these buckets in epoch milliseconds; null if no bucket exceeds it. */
  readonly firstMs: number | null;
}

/**
 * Checks whether an amount in USD exceeds a limit. A relative difference of up to 1e-12 does not count: costs such as
 * 0.1 are rounded to binary fractions, so that three of them have a sum of slightly more than 0.3.
 */
export function isAbove(usd: number, limitUsd: number): boolean {
  return usd > limitUsd * (1 + 1e-12);
}

/**
 * Compares the spend of time buckets with a budget per hour.
 *
 * @param report The buckets of the report, without gaps between them, and the width of a usual bucket in milliseconds.
 * @param budgetPerHour The budget in USD per hour.
 */
export function hourlyBudget(
  { buckets, bucketMs }: Pick<ReportData, "buckets" | "bucketMs">,
  budgetPerHour: number,
): HourlyBudget {
  const isRolling = bucketMs < HOUR_MS;
  const perHour = HOUR_MS / bucketMs;
  const lastHourUsd = isRolling
    ? buckets.map((_, n) =>
      Math.sumPrecise(buckets.slice(Math.max(0, n + 1 - perHour), n + 1).map(({ usd }) => usd))
    )
    : null;
  // A bucket in which clocks change has more or fewer hours than a usual one.
  const isOver = ({ usd, startMs, endMs }: BucketFigures, n: number) =>
    lastHourUsd === null
      ? isAbove(usd, budgetPerHour * (endMs - startMs) / HOUR_MS)
      : isAbove(lastHourUsd[n]!, budgetPerHour);
  const over = buckets.filter(isOver);
  const limitUsd = isRolling ? budgetPerHour : budgetPerHour / perHour;
  const costs = buckets.map(({ usd }) => usd);
  // The spend of the hour before is on one axis with the cumulative spend.
  const highest = isRolling ? Math.sumPrecise(costs) : Math.max(0, ...costs);
  return {
    budgetPerHour,
    lastHourUsd,
    limitUsd,
    isFar: limitUsd > FAR_FACTOR * highest,
    exceeded: over.length,
    firstMs: over[0]?.startMs ?? null,
  };
}
