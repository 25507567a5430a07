/**
 * Sums up the calls of a log by the values of one or two fields: how often they failed, how long they took, and what
 * they cost.
 *
 * @module
 */
import { finite } from "../cost/spend.ts";
import type { AuditEvent } from "../event.ts";
import {
  abortSignal,
  callback,
  checkOption,
  checkOptions,
  type OptionCheck,
  type OptionChecks,
  texts,
  time,
  timeZone,
} from "../options/option_checks.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { eventEpochMs, type TimeLike, toEpochMs } from "../time.ts";
import { type CallFigures, CallTally, isFailure } from "./call_tally.ts";
import { type FailureReason, FailureReasons } from "./failure_reasons.ts";
import { compareKeys, type GroupKey, Groups, isTimeKey } from "./group_key.ts";

/** Options of {@linkcode stats}. */
export interface StatsOptions {
  /**
   * One or two names of fields by whose values the events are grouped, such as `"agent"` or `["agent", "model"]`. Also
   * `"hour"` and `"day"`, and `"session"` for the field `session_id`. By default only the total is computed.
   *
   * @default {[]}
   */
  by?: string | readonly string[];
  /**
   * Counts events from this time on. If `since` or `until` is set, events without a readable time are left out.
   *
   * @default {undefined}
   */
  since?: TimeLike;
  /**
   * Counts events before this time.
   *
   * @default {undefined}
   */
  until?: TimeLike;
  /**
   * Checks whether an event is an outcome that the calls are made for, such as a finished task. The figures then state
   * the number of outcomes and the cost of one.
   *
   * @default {undefined}
   */
  outcome?: (event: AuditEvent) => boolean;
  /**
   * The time zone of `"hour"` and `"day"`: an IANA name such as `Europe/Berlin`, or a UTC offset such as `+05:30`.
   *
   * @default {"UTC"}
   */
  timeZone?: string;
  /**
   * A signal that aborts the reading.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** The events of {@linkcode stats}: a log, a reader, or any events, such as the result of a query. */
export type StatsSource =
  | AsyncIterable<AuditEvent>
  | { query(options: QueryOptions): AsyncIterable<AuditEvent> };

/** The figures of the events with the same values. */
export interface StatsGroup extends CallFigures {
  /** The values of the fields in `by`, in the same order. Null if the events have no value. */
  readonly key: GroupKey;
}

/** The result of {@linkcode stats}. */
export interface Stats {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  /** The figures of all events. */
  readonly total: CallFigures;
  /**
   * The figures of each group: sorted by time if the events are grouped by hour or day, else by cost and by number of
   * calls, the highest first.
   */
  readonly groups: readonly StatsGroup[];
  /** The combined figures of the groups after the first 10,000; null if there are at most 10,000 groups. */
  readonly others: CallFigures | null;
  /** The failures by reason, the most frequent first. */
  readonly failures: readonly FailureReason[];
  /** Number of events whose cost is not a number. The sums leave out these costs. */
  readonly badCosts: number;
}

const FIELDS_MAX = 2;
const GROUPS_MAX = 10_000;

const fields: OptionCheck = {
  must: "one or two names of fields",
  isOfType: texts.isOfType,
  isInRange: (value: string | readonly string[]) =>
    [value].flat().length <= FIELDS_MAX && ![value].flat().includes(""),
};

const CHECKS: OptionChecks<StatsOptions> = {
  by: fields,
  since: time,
  until: time,
  outcome: callback,
  timeZone,
  signal: abortSignal,
};

const sourceCheck: OptionCheck = {
  must: "a log, a reader or an iterable of events, such as log.query()",
  isOfType: (value) =>
    typeof value === "object" && value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value ||
      typeof (value as { query?: unknown }).query === "function"),
};

/**
 * Sums up the calls of a log: how many there were and how many failed, quantiles of their durations, their tokens and
 * their costs. With `by`, also for each value of one or two fields. Failures are counted by reason.
 *
 * A call is an event that states a `status`, a `duration_ms`, a `cost` or tokens, or has the type `validation_fail`. A
 * call failed if its `status` is `"error"` or its type is `validation_fail`. Memory grows with the number of groups, of
 * which at most 10,000 have figures of their own, but not with the number of events.
 *
 * A quantile is the value whose rank is `q` times the number of values, rounded up, and has a relative error of at most
 * 1 %. Its 95 % confidence interval is that of order statistics (H. A. David, H. N. Nagaraja, "Order Statistics", 2003).
 * A deviation is the standard deviation of the sample.
 *
 * @param source A log, a reader, or any events. Needs the permissions for reading the source, and no others.
 * @param options The groups, the time range and what counts as an outcome; by default the total of all events.
 * @returns The figures.
 * @throws {TypeError} If the source or an option is of the wrong type, or an option is unknown; the message names it.
 * @throws {RangeError} If a time or time zone is invalid, or `by` has more than two names; the message names the option.
 * @throws {DOMException} If `signal` is aborted without a reason. If it has a reason, that reason is thrown.
 * @throws {Error} If reading the source fails; the error of the source is passed through.
 *
 * @example
 * ```ts
 * import { AuditLog, stats } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * await log.log("llm_call", { agent: "critic", cost: 0.02, duration_ms: 800, status: "ok" });
 * await log.log("llm_call", { agent: "critic", duration_ms: 90, status: "error", error: "HTTP 429" });
 * await log.log("done", { agent: "critic" });
 *
 * const { groups: [critic], failures } = await stats(log, {
 *   by: "agent",
 *   outcome: ({ event }) => event === "done",
 * });
 * assertEquals([critic?.key, critic?.calls, critic?.errorPct], [["critic"], 2, 50]);
 * assertEquals(critic?.usdPerOutcome, 0.02);
 * assertEquals(failures[0]?.reason, "HTTP 429");
 * ```
 */
export async function stats(source: StatsSource, options: StatsOptions = {}): Promise<Stats> {
  checkOption(source, sourceCheck, "Cannot compute statistics: source");
  checkOptions(options, CHECKS, "compute statistics");
  const { signal } = options;
  const tally = new StatsTally(options);
  for await (const event of eventsOf(source, options)) {
    signal?.throwIfAborted();
    tally.add(event);
  }
  return tally.stats();
}

function eventsOf(source: StatsSource, options: StatsOptions): AsyncIterable<AuditEvent> {
  const { since, until, signal } = options;
  if ("query" in source) {
    return source.query({
      ...since === undefined ? {} : { since },
      ...until === undefined ? {} : { until },
      ...signal === undefined ? {} : { signal },
    });
  }
  return since === undefined && until === undefined ? source : eventsInRange(source, options);
}

async function* eventsInRange(
  source: AsyncIterable<AuditEvent>,
  { since, until }: StatsOptions,
): AsyncGenerator<AuditEvent> {
  const sinceMs = since === undefined ? -Infinity : toEpochMs(since, "since");
  const untilMs = until === undefined ? Infinity : toEpochMs(until, "until");
  for await (const event of source) {
    // The time of an event without a readable `ts` is NaN, so the event is left out.
    const epochMs = eventEpochMs(event.ts);
    if (epochMs >= sinceMs && epochMs < untilMs) yield event;
  }
}

/** The figures of {@linkcode stats}, one event at a time. */
export class StatsTally {
  readonly #keys: readonly string[];
  readonly #groups: Groups<CallTally> | null;
  readonly #total: CallTally;
  readonly #failures = new FailureReasons();
  #badCosts = 0;

  /** Starts without events. The options must be valid. */
  constructor({ by = [], outcome = () => false, timeZone = "UTC" }: StatsOptions) {
    this.#keys = [by].flat();
    this.#total = new CallTally(outcome);
    this.#groups = this.#keys.length === 0
      ? null
      : new Groups(this.#keys, { timeZone, max: GROUPS_MAX, create: () => new CallTally(outcome) });
  }

  /** Adds an event. */
  add(event: AuditEvent): void {
    this.#total.add(event);
    this.#groups?.of(event).add(event);
    if (isFailure(event)) this.#failures.add(event);
    if (Object.hasOwn(event, "cost") && finite(event.cost) === null) this.#badCosts++;
  }

  /** Returns the figures of the events added so far. */
  stats(): Stats {
    return {
      by: this.#keys,
      total: this.#total.figures(),
      groups: this.#sorted(),
      others: this.#groups?.others?.figures() ?? null,
      failures: this.#failures.list(),
      badCosts: this.#badCosts,
    };
  }

  #sorted(): StatsGroup[] {
    const groups = Iterator.from(this.#groups?.groups ?? [])
      .map(({ key, figures }) => ({ key, ...figures.figures() })).toArray();
    const isByTime = this.#keys.some(isTimeKey);
    return groups.sort((a, b) =>
      isByTime
        ? compareKeys(this.#keys, a.key, b.key)
        : b.usd - a.usd || b.calls - a.calls || b.events - a.events ||
          compareKeys(this.#keys, a.key, b.key)
    );
  }
}
