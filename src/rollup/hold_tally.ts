/**
 * Counts the granted and the refused holds of each budget. A hold reserves an amount of money, tokens or calls on a
 * budget before a call is made. Tallies can be merged, and stored as JSON. Pure.
 *
 * @module
 */
import { type AuditEvent, BUDGET_HOLD, BUDGET_REFUSED } from "../event.ts";

/** The content of a {@linkcode HoldTally}: the name of each budget, its granted holds, and its refused holds. */
export type HoldState = readonly (readonly [budget: string, granted: number, refused: number])[];

/** The granted and the refused holds of each budget. */
export class HoldTally {
  readonly #counts = new Map<string, { granted: number; refused: number }>();
  /** Total length of the names of the budgets in UTF-16 code units. */
  namesLength = 0;

  /** Counts the holds of an event if it is a budget line that grants a hold or counts refused holds. */
  add({ event, budget, budgets, count }: AuditEvent): void {
    // Other programs can write such lines too, with names of any type.
    if (event === BUDGET_HOLD && Array.isArray(budgets)) {
      for (const name of budgets) if (typeof name === "string") this.#at(name).granted++;
    } else if (event === BUDGET_REFUSED && Number.isSafeInteger(count)) {
      if (typeof budget === "string") this.#at(budget).refused += Number(count);
    }
  }

  /** Adds the holds of another tally. */
  addAll(other: HoldTally): void {
    for (const [name, { granted, refused }] of other.#counts) {
      const counts = this.#at(name);
      counts.granted += granted;
      counts.refused += refused;
    }
  }

  /** Returns the counts of a budget. */
  of(budget: string): { readonly granted: number; readonly refused: number } {
    return this.#counts.get(budget) ?? { granted: 0, refused: 0 };
  }

  /** Returns the content in a form that JSON can store. */
  state(): HoldState {
    return Array.from(this.#counts, ([name, { granted, refused }]) => [name, granted, refused]);
  }

  /** Returns the tally whose content {@linkcode state} has returned. */
  static from(state: HoldState): HoldTally {
    const tally = new HoldTally();
    for (const [name, granted, refused] of state) {
      Object.assign(tally.#at(name), { granted, refused });
    }
    return tally;
  }

  #at(name: string): { granted: number; refused: number } {
    let counts = this.#counts.get(name);
    if (counts === undefined) {
      this.#counts.set(name, counts = { granted: 0, refused: 0 });
      this.namesLength += name.length;
    }
    return counts;
  }
}
