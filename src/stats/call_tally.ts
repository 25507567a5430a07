/**
 * Sums up the calls among events: how many there were and how many failed, how long they took, their tokens and their
 * costs. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { finite } from "../cost/spend.ts";
import { type AuditEvent, isReservedType } from "../event.ts";
import { typeBegunBy } from "../segments/span_ledger.ts";
import { type Interval, quantileRanks, type Sample } from "./intervals.ts";
import { QuantileSketch } from "./quantile_sketch.ts";

/** A quantile, and the ends of its 95 % confidence interval. An end is null if there are too few values for it. */
export interface QuantileFigure {
  /** The quantile, with a relative error of at most 1 %. */
  readonly value: number;
  /** The lower end of the interval. */
  readonly low: number | null;
  /** The upper end of the interval. */
  readonly high: number | null;
}

/** The durations of the calls that state `duration_ms`, in milliseconds. */
export interface DurationFigures extends Sample {
  /** The median. */
  readonly p50: QuantileFigure;
  /** The 95th percentile. */
  readonly p95: QuantileFigure;
  /** The 99th percentile. */
  readonly p99: QuantileFigure;
}

/** The figures of a group of events. A figure is null if no event of the group states what it is computed from. */
export interface CallFigures {
  /** Number of events in the group. */
  readonly events: number;
  /**
   * Number of calls. A call is an event that states a status, a duration, a cost or tokens, and an event of type
   * `validation_fail`. The event that begins a span, and the lines of budgets, are not calls.
   */
  readonly calls: number;
  /** Number of calls that failed: their status is "error", or their type is `validation_fail`. */
  readonly errors: number;
  /** Number of calls whose status is "aborted". */
  readonly aborted: number;
  /** Share of the calls that failed, in percent. */
  readonly errorPct: number | null;
  /** The durations of the calls that state one. */
  readonly duration: DurationFigures | null;
  /** Sum of `input_t`. */
  readonly inputTokens: number;
  /** Number of calls that state `input_t`. */
  readonly inputCalls: number;
  /** Sum of `output_t`. */
  readonly outputTokens: number;
  /** Number of calls that state `output_t`. */
  readonly outputCalls: number;
  /** Output tokens per second of the calls that state `output_t` and a duration above 0. */
  readonly tokensPerSecond: number | null;
  /** Number of calls that state `output_t` and a duration above 0. */
  readonly speedCalls: number;
  /**
   * Share of the input tokens that came from the provider's cache, in percent: the sum of `cache_read_t` in the sum of
   * `input_t`. Null if no call states `cache_read_t`.
   */
  readonly cacheHitPct: number | null;
  /** Sum of the costs in USD. */
  readonly usd: number;
  /** The costs of the calls that state one, in USD. */
  readonly cost: Sample | null;
  /** Number of events that are an outcome. 0 without the option `outcome`. */
  readonly outcomes: number;
  /** The sum of the costs divided by the number of outcomes, in USD. Null without outcomes. */
  readonly usdPerOutcome: number | null;
}

/** Number of values, their exact sum, and the sum of their squared distances from the mean. */
class Moments {
  readonly #sum = new PreciseSum();
  #n = 0;
  #mean = 0;
  #squares = 0;
  #min = Infinity;
  #max = -Infinity;

  /** Adds a value (B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962). */
  add(value: number): void {
    this.#sum.add(value);
    this.#n++;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    const distance = value - this.#mean;
    this.#mean += distance / this.#n;
    this.#squares += distance * (value - this.#mean);
  }

  get sum(): number {
    return this.#sum.value;
  }

  /** Returns the sample; null without values. The deviation of a single value is 0. */
  sample(): Sample | null {
    const n = this.#n;
    if (n === 0) return null;
    return {
      n,
      // The quotient of equal values can differ from the value by a rounding error.
      mean: this.#min === this.#max ? this.#min : this.#sum.value / n,
      deviation: n === 1 ? 0 : Math.sqrt(this.#squares / (n - 1)),
    };
  }
}

/** The figures of a group of events, one event at a time. */
export class CallTally {
  readonly #isOutcome: (event: AuditEvent) => boolean;
  readonly #durations = new QuantileSketch();
  readonly #durationMoments = new Moments();
  readonly #costs = new Moments();
  #events = 0;
  #calls = 0;
  #errors = 0;
  #aborted = 0;
  #inputTokens = 0;
  #inputCalls = 0;
  #outputTokens = 0;
  #outputCalls = 0;
  #timedOutputTokens = 0;
  #timedOutputMs = 0;
  #timedOutputCalls = 0;
  #cachedTokens: number | null = null;
  #outcomes = 0;

  /** Starts without events. `isOutcome` checks whether an event is an outcome. */
  constructor(isOutcome: (event: AuditEvent) => boolean) {
    this.#isOutcome = isOutcome;
  }

  /** Adds an event. */
  add(event: AuditEvent): void {
    this.#events++;
    if (this.#isOutcome(event)) this.#outcomes++;
    if (!isCall(event)) return;
    this.#calls++;
    if (isFailure(event)) this.#errors++;
    else if (event.status === "aborted") this.#aborted++;
    const durationMs = amountOf(event.duration_ms);
    if (durationMs !== null) {
      this.#durations.add(durationMs);
      this.#durationMoments.add(durationMs);
    }
    this.#addTokens(event, durationMs);
    const usd = finite(event.cost);
    if (usd !== null) this.#costs.add(usd);
  }

  #addTokens(event: AuditEvent, durationMs: number | null): void {
    const input = amountOf(event.input_t);
    if (input !== null) {
      this.#inputTokens += input;
      this.#inputCalls++;
      const cached = amountOf(event.cache_read_t);
      if (cached !== null) this.#cachedTokens = (this.#cachedTokens ?? 0) + cached;
    }
    const output = amountOf(event.output_t);
    if (output === null) return;
    this.#outputTokens += output;
    this.#outputCalls++;
    if (durationMs === null || durationMs === 0) return;
    this.#timedOutputTokens += output;
    this.#timedOutputMs += durationMs;
    this.#timedOutputCalls++;
  }

  /** Returns the figures of the events added so far. */
  figures(): CallFigures {
    const usd = this.#costs.sum;
    return {
      events: this.#events,
      calls: this.#calls,
      errors: this.#errors,
      aborted: this.#aborted,
      errorPct: ratio(100 * this.#errors, this.#calls),
      duration: this.#durationFigures(),
      inputTokens: this.#inputTokens,
      inputCalls: this.#inputCalls,
      outputTokens: this.#outputTokens,
      outputCalls: this.#outputCalls,
      tokensPerSecond: ratio(1_000 * this.#timedOutputTokens, this.#timedOutputMs),
      speedCalls: this.#timedOutputCalls,
      cacheHitPct: this.#cachedTokens === null
        ? null
        : ratio(100 * this.#cachedTokens, this.#inputTokens),
      usd,
      cost: this.#costs.sample(),
      outcomes: this.#outcomes,
      usdPerOutcome: ratio(usd, this.#outcomes),
    };
  }

  #durationFigures(): DurationFigures | null {
    const sample = this.#durationMoments.sample();
    if (sample === null) return null;
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => this.#quantile(q));
    return { ...sample, p50: p50!, p95: p95!, p99: p99! };
  }

  /** Returns the value whose rank is the smallest that is at least `q` times the number of values. */
  #quantile(q: number): QuantileFigure {
    const { count } = this.#durations;
    const { low, high } = quantileRanks(q, count);
    const ranks = [Math.ceil(q * count), low ?? 1, high ?? count];
    const [value, lowest, highest] = this.#durations.atRanks(ranks);
    return {
      value: value!,
      low: low === null ? null : lowest!,
      high: high === null ? null : highest!,
    };
  }
}

/** Checks whether a call failed. */
export function isFailure({ status, event }: AuditEvent): boolean {
  return status === "error" || event === "validation_fail";
}

/** Checks whether an event is a call; see {@linkcode CallFigures.calls}. */
export function isCall(event: AuditEvent): boolean {
  const { event: type, span } = event;
  if (typeof type === "string") {
    if (isReservedType(type)) return false;
    if (typeof span === "string" && typeBegunBy(type) !== null) return false;
  }
  return isFailure(event) || typeof event.status === "string" ||
    amountOf(event.duration_ms) !== null || finite(event.cost) !== null ||
    amountOf(event.input_t) !== null || amountOf(event.output_t) !== null;
}

/** Returns the value if it is a finite number >= 0; null otherwise. A log can hold any value in any field. */
function amountOf(value: unknown): number | null {
  const amount = finite(value);
  return amount !== null && amount >= 0 ? amount : null;
}

function ratio(amount: number, of: number): number | null {
  return of === 0 ? null : amount / of;
}

/** Returns the interval of a quantile if both ends are known; null otherwise. */
export function intervalOf({ low, high }: QuantileFigure): Interval | null {
  return low === null || high === null ? null : { low, high };
}
