/**
 * The groups of a report: the values by which it divides the spend, the tokens and the calls. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { type AuditEvent, groupText } from "../event.ts";
import { type AccuracyMetrics, accuracyOf } from "../metrics/accuracy.ts";
import type { CallFacts } from "../rollup/call_tally.ts";
import { fieldNamed, type GroupKey, groupLabel } from "../stats/group_key.ts";
import { NameTally } from "./name_tally.ts";

/** The field by which a report groups if the caller does not choose others. */
export const MODEL = "model";
/** The field by which a report also groups if events have it. */
export const AGENT = "agent";

/** The name of the field by which a report on several logs also groups: the name of the log. */
export const LOG = "log";

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

/** The figures of a group, with its calls and its accuracy. */
export interface CallGroupFigures extends GroupFigures {
  /** Number of calls, and of calls that failed. */
  readonly calls: number;
  readonly errors: number;
  readonly accuracy: AccuracyMetrics;
}

/** The figures of each group, or of each event type. Above a maximum number of names, further names are combined. */
export interface Named<T> {
  /** The figures of each name in descending order: groups by cost, types by number of events. */
  readonly named: readonly T[];
  /**
   * The combined figures of all names above the maximum number of names; null if there are not more names than that.
   */
  readonly others: T | null;
}

/** What a report counts for each group of events. */
export interface GroupSums {
  readonly events: number;
  /** Number of calls, and of calls that failed. */
  readonly calls: number;
  readonly errors: number;
  /** Number of events of the types `nav` and `validation_fail`. */
  readonly navs: number;
  readonly validationFails: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The costs in USD of the events with a time. */
  readonly sum: PreciseSum;
}

/** The sums of an archive for each group of one grouping. */
export interface SummedGrouping {
  /** The values that name each group. */
  readonly keys: readonly GroupKey[];
  /** The sums of each group, in the same order. */
  readonly sums: readonly GroupSums[];
}

/** A group of events. */
export class Group implements GroupSums {
  events = 0;
  calls = 0;
  errors = 0;
  navs = 0;
  validationFails = 0;
  inputTokens = 0;
  outputTokens = 0;
  readonly sum = new PreciseSum();
  /**
   * The bucket to which the last cost of this group was added, and the sum of the group in that bucket. They are
   * cached, because consecutive events are mostly in one bucket.
   */
  last: { readonly content: unknown; readonly sum: PreciseSum } | undefined;
  constructor(readonly name: string | null) {}

  /** Adds an event; `usd` is its cost, or 0 if it has no time. */
  add(event: AuditEvent, { spend, isCall, hasFailed }: CallFacts, usd: number): void {
    this.events++;
    if (isCall) this.calls++;
    if (hasFailed) this.errors++;
    if (event.event === "nav") this.navs++;
    else if (event.event === "validation_fail") this.validationFails++;
    this.inputTokens += spend.input ?? 0;
    this.outputTokens += spend.output ?? 0;
    if (usd !== 0) this.sum.add(usd);
  }

  /** Adds the sums of several events. */
  addAll(other: GroupSums): void {
    this.events += other.events;
    this.calls += other.calls;
    this.errors += other.errors;
    this.navs += other.navs;
    this.validationFails += other.validationFails;
    this.inputTokens += other.inputTokens;
    this.outputTokens += other.outputTokens;
    this.sum.addSum(other.sum);
  }

  figures(): GroupFigures {
    const { name, events, inputTokens, outputTokens } = this;
    return { name, usd: this.sum.value, events, inputTokens, outputTokens };
  }

  callFigures(): CallGroupFigures {
    const { calls, errors } = this;
    const accuracy = accuracyOf(this.navs, this.validationFails);
    return { ...this.figures(), calls, errors, accuracy };
  }
}

/** The groups of events by the values of some fields. */
export class Grouping {
  readonly by: readonly string[];
  /** The names of the fields for which the names in `by` stand. */
  readonly fields: readonly string[];
  readonly namer: GroupNamer;
  readonly #groups = new NameTally((name) => new Group(name));

  constructor(by: readonly string[]) {
    this.by = by;
    this.fields = by.map(fieldNamed);
    this.namer = new GroupNamer(by);
  }

  /** Checks whether the events are grouped by this field alone. */
  isBy(field: string): boolean {
    return this.fields.length === 1 && this.fields[0] === field;
  }

  /** The costs of all groups in USD. */
  get usd(): number {
    const total = new PreciseSum();
    const { named, others } = this.#groups;
    for (const { sum } of named) total.addSum(sum);
    if (others !== null) total.addSum(others.sum);
    return total.value;
  }

  /** Returns the group of an event. */
  of(event: AuditEvent): Group {
    return this.#groups.of(this.namer.ofEvent(event));
  }

  /** Returns the group with these values. */
  at(key: GroupKey): Group {
    return this.#groups.of(this.namer.ofKey(key));
  }

  /** The group of all names above the maximum number of names; null if there are not more names than that. */
  get others(): Group | null {
    return this.#groups.others;
  }

  /** The groups with costs or tokens, or with a name, the most expensive first; and the combined groups. */
  get spending(): Named<Group> {
    return this.#listed(({ inputTokens, outputTokens, sum }) =>
      sum.value !== 0 || inputTokens !== 0 || outputTokens !== 0
    );
  }

  /** The groups with calls or navigations, or with a name, the most expensive first; and the combined groups. */
  get calling(): Named<Group> {
    return this.#listed(({ calls, navs }) => calls !== 0 || navs !== 0);
  }

  /** Returns the groups with a name, and that of the events without one only if `isShown` selects it. */
  #listed(isShown: (group: Group) => boolean): Named<Group> {
    const named = [...this.#groups.named]
      .filter((group) => group.name !== null || isShown(group))
      .map((group) => ({ group, name: group.name, usd: group.sum.value }))
      .sort(byCost)
      .map(({ group }) => group);
    return { named, others: this.#groups.others };
  }
}

/** The figures of the groups by the values of some fields. */
export interface Breakdown {
  readonly by: readonly string[];
  readonly groups: Named<CallGroupFigures>;
}

/** Returns the result of a function for each group. */
export function mapGroups<T>({ named, others }: Named<Group>, map: (group: Group) => T): Named<T> {
  return { named: named.map(map), others: others === null ? null : map(others) };
}

/** Names the groups to which events belong. Also notices fields that no event has, because they may be mistyped. */
export class GroupNamer {
  readonly #by: readonly string[];
  readonly #fields: readonly string[];
  /** Whether the events are grouped only by their model. */
  readonly #isByModel: boolean;
  /** For each field, whether an event has a value. */
  readonly #isFound: boolean[];

  /** @param by The names in the option `by` of the report. */
  constructor(by: readonly string[]) {
    this.#by = by;
    this.#fields = by.map(fieldNamed);
    this.#isByModel = by.length === 1 && this.#fields[0] === MODEL;
    this.#isFound = by.map(() => false);
  }

  /** Returns the name of the group of an event; not a string if the event has no such value. */
  ofEvent(event: AuditEvent): unknown {
    // The model is returned as it is. Converting it to text would take longer for each of millions of events.
    if (this.#isByModel) return event.model;
    return this.ofKey(this.#fields.map((field) => groupText(event, field)));
  }

  /** Returns the name of the group with these values; null if no value is there. */
  ofKey(key: GroupKey): string | null {
    let hasValue = false;
    for (const [n, value] of key.entries()) {
      if (value === null) continue;
      hasValue = this.#isFound[n] = true;
    }
    return hasValue ? groupLabel(key) : null;
  }

  /** The names in the option `by` that no event has as a field; never the model alone, which many logs lack. */
  get missing(): string[] {
    return this.#isByModel ? [] : this.#by.filter((_, n) => !this.#isFound[n]);
  }
}

/** Returns the text that names the fields of the groups, such as "model" or "agent, model". */
export function shownFields(by: readonly string[]): string {
  return by.join(", ");
}

/** A name and its cost. */
interface Costing {
  readonly name: string | null;
  readonly usd: number;
}

/** Compares figures by cost in descending order. If costs are equal, compares names; a missing name comes first. */
export function byCost(a: Costing, b: Costing): number {
  const nameOf = ({ name }: Costing) => name === null ? "" : `:${name}`;
  return b.usd - a.usd || (nameOf(a) < nameOf(b) ? -1 : 1);
}
