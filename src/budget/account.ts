/**
 * The amounts that one budget has spent, in its rolling window or since its start. Pure.
 *
 * Time is divided into parts; a part is one sixtieth as long as the rolling window. The date of each amount is rounded
 * up to the end of its part. The amount leaves the window when the length of the window has passed since that rounded
 * date. So the sums of at most 61 parts describe the window exactly.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { amountIn, type BudgetUnit, plus } from "./amount.ts";

/** Number of parts of a rolling window. */
const PARTS = 60;
const HOUR_MS = 3_600_000;

/** Maximum number of sums that are kept. There would be more sums only if a wrong clock dates amounts in the future. */
const SUMS_MAX = 2 * PARTS;

/** The facts about a budget that never change. */
export interface BudgetTerms {
  readonly name: string;
  readonly unit: BudgetUnit;
  /** Length of the rolling window in hours; null if the budget is a total, which has no window. */
  readonly hours: number | null;
  /**
   * If the budget is a total, the time at which it starts, epoch milliseconds; null if the budget has a rolling window.
   */
  readonly sinceMs: number | null;
  /** An event without a hold counts only if it has these fields with these values. */
  readonly where: Readonly<Record<string, unknown>>;
}

/**
 * The amounts that a budget has spent, summed for each part of time. A part is one sixtieth as long as the rolling
 * window, and parts are numbered from the epoch. A total, which has no window, has only the part 0.
 */
export type Sums = readonly (readonly [part: number, amount: number])[];

/** The account of one budget. */
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
  /** The fields of `where` as JSON. */
  readonly #where: readonly (readonly [name: string, json: string | undefined])[];

  /** Creates an account with these sums. */
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

  /** The sums, for a `budget_state` line. */
  get sums(): Sums {
    return [...this.#sums].sort(([a], [b]) => a - b);
  }

  /** Number of the sums. */
  get sumCount(): number {
    return this.#sums.size;
  }

  /**
   * Checks whether an event counts on this budget: it must have the fields of `where`. If the budget is a total, the
   * event must not be dated before its start.
   */
  matches(event: AuditEvent, dateMs: number): boolean {
    const { sinceMs } = this.terms;
    if (sinceMs !== null && dateMs < sinceMs) return false;
    return this.#where.every(([name, json]) =>
      Object.hasOwn(event, name) && JSON.stringify(event[name]) === json
    );
  }

  /** Adds an amount. `dateMs` is its date, epoch milliseconds. */
  add(amount: number, dateMs: number): void {
    const part = this.#partOf(dateMs);
    this.#sums.set(part, plus(this.#sums.get(part) ?? 0, amount));
  }

  /** Adds the amount that an event states, if it states one. */
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

  /** Returns the time at which an amount with this date leaves the window; infinite for a total. */
  leavesMs(dateMs: number): number {
    return this.#endOf(this.#partOf(dateMs));
  }

  /** The times at which the sums leave the window, epoch milliseconds; infinite for a total. */
  get departures(): number[] {
    return this.#sums.keys().map((part) => this.#endOf(part)).toArray();
  }

  /**
   * Drops the sums that have left the window. Merges the sums that are dated far in the future, so that few sums are
   * kept.
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
