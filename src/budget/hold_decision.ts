/**
 * A decision whether a hold (a reservation on budgets) is granted, with the facts that a test needs to check the
 * decision.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { Refusal, RequestedHold } from "./ledger.ts";

/** A decision whether a hold fits on its budgets, with the facts from which it follows. */
export interface HoldDecision extends RequestedHold {
  /** The last event in the log before the decision; undefined if the log has no event. */
  readonly after: AuditEvent | undefined;
  /**
   * Time at which the decision is dated, epoch milliseconds. This time is later than the clock if one of the budgets
   * already has a line in the log with a later time.
   */
  readonly ms: number;
  /** Time of this process's clock at the decision, epoch milliseconds. */
  readonly nowMs: number;
  /** The reason why the hold does not fit on its budgets; null if it fits. */
  readonly refusal: Refusal | null;
}
