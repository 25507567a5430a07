/**
 * The tickets of holds that wait for room, oldest first. A ticket is a line in the log that keeps the amount of a
 * waiting hold free. Pure.
 *
 * While a ticket is the oldest valid one of its budget, every other hold must leave its amount free. So each waiting
 * hold is granted in its turn, and many small holds cannot keep a large one waiting for ever. A ticket is valid for
 * some seconds only, and its process renews it. So the ticket of a process that has died does not stop the other
 * processes for long. The clock of the reading process alone decides whether a ticket is valid. The time of the budget
 * is not used, because a wrong clock may have moved it ahead.
 *
 * @module
 */
import type { BudgetTerms } from "./account.ts";
import { type Hold, withoutBudget } from "./budget_lines.ts";

/** Milliseconds for which a ticket is valid. Its process renews it earlier. */
export const TICKET_VALID_MS = 10_000;

/**
 * The tickets (lines that keep the amounts of waiting holds free) of one log. A ticket has the same form as its hold,
 * and is valid until `untilMs`.
 */
export class Tickets {
  /** The tickets by the IDs of their holds, oldest first. A ticket that is renewed keeps its place in the map. */
  readonly #byId = new Map<string, Hold>();

  /** Number of tickets of waiting holds, valid or expired. */
  get size(): number {
    return this.#byId.size;
  }

  /** Returns the tickets of waiting holds, valid or expired, oldest first. */
  values(): IteratorObject<Hold> {
    return this.#byId.values();
  }

  /** Adds a ticket as the newest. If the hold already has a ticket, renews it, and the order stays the same. */
  add(ticket: Hold): void {
    this.#byId.set(ticket.id, ticket);
  }

  /** Removes the ticket of a hold, if the hold has one. */
  remove(id: string): void {
    this.#byId.delete(id);
  }

  /** Removes a budget that has ended from the tickets. Also removes the tickets that are for no other budget. */
  removeBudget(name: string): void {
    for (const ticket of [...this.#byId.values()]) {
      const rest = withoutBudget(ticket, name);
      if (rest === null) this.remove(ticket.id);
      else this.#byId.set(ticket.id, rest);
    }
  }

  /**
   * Returns the amount that a hold must leave available for the oldest valid ticket of a budget. Returns 0 if the
   * oldest valid ticket belongs to the hold itself, or if no ticket is valid.
   */
  claimBefore(id: string, { name, unit }: BudgetTerms, nowMs: number): number {
    for (const ticket of this.#byId.values()) {
      const amount = ticket.amounts[unit];
      // If a ticket is valid for more than TICKET_VALID_MS from now, a process whose clock is ahead has written it. The
      // ticket is ignored, because it could stop all other holds for as long as the clock is ahead.
      const isValid = ticket.untilMs > nowMs && ticket.untilMs <= nowMs + TICKET_VALID_MS;
      if (!isValid || amount === undefined || !ticket.budgets.includes(name)) continue;
      return ticket.id === id ? 0 : amount;
    }
    return 0;
  }
}
