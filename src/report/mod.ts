/**
 * A report on a log to look at: where the money went, when accuracy dropped, what is broken.
 *
 * {@linkcode renderReport} gives it as one HTML document that can be kept and mailed, and
 * {@linkcode serveReport} as a page that is live while the simulation runs.
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
