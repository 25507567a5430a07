/**
 * The errors of budgets and of holds. A hold is an amount that a program reserves on a budget before a call.
 *
 * @module
 */
import { AuditClosedError, BudgetError, messageOf } from "../errors.ts";
import type { BudgetTerms } from "./account.ts";
import { fromAmount } from "./amount.ts";
import { dateAt } from "./budget_status.ts";
import { type BudgetLedger, isSame, type Refusal } from "./ledger.ts";

/**
 * Maximum number of open holds in a log. Each `budget_state` line lists all open holds, so more holds would make these
 * lines too long.
 */
const OPEN_HOLDS_MAX = 10_000;

/** The names of the units of budgets, as error messages show them. */
export const UNIT_NAMES = { usd: "USD", tokens: "tokens", calls: "calls" } as const;

/**
 * Minimum of `BudgetError.retryAfterMs` in milliseconds: the time after which a caller may retry a hold (a reservation
 * on a budget) that was refused.
 */
const RETRY_MIN_MS = 50;

/**
 * Returns the error for a hold (a reservation on a budget) that was refused. `ms` is the time of the refusal, epoch
 * milliseconds.
 */
export function refusalError(refusal: Refusal, ms: number): BudgetError {
  const { budget, kind, fitsAtMs, unit } = refusal;
  const [limit, requested, charged, claimed] = [
    ...[refusal.limit, refusal.requested, refusal.charged, refusal.claimed],
  ].map((amount) => fromAmount(amount, unit));
  const resetsAt = kind === "spent" ? dateAt(fitsAtMs) : null;
  const reasons = {
    too_large: `the limit is ${limit}`,
    spent: `${charged} of ${limit} is spent${
      resetsAt === null ? "" : `; it fits at ${resetsAt.toISOString()}`
    }`,
    held: `${charged} of ${limit} is spent, and other calls hold or wait for ${claimed}`,
  };
  return new BudgetError(
    `Cannot hold ${requested} ${UNIT_NAMES[unit]} on budget "${budget}": ${reasons[kind]}`,
    {
      kind,
      budget,
      resetsAt,
      retryAfterMs: Number.isFinite(fitsAtMs) ? Math.max(RETRY_MIN_MS, fitsAtMs - ms) : null,
    },
  );
}

/**
 * Checks that the log still has each of the budgets, with the unit, the window or start, and the `where` in `terms`.
 * Otherwise throws, so that no hold is granted without its limit. The command `scout budget end` may have removed a
 * budget, or another program may have removed files of the log.
 */
export function checkThere(ledger: BudgetLedger, terms: readonly BudgetTerms[]): void {
  for (const each of terms) {
    const { name } = each;
    const found = ledger.account(name)?.terms;
    if (found !== undefined && isSame(found, each)) continue;
    const state = found === undefined
      ? "no longer has the budget"
      : "has other terms for the budget";
    throw new Error(`the log ${state} "${name}"; declare it again`);
  }
}

/** Checks that the log has fewer open holds than the maximum, so that another hold can be granted. */
export function checkRoom({ openCount }: BudgetLedger, budget: string): void {
  if (openCount < OPEN_HOLDS_MAX) return;
  const message =
    `Cannot hold on budget "${budget}": ${OPEN_HOLDS_MAX} holds are open; settle or release some`;
  throw new BudgetError(message, { kind: "held", budget });
}

/**
 * Returns the error for a hold (a reservation) that has no amount in the unit of its budget, such as no `usd` for a
 * budget in USD.
 */
export function unpriced(budget: string, unit: string): BudgetError {
  const message = `Cannot hold on budget "${budget}": the amount in ${unit} is missing`;
  return new BudgetError(message, { kind: "unpriced", budget });
}

/**
 * Returns the error with which a call rejects if the log could not decide it, for example because its file cannot be
 * read. A `BudgetError`, an `AuditClosedError` or an error about a missing permission is returned unchanged. Any other
 * error becomes a {@linkcode BudgetError} of the kind "unwritable".
 */
export function asBudgetError(
  error: unknown,
  budget: string,
  action: "hold on" | "read" | "declare" = "hold on",
): unknown {
  const isClear = error instanceof AuditClosedError || error instanceof BudgetError ||
    error instanceof Deno.errors.NotCapable;
  if (isClear) return error;
  const message = `Cannot ${action} budget "${budget}": ${messageOf(error)}`;
  return new BudgetError(message, { kind: "unwritable", budget, cause: error });
}
