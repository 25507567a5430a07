/**
 * The errors of budgets.
 *
 * @module
 */
import { AuditClosedError, BudgetError, messageOf } from "../errors.ts";
import type { BudgetTerms } from "./account.ts";
import type { BudgetLedger, Refusal } from "./ledger.ts";

/** Maximum number of open holds in a log, so that a state line stays small. */
const OPEN_HOLDS_MAX = 10_000;

/** Minimum number of milliseconds after which a refused hold may be tried again. */
const RETRY_MIN_MS = 50;

/** Returns the error of a refusal that was decided at a time. */
export function refusalError({ budget, kind, fitsAtMs }: Refusal, ms: number): BudgetError {
  const reasons = {
    too_large: "the amount is larger than the limit",
    spent: "the limit is spent",
    held: "other calls hold the rest, or wait for it",
  };
  const isKnown = Number.isFinite(fitsAtMs);
  const resetsAt = isKnown && kind === "spent" ? new Date(fitsAtMs) : null;
  const until = resetsAt === null ? "" : `; it fits at ${resetsAt.toISOString()}`;
  return new BudgetError(`Cannot hold on budget "${budget}": ${reasons[kind]}${until}`, {
    kind,
    budget,
    resetsAt,
    retryAfterMs: isKnown ? Math.max(RETRY_MIN_MS, fitsAtMs - ms) : null,
  });
}

/** Checks that the log has the budgets. Another program may have removed or shortened its files. */
export function checkThere(ledger: BudgetLedger, terms: readonly BudgetTerms[]): void {
  for (const { name } of terms) {
    if (ledger.account(name) !== undefined) continue;
    throw new Error(`the log no longer has the budget "${name}"; declare it again`);
  }
}

/** Checks that the log can take another open hold. */
export function checkRoom({ openCount }: BudgetLedger, budget: string): void {
  if (openCount < OPEN_HOLDS_MAX) return;
  const message =
    `Cannot hold on budget "${budget}": ${OPEN_HOLDS_MAX} holds are open; settle or release some`;
  throw new BudgetError(message, { kind: "held", budget });
}

/** Returns the error of a hold without an amount in the unit of a budget. */
export function unpriced(budget: string, unit: string): BudgetError {
  const message = `Cannot hold on budget "${budget}": the amount in ${unit} is missing`;
  return new BudgetError(message, { kind: "unpriced", budget });
}

/** Returns the error of a decision that could not be made. */
export function asBudgetError(error: unknown, budget: string): unknown {
  const isClear = error instanceof AuditClosedError || error instanceof BudgetError ||
    error instanceof Deno.errors.NotCapable;
  if (isClear) return error;
  const message = `Cannot hold on budget "${budget}": ${messageOf(error)}`;
  return new BudgetError(message, { kind: "unwritable", budget, cause: error });
}
