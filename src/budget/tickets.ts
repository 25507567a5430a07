/**
 * The tickets of holds that wait for room, in the order of asking. Pure.
 *
 * The oldest valid ticket of a budget claims its amount before every hold that asked later. So each waiting hold is
 * granted in its turn, and many small holds cannot keep a large one waiting for ever. A ticket is valid for some
 * seconds only, and its process renews it, so a process that dies does not stop the others. The clock alone decides
 * whether a ticket is valid, even on a budget whose own time is ahead because another clock was ahead.
 *
 * @module
 */
import type { BudgetTerms } from "./account.ts";
import { type Hold, withoutBudget } from "./budget_lines.ts";

/** Milliseconds for which a ticket is valid. */
export const TICKET_VALID_MS = 10_000;

/** The tickets of one log. A ticket has the form of the hold that waits; it is valid until `untilMs`. */
export class Tickets {
  /** A ticket that is renewed keeps its place in the map. */
  readonly #byId = new Map<string, Hold>();

  /** Number of tickets, valid or not. */
  get size(): number {
    return this.#byId.size;
  }

  /** Returns the tickets, oldest first. */
  values(): IteratorObject<Hold> {
    return this.#byId.values();
  }

  /** Adds a ticket, or renews it in its place. */
  add(ticket: Hold): void {
    this.#byId.set(ticket.id, ticket);
  }

  /** Removes a ticket, if it exists. */
  remove(id: string): void {
    this.#byId.delete(id);
  }

  /** Removes a budget from the tickets. Also removes the tickets that are for no other budget. */
  removeBudget(name: string): void {
    for (const ticket of [...this.#byId.values()]) {
      const rest = withoutBudget(ticket, name);
      if (rest === null) this.remove(ticket.id);
      else this.#byId.set(ticket.id, rest);
    }
  }

  /**
   * Returns the amount that the oldest valid ticket of a budget claims before a hold. Returns 0 if that ticket belongs
   * to the hold itself, or if no ticket is valid.
   */
  claimBefore(id: string, { name, unit }: BudgetTerms, nowMs: number): number {
    for (const ticket of this.#byId.values()) {
      const amount = ticket.amounts[unit];
      // A ticket that is still valid for more than TICKET_VALID_MS was written by a process whose clock is ahead.
      const isValid = ticket.untilMs > nowMs && ticket.untilMs <= nowMs + TICKET_VALID_MS;
      if (!isValid || amount === undefined || !ticket.budgets.includes(name)) continue;
      return ticket.id === id ? 0 : amount;
    }
    return 0;
  }
}
