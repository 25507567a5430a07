/**
 * Budgets: they hold money, tokens or calls before these are spent, across processes and crashes.
 *
 * @module
 */
import { AuditClosedError, BudgetError, messageOf } from "../errors.ts";
import { checkNotReserved, type EventType, type KnownFields } from "../event.ts";
import type { LineCaller } from "../write/acknowledgements.ts";
import { type Fields, mergeFields } from "../write/merge_fields.ts";
import { type EndRecorder, SingleEnd } from "../write/single_end.ts";
import type { BudgetTerms } from "./account.ts";
import { fromAmount } from "./amount.ts";
import { BUDGET_LINE, holdFields } from "./budget_lines.ts";
import { type CheckedHold, checkedHold, type HoldOptions, withWhere } from "./budget_options.ts";
import type { BudgetKeeper, DecidedLine } from "./keeper.ts";
import type { BudgetLedger, Refusal } from "./ledger.ts";

/** What a budget has spent and holds, in its unit. */
export interface BudgetStatus {
  /** Costs and ended holds in the window, or since the start. */
  readonly spent: number;
  /** Holds that have not ended. */
  readonly held: number;
  /** Holds whose time has passed without an end. They are charged until they leave the window. */
  readonly orphaned: number;
  /** What can still be held. It is negative if calls cost more than their holds. */
  readonly left: number;
  /** Time at which the next amount leaves the window; null for a total, and if nothing is in the window. */
  readonly resetsAt: Date | null;
}

/** A budget of a log, which every process that uses the log shares. */
export interface Budget {
  /** Name of the budget. */
  readonly name: string;
  /**
   * Holds an amount before it is spent. The hold is granted only if what is spent, held and orphaned on each of its
   * budgets, and the amount, are together at most the limit. It is granted when its line is durable.
   *
   * @param options The amount, the fields of the call, and other budgets.
   * @returns A promise of the hold. Settle it, or declare it with `await using`: then a hold that is not settled is
   *   charged at its amount.
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

/** An amount that is held until the call has ended. */
export interface BudgetHold extends AsyncDisposable {
  /** ID of the hold: the field `hold` of its events. */
  readonly id: string;
  /**
   * Logs the event of the call. Its cost replaces the hold; what it does not state is charged at the amount of the hold.
   *
   * @param event The type of the event: any non-empty string.
   * @param fields The fields of the event, such as `cost`; by default none.
   * @returns A promise that resolves when the event is written.
   * @throws {AuditEventError} If the type or a field is invalid. The hold can then still be settled.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   * @throws {Error} If the hold has ended.
   */
  settle<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<void>;
  /**
   * Ends the hold and charges nothing, because the call was not made.
   *
   * @param reason Why, for people who read the log; by default none.
   * @returns A promise that resolves when the line is written.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   * @throws {Error} If the hold has ended.
   */
  release(reason?: string): Promise<void>;
}

/** What budgets need of their log. */
export interface BudgetLog extends EndRecorder {
  readonly keeper: BudgetKeeper;
  /** Logs an event that the log itself logs, which may have the type and the field of budgets. */
  accept(caller: LineCaller, event: string, fields: Fields): void;
  /** Resolves when everything written before the call is durable. */
  sync(): Promise<void>;
}

/** A budget that was declared. */
export class DeclaredBudget implements Budget {
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

  async hold(options: HoldOptions): Promise<BudgetHold> {
    const budgets = [this, ...options?.and ?? []];
    for (const budget of budgets) {
      if (budget instanceof DeclaredBudget && budget.#log === this.#log) continue;
      throw new TypeError("Cannot hold: and must be budgets of the same log");
    }
    const terms = new Map(budgets.map((budget) => [budget.name, (budget as this).terms]));
    const hold = checkedHold(options, [...terms.values()], this.#bound);
    for (const { name, unit } of terms.values()) {
      if (hold.amounts[unit] === undefined) throw unpriced(name, unit);
    }
    hold.signal?.throwIfAborted();
    return await new HoldRequest(this.#log, [...terms.values()], hold).promise;
  }

  async state(): Promise<BudgetStatus> {
    const { promise, resolve, reject } = Promise.withResolvers<BudgetStatus>();
    let status: BudgetStatus;
    this.#log.keeper.request({
      decide: (ledger, nowMs) => {
        checkThere(ledger, [this.terms]);
        status = statusOf(ledger, this.terms, nowMs);
        return null;
      },
      made: () => resolve(status),
      failed: (error) => reject(asBudgetError(error, this.name)),
    });
    return await promise;
  }
}

/** The last time that a date can have, epoch milliseconds. */
const TIME_MAX_MS = 8.64e15;

/** Maximum number of open holds in a log, so that a state line stays small. */
const OPEN_HOLDS_MAX = 10_000;

/** A hold that is not granted yet. */
class HoldRequest {
  readonly promise: Promise<BudgetHold>;
  readonly #log: BudgetLog;
  readonly #terms: readonly BudgetTerms[];
  readonly #hold: CheckedHold;
  readonly #id: string = crypto.randomUUID();
  readonly #resolve: (hold: BudgetHold) => void;
  readonly #reject: (error: unknown) => void;
  #refusal: { refusal: Refusal; ms: number } | null = null;
  #isGranted = false;

  constructor(log: BudgetLog, terms: readonly BudgetTerms[], hold: CheckedHold) {
    this.#log = log;
    this.#terms = terms;
    this.#hold = hold;
    const { promise, resolve, reject } = Promise.withResolvers<BudgetHold>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    log.keeper.request({
      decide: (ledger, nowMs) => this.#decide(ledger, nowMs),
      made: () => void this.#made(),
      failed: (error) => reject(asBudgetError(error, terms[0]!.name)),
    });
  }

  #decide(ledger: BudgetLedger, nowMs: number): DecidedLine | null {
    const { amounts, fields, maxMs, signal } = this.#hold;
    this.#refusal = null;
    this.#isGranted = false;
    // The caller has aborted its signal, so nothing is held.
    if (signal?.aborted) return null;
    checkThere(ledger, this.#terms);
    const budgets = this.#terms.map(({ name }) => name);
    if (ledger.openCount >= OPEN_HOLDS_MAX) throw tooManyHolds(budgets[0]!);
    const ms = ledger.decisionMs(budgets, nowMs);
    const refusal = ledger.refusalOf({ amounts, budgets }, ms);
    if (refusal !== null) {
      this.#refusal = { refusal, ms };
      return null;
    }
    const untilMs = Math.min(ms + maxMs, TIME_MAX_MS);
    const held = holdFields({ id: this.#id, amounts, untilMs, budgets });
    this.#isGranted = true;
    // A cost counts only when the hold is settled.
    return { type: BUDGET_LINE.hold, fields: { ...fields, cost: undefined, ...held }, ms };
  }

  async #made(): Promise<void> {
    const { signal } = this.#hold;
    if (this.#refusal !== null) return this.#reject(refusalError(this.#refusal));
    if (!this.#isGranted) return this.#reject(signal?.reason);
    const hold = new GrantedHold(this.#log, this.#terms, {
      id: this.#id,
      fields: this.#hold.fields,
    });
    try {
      // Until its line is durable, a power loss could take the hold, but not the call that it paid for.
      await this.#log.sync();
      signal?.throwIfAborted();
      this.#resolve(hold);
    } catch (error) {
      this.#reject(signal?.aborted ? signal.reason : asBudgetError(error, this.#terms[0]!.name));
      await hold.release("not handed over").catch(() => {});
    }
  }
}

class GrantedHold implements BudgetHold {
  readonly id: string;
  readonly #terms: readonly BudgetTerms[];
  readonly #fields: Fields;
  readonly #end: SingleEnd;

  constructor(
    log: BudgetLog,
    terms: readonly BudgetTerms[],
    { id, fields }: { id: string; fields: Fields },
  ) {
    this.id = id;
    this.#terms = terms;
    this.#fields = fields;
    this.#end = new SingleEnd(
      log,
      () => `Cannot end hold: it has ended already, got a second end of ${id}`,
    );
  }

  settle(event: string, fields: object = {}): Promise<void> {
    return this.#end.log(event, () => {
      checkNotReserved(event);
      return this.#withId(withWhere(mergeFields(this.#fields, fields), this.#terms));
    });
  }

  release(reason?: string): Promise<void> {
    return this.#end.log(
      BUDGET_LINE.release,
      () => this.#withId(reason === undefined ? {} : { reason }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end.logIfNone(BUDGET_LINE.charge, () => this.#withId({}));
  }

  #withId(fields: Fields): Fields {
    return { ...fields, hold: this.id };
  }
}

/** Returns what a budget has spent and holds at a time. */
export function statusOf(
  ledger: BudgetLedger,
  { name, unit }: BudgetTerms,
  nowMs: number,
): BudgetStatus {
  const ms = ledger.decisionMs([name], nowMs);
  const { limit, spent, held, orphaned } = ledger.figures(name, ms);
  const [next] = ledger.departuresAfter(name, ms);
  return {
    spent: fromAmount(spent, unit),
    held: fromAmount(held, unit),
    orphaned: fromAmount(orphaned, unit),
    left: fromAmount(limit - spent - held - orphaned, unit),
    resetsAt: next === undefined ? null : new Date(next),
  };
}

function refusalError({ refusal: { budget, kind, fitsAtMs }, ms }: {
  refusal: Refusal;
  ms: number;
}): BudgetError {
  const reasons = {
    too_large: "the amount is larger than the limit",
    spent: "the limit is spent",
    held: "other calls hold the rest",
  };
  const resetsAt = Number.isFinite(fitsAtMs) && kind === "spent" ? new Date(fitsAtMs) : null;
  const until = resetsAt === null ? "" : `; it fits at ${resetsAt.toISOString()}`;
  return new BudgetError(`Cannot hold on budget "${budget}": ${reasons[kind]}${until}`, {
    kind,
    budget,
    resetsAt,
    retryAfterMs: kind === "too_large" ? null : Math.max(0, fitsAtMs - ms),
  });
}

/** Checks that the log has the budgets. Another program may have removed or shortened its files. */
function checkThere(ledger: BudgetLedger, terms: readonly BudgetTerms[]): void {
  for (const { name } of terms) {
    if (ledger.account(name) !== undefined) continue;
    throw new Error(`the log no longer has the budget "${name}"; declare it again`);
  }
}

function tooManyHolds(budget: string): BudgetError {
  const message =
    `Cannot hold on budget "${budget}": ${OPEN_HOLDS_MAX} holds are open; settle or release some`;
  return new BudgetError(message, { kind: "held", budget });
}

function unpriced(budget: string, unit: string): BudgetError {
  const message = `Cannot hold on budget "${budget}": the amount in ${unit} is missing`;
  return new BudgetError(message, { kind: "unpriced", budget });
}

/** Returns the error of a decision that could not be made. */
export function asBudgetError(error: unknown, budget: string): unknown {
  const isClear = error instanceof AuditClosedError || error instanceof BudgetError ||
    error instanceof Deno.errors.NotCapable;
  if (isClear) return error;
  const message = `Cannot hold on budget "${budget}": ${messageOf(error)}`;
  return new BudgetError(message, { kind: "unwritable", budget, cause: error });
}
