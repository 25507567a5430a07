/**
 * Computes the accuracy of navigation in percent: 100 * (navigations - failures) / navigations. Navigations are the
 * `nav` events (an agent asked which code to read), and failures the `validation_fail` events (the answer was wrong).
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOption, eventSource } from "../options/option_checks.ts";

/** The accuracy of navigation, and the counts from which it is computed. */
export interface AccuracyMetrics {
  /** Number of events of type `nav`. */
  totalNav: number;
  /** Number of events of type `validation_fail`. */
  validationFailCount: number;
  /**
   * Accuracy in percent, 0 to 100, rounded to two decimals: 100 * (nav - validation_fail) / nav. Without any `nav`
   * event it is 100.
   */
  accuracyPct: number;
}

/**
 * Counts navigations and failed validations, and computes the accuracy from these counts.
 *
 * @param events The events to count, in any order. Events of other types are ignored.
 * @returns The counts and the accuracy.
 * @throws {TypeError} If `events` is not an iterable, or is a string.
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
  checkOption(events, eventSource, "Cannot compute the accuracy: events");
  let totalNav = 0;
  let validationFailCount = 0;
  for await (const { event } of events) {
    if (event === "nav") totalNav++;
    else if (event === "validation_fail") validationFailCount++;
  }
  return accuracyOf(totalNav, validationFailCount);
}

/** Computes the metrics from the counts of navigations and failed validations. */
export function accuracyOf(totalNav: number, validationFailCount: number): AccuracyMetrics {
  const ratio = totalNav === 0 ? 1 : (totalNav - validationFailCount) / totalNav;
  const accuracyPct = Math.round(Math.max(0, ratio) * 10_000) / 100;
  return { totalNav, validationFailCount, accuracyPct };
}
