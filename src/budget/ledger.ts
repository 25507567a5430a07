/**
 * The amounts that the budgets of a log have spent and hold. The ledger computes them from the events of the log, one
 * after the other in their order. Pure.
 *
 * Invariant: a hold is granted only if it fits on each of its budgets. At its place in the log, the sum of the spent,
 * held, orphaned and requested amounts must be at most the limit.
 *
 * A `budget_state` line summarizes all lines before it. So a ledger may begin at a `budget_state` line, and has the
 * same amounts as a ledger that began at the beginning of the log.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { eventEpochMs } from "../time.ts";
import { Account, type BudgetTerms } from "./account.ts";
import { amountIn, type Amounts, type BudgetUnit, plus } from "./amount.ts";
import {
  BUDGET_LINE,
  type BudgetState,
  type Hold,
  holdOf,
  type LimitLine,
  limitOf,
  stateOf,
} from "./budget_lines.ts";
import { OpenHolds } from "./open_holds.ts";
import { Tickets } from "./tickets.ts";

/** The amounts that a budget has spent and holds at one moment. */
export interface BudgetFigures {
  readonly limit: number;
  /** The spent amount: costs and charged holds in the rolling window, or since the start if there is no window. */
  readonly spent: number;
  /** The amount of the holds that have not ended and whose time (`untilMs`) has not passed. */
  readonly held: number;
  /**
   * The amount of the holds whose time (`untilMs`) has passed without an end, and that have not left the rolling
   * window.
   */
  readonly orphaned: number;
}

/** The reason why a hold does not fit on a budget. */
export interface Refusal {
  readonly budget: string;
  readonly unit: BudgetUnit;
  /** The limit of the budget. */
  readonly limit: number;
  /** The amount that the hold requests. */
  readonly requested: number;
  /** The sum of the spent and the orphaned amounts of the budget. */
  readonly charged: number;
  /**
   * The held amount of the budget, plus the amount that the oldest valid `budget_wait` line reserves for a waiting
   * hold.
   */
  readonly claimed: number;
  /**
   * "too_large" if the requested amount exceeds the limit. "held" if the amount would fit if all holds were released.
   * "spent" if it would not fit even if all holds were released.
   */
  readonly kind: "too_large" | "spent" | "held";
  /**
   * The earliest time at which the requested amount fits, if all holds are released and nothing more is spent, epoch
   * milliseconds. Infinite if the amount will never fit.
   */
  readonly fitsAtMs: number;
}

/** A hold (a reservation on budgets) that is not decided yet. */
export interface RequestedHold {
  /** The ID of the hold. If the hold waits, its `budget_wait` line has the same ID. */
  readonly id: string;
  readonly amounts: Amounts;
  readonly budgets: readonly string[];
}

/**
 * Approximate numbers of bytes that three things take in a `budget_state` line: a budget, one of its sums, and a hold
 * (open or waiting).
 */
const [ACCOUNT_BYTES, SUM_BYTES, HOLD_BYTES] = [180, 25, 140];

/** The amounts of all budgets of one log, computed from the events that are added in their order. */
export class BudgetLedger {
  readonly #accounts = new Map<string, Account>();
  readonly #holds = new OpenHolds((name) => this.#accounts.get(name)?.terms.unit);
  readonly #tickets = new Tickets();
  /**
   * `true` if the ledger has counted every event that matters: it began before the first budget, or at a `budget_state`
   * line.
   */
  #isWhole: boolean;

  /**
   * Creates a ledger without budgets. If `isWhole` is false, earlier events may matter, so the ledger ignores all
   * events before the next `budget_state` line.
   */
  constructor({ isWhole }: { isWhole: boolean }) {
    this.#isWhole = isWhole;
  }

  /**
   * `true` if the ledger has counted every event that matters. If false, earlier events may be missing until a
   * `budget_state` line, which summarizes them, is added.
   */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The names of all budgets of the log. */
  get names(): IteratorObject<string> {
    return this.#accounts.keys();
  }

  /** Number of holds (reservations on budgets) that have not ended. */
  get openCount(): number {
    return this.#holds.size;
  }

  /** Number of budgets that the log has. */
  get accountCount(): number {
    return this.#accounts.size;
  }

  /** The holds that have not ended. */
  get openHolds(): IteratorObject<Hold> {
    return this.#holds.values();
  }

  /**
   * Checks whether a hold that has not ended still counts on one of its budgets at `nowMs`. After its maximum time
   * (`untilMs`), the hold still counts until it leaves the rolling window.
   */
  counts(hold: Hold, nowMs: number): boolean {
    return this.#accountsOf(hold).some((account) => {
      const ms = Math.max(nowMs, account.clockMs);
      return hold.untilMs > ms || account.leavesMs(hold.untilMs) > ms;
    });
  }

  /** The tickets (`budget_wait` lines) of holds that wait for room, oldest first. Some tickets may have expired. */
  get tickets(): IteratorObject<Hold> {
    return this.#tickets.values();
  }

  /**
   * Returns the number of tickets (`budget_wait` lines of holds that wait for room) that have not expired at `nowMs`.
   */
  ticketCount(nowMs: number): number {
    return this.#tickets.values().filter(({ untilMs }) => untilMs > nowMs).toArray().length;
  }

  /** Approximate number of bytes that a `budget_state` line would have with the current budgets and holds. */
  get stateBytes(): number {
    const sums = this.#accounts.values().reduce((count, { sumCount }) => count + sumCount, 0);
    const holds = this.#holds.size + this.#tickets.size;
    return ACCOUNT_BYTES * this.#accounts.size + SUM_BYTES * sums + HOLD_BYTES * holds;
  }

  /** Returns the account of a budget; undefined if the log has no budget of this name. */
  account(name: string): Account | undefined {
    return this.#accounts.get(name);
  }

  /** Adds the next event of the log. Events must be added in the order of the log. */
  add(event: AuditEvent): void {
    const { event: type } = event;
    if (type === BUDGET_LINE.state) this.#takeState(event);
    if (!this.#isWhole) return;
    if (type === BUDGET_LINE.limit) this.#takeLimit(event);
    else if (type === BUDGET_LINE.hold) this.#takeHold(event);
    else if (type === BUDGET_LINE.wait) this.#takeTicket(event);
    else if (type === BUDGET_LINE.end) this.#takeEnd(event);
    else if (type === BUDGET_LINE.release) this.#endHold(event, () => 0);
    else if (type === BUDGET_LINE.charge) this.#endHold(event, (estimate) => estimate);
    else if (this.#accounts.size > 0) this.#takeCost(event);
  }

  /** Returns the amounts that a budget has spent and holds at the time `ms`, epoch milliseconds. */
  figures(name: string, ms: number): BudgetFigures {
    const account = this.#accounts.get(name)!;
    const { limit } = account;
    return { limit, spent: account.spentAt(ms), ...this.#holds.figures(account, ms) };
  }

  /**
   * Returns the time at which a decision on the budgets is dated: `nowMs` or, if one of these budgets has already seen
   * a later time, that later time. So a clock that is behind cannot bring back amounts that have left the window.
   */
  decisionMs(budgets: readonly string[], nowMs: number): number {
    return Math.max(nowMs, ...budgets.map((name) => this.#accounts.get(name)!.clockMs));
  }

  /**
   * Checks whether a hold fits on all of its budgets. Returns null if the hold fits. Otherwise returns the refusal of
   * the budget on which the hold will fit last. `ms` is the time at which the decision is dated: the result of
   * {@linkcode decisionMs} for `nowMs`.
   */
  refusalOf(hold: RequestedHold, ms: number, nowMs: number): Refusal | null {
    let last: Refusal | null = null;
    for (const budget of hold.budgets) {
      const refusal = this.#refusalOn(this.#accounts.get(budget)!, hold, { ms, nowMs });
      if (refusal !== null && (last === null || refusal.fitsAtMs > last.fitsAtMs)) last = refusal;
    }
    return last;
  }

  #refusalOn(
    account: Account,
    { id, amounts }: RequestedHold,
    { ms, nowMs }: { ms: number; nowMs: number },
  ): Refusal | null {
    const { name: budget, unit } = account.terms;
    const requested = amounts[unit]!;
    const { limit, spent, held, orphaned } = this.figures(budget, ms);
    const charged = plus(spent, orphaned);
    const claimed = plus(held, this.#tickets.claimBefore(id, account.terms, nowMs));
    if (plus(plus(charged, claimed), requested) <= limit) return null;
    const facts = { budget, unit, limit, requested, charged, claimed };
    if (requested > limit) return { ...facts, kind: "too_large", fitsAtMs: Infinity };
    if (plus(charged, requested) <= limit) return { ...facts, kind: "held", fitsAtMs: ms };
    return { ...facts, kind: "spent", fitsAtMs: this.#fitsAtMs(account, requested, ms) };
  }

  /** Returns the budgets, the open holds and the waiting holds, to be written as a `budget_state` line. */
  state(): BudgetState {
    return {
      accounts: Array.from(this.#accounts.values(), (account) => ({
        terms: account.terms,
        limit: account.limit,
        declaredLimit: account.declaredLimit,
        isDeclared: account.limit === account.declaredLimit,
        clockMs: account.clockMs,
        sums: account.sums,
      })),
      holds: [...this.#holds.values()],
      waits: [...this.#tickets.values()],
    };
  }

  /**
   * Drops the sums, holds and tickets (`budget_wait` lines of waiting holds) that no later decision needs. The caller
   * guarantees that no later decision is dated before `ms`. Every ledger must call this method when a `budget_state`
   * line is written or read and at no other time, so that all processes compute the same amounts.
   */
  compact(ms: number): void {
    for (const account of this.#accounts.values()) {
      if (!Number.isNaN(ms)) account.clockMs = Math.max(account.clockMs, ms);
      account.compact();
    }
    for (const hold of [...this.#holds.values()]) {
      const isGone = this.#accountsOf(hold).every((account) =>
        account.leavesMs(hold.untilMs) <= account.clockMs
      );
      if (isGone) this.#holds.remove(hold);
    }
    for (const { id, untilMs } of [...this.#tickets.values()]) {
      if (untilMs <= ms) this.#tickets.remove(id);
    }
  }

  /** Returns the times after `ms` at which spent or orphaned amounts leave the window of a budget, earliest first. */
  departuresAfter(name: string, ms: number): number[] {
    const account = this.#accounts.get(name)!;
    return [...account.departures, ...this.#holds.departures(account, ms)]
      .filter((at) => at > ms && at !== Infinity).sort((a, b) => a - b);
  }

  /**
   * Returns the earliest time after `ms` at which the requested amount fits if every open hold that is not orphaned at
   * `ms` is released. Returns `Infinity` if the amount will never fit.
   */
  #fitsAtMs(account: Account, requested: number, ms: number): number {
    for (const atMs of this.departuresAfter(account.terms.name, ms)) {
      const orphaned = this.#holds.orphanedBy(account, ms, atMs);
      if (plus(plus(account.spentAt(atMs), orphaned), requested) <= account.limit) return atMs;
    }
    return Infinity;
  }

  #takeState(event: AuditEvent): void {
    if (this.#isWhole) {
      this.compact(eventEpochMs(event.ts));
      return;
    }
    const state = stateOf(event);
    if (state === null) return;
    this.#isWhole = true;
    for (const { terms, ...rest } of state.accounts) {
      this.#accounts.set(terms.name, new Account(terms, rest));
    }
    for (const hold of state.holds) this.#holds.add(hold);
    for (const ticket of state.waits) this.#tickets.add(ticket);
  }

  #takeLimit(event: AuditEvent): void {
    const line = limitOf(event);
    if (line === null) return;
    const account = this.#accounts.get(line.terms.name);
    if (account === undefined) this.#accounts.set(line.terms.name, newAccount(line));
    else if (isSame(account.terms, line.terms)) {
      account.limit = line.limit;
      if (line.isDeclared) account.declaredLimit = line.limit;
      // If no program declared the limit, `scout budget set` has written the line. The line then also resets `clockMs`,
      // because a wrong clock may have moved `clockMs` ahead.
      else account.clockMs = setClock(account, event);
    }
  }

  #takeHold(event: AuditEvent): void {
    const hold = holdOf(event);
    if (hold === null || this.#holds.get(hold.id) !== undefined) return;
    this.#tickets.remove(hold.id);
    this.#holds.add(hold);
    this.#advance(hold, eventEpochMs(event.ts));
  }

  #takeTicket(event: AuditEvent): void {
    const ticket = holdOf(event);
    if (ticket !== null && this.#holds.get(ticket.id) === undefined) this.#tickets.add(ticket);
  }

  /** Removes a budget. The open holds on it continue on their other budgets only. */
  #takeEnd({ budget: name }: AuditEvent): void {
    if (typeof name !== "string" || !this.#accounts.delete(name)) return;
    this.#holds.removeBudget(name);
    this.#tickets.removeBudget(name);
  }

  /** Ends the hold whose ID an event has. `amountOf` receives the held amount, and returns the amount to charge. */
  #endHold(event: AuditEvent, amountOf: (estimate: number) => number): void {
    const { event: type, hold: ticket } = event;
    if (type === BUDGET_LINE.release && typeof ticket === "string") this.#tickets.remove(ticket);
    const hold = this.#holdNamedBy(event);
    if (hold === undefined) return;
    const endMs = eventEpochMs(event.ts);
    this.#holds.remove(hold);
    this.#advance(hold, endMs);
    for (const account of this.#accountsOf(hold)) {
      account.add(amountOf(hold.amounts[account.terms.unit] ?? 0), endOf(endMs, account));
    }
  }

  /**
   * Adds the amounts of an event once to each budget of its hold, and once to each other budget whose `where` it
   * matches.
   */
  #takeCost(event: AuditEvent): void {
    const epochMs = eventEpochMs(event.ts);
    const hold = this.#holdNamedBy(event);
    if (hold !== undefined) {
      this.#holds.remove(hold);
      this.#advance(hold, epochMs);
    }
    for (const account of this.#accounts.values()) {
      const dateMs = dateOf(epochMs, account);
      const { name, unit } = account.terms;
      if (hold !== undefined && hold.budgets.includes(name)) {
        const estimate = hold.amounts[unit] ?? 0;
        const amount = unit === "calls" ? 1 : amountIn(event, unit) ?? estimate;
        account.add(amount, endOf(epochMs, account));
      } else if (account.matches(event, dateMs)) account.addEvent(event, dateMs);
    }
  }

  #holdNamedBy({ hold }: AuditEvent): Hold | undefined {
    return typeof hold === "string" ? this.#holds.get(hold) : undefined;
  }

  #accountsOf({ budgets }: Hold): Account[] {
    return budgets.map((name) => this.#accounts.get(name)).filter((each) => each !== undefined);
  }

  #advance(hold: Hold, ms: number): void {
    if (Number.isNaN(ms)) return;
    for (const account of this.#accountsOf(hold)) account.clockMs = Math.max(account.clockMs, ms);
  }
}

/**
 * Returns the date of the amount that is charged when a hold ends: the time of the event, but never before the
 * `clockMs` of the budget. If the clock of another process was ahead, `clockMs` is ahead too. An amount with an earlier
 * date could then leave the rolling window at once.
 */
function endOf(epochMs: number, account: Account): number {
  return Math.max(dateOf(epochMs, account), account.clockMs);
}

/**
 * Returns the date of an amount: the time of its event. If the event has no readable time, the date is the latest time
 * that the account knows, so that the amount still counts.
 */
function dateOf(epochMs: number, { clockMs, terms: { sinceMs } }: Account): number {
  if (!Number.isNaN(epochMs)) return epochMs;
  return clockMs === -Infinity ? sinceMs ?? 0 : clockMs;
}

/**
 * Returns the new `clockMs` of a budget after a `budget_limit` line that `scout budget set` has written: the time of
 * the line. If the time of the line is unreadable, returns the old `clockMs`.
 */
function setClock({ clockMs }: Account, { ts }: AuditEvent): number {
  const epochMs = eventEpochMs(ts);
  return Number.isNaN(epochMs) ? clockMs : epochMs;
}

function newAccount({ terms, limit, sums }: LimitLine): Account {
  return new Account(terms, { limit, declaredLimit: limit, clockMs: -Infinity, sums });
}

/** Checks whether two budgets of the same name have the same unit, the same window or start, and the same `where`. */
export function isSame(a: BudgetTerms, b: BudgetTerms): boolean {
  const textOf = ({ where }: BudgetTerms) => JSON.stringify(Object.entries(where).sort());
  return a.unit === b.unit && a.hours === b.hours && a.sinceMs === b.sinceMs &&
    textOf(a) === textOf(b);
}
