/**
 * The parts of a log that its budgets and holds use.
 *
 * @module
 */
import type { Fields } from "../write/merge_fields.ts";
import type { LineCaller } from "../write/acknowledgements.ts";
import type { EndRecorder } from "../write/single_end.ts";
import type { BudgetKeeper } from "./keeper.ts";
import type { HoldDecision } from "./hold_decision.ts";
import type { RefusalLines } from "./refusal_lines.ts";
import type { SpentSignals } from "./spent_signals.ts";
import type { WaitingHolds } from "./waiting_holds.ts";

/** The parts of one open log that its budgets and holds use. */
export interface BudgetLog extends EndRecorder {
  /** Absolute path of the active file of the log, to which all processes append. */
  readonly path: string;
  readonly keeper: BudgetKeeper;
  readonly waiting: WaitingHolds;
  readonly refusals: RefusalLines;
  readonly signals: SpentSignals;
  /** Called with each decision on a hold, so that tests can check the decision. Only tests set this function. */
  readonly observe: ((decision: HoldDecision) => void) | undefined;
  /**
   * Logs an event that the log itself writes. Unlike an event of the program, it may have a reserved type and the
   * reserved field `hold`.
   */
  accept(caller: LineCaller, event: string, fields: Fields): void;
  /** Returns the number of syncs of the log that have failed. */
  failedSyncs(): number;
  /**
   * Resolves when everything that this process has written before the call is durable, so that a power loss cannot
   * remove it. `failedBefore` is the number of failed syncs just before the caller's lines were written. Rejects if a
   * sync has failed since, because it may have been the one of these lines.
   */
  sync(failedBefore: number): Promise<void>;
  /** Returns the time of a monotonic clock in milliseconds. */
  monotonicMs(): number;
}
