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
import { type Damage, DamageReport } from "../read/damage.ts";
import { eventFilter } from "../read/filter.ts";
import { sumsSourceOf } from "../read/sum_up.ts";
import { readExceptTaken } from "../read/whole_archives.ts";
import { ReportAggregate } from "./aggregate.ts";
import { ReportArchives } from "./archive_sums.ts";
import { type ReportOptions, type ResolvedReportOptions, resolveReportOptions } from "./options.ts";
import { page as pageOf, sectionsOf } from "./page.ts";

/**
 * Reads the events of a source once, and resolves with a report on the events as a self-contained HTML document. The
 * document needs no server, no network and no scripts.
 *
 * Of a log or a reader, archives from before the last day of the range are mostly not decoded, because their sums are
 * stored beside them.
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
 */
export async function reportOn(
  source: AuditLog | AuditReader | AsyncIterable<AuditEvent>,
  options: ReportOptions = {},
  { onEvents = () => {}, name = null }: {
    readonly onEvents?: (events: number) => void;
    readonly name?: string | null;
  } = {},
): Promise<Report> {
  // A log or a reader is not iterable; its query() method returns the events.
  const isReader = typeof (source as { query?: unknown } | null)?.query === "function";
  if (!isReader) checkOption(source, eventSource, "Cannot render report: source");
  const resolved = resolveReportOptions(options);
  const { signal } = options;
  signal?.throwIfAborted();
  let aggregate = new ReportAggregate(resolved);
  const add = (event: AuditEvent) => {
    aggregate.add(event);
    onEvents(1);
  };
  const read = (usesSums: boolean) =>
    "query" in source
      ? addLog(source, options, { resolved, aggregate, add, onEvents, usesSums })
      : addEvents(source, add, signal);
  let damage = await read(true);
  if (damage === null) {
    aggregate = new ReportAggregate(resolved);
    damage = await read(false) ?? [];
  }
  const data = aggregate.data();
  const log = "query" in source ? sumsSourceOf(source)?.log.files.active : undefined;
  const origin = { log: log ?? name, madeMs: Date.now() };
  const page = pageOf(resolved, sectionsOf({ data, damage, options: resolved }), { origin });
  return { page, events: data.events };
}

/**
 * Adds the events of a log to a report, and resolves with the unreadable regions. Resolves with null if the report must
 * be read again without stored sums, because an archive that was expected to be readable is damaged.
 */
async function addLog(
  source: AuditLog | AuditReader,
  { since, until, signal }: ReportOptions,
  { resolved, aggregate, add, onEvents, usesSums }: {
    readonly resolved: ResolvedReportOptions;
    readonly aggregate: ReportAggregate;
    readonly add: (event: AuditEvent) => void;
    readonly onEvents: (events: number) => void;
    readonly usesSums: boolean;
  },
): Promise<readonly Damage[] | null> {
  aggregate.beginBudgets(await budgetsBefore(since, { source, signal }));
  const range = {
    ...since === undefined ? {} : { since },
    ...until === undefined ? {} : { until },
  };
  const log = sumsSourceOf(source);
  // The source may be an object that wraps a log or a reader. The stored sums of its archives are not accessible, so
  // the events are read with its method query().
  if (log === undefined || !usesSums) return await addEvents(source.query(range), add, signal);
  const filter = eventFilter(range);
  const damage = new DamageReport(log.logger);
  const taker = new ReportArchives(log, { options: resolved, aggregate, onTaken: onEvents });
  await readExceptTaken(log, { filter, order: "asc", damage, signal }, { taker, add });
  return taker.isRefutedBy(damage.regions) ? null : damage.regions;
}

/**
 * Resolves with the budgets of a log before the range of a report. They are unknown if the range begins with the log.
 */
export async function budgetsBefore(
  since: ReportOptions["since"],
  { source, signal }: {
    readonly source: AuditLog | AuditReader;
    readonly signal: AbortSignal | undefined;
  },
): Promise<BudgetLedger> {
  return since === undefined
    ? new BudgetLedger({ isWhole: false })
    : await readBudgets(source, { until: since, signal });
}

/** Adds the events of an iterable to a report, and resolves with its unreadable regions if it is a query. */
async function addEvents(
  events: AsyncIterable<AuditEvent> & { readonly damage?: readonly Damage[] },
  add: (event: AuditEvent) => void,
  signal: AbortSignal | undefined,
): Promise<readonly Damage[]> {
  for await (const event of events) {
    signal?.throwIfAborted();
    add(event);
  }
  return events.damage ?? [];
}
