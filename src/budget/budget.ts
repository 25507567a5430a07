/**
 * Budgets: they hold money, tokens or calls before these are spent, across processes and crashes.
 *
 * @module
 */
import { shown } from "../event.ts";
import type { Fields } from "../write/merge_fields.ts";
import type { BudgetTerms } from "./account.ts";
import type { BudgetUnit } from "./amount.ts";
import { asBudgetError, checkThere, unpriced } from "./budget_errors.ts";
import type { BudgetLog } from "./budget_log.ts";
import { checkedHold, type HoldOptions } from "./budget_options.ts";
import { type BudgetStatus, statusOf } from "./budget_status.ts";
import type { BudgetHold } from "./granted_hold.ts";
import { HoldRequest } from "./hold_request.ts";

/** A budget of a log, which every process that uses the log shares. */
export interface Budget {
  /** Name of the budget. */
  readonly name: string;
  /**
   * Aborts once, with a {@linkcode BudgetError}, within a second after `spent` has reached the limit, so that calls that
   * are under way can stop. When there is room again, the property returns a new signal.
   */
  readonly signal: AbortSignal;
  /**
   * Holds an amount before it is spent. The hold is granted only if it fits on each of its budgets: the sum of the
   * spent, held, orphaned and requested amounts is at most the limit. It is granted when its line is durable.
   *
   * With `wait`, a hold that does not fit now waits in the order of asking in its process. A second after it began to
   * wait, it also takes its turn among the processes: later holds are granted only if its amount stays available. A hold
   * that can never fit is refused at once.
   *
   * @param options The amount, the fields of the call, and other budgets.
   * @returns A promise of the hold. Settle it, or declare it with `await using`. A hold that is not settled at the end
   *   of its block is charged at its amount.
   * @throws {BudgetError} If the hold does not fit, has no amount in the unit of a budget, or cannot be written.
   * @throws {TypeError} If an option is unknown or of the wrong type, or a field contradicts `where` of a budget.
   * @throws {RangeError} If an option is out of its range.
   * @throws {AuditClosedError} If the log is closed.
   */
  hold(options: HoldOptions): Promise<BudgetHold>;
  /**
   * Reads what the budget has spent and holds now, by every process.
   *
   * @returns The amounts, in the unit of the budget.
   * @throws {BudgetError} If the log cannot be read under its lock; the kind is "unwritable".
   * @throws {AuditClosedError} If the log is closed.
   */
  state(): Promise<BudgetStatus>;
}

/**
 * Returns the unit of a budget and the path of its log; `null` if the value is not a budget that a log has declared.
 */
export function declaredOf(budget: unknown): { path: string; unit: BudgetUnit } | null {
  return budget instanceof DeclaredBudget
    ? { path: pathOf(budget), unit: budget.terms.unit }
    : null;
}

/** Returns the path of the log of a budget, for {@linkcode declaredOf}. */
let pathOf: (budget: DeclaredBudget) => string;

/** A budget that was declared. */
export class DeclaredBudget implements Budget {
  static {
    pathOf = (budget) => budget.#log.path;
  }

  readonly terms: BudgetTerms;
  readonly #log: BudgetLog;
  /** The bound fields of the logger that declared the budget. */
  readonly #bound: Fields;

  constructor(log: BudgetLog, terms: BudgetTerms, bound: Fields) {
    this.#log = log;
    this.terms = terms;
    this.#bound = bound;
  }

  get name(): string {
    return this.terms.name;
  }

  get signal(): AbortSignal {
    return this.#log.signals.of(this.name);
  }

  async hold(options: HoldOptions): Promise<BudgetHold> {
    const others = options?.and ?? [];
    if (!Array.isArray(others)) {
      throw new TypeError(`Cannot hold: and must be an array of budgets, got ${shown(others)}`);
    }
    const budgets = [this, ...others];
    for (const budget of budgets) {
      if (budget instanceof DeclaredBudget && budget.#log === this.#log) continue;
      throw new TypeError(
        `Cannot hold: and must be budgets of the same log, got ${shown(budget)}`,
      );
    }
    const byName = new Map(budgets.map((budget) => [budget.name, (budget as this).terms]));
    const terms = [...byName.values()];
    const hold = checkedHold(options, terms, this.#bound);
    for (const { name, unit } of terms) {
      if (hold.amounts[unit] !== undefined) continue;
      this.#log.refusals.add(name, "unpriced");
      throw unpriced(name, unit);
    }
    hold.signal?.throwIfAborted();
    const request = new HoldRequest(this.#log, terms, hold);
    return hold.waits ? await this.#log.waiting.wait(request) : (await request.ask(null))!;
  }

  async state(): Promise<BudgetStatus> {
    try {
      let status: BudgetStatus;
      await this.#log.keeper.decide((ledger, nowMs) => {
        checkThere(ledger, [this.terms]);
        status = statusOf(ledger, this.terms, nowMs);
        return null;
      });
      return status!;
    } catch (error) {
      throw asBudgetError(error, this.name, "read");
    }
  }
}
