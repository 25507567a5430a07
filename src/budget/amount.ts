/**
 * Amounts of budgets. An amount is an integer number of billionths of a USD, of tokens, or of calls, so that sums are
 * exact. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";

/** The unit of a budget: USD, tokens (input and output), or calls. */
export type BudgetUnit = "usd" | "tokens" | "calls";

/** All units that a budget can have. */
export const BUDGET_UNITS: readonly BudgetUnit[] = ["usd", "tokens", "calls"];

/**
 * Number of parts in one USD. Budgets count money in whole parts (billionths of a USD), because sums of integers are
 * exact.
 */
const USD_PARTS = 1_000_000_000;

/** Amounts of a call by unit. A unit for which the call has no amount is missing. */
export type Amounts = Readonly<Partial<Record<BudgetUnit, number>>>;

/**
 * Converts a number of USD, tokens or calls into an amount, rounded to the nearest integer. The result is at most the
 * largest safe integer.
 */
export function toAmount(value: number, unit: BudgetUnit): number {
  const parts = unit === "usd" ? value * USD_PARTS : value;
  return Math.min(Math.round(parts), Number.MAX_SAFE_INTEGER);
}

/** Converts an amount back into a number of USD, tokens or calls. */
export function fromAmount(amount: number, unit: BudgetUnit): number {
  return unit === "usd" ? amount / USD_PARTS : amount;
}

/** Returns each unit that has an amount, together with the amount as a number of USD, tokens or calls. */
export function unitsOf(amounts: Amounts): [unit: BudgetUnit, value: number][] {
  const values: [BudgetUnit, number][] = [];
  for (const unit of BUDGET_UNITS) {
    const amount = amounts[unit];
    if (amount !== undefined) values.push([unit, fromAmount(amount, unit)]);
  }
  return values;
}

/**
 * Adds two amounts. The sum is capped at the largest safe integer, because larger numbers are not exact. No limit is
 * larger.
 */
export function plus(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}

/**
 * Returns the amount in a unit that the fields `cost`, `input_t` and `output_t` of an event state. Returns undefined if
 * the event states no such amount.
 */
export function amountIn(event: AuditEvent, unit: BudgetUnit): number | undefined {
  const usd = counted(event.cost);
  const input = counted(event.input_t);
  const output = counted(event.output_t);
  const tokens = input === undefined && output === undefined
    ? undefined
    : (input ?? 0) + (output ?? 0);
  if (unit === "calls") return usd === undefined && tokens === undefined ? undefined : 1;
  const value = unit === "usd" ? usd : tokens;
  return value === undefined ? undefined : toAmount(value, unit);
}

/**
 * Returns the value of a field as a number >= 0; undefined if the value is not a finite number. A negative number
 * counts as zero, so that no event can increase what is left of a budget.
 */
function counted(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? Math.max(0, value) : undefined;
}
