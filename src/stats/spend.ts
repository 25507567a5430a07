/**
 * Sums up the costs of a log by the values of one or two fields.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOption, checkOptions } from "../options/option_checks.ts";
import { SPEND_SUMS } from "../read/sum_up.ts";
import { SpendTally } from "../rollup/spend_tally.ts";
import { compareKeys, type GroupKey, Groups, isTimeKey } from "./group_key.ts";
import {
  addGrouped,
  GROUP_OPTION_CHECKS,
  type GroupOptions,
  type GroupSink,
  type StatsSource,
  statsSource,
} from "./source.ts";

/** The costs and tokens of calls. */
export interface SpendSums {
  /** Sum of the costs in USD. */
  readonly usd: number;
  /** Number of calls that state a cost or tokens. */
  readonly calls: number;
  /** Number of calls that state a cost. The costs of the other calls, which state only tokens, are unknown. */
  readonly costs: number;
  /** Sum of the input and output tokens. */
  readonly tokens: number;
}

/** The costs and tokens of the calls that have the same values in the fields of the option `by`. */
export interface SpendRow extends SpendSums {
  /** The values of the fields in `by`, in the same order. Null if the events have no value. */
  readonly key: GroupKey;
}

/** The result of {@linkcode spend}. */
export interface Spend extends SpendSums {
  /** The names of the fields by which the calls are grouped. */
  readonly by: readonly string[];
  /**
   * The sums of each group that has calls: sorted by time if the calls are grouped by hour or day, else by cost, the
   * highest first.
   */
  readonly rows: readonly SpendRow[];
  /** The combined sums of the groups after the first 100,000; null if there are at most 100,000 groups. */
  readonly others: SpendSums | null;
  /** Number of events whose cost is not a number. The sums leave out these costs. */
  readonly badCosts: number;
}

const GROUPS_MAX = 100_000;

/**
 * Sums up the costs of a log, exact to the last bit, with the tokens and the number of calls. With `by`, also for each
 * value of one or two fields.
 *
 * Of a log or a reader, archives within the time range are not decoded if the events are grouped by type, model,
 * session, hour, day or a field in {@linkcode AuditLogOptions.rollupFields}, because their sums are stored beside them.
 *
 * @param source A log, a reader, or any events. Needs the permissions for reading the source, and no others.
 * @param options The groups and the time range; by default the total of all events.
 * @returns The sums.
 * @throws {TypeError} If the source or an option is of the wrong type, or an option is unknown; the message names it.
 * @throws {RangeError} If a time or time zone is invalid, or `by` has more than two names; the message names the
 *   option.
 * @throws {DOMException} If `signal` is aborted without a reason. If it has a reason, that reason is thrown.
 * @throws {Error} If reading the source fails; the error of the source is passed through.
 *
 * @example
 * ```ts
 * import { AuditLog, spend } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * await log.log("llm_call", { model: "large", cost: 0.02 });
 * await log.log("llm_call", { model: "small", cost: 0.001 });
 * await log.log("llm_call", { model: "small", cost: 0.002 });
 *
 * const { usd, rows } = await spend(log, { by: "model", since: Date.now() - 3_600_000 });
 * assertEquals(usd, 0.023);
 * assertEquals(rows.map(({ key: [model], usd }) => [model, usd]), [["large", 0.02], ["small", 0.003]]);
 * ```
 */
export async function spend(source: StatsSource, options: GroupOptions = {}): Promise<Spend> {
  checkOption(source, statsSource, "Cannot sum up the costs: source");
  checkOptions(options, GROUP_OPTION_CHECKS, "sum up the costs");
  const sink = new GroupedSpend(options);
  await addGrouped(source, options, { kind: SPEND_SUMS, sink });
  return sink.spend();
}

/** Collects the sums that {@linkcode spend} returns, one event or the stored sums of one group of events at a time. */
class GroupedSpend implements GroupSink<SpendTally> {
  readonly #by: readonly string[];
  readonly #groups: Groups<SpendTally>;
  readonly #total = new SpendTally();

  constructor({ by = [], timeZone = "UTC" }: GroupOptions) {
    this.#by = [by].flat();
    this.#groups = new Groups(this.#by, {
      timeZone,
      max: GROUPS_MAX,
      create: () => new SpendTally(),
    });
  }

  add(event: AuditEvent): void {
    this.#total.add(event);
    if (this.#by.length > 0) this.#groups.of(event).add(event);
  }

  addSums(key: GroupKey, sums: SpendTally): void {
    this.#total.addAll(sums);
    if (this.#by.length > 0) this.#groups.at(key).addAll(sums);
  }

  spend(): Spend {
    const { groups, others } = this.#groups;
    const rows = Array.from(groups, ({ key, figures }): SpendRow => ({ key, ...sumsOf(figures) }))
      .filter(({ calls }) => calls > 0);
    const isByTime = this.#by.some(isTimeKey);
    rows.sort((a, b) => (isByTime ? 0 : b.usd - a.usd) || compareKeys(this.#by, a.key, b.key));
    return {
      by: this.#by,
      ...sumsOf(this.#total),
      rows,
      others: others === null ? null : sumsOf(others),
      badCosts: this.#total.badCosts,
    };
  }
}

function sumsOf({ sum, paid, costs, inputTokens, outputTokens }: SpendTally): SpendSums {
  return { usd: sum.value, calls: paid, costs, tokens: inputTokens + outputTokens };
}
