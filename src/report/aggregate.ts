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
import { isFailure } from "../rollup/call_tally.ts";
import { type FailureReason, FailureReasons } from "../rollup/failure_reasons.ts";
import { GateTally } from "../rollup/gate_tally.ts";
import type { HoldTally } from "../rollup/hold_tally.ts";
import type { StoredCell } from "../rollup/rollup.ts";
import { spendFacts, SpendTally } from "../rollup/spend_tally.ts";
import { TimeRange } from "../rollup/time_range.ts";
import { eventEpochMs } from "../time.ts";
import { type BudgetFigures, BudgetTally } from "./budget_tally.ts";
import { NameTally } from "./name_tally.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { RecentSpend } from "./recent_spend.ts";
import { GroupNamer } from "./groups.ts";
import type { GroupKey } from "../stats/group_key.ts";
import { type SessionFigures, type SessionSums, SessionTally } from "./session_tally.ts";
import { type Bucket, type BucketContent, TimeBuckets } from "./time_buckets.ts";

const TOP_SESSIONS = 10;
/** Number of the last events in the log (not the latest by time) that a report lists with all their fields. */
export const LAST_EVENTS = 50;

/**
 * The figures of a group: of the events with the same model, or with the same values of the fields in the option `by`.
 * The name is null for events without such a value, and for the groups that are combined because there are too many.
 */
export interface GroupFigures {
  readonly name: string | null;
  readonly usd: number;
  readonly events: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * The figures of an event type. The name is null for events without a type, and for the types that are combined because
 * there are too many.
 */
export interface TypeFigures {
  readonly name: string | null;
  readonly usd: number;
  readonly events: number;
}

/** The figures of each group, or of each event type. Above a maximum number of names, further names are combined. */
export interface Named<T> {
  /** The figures of each name in descending order: groups by cost, types by number of events. */
  readonly named: readonly T[];
  /**
   * The combined figures of the names above the maximum number, which have no separate figures; null if the maximum was
   * not exceeded.
   */
  readonly others: T | null;
}

/** The figures of a time bucket, the period that one bar of a chart over time shows. */
export interface BucketFigures {
  /** The start (inclusive) and the end (exclusive) of the bucket in epoch milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly events: number;
  /** The times of the first and the last event in epoch milliseconds; Infinity and -Infinity without events. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly usd: number;
  /** The spend in USD of each group of {@linkcode ReportData.groups}, in the same order; combined groups come last. */
  readonly usdByGroup: readonly number[];
  readonly accuracy: AccuracyMetrics;
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
  /** The names in the option `by` that no event has as a field, because they may be mistyped. */
  readonly missingFields: readonly string[];
  readonly types: Named<TypeFigures>;
  /** The failures by reason, the most frequent first. */
  readonly failures: readonly FailureReason[];
  readonly sessions: readonly SessionFigures[];
  /** The figures of the budgets at the end of the range. */
  readonly budgets: readonly BudgetFigures[];
  /** The number of sessions; null if there are too many to count. */
  readonly sessionCount: number | null;
  /** The events that were appended last, the newest first. */
  readonly lastEvents: readonly AuditEvent[];
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

/** The sums of the events of an archive. */
export interface ArchiveSums {
  readonly gate: GateTally;
  readonly holds: HoldTally;
  /** The failures by reason, in the order of their first events. */
  readonly failures: readonly FailureReason[];
  /**
   * The times of the events in each quarter of an hour, by the number of the quarter. If all events are in one bucket,
   * they may be those of one quarter.
   */
  readonly quarters: ReadonlyMap<number, TimeRange>;
  /** The tables with the types and the groups of the report, which are one table for groups by model. */
  readonly tables: readonly SummedTable[];
  readonly sessions: readonly ({ readonly id: string } & SessionSums)[];
}

class Group {
  events = 0;
  inputTokens = 0;
  outputTokens = 0;
  /**
   * The bucket to which the last cost of this group was added, and the sum of the group in that bucket. They are
   * cached, because consecutive events are mostly in one bucket.
   */
  last: { readonly content: Content; readonly sum: PreciseSum } | undefined;
  constructor(readonly name: string | null) {}
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

class Content implements BucketContent {
  readonly sums = new Map<Group, PreciseSum>();
  readonly times = new TimeRange();
  events = 0;
  totalNav = 0;
  validationFailCount = 0;

  addAll(other: Content): void {
    this.events += other.events;
    this.times.addAll(other.times);
    for (const [group, sum] of other.sums) this.sumOf(group).addSum(sum);
    this.totalNav += other.totalNav;
    this.validationFailCount += other.validationFailCount;
  }

  add(group: Group, usd: number): void {
    if (group.last?.content !== this) group.last = { content: this, sum: this.sumOf(group) };
    group.last.sum.add(usd);
  }

  sumOf(group: Group): PreciseSum {
    let sum = this.sums.get(group);
    if (sum === undefined) this.sums.set(group, sum = new PreciseSum());
    return sum;
  }
}

/** Adds up the figures of a report, one event at a time. */
export class ReportAggregate {
  readonly #range: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs">;
  readonly #namer: GroupNamer;
  readonly #buckets: TimeBuckets<Content>;
  readonly #recent: RecentSpend;
  readonly #groups = new NameTally((name) => new Group(name));
  readonly #types = new NameTally((name) => new Type(name));
  readonly #sessions = new SessionTally();
  readonly #budgets = new BudgetTally();
  readonly #gate = new GateTally();
  readonly #failures = new FailureReasons();
  readonly #lastEvents: AuditEvent[] = [];
  #events = 0;
  /** Number of events in the range that were added one by one, and not as the sums of an archive. */
  #readEvents = 0;
  #untimed = 0;
  #totalNav = 0;
  #validationFailCount = 0;
  readonly #times = new TimeRange();

  /** Creates the figures of a report without events. */
  constructor(
    options: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs" | "timeZone" | "by">,
  ) {
    this.#range = options;
    this.#namer = new GroupNamer(options.by);
    this.#buckets = new TimeBuckets(options.timeZone, () => new Content());
    this.#recent = new RecentSpend(options.untilMs);
  }

  /** Sets the state of the budgets before the first event of the report. */
  beginBudgets(ledger: BudgetLedger): void {
    this.#budgets.begin(ledger);
  }

  /** Adds an event to the figures if the event is in the time range. Budgets also include events before the range. */
  add(event: AuditEvent): void {
    const { isTimed, sinceMs, untilMs } = this.#range;
    const epochMs = eventEpochMs(event.ts);
    // An unreadable time is NaN. Every comparison with NaN is false, so a report with a time range omits the event.
    const isInRange = !isTimed || (epochMs >= sinceMs && epochMs < untilMs);
    if (!(epochMs >= untilMs)) this.#budgets.add(event, isInRange);
    if (!isInRange) return;
    this.#events++;
    this.#lastEvents[this.#readEvents++ % LAST_EVENTS] = event;
    const type = this.#types.of(event.event);
    type.events++;
    if (isFailure(event)) this.#failures.add(event, epochMs);
    const group = this.#countGroup(event);
    let usd = 0;
    if (Number.isNaN(epochMs)) {
      this.#untimed++;
      if (type.mayCount) this.#count(event);
    } else {
      usd = finite(event.cost) ?? 0;
      const content = this.#buckets.at(epochMs);
      content.events++;
      content.times.add(epochMs);
      if (type.mayCount) this.#count(event, content);
      this.#times.add(epochMs);
      this.#recent.add(epochMs, usd);
      if (usd !== 0) {
        type.sum.add(usd);
        content.add(group, usd);
      }
    }
    if (typeof event.session_id === "string") {
      this.#sessions.add(event.session_id, usd, epochMs);
    }
  }

  /**
   * Extends the time axis so that it includes the instant of an event that is added later, and returns the width of a
   * bucket in milliseconds, which may have grown.
   */
  cover(epochMs: number): number {
    this.#buckets.cover(epochMs);
    return this.#buckets.widthMs;
  }

  /** Checks whether one bucket contains both instants, which are in epoch milliseconds. */
  isOneBucket(aMs: number, bMs: number): boolean {
    return this.#buckets.isOneBucket(aMs, bMs);
  }

  /** Whether the amounts of a budget are known, so that each event that is added next may change them. */
  get hasBudgets(): boolean {
    return this.#budgets.hasBudgets;
  }

  /**
   * Adds the sums of an archive in place of its events. All events must be in the time range of the report and have a
   * time, and must not be among its last events. Those of the last day of the range must also be passed to
   * {@linkcode addRecent}. A bucket must be at least as wide as a quarter of an hour.
   */
  addArchive({ gate, holds, failures, quarters, tables, sessions }: ArchiveSums): void {
    this.#gate.addAll(gate);
    this.#failures.addAll(failures);
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
    for (const { id, ...sums } of sessions) this.#sessions.addSums(id, sums);
  }

  /**
   * Adds an event of the last day of the range to the spend of that day. Its other figures are in the sums of an
   * archive.
   */
  addRecent({ ts, cost }: AuditEvent): void {
    this.#recent.add(eventEpochMs(ts), finite(cost) ?? 0);
  }

  /** Adds the cells of an archive to the types, to the groups, or to both. */
  #addTable(
    { cells, types, groups }: SummedTable,
    contents: ReadonlyMap<number, Content>,
  ): void {
    const typeFigures = types?.map((name) => this.#types.of(name));
    const groupFigures = groups?.map((key) => this.#groups.of(this.#namer.ofKey(key)));
    for (const [quarter, key, ...state] of cells) {
      const sums = SpendTally.from(state);
      // Every event of the archive has a time, so every cell belongs to a quarter of an hour.
      const content = contents.get(quarter!)!;
      const type = typeFigures?.[key];
      if (type !== undefined) {
        this.#events += sums.events;
        content.events += sums.events;
        type.events += sums.events;
        this.#countSums(types![key], sums.events, content);
        if (sums.costs > 0) type.sum.addSum(sums.sum);
      }
      const group = groupFigures?.[key];
      if (group !== undefined) {
        group.events += sums.events;
        group.inputTokens += sums.inputTokens;
        group.outputTokens += sums.outputTokens;
        if (sums.costs > 0) content.sumOf(group).addSum(sums.sum);
      }
    }
  }

  /** Returns the figures of the events added so far. */
  data(): ReportData {
    const buckets = this.#buckets.list();
    const { firstMs, lastMs } = this.#times;
    const { groups, inOrder, others, usd } = this.#groupFigures(buckets);
    return {
      events: this.#events,
      untimed: this.#untimed,
      firstMs: firstMs === Infinity ? null : firstMs,
      lastMs: lastMs === -Infinity ? null : lastMs,
      endMs: this.#recent.endMs,
      usd,
      lastHourUsd: this.#recent.usdOf(1),
      lastDayUsd: this.#recent.usdOf(24),
      accuracy: accuracyOf(this.#totalNav, this.#validationFailCount),
      gate: gateMetricsOf(this.#gate, []),
      bucketMs: this.#buckets.widthMs,
      buckets: buckets.map((bucket) => bucketFigures(bucket, inOrder)),
      groups: { named: groups, others },
      missingFields: this.#events > 0 ? this.#namer.missing : [],
      types: this.#typeFigures(),
      failures: this.#failures.list(),
      // If the end of the range is unknown, the figures of the budgets are those at the start of the range.
      budgets: this.#budgets.figures(this.#recent.endMs ?? this.#range.sinceMs),
      sessions: this.#sessions.dearest(TOP_SESSIONS),
      sessionCount: this.#sessions.count,
      lastEvents: this.#newestFirst(),
    };
  }

  #countGroup(event: AuditEvent): Group {
    const group = this.#groups.of(this.#namer.ofEvent(event));
    group.events++;
    const { input, output } = spendFacts(event);
    group.inputTokens += input ?? 0;
    group.outputTokens += output ?? 0;
    return group;
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

  #groupFigures(buckets: readonly Bucket<Content>[]): {
    groups: GroupFigures[];
    others: GroupFigures | null;
    inOrder: Group[];
    usd: number;
  } {
    const sums = new Map<Group, PreciseSum>();
    const whole = new PreciseSum();
    for (const { content } of buckets) {
      for (const [group, sum] of content?.sums ?? []) {
        const total = sums.get(group) ?? new PreciseSum();
        total.addSum(sum);
        sums.set(group, total);
        whole.addSum(sum);
      }
    }
    const figuresOf = (group: Group): GroupFigures => {
      const { name, events, inputTokens, outputTokens } = group;
      return { name, usd: sums.get(group)?.value ?? 0, events, inputTokens, outputTokens };
    };
    const found = [...this.#groups.named]
      .map((group) => ({ group, figures: figuresOf(group) }))
      .filter(({ figures }) => isOfInterest(figures))
      .sort((a, b) => byCost(a.figures, b.figures));
    const { others } = this.#groups;
    return {
      groups: found.map(({ figures }) => figures),
      others: others === null ? null : figuresOf(others),
      inOrder: [...found.map(({ group }) => group), ...others === null ? [] : [others]],
      usd: whole.value,
    };
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

  #newestFirst(): AuditEvent[] {
    const count = Math.min(this.#readEvents, LAST_EVENTS);
    return Array.from(
      { length: count },
      (_, age) => this.#lastEvents[(this.#readEvents - 1 - age) % LAST_EVENTS]!,
    );
  }
}

function bucketFigures(
  { startMs, endMs, content }: Bucket<Content>,
  groups: readonly Group[],
): BucketFigures {
  const total = new PreciseSum();
  for (const sum of content?.sums.values() ?? []) total.addSum(sum);
  return {
    startMs,
    endMs,
    events: content?.events ?? 0,
    firstMs: content?.times.firstMs ?? Infinity,
    lastMs: content?.times.lastMs ?? -Infinity,
    usd: total.value,
    usdByGroup: groups.map((group) => content?.sums.get(group)?.value ?? 0),
    accuracy: accuracyOf(content?.totalNav ?? 0, content?.validationFailCount ?? 0),
  };
}

/** Checks whether the report shows a group. Events without a group are shown only if they have costs or tokens. */
function isOfInterest({ name, usd, inputTokens, outputTokens }: GroupFigures): boolean {
  return name !== null || usd !== 0 || inputTokens !== 0 || outputTokens !== 0;
}

type Costing = Pick<TypeFigures, "usd" | "name">;

/** Compares figures by cost in descending order. If costs are equal, compares names; a missing name comes first. */
function byCost(a: Costing, b: Costing): number {
  const nameOf = ({ name }: Costing) => name === null ? "" : `:${name}`;
  return b.usd - a.usd || (nameOf(a) < nameOf(b) ? -1 : 1);
}
