/**
 * Renders a report as one HTML document.
 *
 * @module
 */
import type { AuditLog } from "../audit_log.ts";
import type { AuditReader } from "../audit_reader.ts";
import { BudgetLedger } from "../budget/ledger.ts";
import { readBudgets } from "../budget/read_budgets.ts";
import type { AuditEvent } from "../event.ts";
import { checkOption, eventSource } from "../options/option_checks.ts";
import { systemClock } from "../platform/clock.ts";
import { type Damage, DamageReport } from "../read/damage.ts";
import { eventFilter } from "../read/filter.ts";
import { sumsSourceOf } from "../read/sum_up.ts";
import { readExceptTaken } from "../read/whole_archives.ts";
import { ReportAggregate } from "./aggregate.ts";
import { ReportArchives } from "./archive_sums.ts";
import { ALL_TIME, mainRange, type TimeSpan } from "./main_range.ts";
import { type ReportOptions, type ResolvedReportOptions, resolveReportOptions } from "./options.ts";
import { page as pageOf, sectionsInTurns } from "./page.ts";
import type { ReportContent } from "./report_content.ts";

/**
 * Reads the events of a source once, and resolves with a report on the events as a self-contained HTML document. The
 * document needs no server, no network and no scripts.
 *
 * Of a log or a reader, archives from before the last day of the range are mostly not decoded, because their sums are
 * stored beside them.
 *
 * If at most 0.1 % of the events are far from all others in time (a day or more before them, or in the future), the
 * charts over time leave them out. The page lists
 * these events, and the source is read again. If the source cannot be read again, such as a stream, the charts include
 * all events.
 *
 * If the source is a log, a reader or a query, the report also lists the unreadable regions that were found. Memory
 * grows with the number of these regions, but not with the number of events. Needs the permissions for reading the
 * source, and no others.
 *
 * @param source A log, a reader, or events, such as the result of a query.
 * @param options The time range and the look of the report.
 * @returns The HTML document.
 * @throws {TypeError} If the source or an option is of the wrong type, or an option is unknown; the message names it.
 * @throws {RangeError} If an option is out of its range; the message names it.
 * @throws {DOMException} If `signal` is aborted without a reason. If it has a reason, that reason is thrown.
 * @throws {Error} If reading the source fails; the error of the source is passed through.
 *
 * @example
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { renderReport } from "@vivarium/scout/report";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({ path });
 * await log.log("nav", { cost: 0.25, model: "small", input_t: 812, output_t: 40 });
 *
 * const page = await renderReport(log, { title: "A short run", timeZone: "Europe/Berlin" });
 * assertStringIncludes(page, "$0.25");
 * ```
 */
export async function renderReport(
  source: AuditLog | AuditReader | AsyncIterable<AuditEvent>,
  options: ReportOptions = {},
): Promise<string> {
  return (await reportOn(source, options)).page;
}

/** A log, a reader, or an object that has only the method `query()` of a reader. */
export type Queryable = AuditLog | AuditReader | Pick<AuditReader, "query">;

/** A report, and the number of the events that it shows. */
export interface Report {
  readonly page: string;
  readonly events: number;
}

/**
 * Renders a report like {@linkcode renderReport}.
 *
 * @param more.onEvents Called with the number of events that were added to the report since the last call.
 * @param more.name The name of the source on the page, for a source that is not a log or a reader.
 * @param more.hasLogs Whether the events are from several logs, whose names they have.
 * @param more.select Selects the events of the report; only for a log or a reader.
 */
export async function reportOn(
  source: Queryable | AsyncIterable<AuditEvent>,
  options: ReportOptions = {},
  { name = null, hasLogs = false, ...more }: {
    readonly onEvents?: (events: number) => void;
    readonly name?: string | null;
    readonly hasLogs?: boolean;
    readonly select?: Select | undefined;
  } = {},
): Promise<Report> {
  // A log or a reader is not iterable; its query() method returns the events.
  const isReader = typeof (source as { query?: unknown } | null)?.query === "function";
  if (!isReader) checkOption(source, eventSource, "Cannot render report: source");
  const resolved = resolveReportOptions(options);
  options.signal?.throwIfAborted();
  const { data, damage } = await readWithAxis(source, options, { ...more, resolved, hasLogs });
  const log = "query" in source ? sumsSourceOf(source)?.log.files.active : undefined;
  const origin = { log: log ?? name, madeMs: Date.now() };
  const sections = await sectionsInTurns({ data, damage, options: resolved }, systemClock);
  const page = pageOf(resolved, sections, { origin });
  return { page, events: data.events };
}

/** Maximum number of further readings of a log that has events far from all others in time. */
const READINGS_MAX = 3;

/**
 * Reads a source for a report. Events far from all others in time, for example of 1970, would make each bar a year long.
 * If the source can be read again, the last reading leaves them out of the charts over time.
 */
export async function readWithAxis(
  source: Queryable | AsyncIterable<AuditEvent>,
  options: ReportOptions,
  reading: Reading,
): Promise<Found> {
  let found = await read(source, options, reading);
  for (let n = 0; n < READINGS_MAX && canBeReadAgain(source); n++) {
    const range = mainRange(found.data);
    if (range === null) break;
    const { onEvents: _, ...again } = reading;
    found = await read(source, options, { ...again, axis: range.span });
  }
  return found;
}

/** Checks whether a source can be read more than once: a log, a reader or a query, but not a stream. */
function canBeReadAgain(source: Queryable | AsyncIterable<AuditEvent>): boolean {
  return "query" in source || "damage" in source;
}

/** A function that returns whether an event belongs to a report. */
export type Select = (event: AuditEvent) => boolean;

/**
 * Returns a function that selects the events of a report, and adds the ends of calls in other events to the report.
 * Each event of a log must be passed to it, in the order of the log.
 */
export function selectWithEnds(select: Select, aggregate: ReportAggregate): Select {
  return (event) => {
    const isSelected = select(event);
    if (!isSelected) aggregate.addEnd(event);
    return isSelected;
  };
}

/** The figures of a report, and the unreadable regions. */
interface Found extends Pick<ReportContent, "data" | "damage"> {
  /** The time span that the charts show. */
  readonly axis: TimeSpan;
}

/** Options for reading a source for a report. */
export interface Reading {
  readonly resolved: ResolvedReportOptions;
  /** The time span that the charts show. */
  readonly axis?: TimeSpan;
  readonly hasLogs: boolean;
  readonly select?: Select | undefined;
  /** Called with the number of events that were added since the last call. */
  readonly onEvents?: (events: number) => void;
}

/** Reads a source for a report. */
async function read(
  source: Queryable | AsyncIterable<AuditEvent>,
  options: ReportOptions,
  reading: Reading,
): Promise<Found> {
  if ("query" in source && reading.select === undefined) {
    return await readLog(source, options, reading) ??
      await readEvents(source, options, reading);
  }
  return await readEvents(source, options, reading);
}

/**
 * Reads a log with the stored sums of its archives. Resolves with null if the log must be read without them: they are
 * not accessible, or an archive that was expected to be readable is damaged.
 */
async function readLog(
  source: Queryable,
  options: ReportOptions,
  { resolved, axis = ALL_TIME, onEvents = () => {} }: Reading,
): Promise<Found | null> {
  const log = sumsSourceOf(source);
  // The source may be an object that wraps a log or a reader, and has only its method query().
  if (log === undefined) return null;
  const { since, signal } = options;
  const aggregate = new ReportAggregate(resolved, { axis });
  aggregate.beginBudgets(await budgetsBefore(since, { source, signal }));
  const damage = new DamageReport(log.logger);
  const taker = new ReportArchives(log, {
    options: resolved,
    aggregate,
    isFinal: true,
    onTaken: onEvents,
  });
  const add = (event: AuditEvent) => {
    aggregate.add(event);
    onEvents(1);
  };
  const filter = eventFilter(rangeOf(options));
  await readExceptTaken(log, { filter, order: "asc", damage, signal }, { taker, add });
  const { regions } = damage;
  return taker.isRefutedBy(regions) ? null : { data: aggregate.data(), damage: regions, axis };
}

/** Reads the events of a source one by one. */
async function readEvents(
  source: Queryable | AsyncIterable<AuditEvent>,
  options: ReportOptions,
  { resolved, axis = ALL_TIME, hasLogs, select, onEvents = () => {} }: Reading,
): Promise<Found> {
  const { since, signal } = options;
  const aggregate = new ReportAggregate(resolved, { axis, hasLogs });
  let events: AsyncIterable<AuditEvent> & { readonly damage?: readonly Damage[] };
  if ("query" in source) {
    const where = select === undefined ? {} : { where: selectWithEnds(select, aggregate) };
    events = source.query({ ...rangeOf(options), ...where });
    // The amounts of budgets cannot be computed from some of the events, and several logs have several budgets.
    if (select === undefined && !hasLogs) {
      aggregate.beginBudgets(await budgetsBefore(since, { source, signal }));
    }
  } else events = source;
  for await (const event of events) {
    signal?.throwIfAborted();
    aggregate.add(event);
    onEvents(1);
  }
  return { data: aggregate.data(), damage: events.damage ?? [], axis };
}

function rangeOf({ since, until }: ReportOptions): Pick<ReportOptions, "since" | "until"> {
  return { ...since === undefined ? {} : { since }, ...until === undefined ? {} : { until } };
}

/**
 * Resolves with the budgets of a log before the range of a report. They are unknown if the range begins with the log.
 */
export async function budgetsBefore(
  since: ReportOptions["since"],
  { source, signal }: {
    readonly source: Queryable;
    readonly signal: AbortSignal | undefined;
  },
): Promise<BudgetLedger> {
  return since === undefined
    ? new BudgetLedger({ isWhole: false })
    : await readBudgets(source, { until: since, signal });
}
