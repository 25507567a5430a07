/**
 * The cost of an event, and the window of time whose costs are summed. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOption, hours as hoursCheck } from "../options/option_checks.ts";
import { eventEpochMs } from "../time.ts";

const HOUR_MS = 3_600_000;

/** The window of time whose costs are summed, both ends included, in epoch milliseconds. */
export interface SpendWindow {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/**
 * Returns the window of time of the last `hours` hours (default 1) up to now, or null if `hours` is zero or negative.
 *
 * @throws {TypeError} If `hours` is not a number.
 * @throws {RangeError} If `hours` is NaN.
 */
export function spendWindow(
  { hours = 1, now = Date.now }: { hours?: number; now?: () => number },
): SpendWindow | null {
  checkOption(hours, hoursCheck, "Cannot sum the spend: hours");
  if (hours <= 0) return null;
  const untilMs = now();
  return { sinceMs: untilMs - hours * HOUR_MS, untilMs };
}

/** Checks whether an instant is in the window of time. */
export function isInWindow({ sinceMs, untilMs }: SpendWindow, epochMs: number): boolean {
  return epochMs >= sinceMs && epochMs <= untilMs;
}

/** Returns the cost and the time of an event, or null if the cost or the time is missing or invalid. */
export function costOf(event: AuditEvent): { epochMs: number; usd: number } | null {
  const usd = finite(event.cost);
  if (usd === null) return null;
  const epochMs = eventEpochMs(event.ts);
  return Number.isNaN(epochMs) ? null : { epochMs, usd };
}

/** Returns the value if it is a finite number >= 0, such as a number of tokens; null otherwise. */
export function amountIn(value: unknown): number | null {
  const amount = finite(value);
  return amount !== null && amount >= 0 ? amount : null;
}

/** Returns the value if it is a finite number, or null otherwise. */
export function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
