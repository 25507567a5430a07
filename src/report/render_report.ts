/**
 * A report as one HTML document.
 *
 * @module
 */
import type { AuditLog } from "../audit_log.ts";
import type { AuditReader } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import type { Damage } from "../read/damage.ts";
import { ReportAggregate } from "./aggregate.ts";
import { type ReportOptions, resolveReportOptions } from "./options.ts";
import { page, sectionsOf } from "./page.ts";

/**
 * Reads the events once and gives the report on them: an HTML document that needs no server, no network
 * and no script, to be kept or mailed.
 *
 * The source is a log, a reader, or any events, such as those of a query; what a query could not read is
 * told of too. Needs what reading the source needs, and no permission of its own. Takes memory that does
 * not grow with the history, but for the list of what is damaged.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
 * @throws the reason of an aborted `signal`, and whatever reading the source throws.
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
  const resolved = resolveReportOptions(options);
  const { signal } = options;
  signal?.throwIfAborted();
  const aggregate = new ReportAggregate(resolved);
  const events = "query" in source ? source.query(rangeOf(options)) : source;
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

/** What a query could not read; other events do not tell. */
function damageOf(
  events: AsyncIterable<AuditEvent> & { readonly damage?: readonly Damage[] },
): readonly Damage[] {
  return events.damage ?? [];
}
