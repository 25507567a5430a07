/**
 * Adds up all figures of a report in one pass over the events, in memory that does not grow with the number
 * of events. Pure.
 *
 * @module
 */
import type { BudgetLedger } from "../budget/ledger.ts";
import type { AuditEvent, EventType } from "../event.ts";
import { type AccuracyMetrics, accuracyOf } from "../metrics/accuracy.ts";
import { GateCount, type GateMetrics } from "../metrics/gate.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { amountIn, finite } from "../cost/spend.ts";
import type { GateTally } from "../rollup/gate_tally.ts";
import type { HoldTally } from "../rollup/hold_tally.ts";
import type { StoredCell } from "../rollup/rollup.ts";
import { SpendTally } from "../rollup/spend_tally.ts";
import { TimeRange } from "../rollup/time_range.ts";
import { eventEpochMs } from "../time.ts";
import { type BudgetFigures, BudgetTally } from "./budget_tally.ts";
import { NameTally } from "./name_tally.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { RecentSpend } from "./recent_spend.ts";
import { type SessionFigures, type SessionSums, SessionTally } from "./session_tally.ts";
import { type Bucket, type BucketContent, TimeBuckets } from "./time_buckets.ts";

const TOP_SESSIONS = 10;
/** Number of the last events in the log (not the latest by time) that a report lists with all their fields. */
export const LAST_EVENTS = 50;

/**
 * The figures of a model. The name is null for events without a model, and for the models that are combined because
 * there are too many.
 */
export interface ModelFigures {
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

/** The figures of each model, or of each event type. Above a maximum number of names, further names are combined. */
export interface Named<T> {
  /** The figures of each name in descending order: models by cost, types by number of events. */
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
  /** The spend in USD of each model of {@linkcode ReportData.models}, in the same order; combined models come last. */
  readonly usdByModel: readonly number[];
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
  readonly models: Named<ModelFigures>;
  readonly types: Named<TypeFigures>;
  readonly sessions: readonly SessionFigures[];
  /** The figures of the budgets at the end of the range. */
  readonly budgets: readonly BudgetFigures[];
  /** The number of sessions; null if there are too many to count. */
  readonly sessionCount: number | null;
  /** The events that were appended last, the newest first. */
  readonly lastEvents: readonly AuditEvent[];
}

/** The sums of the events of an archive. */
export interface ArchiveSums {
  readonly gate: GateTally;
  readonly holds: HoldTally;
  /** The type and the model of each group of events, in the order of their first events. */
  readonly groups: readonly { readonly type: string | null; readonly model: string | null }[];
  /** The times of the events in each quarter of an hour, by the number of the quarter. */
  readonly quarters: ReadonlyMap<number, TimeRange>;
  /** The sums of the events of each group in each quarter of an hour. */
  readonly cells: readonly StoredCell[];
  readonly sessions: readonly ({ readonly id: string } & SessionSums)[];
}

class Model {
  events = 0;
  inputTokens = 0;
  outputTokens = 0;
  /**
   * The bucket to which the last cost of this model was added, and the sum of the model in that bucket. They are
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
  readonly sums = new Map<Model, PreciseSum>();
  readonly times = new TimeRange();
  events = 0;
  totalNav = 0;
  validationFailCount = 0;

  addAll(other: Content): void {
    this.events += other.events;
    this.times.addAll(other.times);
    for (const [model, sum] of other.sums) this.sumOf(model).addSum(sum);
    this.totalNav += other.totalNav;
    this.validationFailCount += other.validationFailCount;
  }

  add(model: Model, usd: number): void {
    if (model.last?.content !== this) model.last = { content: this, sum: this.sumOf(model) };
    model.last.sum.add(usd);
  }

  sumOf(model: Model): PreciseSum {
    let sum = this.sums.get(model);
    if (sum === undefined) this.sums.set(model, sum = new PreciseSum());
    return sum;
  }
}

/** Adds up the figures of a report, one event at a time. */
export class ReportAggregate {
  readonly #range: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs">;
  readonly #buckets: TimeBuckets<Content>;
  readonly #recent: RecentSpend;
  readonly #models = new NameTally((name) => new Model(name));
  readonly #types = new NameTally((name) => new Type(name));
  readonly #sessions = new SessionTally();
  readonly #budgets = new BudgetTally();
  readonly #gate = new GateCount(0);
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
    options: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs" | "timeZone">,
  ) {
    this.#range = options;
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
    const model = this.#countModel(event);
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
        content.add(model, usd);
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

  /** Whether the amounts of a budget are known, so that each event that is added next may change them. */
  get hasBudgets(): boolean {
    return this.#budgets.hasBudgets;
  }

  /**
   * Adds the sums of an archive in place of its events. All events must be in the time range of the report and have a
   * time, must be older than the last day of the range, and must not be among its last events. A bucket must be at
   * least as wide as a quarter of an hour.
   */
  addArchive({ gate, holds, groups, quarters, cells, sessions }: ArchiveSums): void {
    this.#gate.addAll(gate);
    this.#budgets.addArchive(holds);
    const figures = groups.map(({ type, model }) => ({
      type: this.#types.of(type),
      model: this.#models.of(model),
    }));
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
    for (const [quarter, group, ...state] of cells) {
      const { type, model } = figures[group]!;
      const sums = SpendTally.from(state);
      // Every event of the archive has a time, so every cell belongs to a quarter of an hour.
      const content = contents.get(quarter!)!;
      this.#events += sums.events;
      content.events += sums.events;
      type.events += sums.events;
      model.events += sums.events;
      model.inputTokens += sums.inputTokens;
      model.outputTokens += sums.outputTokens;
      this.#countSums(groups[group]!.type, sums.events, content);
      if (sums.costs > 0) {
        type.sum.addSum(sums.sum);
        content.sumOf(model).addSum(sums.sum);
      }
    }
    for (const { id, ...sums } of sessions) this.#sessions.addSums(id, sums);
  }

  /** Returns the figures of the events added so far. */
  data(): ReportData {
    const buckets = this.#buckets.list();
    const { firstMs, lastMs } = this.#times;
    const { models, inOrder, others, usd } = this.#modelFigures(buckets);
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
      gate: this.#gate.metrics(),
      bucketMs: this.#buckets.widthMs,
      buckets: buckets.map((bucket) => bucketFigures(bucket, inOrder)),
      models: { named: models, others },
      types: this.#typeFigures(),
      // If the end of the range is unknown, the figures of the budgets are those at the start of the range.
      budgets: this.#budgets.figures(this.#recent.endMs ?? this.#range.sinceMs),
      sessions: this.#sessions.dearest(TOP_SESSIONS),
      sessionCount: this.#sessions.count,
      lastEvents: this.#newestFirst(),
    };
  }

  #countModel(event: AuditEvent): Model {
    const model = this.#models.of(event.model);
    model.events++;
    model.inputTokens += amountIn(event.input_t) ?? 0;
    model.outputTokens += amountIn(event.output_t) ?? 0;
    return model;
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

  #modelFigures(buckets: readonly Bucket<Content>[]): {
    models: ModelFigures[];
    others: ModelFigures | null;
    inOrder: Model[];
    usd: number;
  } {
    const sums = new Map<Model, PreciseSum>();
    const whole = new PreciseSum();
    for (const { content } of buckets) {
      for (const [model, sum] of content?.sums ?? []) {
        const total = sums.get(model) ?? new PreciseSum();
        total.addSum(sum);
        sums.set(model, total);
        whole.addSum(sum);
      }
    }
    const figuresOf = (model: Model): ModelFigures => {
      const { name, events, inputTokens, outputTokens } = model;
      return { name, usd: sums.get(model)?.value ?? 0, events, inputTokens, outputTokens };
    };
    const found = [...this.#models.named]
      .map((model) => ({ model, figures: figuresOf(model) }))
      .filter(({ figures }) => isOfInterest(figures))
      .sort((a, b) => byCost(a.figures, b.figures));
    const { others } = this.#models;
    return {
      models: found.map(({ figures }) => figures),
      others: others === null ? null : figuresOf(others),
      inOrder: [...found.map(({ model }) => model), ...others === null ? [] : [others]],
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
  models: readonly Model[],
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
    usdByModel: models.map((model) => content?.sums.get(model)?.value ?? 0),
    accuracy: accuracyOf(content?.totalNav ?? 0, content?.validationFailCount ?? 0),
  };
}

/** Checks whether the report shows a model. Events without a model are shown only if they have costs or tokens. */
function isOfInterest({ name, usd, inputTokens, outputTokens }: ModelFigures): boolean {
  return name !== null || usd !== 0 || inputTokens !== 0 || outputTokens !== 0;
}

type Costing = Pick<TypeFigures, "usd" | "name">;

/** Compares figures by cost in descending order. If costs are equal, compares names; a missing name comes first. */
function byCost(a: Costing, b: Costing): number {
  const nameOf = ({ name }: Costing) => name === null ? "" : `:${name}`;
  return b.usd - a.usd || (nameOf(a) < nameOf(b) ? -1 : 1);
}
