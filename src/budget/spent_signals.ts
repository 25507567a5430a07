/**
 * Signals that abort when the spent amount of a budget has reached its limit, so that running calls can stop.
 *
 * @module
 */
import { AuditClosedError, BudgetError, messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import { fromAmount } from "./amount.ts";
import { UNIT_NAMES } from "./budget_errors.ts";
import { statusOf } from "./budget_status.ts";
import type { BudgetKeeper } from "./keeper.ts";

/** Milliseconds between two checks of the log, which look for budgets that another process has spent. */
const LOOK_MS = 500;

/** Options of {@linkcode SpentSignals}. */
export interface SpentSignalsOptions {
  readonly keeper: BudgetKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Checks whether the active file, to which all processes append, has changed since the last call. */
  readonly hasChanged: () => boolean;
}

/** The signals of the budgets of one log. Each signal aborts when its budget is spent. */
export class SpentSignals {
  readonly #options: SpentSignalsOptions;
  readonly #controllers = new Map<string, AbortController>();
  #timer: Timer | undefined;
  /**
   * `true` if the amounts of the budgets may lack lines of the active file, because it has changed or the last check
   * failed.
   */
  #isStale = true;
  #isClosed = false;

  /** Creates the signals. The log is not read before the first signal is requested. */
  constructor(options: SpentSignalsOptions) {
    this.#options = options;
  }

  /**
   * Returns the signal of a budget. If its last signal has aborted and the budget has room again, returns a new signal.
   */
  of(budget: string): AbortSignal {
    const existing = this.#controllers.get(budget);
    const reason = this.#reasonOf(budget);
    if (existing !== undefined && (!existing.signal.aborted || reason !== null)) {
      return existing.signal;
    }
    const controller = new AbortController();
    this.#controllers.set(budget, controller);
    if (reason instanceof BudgetError) controller.abort(reason);
    this.#start();
    return controller.signal;
  }

  /** Stops checking the log, so that no signal aborts any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #start(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = this.#options.clock.startTimer(LOOK_MS, async () => {
      await this.#look();
      this.#timer = undefined;
      this.#start();
    });
  }

  async #look(): Promise<void> {
    const { keeper, hasChanged, logger } = this.#options;
    if (!hasChanged() && !this.#isStale) return;
    this.#isStale = true;
    try {
      // Before each decision, the keeper adds every new line of the log to its ledger. So this decision, which writes
      // no line, brings the ledger up to date.
      await keeper.decide(() => null);
      this.#isStale = false;
    } catch (error) {
      if (error instanceof AuditClosedError) return;
      logger.warn(
        `Cannot check budgets, so their signals abort only after a later check: ${
          messageOf(error)
        }`,
      );
      return;
    }
    for (const [budget, controller] of this.#controllers) {
      const reason = this.#reasonOf(budget);
      if (reason instanceof BudgetError) controller.abort(reason);
    }
  }

  /**
   * Returns the reason with which the signal of a budget aborts. Returns null if the spent amount is below the limit,
   * and undefined if the log was not read yet.
   */
  #reasonOf(budget: string): BudgetError | null | undefined {
    return this.#options.keeper.peek((ledger, nowMs) => {
      const account = ledger.account(budget);
      if (account === undefined) return null;
      const { unit } = account.terms;
      const limit = fromAmount(account.limit, unit);
      const { spent, resetsAt } = statusOf(ledger, account.terms, nowMs);
      if (spent < limit) return null;
      const message = `Cannot continue: budget "${budget}" is spent, got ${spent} of ${limit} ${
        UNIT_NAMES[unit]
      }`;
      const ms = ledger.decisionMs([budget], nowMs);
      const retryAfterMs = resetsAt === null ? null : resetsAt.getTime() - ms;
      return new BudgetError(message, { kind: "spent", budget, resetsAt, retryAfterMs });
    });
  }
}
