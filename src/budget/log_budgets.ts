/**
 * The budgets of one open log. Connects the parts that decide, wait and signal with the code that appends lines.
 *
 * @module
 */
import { type FileStatus, isSameFile } from "../platform/file_system.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { LineCaller } from "../write/acknowledgements.ts";
import type { Fields } from "../write/merge_fields.ts";
import type { EndRecorder } from "../write/single_end.ts";
import { type Budget, DeclaredBudget } from "./budget.ts";
import { asBudgetError } from "./budget_errors.ts";
import { BUDGET_LINE } from "./budget_lines.ts";
import type { BudgetLog } from "./budget_log.ts";
import { type BudgetOptions, declarationOf } from "./budget_options.ts";
import { declare } from "./declare.ts";
import type { HoldDecision } from "./hold_decision.ts";
import { BudgetKeeper, type KeeperOptions } from "./keeper.ts";
import { RefusalLines } from "./refusal_lines.ts";
import { SpentSignals } from "./spent_signals.ts";
import { WaitingHolds } from "./waiting_holds.ts";

/** The parts of a log that its budgets use. */
export interface LogBudgetsOptions extends KeeperOptions, EndRecorder {
  /**
   * Resolves when everything that this process has written before the call is durable. Rejects if a sync has failed
   * since the number of failed syncs was `failedBefore`.
   */
  readonly sync: (failedBefore: number) => Promise<void>;
  /** Called with each decision on a hold, so that tests can check the decision. Only tests set this function. */
  readonly observe?: ((decision: HoldDecision) => void) | undefined;
}

/** The budgets of one open log, with the parts that decide, wait, count refusals and signal. */
export class LogBudgets implements BudgetLog {
  readonly path: string;
  readonly keeper: BudgetKeeper;
  readonly waiting: WaitingHolds;
  readonly refusals: RefusalLines;
  readonly signals: SpentSignals;
  readonly observe: ((decision: HoldDecision) => void) | undefined;
  readonly #options: LogBudgetsOptions;

  /** Creates the parts of the budgets and connects them. The log is read only when the first decision is made. */
  constructor(options: LogBudgetsOptions) {
    this.#options = options;
    const { source, observe } = options;
    const { log, clock, logger } = source;
    this.observe = observe;
    this.path = log.files.active;
    this.keeper = new BudgetKeeper(options);
    this.waiting = new WaitingHolds(clock, changesOf(log));
    this.refusals = new RefusalLines(clock, (fields) => {
      // No code awaits the promise of the `budget_refused` line. If the line cannot be written, the log reports the
      // error.
      this.accept(Promise.withResolvers<void>(), BUDGET_LINE.refused, fields);
    });
    const { keeper } = this;
    this.signals = new SpentSignals({ keeper, clock, logger, hasChanged: changesOf(log) });
  }

  /**
   * Declares a budget. `bound` are the bound fields of the logger that declares it. Each hold of the budget gets these
   * fields, unless the hold sets them itself.
   */
  async declare(options: BudgetOptions, bound: Fields): Promise<Budget> {
    const declaration = declarationOf(options, this.#options.now());
    const { keeper } = this;
    try {
      const terms = await declare(declaration, { keeper, source: this.#options.source });
      return new DeclaredBudget(this, terms, bound);
    } catch (error) {
      throw error instanceof TypeError ? error : asBudgetError(error, options.name, "declare");
    }
  }

  accept(caller: LineCaller, event: string, fields: Fields): void {
    const resolve = () => {
      caller.resolve();
      // The written line may have ended a hold and so freed its amount. Therefore the waiting holds check again whether
      // they fit.
      this.waiting.callFirst();
    };
    this.#options.accept({ ...caller, resolve }, event, fields);
  }

  refuse(caller: LineCaller, error: unknown): void {
    this.#options.refuse(caller, error);
  }

  failedSyncs(): number {
    return this.#options.failedSyncs();
  }

  sync(failedBefore: number): Promise<void> {
    return this.#options.sync(failedBefore);
  }

  monotonicMs(): number {
    return this.#options.source.clock.monotonicMs();
  }

  /**
   * Logs the number of refused holds that is not logged yet. Also logs that the holds with a `budget_wait` line no
   * longer wait. Then every waiting hold rejects with the error.
   */
  async close(error: Error): Promise<void> {
    this.refusals.close();
    this.signals.close();
    const closed = this.keeper.close(error);
    this.waiting.close();
    await closed;
  }
}

/**
 * Returns a function that checks whether the active file, to which all processes append, has changed since the function
 * was last called. The first call returns true.
 */
function changesOf({ fileSystem, files }: LogDirectory): () => boolean {
  let last: FileStatus | null = null;
  return () => {
    const before = last;
    try {
      last = fileSystem.status(files.active);
    } catch {
      // If the status cannot be read, the next decision under the lock fails too and reports the error. So the error is
      // ignored here.
      last = null;
    }
    return last === null || before === null || !isSameFile(last, before) ||
      last.byteLength !== before.byteLength;
  };
}
