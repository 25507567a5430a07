/**
 * Adds up all figures of a report in one pass over the events, in memory that does not grow with the number
 * of events. Pure.
 *
 * @module
 */
import type { BudgetLedger } from "../budget/ledger.ts";
import type { AuditEvent, EventType } from "../event.ts";
import { type AccuracyMetrics, accuracyOf } from "../metrics/accuracy.ts";
import { type GateMetrics, gateMetricsOf } from "../metrics/gate.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { finite } from "../cost/spend.ts";
import { callFacts, isFailure } from "../rollup/call_tally.ts";
import { type FailureReason, FailureReasons } from "../rollup/failure_reasons.ts";
import { GateTally } from "../rollup/gate_tally.ts";
import type { HoldTally } from "../rollup/hold_tally.ts";
import type { QuantileSketch } from "../rollup/quantile_sketch.ts";
import {
  SESSIONS,
  type StoredCalls,
  type StoredCell,
  type StoredValidations,
} from "../rollup/rollup.ts";
import { SpendTally } from "../rollup/spend_tally.ts";
import { TimeRange } from "../rollup/time_range.ts";
import { fieldNamed, type GroupKey } from "../stats/group_key.ts";
import { eventEpochMs } from "../time.ts";
import { type BucketFigures, bucketFigures, Content } from "./bucket_content.ts";
import { type BudgetFigures, BudgetTally } from "./budget_tally.ts";
import {
  AGENT,
  type Breakdown,
  byCost,
  type GroupFigures,
  Grouping,
  LOG,
  mapGroups,
  MODEL,
  type Named,
  type SummedGrouping,
} from "./groups.ts";
import { LastEvents } from "./last_events.ts";
import { ALL_TIME, type TimeSpan } from "./main_range.ts";
import { NameTally } from "./name_tally.ts";
import { isInReport, type ResolvedReportOptions } from "./options.ts";
import { RecentSpend } from "./recent_spend.ts";
import type { SpanSummary } from "../segments/span_summary.ts";
import { SpanTally, type UnfinishedFigures } from "./span_tally.ts";
import { type SessionFigures, type SessionSums, SessionTally } from "./session_tally.ts";
import { TimeBuckets } from "./time_buckets.ts";
import { type TimelineFigures, TimelineTally } from "./timeline_tally.ts";

const TOP_SESSIONS = 10;
/** Number of the last events that a report lists with all their fields. */
export const LAST_EVENTS = 50;
/** Maximum number of events that the page lists as outside of the time axis. */
const OUTSIDE_EVENTS = 50;

/**
 * The figures of an event type. The name is null for events without a type, and for the types that are combined because
 * there are too many.
 */
export interface TypeFigures {
  readonly name: string | null;
  readonly usd: number;
  readonly events: number;
}

/** The figures that a report shows. */
export interface ReportData {
  readonly events: number;
  /** The number of events without a readable time. Buckets and sums of costs do not include these events. */
  readonly untimed: number;
  /** The times of the first event, the last event and the end of the range in epoch milliseconds; null if unknown. */
  readonly firstMs: number | null;
  readonly lastMs: number | null;
  readonly endMs: number | null;
  readonly usd: number;
  /** The spend in USD in the last hour and in the last 24 hours of the range. */
  readonly lastHourUsd: number;
  readonly lastDayUsd: number;
  readonly accuracy: AccuracyMetrics;
  readonly gate: GateMetrics;
  /** The width of a bucket in milliseconds. Only a bucket in which clocks change has another width. */
  readonly bucketMs: number;
  readonly buckets: readonly BucketFigures[];
  readonly groups: Named<GroupFigures>;
  /** The groups by the option `by`, by model and by agent, as far as events have values of these fields. */
  readonly breakdowns: readonly Breakdown[];
  /** The names in the option `by` that no event has as a field, because they may be mistyped. */
  readonly missingFields: readonly string[];
  readonly types: Named<TypeFigures>;
  /** The failures by reason, the most frequent first. */
  readonly failures: readonly FailureReason[];
  /** The calls that have begun in the range and not ended in it. */
  readonly unfinished: UnfinishedFigures;
  readonly timeline: TimelineFigures;
  readonly sessions: readonly SessionFigures[];
  /** The figures of the budgets at the end of the range. */
  readonly budgets: readonly BudgetFigures[];
  /** The number of sessions; null if there are too many to count. */
  readonly sessionCount: number | null;
  /** The last events, the newest first, see {@linkcode LastEvents}. */
  readonly lastEvents: readonly AuditEvent[];
  /** The events that are too far from all others in time for the time axis. */
  readonly outside: OutsideFigures;
}

/** The events outside of the time axis: their number, and the first of them in the order of the log. */
export interface OutsideFigures {
  readonly count: number;
  readonly first: readonly AuditEvent[];
}

/** The sums of a table of an archive in each quarter of an hour. */
export interface SummedTable {
  readonly cells: readonly StoredCell[];
  /** The event type of each key of the table, in the order of first events; null if the table has no types. */
  readonly types: readonly (string | null)[] | null;
  /**
   * The values that name the group of the report for each key, in the same order; null if the table has no such values.
   */
  readonly groups: readonly GroupKey[] | null;
}

/** The call counts and the durations of an archive for each quarter of an hour. */
export interface SummedCalls {
  /** The agents of the archive, each as the values by which a table groups events. */
  readonly agents: readonly GroupKey[];
  readonly cells: readonly StoredCalls[];
  /** The durations, by the number of the quarter. */
  readonly durations: ReadonlyMap<number, QuantileSketch>;
}

/** The sums of the events of an archive. */
export interface ArchiveSums {
  readonly gate: GateTally;
  readonly holds: HoldTally;
  /** The spans (calls) of which only the beginning or the end is in the archive. */
  readonly spans: SpanSummary;
  /** The failures by reason, in the order of their first events. */
  readonly failures: readonly FailureReason[];
  /** The number of failed validations with each reason in each quarter of an hour. */
  readonly validations: readonly StoredValidations[];
  readonly calls: SummedCalls;
  /**
   * The times of the events in each quarter of an hour, by the number of the quarter. If all events are in one bucket,
   * they may be those of one quarter.
   */
  readonly quarters: ReadonlyMap<number, TimeRange>;
  /** The tables with the types and the groups of the report, which are one table for groups by model. */
  readonly tables: readonly SummedTable[];
  /** The sums for each of {@linkcode ReportAggregate.groupings}, in the same order. */
  readonly groupings: readonly SummedGrouping[];
  readonly sessions: readonly ({ readonly id: string } & SessionSums)[];
}

/** The event types that the accuracy metrics or the gate metrics count. */
const COUNTED: ReadonlySet<string> = new Set<EventType>([
  "nav",
  "validation_fail",
  "gate_compress",
  "gate_escalate",
]);

class Type {
  readonly sum = new PreciseSum();
  /**
   * `true` if the accuracy or the gate metrics may count events of this type. Also `true` for combined types, because
   * the metrics may count one of them.
   */
  readonly mayCount: boolean;
  events = 0;

  constructor(readonly name: string | null) {
    this.mayCount = name === null || COUNTED.has(name);
  }
}

/** Adds up the figures of a report, one event at a time. */
export class ReportAggregate {
  readonly #range: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs">;
  /** The time span that the charts show. The last hour and the last day are the periods before its end. */
  readonly #axis: TimeSpan;
  readonly #outside: AuditEvent[] = [];
  #outsideCount = 0;
  /** The groups by which the chart of the spend is divided. */
  readonly #main: Grouping;
  /** The main groups, and those by model and by agent. */
  readonly #groupings: readonly Grouping[];
  /** The groups by agent. The timeline has a lane for each, unless its lanes are sessions. */
  readonly #agents: Grouping;
  readonly #timeline = new TimelineTally();
  readonly #buckets: TimeBuckets<Content>;
  readonly #recent: RecentSpend;
  readonly #types = new NameTally((name) => new Type(name));
  readonly #sessions = new SessionTally();
  readonly #budgets = new BudgetTally();
  readonly #gate = new GateTally();
  readonly #failures = new FailureReasons();
  readonly #spans = new SpanTally();
  readonly #lastEvents: LastEvents;
  #events = 0;
  #untimed = 0;
  #totalNav = 0;
  #validationFailCount = 0;
  readonly #times = new TimeRange();

  /**
   * Creates the figures of a report, initially without events. Events outside of `axis` count only in figures that are
   * not shown over time. If `hasLogs` is true, the events are from several logs, whose names they have.
   */
  constructor(
    options: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs" | "timeZone" | "by">,
    { axis = ALL_TIME, hasLogs = false }: {
      readonly axis?: TimeSpan | undefined;
      readonly hasLogs?: boolean | undefined;
    } = {},
  ) {
    this.#range = options;
    this.#axis = axis;
    this.#lastEvents = new LastEvents(LAST_EVENTS, { hasLogs });
    this.#main = new Grouping(options.by);
    const further = [...hasLogs ? [[LOG]] : [], [MODEL], [AGENT]]
      .filter(([field]) => !this.#main.isBy(fieldNamed(field!)));
    this.#groupings = [this.#main, ...further.map((by) => new Grouping(by))];
    this.#agents = this.#groupings.find((grouping) => grouping.isBy(AGENT))!;
    this.#buckets = new TimeBuckets(options.timeZone, () => new Content());
    this.#recent = new RecentSpend(options.untilMs);
  }

  /** Sets the state of the budgets before the first event of the report. */
  beginBudgets(ledger: BudgetLedger): void {
    this.#budgets.begin(ledger);
  }

  /** Adds an event to the figures if the event is in the time range. Budgets also include events before the range. */
  add(event: AuditEvent): void {
    const epochMs = eventEpochMs(event.ts);
    const isInRange = isInReport(epochMs, this.#range);
    if (!(epochMs >= this.#range.untilMs)) this.#budgets.add(event, isInRange);
    if (!isInRange) return;
    this.#events++;
    this.#lastEvents.add(event, epochMs);
    const type = this.#types.of(event.event);
    type.events++;
    this.#spans.add(event);
    const failure = isFailure(event) ? this.#failures.add(event, epochMs) : null;
    const facts = callFacts(event);
    const group = this.#main.of(event);
    const agent = this.#main === this.#agents ? group : this.#agents.of(event);
    let usd = 0;
    if (Number.isNaN(epochMs)) {
      this.#untimed++;
      if (type.mayCount) this.#count(event);
    } else {
      usd = finite(event.cost) ?? 0;
      const content = this.isOnAxis(epochMs) ? this.#buckets.at(epochMs) : undefined;
      if (type.mayCount) this.#count(event, content);
      if (usd !== 0) type.sum.add(usd);
      if (content === undefined) this.#addOutside(event);
      else {
        content.events++;
        content.times.add(epochMs);
        if (failure !== null && event.event === "validation_fail") {
          content.addValidations(failure, 1);
        }
        content.addCall(agent, facts);
        if (usd !== 0) content.add(group, usd);
        this.#timeline.add(event, { epochMs, agent, ...facts });
        this.#times.add(epochMs);
        this.#recent.add(epochMs, usd);
      }
    }
    group.add(event, facts, usd);
    if (agent !== group) agent.add(event, facts, usd);
    for (const grouping of this.#groupings) {
      if (grouping === this.#main || grouping === this.#agents) continue;
      grouping.of(event).add(event, facts, usd);
    }
    if (typeof event.session_id === "string") {
      this.#sessions.add(event.session_id, usd, epochMs);
    }
  }

  /** Adds an event that a filter leaves out, because it may end a call whose beginning matches the filter. */
  addEnd(event: AuditEvent): void {
    if (isInReport(eventEpochMs(event.ts), this.#range)) this.#spans.addEnd(event);
  }

  /**
   * Extends the time axis so that it includes the instant of an event that is added later, and returns the width of a
   * bucket in milliseconds, which may have grown.
   */
  cover(epochMs: number): number {
    this.#buckets.cover(epochMs);
    return this.#buckets.widthMs;
  }

  /** The fields of each grouping of the report; the first is the option `by`. */
  get groupings(): readonly (readonly string[])[] {
    return this.#groupings.map(({ fields }) => fields);
  }

  /** Checks whether the summary of the spans (calls) in an archive is enough to find the unfinished calls. */
  areSpansEnough(spans: SpanSummary | null | undefined): spans is SpanSummary {
    return this.#spans.isEnough(spans);
  }

  /** Checks whether one bucket contains both instants, which are in epoch milliseconds. */
  isOneBucket(aMs: number, bMs: number): boolean {
    return this.#buckets.isOneBucket(aMs, bMs);
  }

  /** Checks whether the charts over time show an instant, which is in epoch milliseconds. */
  isOnAxis(epochMs: number): boolean {
    return epochMs >= this.#axis.fromMs && epochMs <= this.#axis.toMs;
  }

  /** Whether the amounts of a budget are known, so that each event that is added next may change them. */
  get hasBudgets(): boolean {
    return this.#budgets.hasBudgets;
  }

  /**
   * Adds the stored sums of an archive, so that its events need not be added. Every event of the archive must be within
   * the time range and the time axis of the report, and none may be among the last events that the report lists. The
   * events of the last day of the range must also be passed to {@linkcode addRecent}. A bucket must be at least as wide
   * as a quarter of an hour.
   */
  addArchive(
    { gate, holds, spans, failures, validations, calls, quarters, tables, groupings, sessions }:
      ArchiveSums,
  ): void {
    this.#gate.addAll(gate);
    this.#spans.addArchive(spans);
    const reasons = this.#failures.addAll(failures);
    this.#budgets.addArchive(holds);
    for (const { firstMs, lastMs } of quarters.values()) {
      this.cover(firstMs);
      this.cover(lastMs);
    }
    // The time axis now includes all times of the archive. So no bucket is widened while the sums are added, and the
    // entries of `contents` stay valid.
    const contents = new Map<number, Content>();
    for (const [quarter, times] of quarters) {
      const content = this.#buckets.at(times.firstMs);
      content.times.addAll(times);
      this.#times.addAll(times);
      contents.set(quarter, content);
    }
    for (const table of tables) this.#addTable(table, contents);
    for (const [quarter, reason, count] of validations) {
      contents.get(quarter)!.addValidations(reasons[reason]!, count);
    }
    this.#addCalls(calls, contents);
    for (const [n, { keys, sums }] of groupings.entries()) {
      const grouping = this.#groupings[n]!;
      for (const [group, key] of keys.entries()) grouping.at(key).addAll(sums[group]!);
    }
    for (const { id, ...sums } of sessions) this.#sessions.addSums(id, sums);
  }

  /**
   * Adds an event of the last day of the range to the spend of that day only. The sums of its archive, which were added
   * already, contain the other figures of the event.
   */
  addRecent({ ts, cost }: AuditEvent): void {
    this.#recent.add(eventEpochMs(ts), finite(cost) ?? 0);
  }

  /** Adds the calls of an archive to the buckets. */
  #addCalls(
    { agents, cells, durations }: SummedCalls,
    contents: ReadonlyMap<number, Content>,
  ): void {
    const groups = agents.map((key) => this.#agents.at(key));
    for (const [quarter, agent, calls, errors] of cells) {
      contents.get(quarter)!.addCalls(groups[agent]!, { calls, errors });
    }
    for (const [quarter, sketch] of durations) contents.get(quarter)!.durations.addAll(sketch);
  }

  /**
   * Adds the costs of a quarter of an hour of the last day to the spend of that day only. The quarter must lie wholly
   * within that day, and before the last hour.
   */
  addRecentSum(startMs: number, sum: PreciseSum): void {
    this.#recent.addSum(startMs, sum);
  }

  /** The end of the report in epoch milliseconds; null if it is unknown. */
  get endMs(): number | null {
    return this.#recent.endMs;
  }

  /** Adds the cells of an archive to the types, to the groups, or to both. */
  #addTable(
    { cells, types, groups }: SummedTable,
    contents: ReadonlyMap<number, Content>,
  ): void {
    const typeFigures = types?.map((name) => this.#types.of(name));
    const groupFigures = groups?.map((key) => this.#main.at(key));
    for (const [quarter, key, ...state] of cells) {
      const sums = SpendTally.from(state);
      // An event that adjusts the cost of a call is not counted among the known costs.
      const hasCosts = sums.costs > 0 || sums.sum.value !== 0;
      // Every event of the archive has a time, so every cell belongs to a quarter of an hour.
      const content = contents.get(quarter!)!;
      const type = typeFigures?.[key];
      if (type !== undefined) {
        this.#events += sums.events;
        content.events += sums.events;
        type.events += sums.events;
        this.#countSums(types![key], sums.events, content);
        if (hasCosts) type.sum.addSum(sums.sum);
      }
      const group = groupFigures?.[key];
      if (group !== undefined && hasCosts) content.sumOf(group).addSum(sums.sum);
    }
  }

  /** Returns the figures of the events added so far. */
  data(): ReportData {
    const buckets = this.#buckets.list();
    const { firstMs, lastMs } = this.#times;
    const groups = this.#main.spending;
    const inOrder = [...groups.named, ...groups.others === null ? [] : [groups.others]];
    const unfinished = this.#spans.figures();
    return {
      events: this.#events,
      untimed: this.#untimed,
      firstMs: firstMs === Infinity ? null : firstMs,
      lastMs: lastMs === -Infinity ? null : lastMs,
      endMs: this.#recent.endMs,
      usd: this.#main.usd,
      lastHourUsd: this.#recent.usdOf(1),
      lastDayUsd: this.#recent.usdOf(24),
      accuracy: accuracyOf(this.#totalNav, this.#validationFailCount),
      gate: gateMetricsOf(this.#gate, []),
      bucketMs: this.#buckets.widthMs,
      buckets: buckets.map((bucket) => bucketFigures(bucket, inOrder)),
      groups: mapGroups(groups, (group) => group.figures()),
      breakdowns: this.#breakdowns(),
      missingFields: this.#events > 0 ? this.#main.namer.missing : [],
      types: this.#typeFigures(),
      failures: this.#failures.list(),
      unfinished,
      timeline: this.#timeline.figures({
        buckets,
        bucketMs: this.#buckets.widthMs,
        agents: this.#agents,
        unfinished: unfinished.first,
      }),
      // If the end of the range is unknown, the figures of the budgets are those at the start of the range.
      budgets: this.#budgets.figures(this.#recent.endMs ?? this.#range.sinceMs),
      sessions: this.#sessions.dearest(TOP_SESSIONS),
      sessionCount: this.#sessions.count,
      lastEvents: this.#lastEvents.newestFirst(),
      outside: { count: this.#outsideCount, first: [...this.#outside] },
    };
  }

  /**
   * Returns the figures of each grouping. A grouping by session is left out, because an archive has only the costs of
   * its sessions; so is one for which no event has a value.
   */
  #breakdowns(): Breakdown[] {
    return this.#groupings.filter(({ fields }) => !fields.some((name) => SESSIONS.includes(name)))
      .map((grouping) => ({
        by: grouping.by,
        groups: mapGroups(grouping.calling, (group) => group.callFigures()),
      }))
      .filter(({ groups: { named } }) => named.some(({ name }) => name !== null));
  }

  #addOutside(event: AuditEvent): void {
    this.#outsideCount++;
    if (this.#outside.length < OUTSIDE_EVENTS) this.#outside.push(event);
  }

  #count(event: AuditEvent, content?: Content): void {
    this.#gate.add(event);
    this.#countSums(event.event, 1, content);
  }

  /** Adds a number of events of one type to the counts from which the accuracy of navigation is computed. */
  #countSums(type: unknown, events: number, content?: Content): void {
    if (type === "nav") {
      this.#totalNav += events;
      if (content !== undefined) content.totalNav += events;
    } else if (type === "validation_fail") {
      this.#validationFailCount += events;
      if (content !== undefined) content.validationFailCount += events;
    }
  }

  #typeFigures(): Named<TypeFigures> {
    const figuresOf = ({ name, events, sum }: Type): TypeFigures => ({
      name,
      events,
      usd: sum.value,
    });
    const { named, others } = this.#types;
    return {
      named: [...named].map(figuresOf).sort((a, b) => b.events - a.events || byCost(a, b)),
      others: others === null ? null : figuresOf(others),
    };
  }
}
