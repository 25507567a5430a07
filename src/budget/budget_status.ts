/**
 * The amounts that a budget has spent and holds, as programs and the command line show them. Pure.
 *
 * @module
 */
import type { BudgetTerms } from "./account.ts";
import { fromAmount } from "./amount.ts";
import type { BudgetLedger } from "./ledger.ts";

/** The amounts that a budget has spent and holds, in its unit. */
export interface BudgetStatus {
  /** Costs and ended holds in the window, or since the start. */
  readonly spent: number;
  /** Holds that have not ended. */
  readonly held: number;
  /** Holds whose time has passed without an end. They are charged until they leave the window. */
  readonly orphaned: number;
  /** The amount that can still be held. It is negative if calls cost more than their holds. */
  readonly left: number;
  /** Time at which the next amount leaves the window; null for a total, and if nothing is in the window. */
  readonly resetsAt: Date | null;
}

/** The latest time that a `Date` can have, epoch milliseconds. */
export const TIME_MAX_MS = 8.64e15;

/** Returns a time as a `Date`; null if the time is unknown or later than a `Date` can be. */
export function dateAt(ms: number | undefined): Date | null {
  return ms === undefined || ms > TIME_MAX_MS ? null : new Date(ms);
}

/** Returns the amounts that a budget has spent and holds at a time. */
export function statusOf(
  ledger: BudgetLedger,
  { name, unit }: BudgetTerms,
  nowMs: number,
): BudgetStatus {
  const ms = ledger.decisionMs([name], nowMs);
  const { limit, spent, held, orphaned } = ledger.figures(name, ms);
  const [next] = ledger.departuresAfter(name, ms);
  return {
    spent: fromAmount(spent, unit),
    held: fromAmount(held, unit),
    orphaned: fromAmount(orphaned, unit),
    left: fromAmount(limit - spent - held - orphaned, unit),
    resetsAt: dateAt(next),
  };
}
