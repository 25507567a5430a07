/**
 * The parts of the page that change with the log, each by the identifier of the element that holds it.
 * None of them can have the focus, so that they can be put in the place of older ones under a reader.
 *
 * @module
 */
import { counted, shownUsd } from "../shown.ts";
import type { BucketFigures, ReportData } from "./aggregate.ts";
import { accuracyChart, spendChart, tokensChart, typesChart } from "./charts.ts";
import { type Markup, markup, NOTHING } from "./markup.ts";
import type { ReportContent } from "./report_content.ts";
import { type SpendSeries, spendSeries } from "./series.ts";
import {
  shownCount,
  shownUsdCompact,
  shownWidth,
  textElement,
  timeElement,
} from "./shown_in_report.ts";
import { type Cell, none } from "./table.ts";
import {
  accuracyTable,
  damageTable,
  eventsTable,
  sessionsTable,
  spendTable,
  tokensTable,
  typesTable,
} from "./tables.ts";

const HOUR_MS = 3_600_000;
/** A part of the page. */
export type Section = (content: ReportContent) => Markup;

/** The parts, by the identifiers of their elements. */
export const SECTIONS = {
  "range": rangeLine,
  "figures": figures,
  "notes": notes,
  "spend-chart": spend,
  "spend-table": spendTable,
  "accuracy-chart": accuracy,
  "accuracy-table": accuracyTable,
  "types-chart": types,
  "types-table": typesTable,
  "tokens-chart": tokens,
  "tokens-table": tokensTable,
  "sessions": sessionsTable,
  "events": eventsTable,
  "damage": damageTable,
} as const satisfies Record<string, Section>;

/** The identifier of a part. */
export type SectionId = keyof typeof SECTIONS;

function rangeLine({ data, options }: ReportContent): Markup {
  const { timeZone, sinceMs, untilMs } = options;
  const zone = markup`<span class="zone">Times are ${timeZone}.</span>`;
  const from = sinceMs === -Infinity ? data.firstMs : sinceMs;
  const to = untilMs === Infinity ? data.lastMs : untilMs;
  if (from === null || to === null) return markup`No event with a time. ${zone}`;
  return markup`${timeElement(from, timeZone)} to ${timeElement(to, timeZone)}. ${zone}`;
}

function figures(content: ReportContent): Markup {
  const { data, damage } = content;
  const { accuracy, gate } = data;
  const navs = counted(accuracy.totalNav, "navigation");
  return markup`${[
    figure("usd", "Spend", shownUsd(data.usd), "in the whole range"),
    figure("usd-hour", "Last hour", shownUsd(data.lastHourUsd), endOfRange(content)),
    figure("usd-day", "Last 24 hours", shownUsd(data.lastDayUsd), endOfRange(content)),
    figure("event-count", "Events", shownCount(data.events), sessionCount(data)),
    accuracy.totalNav === 0
      ? figure("accuracy-pct", "Accuracy", "–", "no navigations")
      : figure("accuracy-pct", "Accuracy", `${accuracy.accuracyPct} %`, `n = ${navs}`),
    gate.total === 0 ? figure("gate-pct", "Gate pass rate", "–", "no decisions") : figure(
      "gate-pct",
      "Gate pass rate",
      `${gate.passRatePct} %`,
      `n = ${shownCount(gate.total)} decisions`,
    ),
    figure(
      "damage-count",
      "Damage",
      shownCount(damage.length),
      damage.length === 0 ? "everything could be read" : "places that could not be read",
      damage.length === 0 ? "" : "bad",
    ),
  ]}`;
}

function figure(
  id: string,
  name: string,
  value: string,
  about: string | Markup,
  style: string = "",
): Markup {
  return markup`<div class="figure ${style}"><dt>${name}</dt>
<dd><b id="${id}">${value}</b><span>${about}</span></dd></div>
`;
}

/** Where the range ends, with which the last hours end too. */
function endOfRange({ data: { endMs }, options: { timeZone } }: ReportContent): Cell {
  return endMs === null ? "no event with a time" : markup`up to ${timeElement(endMs, timeZone)}`;
}

function sessionCount({ sessionCount }: ReportData): string {
  return sessionCount === null ? "in very many sessions" : `in ${counted(sessionCount, "session")}`;
}

function notes({ data: { untimed } }: ReportContent): Markup {
  if (untimed === 0) return NOTHING;
  return markup`<p>${
    shownCount(untimed)
  } of the events have no readable time: they are counted, but are in no chart over time, and their cost is in no sum.</p>`;
}

function spend({ data, options }: ReportContent): Markup {
  if (!data.buckets.some(({ usd }) => usd !== 0)) return none("Nothing was spent.");
  const series = spendSeries(data.models, data.buckets);
  const { budgetPerHour } = options;
  const budget = budgetPerHour === null
    ? NOTHING
    : key("budget line", `budget: ${budgetShown(budgetPerHour, data.bucketMs)}`);
  const legend = markup`<ul class="legend">${[
    ...series.map(seriesKey),
    key("total line", "in total so far, on the right axis"),
    budget,
  ]}</ul>`;
  return markup`<p>USD by model, each bar a ${shownWidth(data.bucketMs)}.</p>${legend}${
    spendChart(data, options)
  }`;
}

function seriesKey({ label, color, usd }: SpendSeries): Markup {
  return key(color, markup`${textElement(label, 60)} ${shownUsd(usd)}`);
}

function key(style: string, meaning: string | Markup): Markup {
  return markup`<li><i class="key ${style}"></i>${meaning}</li>`;
}

function budgetShown(budgetPerHour: number, bucketMs: number): string {
  const perHour = `${shownUsdCompact(budgetPerHour)} an hour`;
  if (bucketMs === HOUR_MS) return perHour;
  const perBucket = shownUsdCompact(budgetPerHour * bucketMs / HOUR_MS);
  return `${perHour}, which is ${perBucket} in a bar`;
}

function accuracy({ data, options }: ReportContent): Markup {
  if (!data.buckets.some(hasAccuracy)) return none("No navigations, so there is no accuracy.");
  const width = shownWidth(data.bucketMs);
  const legend = markup`<ul class="legend">${[
    key("s0 line", "accuracy"),
    key("interval", "95 % interval of confidence: the longer, the less is known"),
    key("count", "n, the number of navigations, on the right axis"),
  ]}</ul>`;
  return markup`<p>Navigations less failed validations, in percent of the navigations, by ${width}.</p>${legend}${
    accuracyChart(data, options)
  }`;
}

function hasAccuracy({ accuracy }: BucketFigures): boolean {
  return accuracy.totalNav > 0;
}

function types({ data }: ReportContent): Markup {
  return data.events === 0 ? none("No events.") : typesChart(data);
}

function tokens({ data }: ReportContent): Markup {
  const { named, others } = data.models;
  const hasTokens = [...named, ...others === null ? [] : [others]]
    .some(({ inputTokens, outputTokens }) => inputTokens + outputTokens > 0);
  if (!hasTokens) return none("No tokens were counted.");
  const legend = markup`<ul class="legend">${[key("s0", "input"), key("s1", "output")]}</ul>`;
  return markup`${legend}${tokensChart(data)}`;
}
