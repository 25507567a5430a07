/**
 * The amounts that one budget has spent, in its rolling window or since its start. Pure.
 *
 * Time is divided into parts, each one sixtieth of a rolling window long. An amount leaves the window when the length
 * of the window has passed since its date, rounded up to the end of a part. So the sums of at most 61 parts describe
 * the window exactly.
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
  /** Length of the rolling window in hours; null for a total. */
  readonly hours: number | null;
  /** Start of a total, epoch milliseconds; null for a rolling window. */
  readonly sinceMs: number | null;
  /** An event without a hold counts only if it has these fields with these values. */
  readonly where: Readonly<Record<string, unknown>>;
}

/**
 * The sums of a budget, each with the number of its part. A part is one sixtieth of a rolling window long, and the
 * parts are counted from the epoch. A total has only the part 0.
 */
export type Sums = readonly (readonly [part: number, amount: number])[];

/** The account of one budget. */
export class Account {
  readonly terms: BudgetTerms;
  /** The limit, as an amount. */
  limit: number;
  /** The last limit that a program declared, as an amount. */
  declaredLimit: number;
  /**
   * Time of the newest hold, end of a hold or state line on this budget, epoch milliseconds. No decision is dated
   * before this time.
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

  /** The sums, for a state line. */
  get sums(): Sums {
    return [...this.#sums].sort(([a], [b]) => a - b);
  }

  /** Number of the sums. */
  get sumCount(): number {
    return this.#sums.size;
  }

  /** Checks whether an event has the fields of `where`, and is not dated before the start of a total. */
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

  /** Returns the amount that is in the window at a time. Of a total, returns the whole amount. */
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
