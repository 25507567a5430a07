/**
 * Decides how an archive is added to the spend of the last hour and the last day of a report. Pure.
 *
 * Most quarters of an hour lie wholly within the last day and wholly before the last hour, so their stored sums are
 * enough. Only the events at the edges are read: those in the quarter in which the last day begins, and those from the
 * quarter on in which the last hour begins.
 *
 * @module
 */
import { QUARTER_MS } from "../time.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The parts of an archive that the spend of the last hour and the last day needs. */
export interface RecentNeeds {
  /** Checks whether the stored sum of a quarter of an hour is added. Quarters are counted from 1970 in UTC. */
  isSummed(quarter: number): boolean;
  /** The time range in epoch milliseconds whose events are read one by one; null if no events are read. */
  readonly range: { readonly since: number; readonly until?: number } | null;
}

/** The last hour and the last day of a report whose end is known. */
export class RecentWindow {
  /** The time at which the last day begins in epoch milliseconds. */
  readonly dayStartMs: number;
  /** The first quarter of an hour that lies wholly within the last day. */
  readonly #first: number;
  /** The quarter of an hour in which the last hour begins. */
  readonly #hour: number;

  /** @param endMs The end of the report in epoch milliseconds. */
  constructor(endMs: number) {
    this.dayStartMs = endMs - DAY_MS;
    this.#first = Math.ceil(this.dayStartMs / QUARTER_MS);
    this.#hour = Math.floor((endMs - HOUR_MS) / QUARTER_MS);
  }

  /** Returns what is needed of an archive with events in these quarters of an hour. */
  needsOf(quarters: readonly number[]): RecentNeeds {
    const [first, hour, since] = [this.#first, this.#hour, this.dayStartMs];
    // If the last day begins with a quarter of an hour, no quarter is cut.
    const hasStart = since < first * QUARTER_MS && quarters.includes(first - 1);
    const hasEnd = quarters.some((quarter) => quarter >= hour);
    if (hasStart && hasEnd) return { isSummed: () => false, range: { since } };
    const isSummed = (quarter: number) => quarter >= first && quarter < hour;
    if (hasStart) return { isSummed, range: { since, until: first * QUARTER_MS } };
    return { isSummed, range: hasEnd ? { since: hour * QUARTER_MS } : null };
  }
}
