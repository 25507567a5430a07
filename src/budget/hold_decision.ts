/**
 * A decision on a hold, as a test sees it.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { Refusal, RequestedHold } from "./ledger.ts";

/** A decision on a hold. */
export interface HoldDecision extends RequestedHold {
  /** The last event before the place of the decision; undefined if the log has none. */
  readonly after: AuditEvent | undefined;
  /** Time of the decision, epoch milliseconds. On a budget whose time stands still, it is later than the clock. */
  readonly ms: number;
  /** Time of the clock, epoch milliseconds. */
  readonly nowMs: number;
  /** The reason why the hold does not fit; null if it fits. */
  readonly refusal: Refusal | null;
}
