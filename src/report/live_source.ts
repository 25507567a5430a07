/**
 * The logs of a live page: how a server reads them for each filter.
 *
 * @module
 */
import type { AuditReader } from "../audit_reader.ts";
import type { BudgetLedger } from "../budget/ledger.ts";
import type { AuditEvent } from "../event.ts";
import { type AuditFollow, followLog } from "../read/follow.ts";
import { type SummedSource, sumsSourceOf } from "../read/sum_up.ts";
import type { ReportAggregate } from "./aggregate.ts";
import { ReportArchives } from "./archive_sums.ts";
import type { TimeSpan } from "./main_range.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { budgetsBefore, readWithAxis, selectWithEnds } from "./render_report.ts";
import { followOptionsOf, type ReportFilter } from "./report_filter.ts";
import { followOfLog, lastOfLogs, type NamedLog, namedLogs, severalLogs } from "./several_logs.ts";

/** The events of a report, and its budgets. */
export interface ReportSource {
  /** Resolves with the state of the budgets before the first event; null for several logs. */
  budgets(): Promise<BudgetLedger | null>;
  /**
   * Returns the existing events of each log and then the new events. For some archives, it may add the stored sums to
   * the figures of the report, instead of returning the events. Calls `onCaughtUp` for each log when all existing events
   * were returned.
   */
  follow(aggregate: ReportAggregate, onCaughtUp: () => void): readonly AuditFollow[];
  /** Whether the events are from several logs, whose names they have. */
  readonly hasLogs: boolean;
}

/** The logs of a live page. */
export interface LiveSource {
  /** The names of the logs from which a page can choose one; empty for a single log. */
  readonly names: readonly string[];
  /** Returns the name of the logs of a filter for the head of the page. */
  shown(filter: ReportFilter): string;
  /** Returns the events of a filter, those in the log and new ones, in the time range of the options. */
  open(filter: ReportFilter, options: ResolvedReportOptions, signal: AbortSignal): ReportSource;
  /** Reads all events in the time range of the options. Resolves with the time span that contains almost all of them. */
  findAxis(options: ResolvedReportOptions, signal: AbortSignal): Promise<TimeSpan>;
  /** Resolves with the last `count` events of a filter in the time range of the options, the newest first. */
  last(
    filter: ReportFilter,
    options: ResolvedReportOptions,
    more: { readonly count: number; readonly signal: AbortSignal },
  ): Promise<AuditEvent[]>;
}

/** Returns the time range of a report as the options of a query. */
export function rangeOf(
  { sinceMs, untilMs }: Pick<ResolvedReportOptions, "sinceMs" | "untilMs">,
): { since?: number; until?: number } {
  return {
    ...sinceMs === -Infinity ? {} : { since: sinceMs },
    ...untilMs === Infinity ? {} : { until: untilMs },
  };
}

/** The logs of some readers. */
export class ReaderSource implements LiveSource {
  readonly #logs: readonly (NamedLog & { readonly source: SummedSource })[];

  /** @throws {TypeError} If the list is empty, or has a value that is not a reader. */
  constructor(readers: AuditReader | readonly AuditReader[]) {
    const all = [readers].flat();
    if (all.length === 0) throw new TypeError("Cannot serve report: the list of readers is empty");
    const sources = all.map(sourceOf);
    this.#logs = namedLogs(all).map((log, n) => ({ ...log, source: sources[n]! }));
  }

  get names(): readonly string[] {
    return this.#logs.length > 1 ? this.#logs.map(({ name }) => name) : [];
  }

  shown(filter: ReportFilter): string {
    return this.#of(filter).map(({ source }) => source.log.files.active).join(", ");
  }

  open(filter: ReportFilter, options: ResolvedReportOptions, signal: AbortSignal): ReportSource {
    const where = followOptionsOf(filter)?.where;
    const { since } = rangeOf(options);
    const logs = this.#of(filter);
    const [{ reader, source }] = logs as [typeof logs[0], ...typeof logs];
    if (logs.length === 1 && where === undefined) {
      return {
        hasLogs: false,
        budgets: () => budgetsBefore(since, { source: reader, signal }),
        follow(aggregate, onCaughtUp) {
          const taker = new ReportArchives(source, { options, aggregate });
          return [followLog(source, beginningAt(since, signal), { taker, onCaughtUp })];
        },
      };
    }
    // The stored sums of archives can replace the events of a single log, but neither some of its events nor those of
    // several logs. The amounts of budgets cannot be computed from them either.
    return {
      hasLogs: logs.length > 1,
      budgets: () => Promise.resolve(null),
      follow: (aggregate, onCaughtUp) =>
        logs.map(({ source, name }) => {
          const selected = where === undefined ? {} : { where: selectWithEnds(where, aggregate) };
          const options = { ...beginningAt(since, signal), ...selected };
          const follow = followLog(source, options, { onCaughtUp });
          return logs.length > 1 ? followOfLog(follow, name) : follow;
        }),
    };
  }

  async findAxis(options: ResolvedReportOptions, signal: AbortSignal): Promise<TimeSpan> {
    const hasLogs = this.#logs.length > 1;
    const source = hasLogs ? severalLogs(this.#logs) : this.#logs[0]!.reader;
    const reading = { resolved: options, hasLogs };
    return (await readWithAxis(source, { ...rangeOf(options), signal }, reading)).axis;
  }

  last(
    filter: ReportFilter,
    options: ResolvedReportOptions,
    more: { readonly count: number; readonly signal: AbortSignal },
  ): Promise<AuditEvent[]> {
    const query = { ...rangeOf(options), ...followOptionsOf(filter), ...more };
    return lastOfLogs(this.#of(filter), query);
  }

  #of({ log }: ReportFilter) {
    return this.#logs.filter(({ name }) => name === (log ?? name));
  }
}

/** Returns the options of an iteration that starts with all events since a time, or with all events of the log. */
function beginningAt(since: number | undefined, signal: AbortSignal) {
  return since === undefined ? { last: Infinity, signal } : { since, signal };
}

function sourceOf(reader: AuditReader): SummedSource {
  const source = sumsSourceOf(reader);
  if (source !== undefined) return source;
  throw new TypeError("Cannot serve report: the argument is not a reader; use AuditReader.open()");
}
