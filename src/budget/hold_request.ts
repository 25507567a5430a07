/**
 * A hold (a reservation on budgets) that is not granted yet. While the hold waits, it may have a ticket: a line in the
 * log that keeps its amount free, so that no process grants it to a later hold.
 *
 * @module
 */
import type { BudgetTerms } from "./account.ts";
import { asBudgetError, checkRoom, checkThere, refusalError } from "./budget_errors.ts";
import type { BudgetLog } from "./budget_log.ts";
import { BUDGET_LINE, type Hold, holdFields } from "./budget_lines.ts";
import type { CheckedHold } from "./budget_options.ts";
import { type BudgetHold, GrantedHold } from "./granted_hold.ts";
import type { DecidedLine } from "./keeper.ts";
import type { BudgetLedger, Refusal } from "./ledger.ts";
import { TICKET_VALID_MS } from "./tickets.ts";
import type { Turn, WaitingHold } from "./waiting_holds.ts";
import { EPOCH_MS_MAX } from "../time.ts";

/** Milliseconds after which a waiting hold writes a ticket: a `budget_wait` line that keeps its amount free for it. */
const TICKET_AFTER_MS = 1_000;
/** Milliseconds after which a waiting hold writes its `budget_wait` line again, so that the line stays valid. */
const RENEW_AFTER_MS = 5_000;
/**
 * Maximum number of tickets (`budget_wait` lines of waiting holds) in a log. Each `budget_state` line lists all
 * tickets, so more would make these lines too long. Further holds wait without a ticket.
 */
const TICKETS_MAX = 1_000;

/**
 * The fields from which costs and tokens are summed. The `budget_hold` line of a hold omits them. The event that ends
 * the hold has these fields too, so their values would count twice.
 */
const NOT_COUNTED = {
  cost: undefined,
  input_t: undefined,
  output_t: undefined,
  cache_read_t: undefined,
  cache_write_t: undefined,
  reasoning_t: undefined,
};

/** The outcome of a decision on a hold. A refused hold has the reason and the time of the decision. */
type Outcome = "granted" | "waits" | "aborted" | { readonly refusal: Refusal; readonly ms: number };

/** A hold (a reservation on budgets) that a program has requested and that is not granted yet. */
export class HoldRequest implements WaitingHold<BudgetHold> {
  readonly budgets: readonly string[];
  readonly #log: BudgetLog;
  readonly #terms: readonly BudgetTerms[];
  readonly #hold: CheckedHold;
  readonly #id: string = crypto.randomUUID();
  /**
   * Time at which the newest `budget_wait` line of this hold was written, in milliseconds of the monotonic clock;
   * undefined if the hold has no such line.
   */
  #ticketMs: number | undefined;
  /** Number of failed syncs of the log just before the line of the hold was written. */
  #failedBefore = 0;

  /** Creates the request. The hold is decided only when {@linkcode ask} is called. */
  constructor(log: BudgetLog, terms: readonly BudgetTerms[], hold: CheckedHold) {
    this.#log = log;
    this.#terms = terms;
    this.#hold = hold;
    this.budgets = terms.map(({ name }) => name);
  }

  get signal(): AbortSignal | undefined {
    return this.#hold.signal;
  }

  /**
   * Requests a decision on the hold from the `BudgetKeeper` of the log. `turn` is the place of the hold in the queue of
   * waiting holds; null if the caller does not allow it to wait. Resolves with null if the hold does not fit yet and
   * has to wait.
   *
   * @throws {BudgetError} If the hold is refused.
   */
  async ask(turn: Turn | null): Promise<BudgetHold | null> {
    const { signal } = this.#hold;
    let outcome = "waits" as Outcome;
    try {
      await this.#log.keeper.decide((ledger, nowMs) => {
        this.#failedBefore = this.#log.failedSyncs();
        const [decided, line] = this.#decide(ledger, nowMs, turn);
        outcome = decided;
        return line;
      });
    } catch (error) {
      throw asBudgetError(error, this.budgets[0]!);
    }
    if (outcome === "waits") return null;
    if (outcome === "aborted") throw signal?.reason;
    if (outcome === "granted") {
      // A granted hold no longer has a ticket. Without this reset, withdraw() would write a `budget_release` line with
      // the ID of the hold, because ticket and hold have the same ID. The line would release the granted hold.
      this.#ticketMs = undefined;
      return await this.#handOver();
    }
    this.#log.refusals.add(outcome.refusal.budget, outcome.refusal.kind);
    throw refusalError(outcome.refusal, outcome.ms);
  }

  mustAsk(turn: Turn): boolean {
    const isOver = this.#log.keeper.peek((ledger, nowMs) => {
      if (this.budgets.some((name) => ledger.account(name) === undefined)) return true;
      const ms = ledger.decisionMs(this.budgets, nowMs);
      const refusal = ledger.refusalOf(this.#requested, ms, nowMs);
      return refusal === null || isFinal(refusal);
    }) ?? true;
    return isOver || this.#isTicketDue(turn);
  }

  withdraw(): void {
    if (this.#ticketMs === undefined) return;
    this.#ticketMs = undefined;
    this.#log.accept(Promise.withResolvers<void>(), BUDGET_LINE.release, {
      hold: this.#id,
      reason: "no longer waits",
    });
  }

  get #requested() {
    return { id: this.#id, amounts: this.#hold.amounts, budgets: this.budgets };
  }

  #decide(
    ledger: BudgetLedger,
    nowMs: number,
    turn: Turn | null,
  ): readonly [Outcome, DecidedLine | null] {
    const { amounts, maxMs, signal } = this.#hold;
    // If the caller has aborted its signal, the hold is not granted, even if it fits.
    if (signal?.aborted) return ["aborted", null];
    checkThere(ledger, this.#terms);
    checkRoom(ledger, this.budgets[0]!);
    const ms = ledger.decisionMs(this.budgets, nowMs);
    const refusal = ledger.refusalOf(this.#requested, ms, nowMs);
    const { budgets } = this;
    const { keeper, observe } = this.#log;
    observe?.({ id: this.#id, amounts, budgets, after: keeper.lastEvent, ms, nowMs, refusal });
    // If a hold can never fit, it is refused even if the caller allows it to wait, because it would wait for ever.
    if (refusal !== null && (turn === null || isFinal(refusal))) {
      return [{ refusal, ms }, null];
    }
    if (turn !== null && !turn.isFirst()) return ["waits", null];
    if (refusal === null) {
      turn?.leave();
      return ["granted", this.#line(BUDGET_LINE.hold, ms, Math.min(ms + maxMs, EPOCH_MS_MAX))];
    }
    if (!this.#isTicketDue(turn!)) return ["waits", null];
    if (ledger.ticketCount(nowMs) >= TICKETS_MAX) return ["waits", null];
    this.#ticketMs = this.#log.monotonicMs();
    return ["waits", this.#line(BUDGET_LINE.wait, nowMs, nowMs + TICKET_VALID_MS)];
  }

  #isTicketDue({ waitedMs }: Turn): boolean {
    if (this.#ticketMs === undefined) return waitedMs >= TICKET_AFTER_MS;
    return this.#log.monotonicMs() - this.#ticketMs >= RENEW_AFTER_MS;
  }

  #line(type: string, ms: number, untilMs: number): DecidedLine {
    const { amounts, fields } = this.#hold;
    const held: Hold = { id: this.#id, amounts, untilMs, budgets: this.budgets };
    return { type, fields: { ...fields, ...NOT_COUNTED, ...holdFields(held) }, ms };
  }

  /**
   * Resolves with the granted hold when its `budget_hold` line is durable. If the sync fails or the caller aborts its
   * signal, releases the hold and rejects.
   */
  async #handOver(): Promise<BudgetHold> {
    const { signal, fields } = this.#hold;
    const hold = new GrantedHold(this.#log, this.#terms, { id: this.#id, fields });
    try {
      // The caller makes its paid call only after sync() has made the line of the hold durable. Without the sync, a
      // power loss could remove the line although the call was already made, and the budget would not count the call.
      await this.#log.sync(this.#failedBefore);
      signal?.throwIfAborted();
      return hold;
    } catch (error) {
      // If release() fails too, its error is ignored, because the caller gets the first error. The hold then stays
      // open, and counts as orphaned after its time (`maxSec`) has passed.
      await hold.release("not handed over").catch(() => {});
      throw signal?.aborted ? signal.reason : asBudgetError(error, this.budgets[0]!);
    }
  }
}

/** Checks whether a refused hold will never fit, however long it waits. */
function isFinal({ fitsAtMs }: Refusal): boolean {
  return fitsAtMs === Infinity;
}
