/**
 * Renders a report as one HTML document.
 *
 * @module
 */
import type { AuditLog } from "../audit_log.ts";
import type { AuditReader } from "../audit_reader.ts";
import { readBudgets } from "../budget/read_budgets.ts";
import type { AuditEvent } from "../event.ts";
import type { Damage } from "../read/damage.ts";
import { checkOption, eventSource } from "../options/option_checks.ts";
import { ReportAggregate } from "./aggregate.ts";
import { type ReportOptions, resolveReportOptions } from "./options.ts";
import { page, sectionsOf } from "./page.ts";

/**
 * Reads the events of a source once, and resolves with a report on the events as a self-contained HTML document. The
 * document needs no server, no network and no scripts.
 *
 * If the source is a log, a reader or a query, the report also lists the unreadable regions of the log. Memory grows
 * with the number of these regions, but not with the number of events. Needs the permissions for reading the
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
  // A log or a reader is not iterable; its query() method returns the events.
  const isReader = typeof (source as { query?: unknown } | null)?.query === "function";
  if (!isReader) checkOption(source, eventSource, "Cannot render report: source");
  const resolved = resolveReportOptions(options);
  const { signal } = options;
  signal?.throwIfAborted();
  const aggregate = new ReportAggregate(resolved);
  const events = "query" in source ? source.query(rangeOf(options)) : source;
  if ("query" in source && options.since !== undefined) {
    aggregate.beginBudgets(await readBudgets(source, { until: options.since, signal }));
  }
  for await (const event of events) {
    signal?.throwIfAborted();
    aggregate.add(event);
  }
  const content = { data: aggregate.data(), damage: damageOf(events), options: resolved };
  return page(resolved.title, sectionsOf(content));
}

function rangeOf({ since, until, signal }: ReportOptions) {
  return {
    ...since === undefined ? {} : { since },
    ...until === undefined ? {} : { until },
    ...signal === undefined ? {} : { signal },
  };
}

/** Returns the unreadable regions of a query, or an empty list for any other source of events. */
function damageOf(
  events: AsyncIterable<AuditEvent> & { readonly damage?: readonly Damage[] },
): readonly Damage[] {
  return events.damage ?? [];
}
