/**
 * Sums up the calls of a log by the values of one or two fields: how often they failed, how long they took, and what
 * they cost.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import {
  callback,
  checkOption,
  checkOptions,
  type OptionChecks,
} from "../options/option_checks.ts";
import { CALL_SUMS } from "../read/sum_up.ts";
import { CallTally, isFailure } from "../rollup/call_tally.ts";
import { type FailureReason, FailureReasons } from "../rollup/failure_reasons.ts";
import { eventEpochMs } from "../time.ts";
import { type CallFigures, figuresOf } from "./call_figures.ts";
import { compareKeys, type GroupKey, Groups, isTimeKey } from "./group_key.ts";
import {
  addGrouped,
  GROUP_OPTION_CHECKS,
  type GroupOptions,
  type GroupSink,
  type StatsSource,
  statsSource,
} from "./source.ts";

/** Options of {@linkcode stats}. */
export interface StatsOptions extends GroupOptions {
  /**
   * Checks whether an event is an outcome that the calls are made for, such as a finished task. The figures then state
   * the number of outcomes and the cost of one. With this option, archives are decoded, because their stored sums do
   * not count outcomes.
   *
   * @default {undefined}
   */
  outcome?: (event: AuditEvent) => boolean;
}

/** The figures of the events that have the same values in the fields of the option `by`. */
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

const GROUPS_MAX = 10_000;

const CHECKS: OptionChecks<StatsOptions> = { ...GROUP_OPTION_CHECKS, outcome: callback };

/**
 * Sums up the calls of a log: how many there were and how many failed, quantiles of their durations, their tokens and
 * their costs. With `by`, also for each value of one or two fields. Failures are counted by reason.
 *
 * A call is an event that states a `status`, a `duration_ms`, a `cost` or tokens, or has the type `validation_fail`. A
 * call failed if its `status` is `"error"` or its type is `validation_fail`. Memory grows with the number of groups, of
 * which at most 10,000 have figures of their own, but not with the number of events.
 *
 * A quantile is the value whose rank is `q` times the number of values, rounded up, and has a relative error of at most
 * 1 %. Its 95 % confidence interval is that of order statistics (H. A. David, H. N. Nagaraja, "Order Statistics",
 * 2003). A deviation is the standard deviation of the sample.
 *
 * @param source A log, a reader, or any events. Needs the permissions for reading the source, and no others.
 * @param options The groups, the time range and what counts as an outcome; by default the total of all events.
 * @returns The figures.
 * @throws {TypeError} If the source or an option is of the wrong type, or an option is unknown; the message names it.
 * @throws {RangeError} If a time or time zone is invalid, or `by` has more than two names; the message names the
 *   option.
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
  checkOption(source, statsSource, "Cannot compute statistics: source");
  checkOptions(options, CHECKS, "compute statistics");
  const { outcome, ...selection } = options;
  const sink = new StatsTally(options);
  // The stored sums of an archive do not count outcomes. A condition, even one that every event meets, makes sure that
  // archives are decoded.
  const where = outcome === undefined ? options.where : options.where ?? (() => true);
  await addGrouped(source, { ...selection, ...where === undefined ? {} : { where } }, {
    kind: CALL_SUMS,
    sink,
  });
  return sink.stats();
}

/** The calls of a group, and the number of its outcomes. */
class GroupTally {
  readonly calls = new CallTally();
  outcomes = 0;

  figures(): CallFigures {
    return figuresOf(this.calls, this.outcomes);
  }
}

/**
 * Collects the figures that {@linkcode stats} returns, one event or the stored sums of one group of events at a time.
 */
export class StatsTally implements GroupSink<CallTally> {
  readonly #keys: readonly string[];
  readonly #isOutcome: (event: AuditEvent) => boolean;
  readonly #groups: Groups<GroupTally> | null;
  readonly #total = new GroupTally();
  readonly #failures = new FailureReasons();

  /** Starts without events. The options must be valid. */
  constructor({ by = [], outcome = () => false, timeZone = "UTC" }: StatsOptions) {
    this.#keys = [by].flat();
    this.#isOutcome = outcome;
    this.#groups = this.#keys.length === 0
      ? null
      : new Groups(this.#keys, { timeZone, max: GROUPS_MAX, create: () => new GroupTally() });
  }

  /** Adds an event. */
  add(event: AuditEvent): void {
    const isOutcome = this.#isOutcome(event);
    const group = this.#groups?.of(event);
    for (const tally of group === undefined ? [this.#total] : [this.#total, group]) {
      tally.calls.add(event);
      if (isOutcome) tally.outcomes++;
    }
    if (isFailure(event)) this.#failures.add(event, eventEpochMs(event.ts));
  }

  /** Adds the sums of the events of a group. */
  addSums(key: GroupKey, sums: CallTally): void {
    this.#total.calls.addAll(sums);
    this.#groups?.at(key).calls.addAll(sums);
  }

  /** Adds the failures of events whose sums were added. */
  addFailures(failures: readonly FailureReason[]): void {
    this.#failures.addAll(failures);
  }

  /** Returns the figures of the events added so far. */
  stats(): Stats {
    return {
      by: this.#keys,
      total: this.#total.figures(),
      groups: this.#sorted(),
      others: this.#groups?.others?.figures() ?? null,
      failures: this.#failures.list(),
      badCosts: this.#total.calls.badCosts,
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
