/**
 * Converts the budgets of a log to the form in which the command line shows them.
 *
 * @module
 */
import type { BudgetTerms } from "../budget/account.ts";
import { type BudgetUnit, fromAmount } from "../budget/amount.ts";
import { type BudgetStatus, statusOf } from "../budget/budget_status.ts";
import type { BudgetLedger } from "../budget/ledger.ts";

/** A budget with its current amounts, as `scout budget --json` prints it. */
export interface ShownBudget extends BudgetStatus {
  readonly budget: string;
  readonly unit: BudgetUnit;
  readonly limit: number;
  readonly hours?: number;
  readonly since?: string;
  readonly where: Readonly<Record<string, unknown>>;
}

/**
 * Returns the budgets of a log, sorted by name, with the amounts that they have spent and hold at `nowMs` (epoch
 * milliseconds).
 */
export function budgetsIn(ledger: BudgetLedger, nowMs: number): ShownBudget[] {
  return [...ledger.names].sort().map((name) => shownBudget(ledger, name, nowMs));
}

function shownBudget(ledger: BudgetLedger, name: string, nowMs: number): ShownBudget {
  const { terms, limit } = ledger.account(name)!;
  const { unit, where } = terms;
  const status = statusOf(ledger, terms, nowMs);
  return {
    budget: name,
    unit,
    limit: fromAmount(limit, unit),
    ...windowOf(terms),
    where,
    ...status,
  };
}

function windowOf({ hours, sinceMs }: BudgetTerms): { hours: number } | { since: string } {
  return hours === null ? { since: new Date(sinceMs!).toISOString() } : { hours };
}
