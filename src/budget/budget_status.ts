/**
 * The amounts that a budget has spent and holds, as programs and the command line show them. Pure.
 *
 * @module
 */
import type { BudgetTerms } from "./account.ts";
import { fromAmount } from "./amount.ts";
import type { BudgetLedger } from "./ledger.ts";
import { EPOCH_MS_MAX } from "../time.ts";

/** The amounts that a budget has spent and holds, in its unit. */
export interface BudgetStatus {
  /** The spent amount: costs and charged holds in the rolling window, or since the start if there is no window. */
  readonly spent: number;
  /** The held amount: the sum of the holds that have not ended and whose time (`maxSec`) has not passed. */
  readonly held: number;
  /**
   * The orphaned amount: the sum of the holds whose time (`maxSec`) has passed without an end. It counts against the
   * limit until these holds end or leave the rolling window.
   */
  readonly orphaned: number;
  /**
   * The amount that calls can still hold: the limit minus the spent, held and orphaned amounts. It is negative if, for
   * example, calls cost more than they held.
   */
  readonly left: number;
  /**
   * Time at which the next spent or orphaned amount leaves the rolling window. `null` if the budget has no window, or
   * if the window contains no such amount.
   */
  readonly resetsAt: Date | null;
}

/** Returns a time as a `Date`; null if the time is unknown or later than a `Date` can be. */
export function dateAt(ms: number | undefined): Date | null {
  return ms === undefined || ms > EPOCH_MS_MAX ? null : new Date(ms);
}

/** Returns the amounts that a budget has spent and holds at the time `nowMs`, in epoch milliseconds. */
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
