/**
 * The reports of a server: the report on the whole log, and a report for each filter that a page uses. Each follows the
 * log on its own.
 *
 * The number of filtered reports is limited. If there are too many, the least recently used one ends, but never one with
 * an open page.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import { LiveReport } from "./live_report.ts";
import type { LiveSource } from "./live_source.ts";
import { ALL_TIME } from "./main_range.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { addressOf, filteredOptions, type ReportFilter } from "./report_filter.ts";

/** Maximum number of filtered reports that follow the log at the same time. */
const FILTERED_MAX = 8;
/** Minimum time in milliseconds between two searches for the time span of the charts. */
const SEARCH_MS = 60_000;

/** A report that follows the log, as long as it is needed. */
export interface ServedReport {
  readonly live: LiveReport;
  /**
   * An identifier that versions of this report contain, because another report, or an earlier server, may have used the
   * same number of a version for other content.
   */
  readonly id: string;
  readonly filter: ReportFilter;
  /** A signal that aborts when the report ends. */
  readonly ended: AbortSignal;
}

interface Entry extends ServedReport {
  readonly ending: AbortController;
  /** Number of requests that use the report, such as open pages. */
  users: number;
}

/** The reports of a server. */
export class LiveReports {
  readonly #options: ResolvedReportOptions;
  readonly #source: LiveSource;
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  readonly #finished = Promise.withResolvers<void>();
  /** The filtered reports by the address of their filter, the last used at the end. */
  readonly #filtered = new Map<string, Entry>();
  #whole: Entry;
  /** The time span that the charts of all reports show. */
  #axis = ALL_TIME;
  /** The time of the clock before which the time span is not looked for again. */
  #nextSearchMs = -Infinity;

  /**
   * Starts the report on the whole log.
   *
   * @param options The options of that report. A filter can narrow its time range.
   * @param more.source The logs.
   * @param more.ending The signal that ends all reports.
   */
  constructor(
    options: ResolvedReportOptions,
    { source, clock, ending }: {
      readonly source: LiveSource;
      readonly clock: Clock;
      readonly ending: AbortSignal;
    },
  ) {
    this.#options = options;
    this.#source = source;
    this.#clock = clock;
    this.#ending = ending;
    this.#whole = this.#start({});
  }

  /** Resolves when the report on the whole log has ended. Rejects if one of the reports cannot read the log. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /**
   * Returns the report with a filter, which starts if necessary; null if there are too many other filters with open
   * pages. The report does not end before the returned object is disposed of.
   */
  use(filter: ReportFilter): (ServedReport & Disposable) | null {
    const entry = this.#entryOf(filter);
    if (entry === null) return null;
    entry.users++;
    let isUsed = true;
    const { live, id, ended } = entry;
    return {
      live,
      id,
      filter,
      ended,
      [Symbol.dispose]: () => {
        if (isUsed) entry.users--;
        isUsed = false;
      },
    };
  }

  #entryOf(filter: ReportFilter): Entry | null {
    const address = addressOf(filter);
    if (address === addressOf({})) return this.#whole;
    const known = this.#filtered.get(address);
    if (known === undefined && !this.#makeRoom()) return null;
    const entry = known ?? this.#start(filter);
    this.#filtered.delete(address);
    this.#filtered.set(address, entry);
    return entry;
  }

  /** If there are too many filtered reports, ends the least recently used one that no request uses. */
  #makeRoom(): boolean {
    if (this.#filtered.size < FILTERED_MAX) return true;
    const unused = this.#filtered.entries().find(([, { users }]) => users === 0);
    if (unused === undefined) return false;
    const [address, { ending }] = unused;
    ending.abort();
    return this.#filtered.delete(address);
  }

  #start(filter: ReportFilter): Entry {
    const options = filteredOptions(this.#options, filter);
    const ending = new AbortController();
    const ended = AbortSignal.any([this.#ending, ending.signal]);
    const source = this.#source.open(filter, options, ended);
    const live = new LiveReport((...of) => source.follow(...of), options, {
      clock: this.#clock,
      ending: ended,
      filter,
      hasLogs: source.hasLogs,
      axis: this.#axis,
      onOutliers: () => void this.#searchAxis().catch(this.#finished.reject),
    });
    const entry = { live, id: crypto.randomUUID(), filter, ending, ended, users: 0 };
    const run = async () => await live.follow(await source.budgets());
    // A report that was replaced has not finished the server.
    run().then(() => {
      if (entry === this.#whole) this.#finished.resolve();
    }, (error) => {
      if (!ended.aborted) this.#finished.reject(error);
      else if (this.#ending.aborted) this.#finished.resolve();
    });
    return entry;
  }

  /**
   * Looks for the time span that contains almost all events, and starts all reports again if it has changed. Open pages
   * connect again.
   */
  async #searchAxis(): Promise<void> {
    if (this.#clock.monotonicMs() < this.#nextSearchMs) return;
    this.#nextSearchMs = Infinity;
    const axis = await this.#source.findAxis(this.#options, this.#ending).catch((error) => {
      if (this.#ending.aborted) return this.#axis;
      throw error;
    });
    this.#nextSearchMs = this.#clock.monotonicMs() + SEARCH_MS;
    const isSame = axis.fromMs === this.#axis.fromMs && axis.toMs === this.#axis.toMs;
    if (isSame || this.#ending.aborted) return;
    this.#axis = axis;
    const old = [this.#whole, ...this.#filtered.values()];
    this.#filtered.clear();
    this.#whole = this.#start({});
    for (const { ending } of old) ending.abort();
  }
}
