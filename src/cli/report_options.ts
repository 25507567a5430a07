/**
 * The options of the commands that show a report.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { ReportOptions } from "../report/options.ts";
import { type ShownOptions, type TimeOptions, valueOf } from "./options.ts";

/** What a report is like, and whether it is shown at once. */
export type ReportLookOptions = {
  readonly title: string | undefined;
  readonly budget: number | undefined;
  readonly open: boolean;
};

const usd = valueOf("USD", parseUsd, 1);

function parseUsd(input: string): number {
  const amount = Number(input);
  if (input.trim() !== "" && Number.isFinite(amount) && amount > 0) return amount;
  throw new RangeError("no amount above 0 such as 5 or 0.25");
}

/** The parser of {@linkcode ReportLookOptions}. */
export const reportLookOptions: Parser<"sync", ReportLookOptions, unknown> = object("The report", {
  title: optional(option("--title", string({ metavar: "TEXT" }), {
    description: message`Heading of the page`,
  })),
  budget: optional(option("--budget", usd, {
    description: message`USD that may be spent in an hour, a line in the chart`,
  })),
  open: option("--open", {
    description: message`Show it in the browser, which needs --allow-run for the system's opener`,
  }),
});

/** What the report is to be of. */
export function optionsToReport(
  options: ShownOptions & TimeOptions & ReportLookOptions,
): ReportOptions {
  const { timeZone, title, budget, since, until } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  return {
    timeZone,
    ...title === undefined ? {} : { title },
    ...budget === undefined ? {} : { budgetPerHour: budget },
    ...since === undefined ? {} : { since: since(now) },
    ...until === undefined ? {} : { until: until(now) },
  };
}
