/**
 * Sums up the calls among events: how many there were and how many failed, how long they took, their tokens and their
 * costs. Tallies can be merged, and stored as numbers. Pure.
 *
 * @module
 */
import { amountIn } from "../cost/spend.ts";
import type { AuditEvent } from "../event.ts";
import { Moments, type MomentsState } from "./moments.ts";
import { QuantileSketch } from "./quantile_sketch.ts";
import { hasTokens, mayBeCall, type SpendFacts, spendFacts, SpendTally } from "./spend_tally.ts";

/**
 * The counts and sums of a tally, in the order in which they are stored. Those that are most often 0 are last, because
 * zeros at the end are not stored.
 */
const COUNTS = [
  "events",
  "calls",
  "paid",
  "inputTokens",
  "inputCalls",
  "outputTokens",
  "outputCalls",
  "timedOutputTokens",
  "timedOutputMs",
  "timedOutputCalls",
  "errors",
  "aborted",
  "cachedCalls",
  "cachedTokens",
  "badCosts",
  "navs",
  "validationFails",
  "adjustedCosts",
] as const;

/**
 * The content of a {@linkcode CallTally} as numbers, without its sketch, which estimates the quantiles of the
 * durations.
 */
export type CallState = readonly [
  counts: readonly number[],
  costs: MomentsState | 0,
  durations: MomentsState | 0,
];

/** The facts of an event that tallies use. They are computed once, because an event is added to several tallies. */
export interface CallFacts {
  readonly spend: SpendFacts;
  /** `true` if the event is a call, see {@linkcode isCall}. */
  readonly isCall: boolean;
  /** `true` if the event is a failed call. */
  readonly hasFailed: boolean;
  /** The duration in milliseconds; null if the event is not a call, or does not state its duration. */
  readonly durationMs: number | null;
}

/** Returns the facts of an event that tallies use. */
export function callFacts(event: AuditEvent): CallFacts {
  const spend = spendFacts(event);
  if (!isCall(event, spend)) return { spend, isCall: false, hasFailed: false, durationMs: null };
  const durationMs = amountIn(event.duration_ms);
  return { spend, isCall: true, hasFailed: isFailure(event), durationMs };
}

/** The counts, sums and durations of the calls in a group of events. */
export class CallTally {
  events = 0;
  /** Number of calls, see {@linkcode isCall}. */
  calls = 0;
  /** Number of calls that state a cost or tokens. */
  paid = 0;
  inputTokens = 0;
  /** Number of calls that state input tokens. */
  inputCalls = 0;
  outputTokens = 0;
  /** Number of calls that state output tokens. */
  outputCalls = 0;
  /** The output tokens, durations (milliseconds) and number of the calls that state both, with a duration above 0. */
  timedOutputTokens = 0;
  timedOutputMs = 0;
  timedOutputCalls = 0;
  errors = 0;
  aborted = 0;
  /** Number of calls that state input tokens from the cache, and the sum of these tokens. */
  cachedCalls = 0;
  cachedTokens = 0;
  /** Number of events whose cost is not a number. */
  badCosts = 0;
  /** Number of events of the types `nav` and `validation_fail`. */
  navs = 0;
  validationFails = 0;
  /** Number of events that adjust the tokens and the cost of the call of another event. */
  adjustedCosts = 0;
  costs: Moments = new Moments();
  durations: Moments = new Moments();
  sketch: QuantileSketch = new QuantileSketch();

  /** Adds an event. `facts` is the result of {@linkcode callFacts} for the event. */
  add(event: AuditEvent, facts: CallFacts = callFacts(event)): void {
    this.events++;
    if (event.event === "nav") this.navs++;
    else if (event.event === "validation_fail") this.validationFails++;
    const { spend: { usd, hasBadCost, input, output, isAdjustment }, durationMs } = facts;
    if (hasBadCost) this.badCosts++;
    if (isAdjustment) this.#addAmounts(event, facts.spend);
    if (!facts.isCall) return;
    this.calls++;
    if (facts.hasFailed) this.errors++;
    else if (event.status === "aborted") this.aborted++;
    if (durationMs !== null) {
      this.sketch.add(durationMs);
      this.durations.add(durationMs);
    }
    if (input !== null) this.#addInput(input, event);
    if (output !== null) this.#addOutput(output, durationMs);
    if (usd !== null) this.costs.add(usd);
    if (input !== null || output !== null || usd !== null) this.paid++;
  }

  /** Adds the amounts of an event that adjusts the call of another event. The number of calls stays the same. */
  #addAmounts({ cache_read_t }: AuditEvent, { usd, input, output }: SpendFacts): void {
    this.inputTokens += input ?? 0;
    this.outputTokens += output ?? 0;
    if (input !== null) this.cachedTokens += amountIn(cache_read_t) ?? 0;
    if (usd === null) return;
    this.costs.add(usd);
    if (hasTokens({ input, output })) this.adjustedCosts++;
  }

  #addInput(input: number, { cache_read_t }: AuditEvent): void {
    this.inputTokens += input;
    this.inputCalls++;
    const cached = amountIn(cache_read_t);
    if (cached !== null) {
      this.cachedTokens += cached;
      this.cachedCalls++;
    }
  }

  #addOutput(output: number, durationMs: number | null): void {
    this.outputTokens += output;
    this.outputCalls++;
    if (durationMs !== null && durationMs > 0) {
      this.timedOutputTokens += output;
      this.timedOutputMs += durationMs;
      this.timedOutputCalls++;
    }
  }

  /** Adds the events of another tally. */
  addAll(other: CallTally): void {
    for (const name of COUNTS) this[name] += other[name];
    this.costs.addAll(other.costs);
    this.durations.addAll(other.durations);
    this.sketch.addAll(other.sketch);
  }

  /** Returns the content as numbers, without the sketch, which estimates the quantiles of the durations. */
  state(): CallState {
    const counts = COUNTS.map((name) => this[name]);
    // Zeros at the end are left out, because the stored text is then a third shorter.
    const length = counts.findLastIndex((count) => count !== 0) + 1;
    return [
      counts.slice(0, length),
      this.costs.n === 0 ? 0 : this.costs.state(),
      this.durations.n === 0 ? 0 : this.durations.state(),
    ];
  }

  /**
   * Returns the tally with the content that {@linkcode state} has returned. `sketch` estimates the quantiles of the
   * durations.
   */
  static from([counts, costs, durations]: CallState, sketch: QuantileSketch): CallTally {
    const tally = new CallTally();
    for (const [n, count] of counts.entries()) {
      const name = COUNTS[n];
      if (name !== undefined) tally[name] = count;
    }
    if (costs !== 0) tally.costs = Moments.from(costs);
    if (durations !== 0) tally.durations = Moments.from(durations);
    tally.sketch = sketch;
    return tally;
  }
}

/** Returns the costs and tokens of a tally. */
export function spendIn(calls: CallTally): SpendTally {
  const tally = new SpendTally();
  const { events, paid, inputTokens, outputTokens, costs, badCosts, adjustedCosts } = calls;
  const known = costs.n - adjustedCosts;
  Object.assign(tally, { events, paid, inputTokens, outputTokens, costs: known, badCosts });
  costs.addTo(tally.sum);
  return tally;
}

/** Checks whether a call failed: its status is "error", or its type is `validation_fail`. */
export function isFailure({ status, event }: AuditEvent): boolean {
  return status === "error" || event === "validation_fail";
}

/**
 * Checks whether an event is a call: it states a status, a duration, a cost or tokens, or has the type
 * `validation_fail`. The event that begins a span, and the lines of budgets, are calls only if they have a cost. An event
 * that adjusts the call of another event is not a call.
 */
export function isCall(
  event: AuditEvent,
  { usd, input, output, isAdjustment }: SpendFacts,
): boolean {
  if (isAdjustment) return false;
  // Every event with a cost counts as a call, whatever its type is, so that the costs of all calls add up to the spend.
  if (usd !== null) return true;
  if (!mayBeCall(event)) return false;
  return isFailure(event) || typeof event.status === "string" ||
    amountIn(event.duration_ms) !== null || input !== null || output !== null;
}
