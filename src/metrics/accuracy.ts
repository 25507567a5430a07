/**
 * How often navigation went right.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";

/** Accuracy of the navigation. */
export interface AccuracyMetrics {
  /** Events of type `nav`. */
  totalNav: number;
  /** Events of type `validation_fail`. */
  validationFailCount: number;
  /** Percent, two decimals: 100 * (nav - validation_fail) / nav, from 0 to 100; 100 without a nav. */
  accuracyPct: number;
}

/**
 * Counts navigations and failed validations.
 *
 * @example
 * ```ts
 * import { accuracyMetrics, type AuditEvent } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const events = ReadableStream.from<AuditEvent>([
 *   { event: "nav" },
 *   { event: "nav" },
 *   { event: "nav" },
 *   { event: "validation_fail" },
 * ]);
 * assertEquals((await accuracyMetrics(events)).accuracyPct, 66.67);
 * ```
 */
export async function accuracyMetrics(
  events: AsyncIterable<AuditEvent>,
): Promise<AccuracyMetrics> {
  let totalNav = 0;
  let validationFailCount = 0;
  for await (const { event } of events) {
    if (event === "nav") totalNav++;
    else if (event === "validation_fail") validationFailCount++;
  }
  return accuracyOf(totalNav, validationFailCount);
}

/** The metrics of so many navigations and failed validations. */
export function accuracyOf(totalNav: number, validationFailCount: number): AccuracyMetrics {
  const ratio = totalNav === 0 ? 1 : (totalNav - validationFailCount) / totalNav;
  const accuracyPct = Math.round(Math.max(0, ratio) * 10_000) / 100;
  return { totalNav, validationFailCount, accuracyPct };
}
