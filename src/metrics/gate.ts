/**
 * Counts the decisions of the compression gate of an agent. The gate either passes a shortened text on (a pass), or
 * asks a larger model (an escalation).
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import {
  checkOption,
  checkOptions,
  eventSource,
  integer,
  type OptionChecks,
} from "../options/option_checks.ts";
import { type GateQuery, GateTally } from "../rollup/gate_tally.ts";

/** The metrics of the compression gate. */
export interface GateMetrics {
  /** Number of passes: decisions of the gate to pass a shortened text on. */
  passCount: number;
  /** Number of escalations: decisions of the gate to ask a larger model. */
  escalateCount: number;
  /** Number of all decisions of the gate: passes and escalations. */
  total: number;
  /**
   * Share of passes (decisions to pass a shortened text on) in percent, 0 to 100, rounded to one decimal; 0 without
   * decisions.
   */
  passRatePct: number;
  /**
   * Mean confidence of the passes (decisions to pass a shortened text on) as a fraction, 0 to 1, rounded to two
   * decimals; 0 without passes.
   */
  avgConfidence: number;
  /**
   * Share of escalations (decisions to ask a larger model) in percent, 0 to 100, rounded to one decimal; 0 without
   * decisions.
   */
  escalateRatePct: number;
  /** The last decisions, at most `lastN`, oldest first. */
  lastQueries: GateQuery[];
}

/** The checks of the options of {@linkcode gateMetrics}. */
export const GATE_OPTION_CHECKS: OptionChecks<{ lastN?: number }> = { lastN: integer(0) };

/**
 * Counts the decisions of the compression gate.
 *
 * - A pass is a `gate_compress` event with a confidence, unless its reason is
 *   `parse_fail`, `api_error` or `stale_cascade`.
 * - An escalation is a `gate_escalate` event, or a `gate_compress` event whose reason is `stale_cascade`.
 *
 * @param events The events to count, oldest first. Other events are ignored.
 * @param options `lastN` is the maximum number of decisions in `lastQueries`, an integer >= 0, by default 10.
 * @returns The counts, the rates and the last decisions.
 * @throws {TypeError} If `events` is not an iterable, an option is unknown or `lastN` is not a number.
 * @throws {RangeError} If `lastN` is not an integer >= 0.
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
  checkOption(events, eventSource, "Cannot count the gate's decisions: events");
  checkOptions(options, GATE_OPTION_CHECKS, "count the gate's decisions");
  const { lastN = 10 } = options;
  const tally = new GateTally();
  const lastQueries: GateQuery[] = [];
  for await (const event of events) {
    const query = tally.add(event);
    if (query === undefined) continue;
    lastQueries.push(query);
    if (lastQueries.length > lastN) lastQueries.shift();
  }
  return gateMetricsOf(tally, lastQueries);
}

/**
 * Returns the metrics of an agent's compression gate: from the counts of all its decisions, and from a list of the last
 * decisions, oldest first.
 */
export function gateMetricsOf(
  { passes, escalations, confidence }: GateTally,
  lastQueries: readonly GateQuery[],
): GateMetrics {
  const total = passes + escalations;
  return {
    passCount: passes,
    escalateCount: escalations,
    total,
    passRatePct: percent(passes, total),
    avgConfidence: passes === 0 ? 0 : Math.round(confidence.value / passes) / 100,
    escalateRatePct: percent(escalations, total),
    lastQueries: [...lastQueries],
  };
}

/** Returns the share of `part` in `total` in percent, rounded to one decimal; 0 if `total` is 0. */
function percent(part: number, total: number): number {
  return total === 0 ? 0 : Math.round(1000 * part / total) / 10;
}
