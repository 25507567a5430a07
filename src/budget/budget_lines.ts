/**
 * Writes and reads the fields of the lines that budgets add to a log. Pure.
 *
 * No budget line has the field `cost`, because sums of costs would count it. If the fields of a budget line do not have
 * the form below, another program has written the line, and it is ignored.
 *
 * @module
 */
import { type AuditEvent, BUDGET_HOLD, BUDGET_REFUSED, BUDGET_STATE } from "../event.ts";
import { isObject } from "../line/parse_line.ts";
import { eventEpochMs } from "../time.ts";
import type { BudgetTerms, Sums } from "./account.ts";
import {
  type Amounts,
  BUDGET_UNITS,
  type BudgetUnit,
  fromAmount,
  toAmount,
  unitsOf,
} from "./amount.ts";

/** The event types of the lines that budgets add to a log. */
export const BUDGET_LINE = {
  limit: "budget_limit",
  hold: BUDGET_HOLD,
  release: "budget_release",
  charge: "budget_charge",
  wait: "budget_wait",
  refused: BUDGET_REFUSED,
  end: "budget_end",
  state: BUDGET_STATE,
} as const;

/**
 * The names of the fields of the lines that budgets add to a log. The spent and held amounts of budgets are computed
 * from these fields.
 */
export const BUDGET_FIELDS: readonly string[] = [
  ...["hold", "hold_usd", "hold_tokens", "hold_calls", "hold_until", "budgets"],
  ...["budget", "unit", "hours", "since", "where", "limit", "declared", "sums"],
  ...["accounts", "holds", "waits"],
];

/** The fields of a budget line to log. */
export type LineFields = Record<string, unknown>;

/**
 * The content of a `budget_limit` line: the limit of a budget and, for a new budget, the sums of the earlier costs that
 * count on it.
 */
export interface LimitLine {
  readonly terms: BudgetTerms;
  readonly limit: number;
  /** Whether a program has declared the limit. If not, the command `scout budget set` has set the limit. */
  readonly isDeclared: boolean;
  readonly sums: Sums;
}

/**
 * The amounts that a call holds on its budgets until it ends. A ticket, which is the `budget_wait` line of a hold that
 * waits for room, has the same form.
 */
export interface Hold {
  readonly id: string;
  readonly amounts: Amounts;
  /**
   * Time in epoch milliseconds at which the hold becomes orphaned if it has not ended. An orphaned hold still counts on
   * its budgets. The `budget_wait` line of a waiting hold is valid until this time.
   */
  readonly untilMs: number;
  /** The names of the budgets. */
  readonly budgets: readonly string[];
}

/** The state of one budget in a `budget_state` line: its limits, and the sums of the amounts that were spent. */
export interface AccountState extends LimitLine {
  readonly declaredLimit: number;
  readonly clockMs: number;
}

/**
 * The content of a `budget_state` line: the budgets, the open holds and the waiting holds that result from all lines
 * before it.
 */
export interface BudgetState {
  readonly accounts: readonly AccountState[];
  readonly holds: readonly Hold[];
  /** The tickets (`budget_wait` lines) of holds that wait for room, oldest first. */
  readonly waits: readonly Hold[];
}

/** Returns the fields of a `budget_limit` line. */
export function limitFields({ terms, limit, isDeclared, sums }: LimitLine): LineFields {
  const { unit } = terms;
  return {
    ...termFields(terms),
    limit: fromAmount(limit, unit),
    declared: isDeclared,
    ...sums.length === 0 ? {} : { sums },
  };
}

/**
 * Returns the content of a `budget_limit` line; null if the fields have another form, because another program wrote the
 * line.
 */
export function limitOf(event: AuditEvent): LimitLine | null {
  const terms = termsOf(event);
  const limit = terms === null ? null : amountOf(event.limit, terms.unit);
  const sums = event.sums === undefined ? [] : sumsOf(event.sums);
  if (terms === null || limit === null || sums === null) return null;
  return { terms, limit, isDeclared: event.declared !== false, sums };
}

/** Returns the fields of a `budget_hold` line. The `budget_wait` line of a hold that waits has the same fields. */
export function holdFields({ id, amounts, untilMs, budgets }: Hold): LineFields {
  const fields: LineFields = { hold: id };
  for (const [unit, value] of unitsOf(amounts)) fields[`hold_${unit}`] = value;
  fields.hold_until = new Date(untilMs).toISOString();
  fields.budgets = budgets;
  return fields;
}

/**
 * Returns the hold in a `budget_hold` or `budget_wait` line; null if the fields have another form, because another
 * program wrote the line.
 */
export function holdOf(event: AuditEvent): Hold | null {
  const { hold: id, budgets } = event;
  const untilMs = typeof event.hold_until === "string" ? eventEpochMs(event.hold_until) : NaN;
  if (typeof id !== "string" || Number.isNaN(untilMs) || !areTexts(budgets)) return null;
  const amounts: Partial<Record<BudgetUnit, number>> = {};
  for (const unit of BUDGET_UNITS) {
    const value = event[`hold_${unit}`];
    if (value === undefined) continue;
    const amount = amountOf(value, unit);
    if (amount === null) return null;
    amounts[unit] = amount;
  }
  return { id, amounts, untilMs, budgets };
}

/** Returns a copy of a hold without one of its budgets; null if no budget is left. */
export function withoutBudget(hold: Hold, name: string): Hold | null {
  const budgets = hold.budgets.filter((each) => each !== name);
  return budgets.length === 0 ? null : { ...hold, budgets };
}

/** Returns the fields of a `budget_state` line. */
export function stateFields({ accounts, holds, waits }: BudgetState): LineFields {
  return {
    accounts: accounts.map(({ terms, limit, declaredLimit, isDeclared, clockMs, sums }) => ({
      ...termFields(terms),
      limit: fromAmount(limit, terms.unit),
      declared: isDeclared,
      declared_limit: fromAmount(declaredLimit, terms.unit),
      clock: clockMs === -Infinity ? null : clockMs,
      sums,
    })),
    holds: holds.map(holdFields),
    ...waits.length === 0 ? {} : { waits: waits.map(holdFields) },
  };
}

/**
 * Returns the content of a `budget_state` line; null if the fields have another form, because another program wrote the
 * line.
 */
export function stateOf({ accounts, holds, waits = [] }: AuditEvent): BudgetState | null {
  if (!Array.isArray(accounts) || !Array.isArray(holds) || !Array.isArray(waits)) return null;
  const found = {
    accounts: accounts.map(accountOf),
    holds: holds.map(holdIn),
    waits: waits.map(holdIn),
  };
  const isWhole = Object.values(found).every((list) => list.every((each) => each !== null));
  return isWhole ? found as BudgetState : null;
}

function holdIn(value: unknown): Hold | null {
  return isObject(value) ? holdOf(value) : null;
}

function accountOf(value: unknown): AccountState | null {
  if (!isObject(value)) return null;
  const limit = limitOf(value);
  const { clock, declared_limit } = value;
  if (limit === null || !(clock === null || Number.isFinite(clock))) return null;
  const declaredLimit = amountOf(declared_limit, limit.terms.unit);
  if (declaredLimit === null) return null;
  return { ...limit, declaredLimit, clockMs: clock === null ? -Infinity : clock as number };
}

function termFields({ name, unit, hours, sinceMs, where }: BudgetTerms): LineFields {
  return {
    budget: name,
    unit,
    ...hours === null ? {} : { hours },
    ...sinceMs === null ? {} : { since: new Date(sinceMs).toISOString() },
    ...Object.keys(where).length === 0 ? {} : { where },
  };
}

function termsOf({ budget: name, unit, hours, since, where = {} }: AuditEvent): BudgetTerms | null {
  const sinceMs = typeof since === "string" ? eventEpochMs(since) : null;
  const isRolling = typeof hours === "number" && Number.isFinite(hours) && hours > 0;
  if (typeof name !== "string" || !isUnit(unit) || !isObject(where)) return null;
  if (isRolling) return since === undefined ? { name, unit, hours, sinceMs: null, where } : null;
  if (hours !== undefined || sinceMs === null || Number.isNaN(sinceMs)) return null;
  return { name, unit, hours: null, sinceMs, where };
}

function amountOf(value: unknown, unit: BudgetUnit): number | null {
  return typeof value === "number" && value >= 0 ? toAmount(value, unit) : null;
}

function sumsOf(value: unknown): Sums | null {
  const isSum = (each: unknown) =>
    Array.isArray(each) && each.length === 2 && Number.isSafeInteger(each[0]) &&
    Number.isSafeInteger(each[1]) && each[1] >= 0;
  return Array.isArray(value) && value.every(isSum) ? value : null;
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function isUnit(value: unknown): value is BudgetUnit {
  return (BUDGET_UNITS as readonly unknown[]).includes(value);
}
