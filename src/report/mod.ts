/**
 * Creates HTML reports on a log, which show the spend, the accuracy, the events and the unreadable regions of the log.
 *
 * {@linkcode renderReport} returns a report as a self-contained document that can be stored or mailed.
 * {@linkcode serveReport} serves a report as a page that is updated while the log grows.
 *
 * @example
 * ```ts
 * import { AuditReader } from "@vivarium/scout";
 * import { renderReport } from "@vivarium/scout/report";
 *
 * const dir = Deno.makeTempDirSync();
 * await using reader = await AuditReader.open({ path: `${dir}/audit.jsonl` });
 * const page = await renderReport(reader, { title: "The run of February", budgetPerHour: 5 });
 * Deno.writeTextFileSync(`${dir}/report.html`, page);
 * ```
 *
 * @module
 */
export type { AuditLog } from "../audit_log.ts";
export type { AuditReader } from "../audit_reader.ts";
export type { AuditEvent } from "../event.ts";
export type { TimeLike } from "../time.ts";
export type { ReportOptions } from "./options.ts";
export { renderReport } from "./render_report.ts";
export { type ReportServer, serveReport, type ServeReportOptions } from "./serve_report.ts";
