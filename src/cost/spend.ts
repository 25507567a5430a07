/**
 * What an event cost, and the hours that are summed. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOption, hours as hoursCheck } from "../options/option_checks.ts";
import { eventEpochMs } from "../time.ts";

const HOUR_MS = 3_600_000;

/** What is summed: both ends belong to it, epoch milliseconds. */
export interface SpendWindow {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/**
 * The last `hours` hours (default 1), up to now; null for zero or fewer.
 *
 * @throws {RangeError} when `hours` is no number.
 */
export function spendWindow(
  { hours = 1, now = Date.now }: { hours?: number; now?: () => number },
): SpendWindow | null {
  checkOption(hours, hoursCheck, "Cannot sum the spend: hours");
  if (hours <= 0) return null;
  const untilMs = now();
  return { sinceMs: untilMs - hours * HOUR_MS, untilMs };
}

/** Whether the instant lies in the window. */
export function isInWindow({ sinceMs, untilMs }: SpendWindow, epochMs: number): boolean {
  return epochMs >= sinceMs && epochMs <= untilMs;
}

/** What an event cost and when; null when either is missing. */
export function costOf(event: AuditEvent): { epochMs: number; usd: number } | null {
  const usd = finite(event.cost);
  if (usd === null) return null;
  const epochMs = eventEpochMs(event.ts);
  return Number.isNaN(epochMs) ? null : { epochMs, usd };
}

/** The number that a line holds; null where it holds none, or one that no sum could hold. */
export function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
