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
import { finite } from "../cost/spend.ts";
import { eventEpochMs } from "../time.ts";
import { type BudgetFigures, BudgetTally } from "./budget_tally.ts";
import { NameTally } from "./name_tally.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { RecentSpend } from "./recent_spend.ts";
import { type SessionFigures, SessionTally } from "./session_tally.ts";
import { type Bucket, type BucketContent, TimeBuckets } from "./time_buckets.ts";

const TOP_SESSIONS = 10;
const LAST_EVENTS = 50;

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
  /** The combined figures of the names that have no separate figures; null if there are no such names. */
  readonly others: T | null;
}

/** The figures of a time bucket. */
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
  /** `true` if the metrics may count events of this type. `true` for combined types, because one of them may count. */
  readonly mayCount: boolean;
  events = 0;

  constructor(readonly name: string | null) {
    this.mayCount = name === null || COUNTED.has(name);
  }
}

class Content implements BucketContent {
  readonly sums = new Map<Model, PreciseSum>();
  events = 0;
  firstMs = Infinity;
  lastMs = -Infinity;
  totalNav = 0;
  validationFailCount = 0;

  addAll(other: Content): void {
    this.events += other.events;
    this.firstMs = Math.min(this.firstMs, other.firstMs);
    this.lastMs = Math.max(this.lastMs, other.lastMs);
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
  #untimed = 0;
  #totalNav = 0;
  #validationFailCount = 0;
  #firstMs = Infinity;
  #lastMs = -Infinity;

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
    this.#lastEvents[this.#events % LAST_EVENTS] = event;
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
      if (epochMs < content.firstMs) content.firstMs = epochMs;
      if (epochMs > content.lastMs) content.lastMs = epochMs;
      if (type.mayCount) this.#count(event, content);
      if (epochMs < this.#firstMs) this.#firstMs = epochMs;
      if (epochMs > this.#lastMs) this.#lastMs = epochMs;
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

  /** Returns the figures of the events added so far. */
  data(): ReportData {
    const buckets = this.#buckets.list();
    const { models, inOrder, others, usd } = this.#modelFigures(buckets);
    return {
      events: this.#events,
      untimed: this.#untimed,
      firstMs: this.#firstMs === Infinity ? null : this.#firstMs,
      lastMs: this.#lastMs === -Infinity ? null : this.#lastMs,
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
    model.inputTokens += finite(event.input_t) ?? 0;
    model.outputTokens += finite(event.output_t) ?? 0;
    return model;
  }

  #count(event: AuditEvent, content?: Content): void {
    this.#gate.add(event);
    const type = event.event;
    if (type === "nav") {
      this.#totalNav++;
      if (content !== undefined) content.totalNav++;
    } else if (type === "validation_fail") {
      this.#validationFailCount++;
      if (content !== undefined) content.validationFailCount++;
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
    const count = Math.min(this.#events, LAST_EVENTS);
    return Array.from(
      { length: count },
      (_, age) => this.#lastEvents[(this.#events - age) % LAST_EVENTS]!,
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
    firstMs: content?.firstMs ?? Infinity,
    lastMs: content?.lastMs ?? -Infinity,
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
