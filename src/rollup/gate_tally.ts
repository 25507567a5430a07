/**
 * Counts the decisions of the compression gate of an agent. Tallies can be merged, and stored as numbers. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import type { AuditEvent } from "../event.ts";

/** One decision of an agent's compression gate. */
export interface GateQuery {
  /** The decision: to pass a shortened text on ("pass"), or to ask a larger model ("escalate"). */
  outcome: "pass" | "escalate";
  /** Reason to ask a larger model: "low_confidence" or "stale_cache"; null if the gate passed the shortened text on. */
  reason: string | null;
}

/**
 * The content of a {@linkcode GateTally} as numbers: passes, escalations, and the three parts of the sum of the
 * confidences. Zeros at the end are left out.
 */
export type GateState = readonly number[];

const FAILED = new Set<unknown>(["parse_fail", "api_error"]);

/**
 * The numbers of passes (a shortened text was passed on) and of escalations (a larger model was asked) among some
 * events.
 */
export class GateTally {
  passes = 0;
  escalations = 0;
  /** Sum of the confidences of the passes, each from 0 to 100. */
  readonly confidence: PreciseSum;

  /** Creates a tally without decisions. The confidences of passes are added to the sum `confidence`. */
  constructor(confidence: PreciseSum = new PreciseSum()) {
    this.confidence = confidence;
  }

  /** Counts an event if it is a decision of the gate, and returns the decision. Returns undefined otherwise. */
  add(event: AuditEvent): GateQuery | undefined {
    const query = decisionOf(event);
    if (query?.outcome === "pass") {
      this.passes++;
      this.confidence.add(event.confidence!);
    } else if (query !== undefined) {
      this.escalations++;
    }
    return query;
  }

  /** Adds the decisions of another tally. */
  addAll(other: GateTally): void {
    this.passes += other.passes;
    this.escalations += other.escalations;
    this.confidence.addSum(other.confidence);
  }

  /** Returns the content as numbers. */
  state(): GateState {
    const numbers = [this.passes, this.escalations, ...this.confidence.parts];
    return numbers.slice(0, numbers.findLastIndex((number) => number !== 0) + 1);
  }

  /** Returns the tally whose content {@linkcode state} has returned. */
  static from([passes = 0, escalations = 0, ...confidence]: GateState): GateTally {
    const tally = new GateTally(PreciseSum.from(confidence));
    tally.passes = passes;
    tally.escalations = escalations;
    return tally;
  }
}

function decisionOf({ event, reason, confidence }: AuditEvent): GateQuery | undefined {
  if (event === "gate_escalate") return { outcome: "escalate", reason: "low_confidence" };
  if (event !== "gate_compress") return undefined;
  if (reason === "stale_cascade") return { outcome: "escalate", reason: "stale_cache" };
  // JSON.parse() reads 1e999 as Infinity, which would make the mean confidence of all passes infinite.
  if (!Number.isFinite(confidence) || FAILED.has(reason)) return undefined;
  return { outcome: "pass", reason: null };
}
