/**
 * Budgets: a program holds an amount of money, tokens or calls before it spends the amount. Such a reservation is
 * called a hold. All processes that use the log share the holds, and the holds survive a crash.
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

/** A budget of a log. All processes that use the log share the budget. */
export interface Budget {
  /** Name of the budget. */
  readonly name: string;
  /**
   * Signal that aborts, with a {@linkcode BudgetError}, within a second after the spent amount has reached the limit.
   * Pass it to running calls, so that they stop. When the budget has room again, this property returns a new signal.
   */
  readonly signal: AbortSignal;
  /**
   * Holds an amount before it is spent. The hold is granted only if it fits on each of its budgets: the sum of the
   * spent, held, orphaned and requested amounts is at most the limit. A hold is orphaned if its time (`maxSec`) has
   * passed and it has not ended. The promise resolves when the log line that records the hold is durable.
   *
   * With `wait`, a hold that does not fit now waits behind the earlier holds of its process. After one second, it also
   * has a place among the waiting holds of all processes. While a hold is the oldest of all waiting holds, other holds
   * are granted only if its amount stays available. A hold that can never fit is refused at once.
   *
   * @param options The amount, the fields of the call, and other budgets.
   * @returns A promise of the hold. Settle the hold after the call, or declare it with `await using`. If the hold has
   *   not ended at the end of the block, the held amount is charged.
   * @throws {BudgetError} If the hold does not fit, has no amount in the unit of a budget, or cannot be written.
   * @throws {TypeError} If an option is unknown or of the wrong type, or a field contradicts `where` of a budget.
   * @throws {RangeError} If an option is out of its range.
   * @throws {AuditClosedError} If the log is closed.
   */
  hold(options: HoldOptions): Promise<BudgetHold>;
  /**
   * Reads the amounts that all processes together have spent and hold on the budget now.
   *
   * @returns The amounts, in the unit of the budget.
   * @throws {BudgetError} If the log cannot be read under its lock; the kind is "unwritable".
   * @throws {AuditClosedError} If the log is closed.
   */
  state(): Promise<BudgetStatus>;
}

/**
 * Returns the unit of a budget and the path of its log. Returns `null` if the value was not returned by the method
 * `budget()` of a log.
 */
export function declaredOf(budget: unknown): { path: string; unit: BudgetUnit } | null {
  return budget instanceof DeclaredBudget
    ? { path: pathOf(budget), unit: budget.terms.unit }
    : null;
}

/**
 * Returns the path of the log of a budget. {@linkcode DeclaredBudget} sets this function, because only its own code can
 * read its private field with the log.
 */
let pathOf: (budget: DeclaredBudget) => string;

/** A budget that `budget()` of a log has declared. */
export class DeclaredBudget implements Budget {
  static {
    pathOf = (budget) => budget.#log.path;
  }

  readonly terms: BudgetTerms;
  readonly #log: BudgetLog;
  /** The bound fields of the logger that declared the budget. Every hold of the budget gets them too. */
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
      throw new TypeError(
        `Cannot hold: the option "and" must be an array of budgets, got ${shown(others)}`,
      );
    }
    const budgets = [this, ...others];
    for (const budget of budgets) {
      if (budget instanceof DeclaredBudget && budget.#log === this.#log) continue;
      throw new TypeError(
        `Cannot hold: the option "and" must contain only budgets of the same log, got ${
          shown(budget)
        }`,
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
