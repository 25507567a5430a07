/**
 * The content of a report page.
 *
 * @module
 */
import type { Damage } from "../read/damage.ts";
import type { ReportData } from "./aggregate.ts";
import type { HourlyBudget } from "./hourly_budget.ts";
import type { ResolvedReportOptions } from "./options.ts";
import type { ReportFilter } from "./report_filter.ts";

/** Returns the address of the page with a narrower filter. */
export type LinkTo = (filter: ReportFilter) => string;

/** The figures, the damage and the options from which a page is rendered. */
export interface ReportContent {
  readonly data: ReportData;
  readonly damage: readonly Damage[];
  readonly options: ResolvedReportOptions;
  /** The function for the links of a live page; null for a page without links. */
  readonly linkTo: LinkTo | null;
  /** Whether all existing events have been read. */
  readonly isComplete: boolean;
  /** The spend of each time bucket in relation to the budget per hour; null without such a budget. */
  readonly hourly: HourlyBudget | null;
}
