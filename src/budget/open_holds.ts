/**
 * The holds (amounts reserved on budgets) that have not ended, with their sum for each budget. Pure.
 *
 * @module
 */
import type { Account } from "./account.ts";
import { type BudgetUnit, plus } from "./amount.ts";
import { type Hold, withoutBudget } from "./budget_lines.ts";

/** The holds of one log that have not ended. */
export class OpenHolds {
  readonly #unitOf: (budget: string) => BudgetUnit | undefined;
  readonly #holds = new Map<string, Hold>();
  /**
   * For each budget, the sum of its open holds, and a time before which no hold is orphaned. Before that time, the held
   * amount is the sum, so that it need not be computed from each hold.
   */
  readonly #sums = new Map<string, { sum: number; earliestMs: number }>();

  /**
   * Creates an empty set of holds.
   *
   * @param unitOf Returns the unit of a budget; undefined if the budget does not exist.
   */
  constructor(unitOf: (budget: string) => BudgetUnit | undefined) {
    this.#unitOf = unitOf;
  }

  /** Number of holds that have not ended. */
  get size(): number {
    return this.#holds.size;
  }

  /** Returns the open hold with an ID; undefined if no open hold has the ID. */
  get(id: string): Hold | undefined {
    return this.#holds.get(id);
  }

  /** Returns the open holds in the order in which they were granted. */
  values(): IteratorObject<Hold> {
    return this.#holds.values();
  }

  /** Adds a hold that was granted. */
  add(hold: Hold): void {
    this.#holds.set(hold.id, hold);
    for (const [name, amount] of this.#amountsOf(hold)) {
      const open = this.#sums.getOrInsert(name, { sum: 0, earliestMs: Infinity });
      open.sum += amount;
      open.earliestMs = Math.min(open.earliestMs, hold.untilMs);
    }
  }

  /** Removes a hold that has ended. */
  remove(hold: Hold): void {
    this.#holds.delete(hold.id);
    for (const [name, amount] of this.#amountsOf(hold)) {
      const open = this.#sums.get(name);
      if (open !== undefined) open.sum -= amount;
    }
    if (this.#holds.size === 0) this.#sums.clear();
  }

  /** Removes a budget that has ended from all holds. Also removes the holds that are on no other budget. */
  removeBudget(name: string): void {
    this.#sums.delete(name);
    for (const hold of [...this.#holds.values()]) {
      const rest = withoutBudget(hold, name);
      if (rest === null) this.remove(hold);
      else this.#holds.set(hold.id, rest);
    }
  }

  /**
   * Returns the held amount and the orphaned amount of a budget at the time `ms`. A hold is orphaned from its `untilMs`
   * on, until it leaves the rolling window.
   */
  figures(account: Account, ms: number): { held: number; orphaned: number } {
    const { name, unit } = account.terms;
    const open = this.#sums.get(name) ?? { sum: 0, earliestMs: Infinity };
    // Before the earliest `untilMs`, no hold is orphaned, so the sum of all holds is the held amount.
    if (ms < open.earliestMs) return { held: open.sum, orphaned: 0 };
    let held = 0;
    let orphaned = 0;
    open.earliestMs = Infinity;
    for (const hold of this.#holds.values()) {
      const amount = hold.amounts[unit];
      if (amount === undefined || !hold.budgets.includes(name)) continue;
      open.earliestMs = Math.min(open.earliestMs, hold.untilMs);
      if (hold.untilMs > ms) held = plus(held, amount);
      else if (account.leavesMs(hold.untilMs) > ms) orphaned = plus(orphaned, amount);
    }
    return { held, orphaned };
  }

  /**
   * Returns the sum of the holds on a budget that are orphaned at `ms` (their `untilMs` has passed) and that are still
   * in the rolling window at `atMs`.
   */
  orphanedBy(account: Account, ms: number, atMs: number): number {
    const { name, unit } = account.terms;
    return this.#holds.values()
      .filter(({ budgets, untilMs }) =>
        untilMs <= ms && account.leavesMs(untilMs) > atMs && budgets.includes(name)
      )
      .reduce((sum, { amounts }) => plus(sum, amounts[unit] ?? 0), 0);
  }

  /**
   * Returns the times at which the orphaned holds of a budget leave its rolling window. A hold is orphaned if its
   * `untilMs` has passed at `ms`.
   */
  departures(account: Account, ms: number): number[] {
    return this.#holds.values()
      .filter(({ budgets, untilMs }) => untilMs <= ms && budgets.includes(account.terms.name))
      .map(({ untilMs }) => account.leavesMs(untilMs)).toArray();
  }

  /** Returns the name of each budget of a hold, with the amount that the hold reserves on this budget. */
  *#amountsOf({ budgets, amounts }: Hold): Generator<readonly [name: string, amount: number]> {
    for (const name of new Set(budgets)) {
      const unit = this.#unitOf(name);
      const amount = unit === undefined ? undefined : amounts[unit];
      if (amount !== undefined) yield [name, amount];
    }
  }
}
