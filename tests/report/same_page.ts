/**
 * Comparison of reports that use the stored sums of archives with reports that read every event.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { AuditReader } from "../../src/audit_reader.ts";
import type { Report } from "../../src/report/render_report.ts";

/**
 * Returns an object that has only the method `query()` of a reader. A report on this object cannot use rollups, so it
 * reads every event.
 */
export function withoutSums(reader: AuditReader): AuditReader {
  return { query: reader.query.bind(reader) } as unknown as AuditReader;
}

/** Returns a page without the line that states the path of its log and when the page was made. */
export function withoutOrigin(page: string): string {
  return page.replace(/<p id="about">.*<\/p>\n/, "");
}

/**
 * Checks that two reports are the same. Compares only the lines that differ, because the difference of two whole pages
 * would be too long to read.
 */
export function assertSamePage(found: Report, expected: Report, place = ""): void {
  const [lines, others] = [found, expected].map(({ page }) => withoutOrigin(page).split("\n"));
  const differing = lines!.filter((line, n) => line !== others![n]);
  assertEquals(differing, others!.filter((line, n) => line !== lines![n]), place);
  assertEquals(found.events, expected.events, place);
}
