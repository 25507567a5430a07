/**
 * What the compression gate let pass and what it escalated.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOptions, integer, type OptionChecks } from "../options/option_checks.ts";

/** One decision of the gate. */
export interface GateQuery {
  /** What was decided. */
  outcome: "pass" | "escalate";
  /** Why it was escalated: "low_confidence" or "stale_cache"; null for a pass. */
  reason: string | null;
}

/** Figures of the gate. */
export interface GateMetrics {
  /** Decisions to pass. */
  passCount: number;
  /** Decisions to escalate. */
  escalateCount: number;
  /** Decisions in all. */
  total: number;
  /** Share of the passes in percent, one decimal; 0 without a decision. */
  passRatePct: number;
  /** Mean confidence of the passes, 0 to 1, two decimals; 0 without a pass. */
  avgConfidence: number;
  /** Share of the escalations in percent, one decimal; 0 without a decision. */
  escalateRatePct: number;
  /** The last decisions, oldest first. */
  lastQueries: GateQuery[];
}

/** The checks of the options of {@linkcode gateMetrics}. */
export const GATE_OPTION_CHECKS: OptionChecks<{ lastN?: number }> = { lastN: integer(0) };

const FAILED = new Set<unknown>(["parse_fail", "api_error"]);

/**
 * Counts the decisions of the gate. A pass is a `gate_compress` with a confidence whose reason is
 * none of parse_fail, api_error and stale_cascade; an escalation is a `gate_escalate`, or a
 * `gate_compress` whose reason is stale_cascade. `lastN` is how many decisions to list, default 10.
 *
 * @throws {RangeError} when `lastN` is no integer >= 0.
 *
 * @example
 * ```ts
 * import { type AuditEvent, gateMetrics } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const events = ReadableStream.from<AuditEvent>([
 *   { event: "gate_compress", confidence: 90 },
 *   { event: "gate_escalate", confidence: 40 },
 * ]);
 * assertEquals((await gateMetrics(events)).passRatePct, 50);
 * ```
 */
export async function gateMetrics(
  events: AsyncIterable<AuditEvent>,
  options: { lastN?: number } = {},
): Promise<GateMetrics> {
  checkOptions(options, GATE_OPTION_CHECKS, "count the gate's decisions");
  const { lastN = 10 } = options;
  const count = new GateCount(lastN);
  for await (const event of events) count.add(event);
  return count.metrics();
}

/** Counts the decisions of the gate, one event at a time. */
export class GateCount {
  readonly #lastN: number;
  readonly #lastQueries: GateQuery[] = [];
  #passCount = 0;
  #escalateCount = 0;
  #confidenceSum = 0;

  /** Starts with none, and keeps the last so many. */
  constructor(lastN: number) {
    this.#lastN = lastN;
  }

  /** Counts the event, if it is a decision. */
  add(event: AuditEvent): void {
    const query = decisionOf(event);
    if (query === undefined) return;
    if (query.outcome === "pass") {
      this.#passCount++;
      this.#confidenceSum += event.confidence!;
    } else {
      this.#escalateCount++;
    }
    this.#lastQueries.push(query);
    if (this.#lastQueries.length > this.#lastN) this.#lastQueries.shift();
  }

  /** The figures so far. */
  metrics(): GateMetrics {
    const [passCount, escalateCount] = [this.#passCount, this.#escalateCount];
    const total = passCount + escalateCount;
    return {
      passCount,
      escalateCount,
      total,
      passRatePct: percent(passCount, total),
      avgConfidence: passCount === 0 ? 0 : Math.round(this.#confidenceSum / passCount) / 100,
      escalateRatePct: percent(escalateCount, total),
      lastQueries: [...this.#lastQueries],
    };
  }
}

function decisionOf({ event, reason, confidence }: AuditEvent): GateQuery | undefined {
  if (event === "gate_escalate") return { outcome: "escalate", reason: "low_confidence" };
  if (event !== "gate_compress") return undefined;
  if (reason === "stale_cascade") return { outcome: "escalate", reason: "stale_cache" };
  // JSON's 1e999 reads as Infinity, which would be the mean of all passes.
  if (!Number.isFinite(confidence) || FAILED.has(reason)) return undefined;
  return { outcome: "pass", reason: null };
}

/** Share in percent, rounded to one decimal. */
function percent(part: number, total: number): number {
  return total === 0 ? 0 : Math.round(1000 * part / total) / 10;
}
