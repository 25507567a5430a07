/**
 * A decision on a hold, with the facts that a test needs to check it.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { Refusal, RequestedHold } from "./ledger.ts";

/** A decision on a hold. */
export interface HoldDecision extends RequestedHold {
  /** The last event in the log before the decision; undefined if the log has no event. */
  readonly after: AuditEvent | undefined;
  /**
   * Time at which the decision is dated, epoch milliseconds. It is later than the clock if the log has a line of one
   * of the budgets with a later time.
   */
  readonly ms: number;
  /** Time of the clock, epoch milliseconds. */
  readonly nowMs: number;
  /** The reason why the hold does not fit; null if it fits. */
  readonly refusal: Refusal | null;
}
