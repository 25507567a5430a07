/**
 * The options that `scout report`, `scout serve` and `scout fleet report` share.
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
import { isTimeKey } from "../stats/group_key.ts";
import { parseFields, suggestedFields } from "./groups.ts";
import {
  amountOf,
  type FieldOptions,
  type ShownOptions,
  type TimeOptions,
  valueOf,
} from "./options.ts";

/** Options for the heading and the chart of a report, and the option to open the report in the browser. */
export type ReportLookOptions = {
  readonly title: string | undefined;
  readonly budget: number | undefined;
  readonly by: readonly string[] | undefined;
  readonly open: boolean;
};

const usd = amountOf("USD", { orZero: false });

/** The parser of {@linkcode ReportLookOptions}. */
export const reportLookOptions: Parser<"sync", ReportLookOptions, unknown> = object("Report", {
  title: optional(option("--title", string({ metavar: "TEXT" }), {
    description: message`Heading of the page`,
  })),
  budget: optional(option("--budget", usd, {
    description: message`Compare the spend with this budget in USD per hour, and draw it as a line`,
  })),
  by: optional(
    option("--by", {
      ...valueOf("FIELD[,FIELD]", parseGroups, ["model"]),
      suggest: suggestedFields,
    }, {
      description:
        message`Group spend and tokens by one or two fields, such as agent or agent,model; default model`,
    }),
  ),
  open: option("--open", {
    description:
      message`Open the report in the browser; needs --allow-run for the system's opener, such as xdg-open`,
  }),
});

function parseGroups(input: string): readonly string[] {
  const names = parseFields(input);
  const time = names.find(isTimeKey);
  if (time === undefined) return names;
  throw new RangeError(
    "not possible here, because the charts show the spend over time already; use agent or agent,model",
  );
}

/** Converts the options of the command line to the options of a report. */
export function optionsToReport(
  options: ShownOptions & TimeOptions & ReportLookOptions & Partial<FieldOptions>,
): ReportOptions {
  const { timeZone, title = titleOf(options), budget, by, since, until } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  return {
    timeZone,
    ...title === undefined ? {} : { title },
    ...budget === undefined ? {} : { budgetPerHour: budget },
    ...by === undefined ? {} : { by },
    ...since === undefined ? {} : { since: since(now) },
    ...until === undefined ? {} : { until: until(now) },
  };
}

/**
 * Returns a heading that names the filters of a report, so that a reader does not take it for a report on the whole
 * log. Returns undefined without filters.
 */
function titleOf(
  { event = [], session, where = [] }: Partial<FieldOptions>,
): string | undefined {
  const filters = [
    ...event.length === 0 ? [] : [`type ${event.join(" or ")}`],
    ...session === undefined ? [] : [`session ${session}`],
    ...where.map(({ text }) => text),
  ];
  return filters.length === 0 ? undefined : `Audit log: ${filters.join(", ")}`;
}
