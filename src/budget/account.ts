/**
 * The amounts that one budget has spent, in its rolling window or since its start. Pure.
 *
 * Time is divided into parts; a part is one sixtieth as long as the rolling window. The date of each amount is rounded
 * up to the end of its part. The amount leaves the window when the length of the window has passed since the rounded
 * date. So the account needs one sum for each part, at most 61, and can forget the single amounts.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { amountIn, type BudgetUnit, plus } from "./amount.ts";

/** Number of parts into which a rolling window is divided. The account keeps one sum for each part. */
const PARTS = 60;
const HOUR_MS = 3_600_000;

/**
 * Maximum number of sums that an account keeps, one for each part of its rolling window. More sums would occur only if
 * a wrong clock dated amounts in the future.
 */
const SUMS_MAX = 2 * PARTS;

/**
 * The facts about a budget that never change after it was declared. The limit is not one of them, because it can
 * change.
 */
export interface BudgetTerms {
  readonly name: string;
  readonly unit: BudgetUnit;
  /** Length of the rolling window in hours; null if the budget is a total, which has no window. */
  readonly hours: number | null;
  /**
   * If the budget is a total, the time at which it starts, epoch milliseconds; null if the budget has a rolling window.
   */
  readonly sinceMs: number | null;
  /**
   * Fields that select the events to count: an event without a hold counts only if it has these fields with these
   * values.
   */
  readonly where: Readonly<Record<string, unknown>>;
}

/**
 * The amounts that a budget has spent, summed for each part of time. A part is one sixtieth as long as the rolling
 * window, and parts are numbered from the epoch. A total, which has no window, has only the part 0.
 */
export type Sums = readonly (readonly [part: number, amount: number])[];

/** The account of one budget: its limit and the amounts that it has spent. */
export class Account {
  readonly terms: BudgetTerms;
  /** The current limit, as an integer amount: billionths of a USD, tokens or calls. */
  limit: number;
  /** The limit that a program declared last, as an integer amount. `scout budget set` does not change it. */
  declaredLimit: number;
  /**
   * The latest time that this budget has seen, epoch milliseconds: the latest time of its holds, of their ends, and of
   * the `budget_state` lines. No decision on the budget is dated before this time, even if the clock of a process is
   * behind. Only `scout budget set` can move this time back.
   */
  clockMs: number;
  readonly #sums: Map<number, number>;
  /** The fields of `where`, each with its value as JSON, so that values can be compared as text. */
  readonly #where: readonly (readonly [name: string, json: string | undefined])[];

  /** Creates the account of a budget that has already spent the amounts in `sums`. */
  constructor(
    terms: BudgetTerms,
    { limit, declaredLimit, clockMs, sums }: {
      limit: number;
      declaredLimit: number;
      clockMs: number;
      sums: Sums;
    },
  ) {
    this.terms = terms;
    this.limit = limit;
    this.declaredLimit = declaredLimit;
    this.clockMs = clockMs;
    this.#sums = new Map(sums);
    this.#where = Object.entries(terms.where).map(([name, value]) => [name, JSON.stringify(value)]);
  }

  /**
   * The spent amounts, one sum for each part of the rolling window, earliest first. A `budget_state` line stores them.
   */
  get sums(): Sums {
    return [...this.#sums].sort(([a], [b]) => a - b);
  }

  /** Number of sums of spent amounts that the account keeps, one for each part of the rolling window. */
  get sumCount(): number {
    return this.#sums.size;
  }

  /**
   * Checks whether an event without a hold counts on this budget: it must have the fields of `where`. If the budget is
   * a total, the event must not be dated before its start.
   */
  matches(event: AuditEvent, dateMs: number): boolean {
    const { sinceMs } = this.terms;
    if (sinceMs !== null && dateMs < sinceMs) return false;
    return this.#where.every(([name, json]) =>
      Object.hasOwn(event, name) && JSON.stringify(event[name]) === json
    );
  }

  /**
   * Adds a spent amount. `dateMs` is its date in epoch milliseconds, and decides when the amount leaves the rolling
   * window.
   */
  add(amount: number, dateMs: number): void {
    const part = this.#partOf(dateMs);
    this.#sums.set(part, plus(this.#sums.get(part) ?? 0, amount));
  }

  /** Adds the amount that an event states in the unit of the budget. If the event states none, adds nothing. */
  addEvent(event: AuditEvent, dateMs: number): void {
    const amount = amountIn(event, this.terms.unit);
    if (amount !== undefined) this.add(amount, dateMs);
  }

  /**
   * Returns the spent amount that is in the rolling window at the time `ms`. If the budget is a total, returns all that
   * is spent.
   */
  spentAt(ms: number): number {
    let spent = 0;
    for (const [part, amount] of this.#sums) {
      if (this.#endOf(part) > ms) spent = plus(spent, amount);
    }
    return spent;
  }

  /**
   * Returns the time at which an amount with the date `dateMs` leaves the rolling window. Returns `Infinity` if the
   * budget is a total, which has no window.
   */
  leavesMs(dateMs: number): number {
    return this.#endOf(this.#partOf(dateMs));
  }

  /**
   * The times at which the spent sums leave the rolling window, epoch milliseconds. Infinite if the budget is a total,
   * which has no window.
   */
  get departures(): number[] {
    return this.#sums.keys().map((part) => this.#endOf(part)).toArray();
  }

  /**
   * Drops the spent sums that have left the rolling window. If a wrong clock has dated sums far in the future, merges
   * them, so that the account keeps at most `SUMS_MAX` sums.
   */
  compact(): void {
    for (const part of this.#sums.keys()) {
      if (this.#endOf(part) <= this.clockMs) this.#sums.delete(part);
    }
    const parts = [...this.#sums.keys()].sort((a, b) => a - b);
    const last = parts.at(-1);
    for (const part of parts.slice(SUMS_MAX - 1, -1)) {
      this.#sums.set(last!, plus(this.#sums.get(last!)!, this.#sums.get(part)!));
      this.#sums.delete(part);
    }
  }

  get #partMs(): number {
    return this.terms.hours! * HOUR_MS / PARTS;
  }

  #partOf(dateMs: number): number {
    return this.terms.hours === null ? 0 : Math.ceil(dateMs / this.#partMs);
  }

  #endOf(part: number): number {
    return this.terms.hours === null ? Infinity : (part + PARTS) * this.#partMs;
  }
}
