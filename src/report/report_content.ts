/**
 * What a page is made of.
 *
 * @module
 */
import type { Damage } from "../read/damage.ts";
import type { ReportData } from "./aggregate.ts";
import type { ResolvedReportOptions } from "./options.ts";

/** What a page is made of. */
export interface ReportContent {
  readonly data: ReportData;
  readonly damage: readonly Damage[];
  readonly options: ResolvedReportOptions;
}
