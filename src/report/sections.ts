/**
 * Renders the sections of the page that change with the log. Each section is the content of one element.
 *
 * Only links of a live page can have the focus in a section. The script of the page keeps it when it replaces the
 * section.
 *
 * @module
 */
import { counted, shownUsd } from "../shown.ts";
import type { ReportData } from "./aggregate.ts";
import type { BucketFigures } from "./bucket_content.ts";
import { accuracyChart, latencyChart, spendChart, tokensChart, typesChart } from "./charts.ts";
import { shownFields } from "./groups.ts";
import { type HourlyBudget, isAbove } from "./hourly_budget.ts";
import { type Markup, markup, NOTHING } from "./markup.ts";
import type { ReportContent } from "./report_content.ts";
import { mainRange } from "./main_range.ts";
import { type SpendSeries, spendSeries } from "./series.ts";
import {
  shortTimeElement,
  shownCount,
  shownWidth,
  textElement,
  timeElement,
} from "./shown_in_report.ts";
import type { Chart } from "./drawing.ts";
import { timelineChart } from "./timeline_chart.ts";
import { OPEN_MAX } from "./span_tally.ts";
import { type Cell, none } from "./table.ts";
import {
  accuracyTable,
  budgetsTable,
  damageTable,
  eventsList,
  eventsTable,
  failuresTable,
  groupTables,
  latencyTable,
  sessionsTable,
  spendTable,
  timelineTable,
  tokensTable,
  typesTable,
  unfinishedTable,
} from "./tables.ts";

/** A section of the page that ends with a chart. */
export interface Charted {
  /** The markup before the chart. */
  readonly before: Markup;
  readonly chart: Chart;
}

/** A function that renders a section of the page. If its result has a chart, the caller has to draw the chart. */
export type Section = (content: ReportContent) => Markup | Charted;

/** The functions that render the sections of the page. Each key is the ID of the HTML element of the section. */
export const SECTIONS = {
  "range": rangeLine,
  "figures": figures,
  "notes": notes,
  "spend-chart": spend,
  "spend-table": spendTable,
  "accuracy-chart": accuracy,
  "accuracy-table": accuracyTable,
  "timeline-chart": timeline,
  "timeline-table": timelineTable,
  "latency-chart": latency,
  "latency-table": latencyTable,
  "types-chart": types,
  "types-table": typesTable,
  "tokens-chart": tokens,
  "tokens-table": tokensTable,
  "groups": groupTables,
  "failures": failuresTable,
  "unfinished": unfinishedTable,
  "budgets": budgetsTable,
  "sessions": sessionsTable,
  "events": eventsTable,
  "damage": damageTable,
} as const satisfies Record<string, Section>;

/** The identifier of a section. */
export type SectionId = keyof typeof SECTIONS;

function rangeLine({ data, options }: ReportContent): Markup {
  const { timeZone, sinceMs, untilMs } = options;
  const zone = markup`<span class="zone">Time zone: ${timeZone}.</span>`;
  const from = sinceMs === -Infinity ? data.firstMs : sinceMs;
  const to = untilMs === Infinity ? data.lastMs : untilMs;
  if (data.events === 0) return markup`No events. ${zone}`;
  if (from === null || to === null) return markup`No event has a time. ${zone}`;
  const shown = (ms: number) => shortTimeElement(ms, timeZone, data.bucketMs);
  return markup`${shown(from)} to ${shown(to)}. ${zone}`;
}

function figures(content: ReportContent): Markup {
  const { data, damage } = content;
  const { accuracy, gate } = data;
  const navs = counted(accuracy.totalNav, "navigation");
  return markup`${[
    figure("usd", "Spend", shownUsd(data.usd), "in the whole range"),
    lastHour(content),
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
    unfinishedCount(content),
    figure(
      "damage-count",
      "Damage",
      shownCount(damage.length),
      damage.length === 0 ? "all data is readable" : "unreadable regions",
      damage.length === 0 ? "" : "bad",
    ),
  ]}`;
}

function unfinishedCount(
  { data: { unfinished: { count } }, options: { untilMs } }: ReportContent,
): Markup {
  const shown = count === null ? `over ${shownCount(OPEN_MAX)}` : shownCount(count);
  const range = untilMs === Infinity ? "" : " in the range";
  const about = count === 0 ? `every call has ended${range}` : `begun and not ended${range}`;
  return figure("unfinished-count", "Unfinished calls", shown, about);
}

/** Returns the spend of the last hour, which is red if it exceeds the budget. */
function lastHour(content: ReportContent): Markup {
  const { data: { lastHourUsd }, options: { budgetPerHour } } = content;
  const usd = shownUsd(lastHourUsd);
  const end = endOfRange(content);
  if (budgetPerHour === null) return figure("usd-hour", "Last hour", usd, end);
  const isOver = isAbove(lastHourUsd, budgetPerHour);
  const about = isOver ? markup`over the budget, ${end}` : end;
  const value = `${usd} of ${shownUsd(budgetPerHour)}`;
  return figure("usd-hour", "Last hour", value, about, isOver ? "bad" : "");
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

/**
 * Returns the end of the time range as text. The last hour and the last 24 hours, whose spend is shown, end at this
 * time.
 */
function endOfRange({ data: { endMs }, options: { timeZone } }: ReportContent): Cell {
  return endMs === null ? "no event has a time" : markup`up to ${timeElement(endMs, timeZone)}`;
}

function sessionCount({ sessionCount }: ReportData): string {
  return sessionCount === null
    ? "in too many sessions to count"
    : `in ${counted(sessionCount, "session")}`;
}

function notes(content: ReportContent): Markup {
  const { data, options: { timeZone }, isComplete } = content;
  const { untimed, missingFields, outside } = data;
  const range = mainRange(data);
  return markup`${[
    isComplete
      ? NOTHING
      : markup`<p>The log is still being read, so the figures are not complete yet.</p>`,
    budgetNote(content),
    ...missingFields.map((name) =>
      markup`<p>No event has the field ${
        textElement(name, 60)
      }, so the spend and the tokens are not divided by it.</p>`
    ),
    untimed === 0
      ? NOTHING
      : markup`<p>${
        shownCount(untimed)
      } of the events have no readable time. They are counted, but the charts over time and the sums of costs do not include them.</p>`,
    range === null
      ? NOTHING
      : markup`<p>${
        counted(range.outside, "event")
      } far from all others in time, so the charts over time show little. The others are between ${
        timeElement(range.firstMs, timeZone)
      } and ${timeElement(range.lastMs, timeZone)}; a report on that range shows more.</p>`,
    outside.count === 0 ? NOTHING : outsideNote(content),
  ]}`;
}

/** Returns a sentence on the events that the time axis leaves out, and a table of them. */
function outsideNote(
  { data: { outside: { count, first } }, options: { timeZone } }: ReportContent,
): Markup {
  const areMore = count > first.length;
  const summary = areMore
    ? `The first ${shownCount(first.length)} of these events`
    : "These events";
  return markup`<p>${
    counted(count, "event")
  } far from all others in time. The charts over time, the range above, and the last hour and 24 hours do not include ${
    count === 1 ? "it" : "them"
  }; all other figures do.</p>
<details><summary>${summary}</summary><div class="scroll" id="outside" tabindex="0" role="region" aria-label="Events far from all others in time, table">${
    eventsList(first, timeZone)
  }</div></details>`;
}

/** Returns a sentence with the number of bars in which the spend exceeded the budget per hour, if there are any. */
function budgetNote({ data, options: { timeZone, sinceMs }, hourly }: ReportContent): Markup {
  if (hourly === null || hourly.firstMs === null) return NOTHING;
  const { buckets, bucketMs } = data;
  const comma = hasLimitPerBar(hourly) ? "," : "";
  const isCut = hourly.lastHourUsd !== null && sinceMs !== -Infinity;
  const cut = isCut ? " What was spent before the range of this report is not counted." : "";
  return markup`<p class="over">The spend exceeded the budget of ${
    budgetShown(hourly)
  }${comma} in ${shownCount(hourly.exceeded)} of ${
    counted(buckets.length, "bar")
  } of the chart, first at ${shortTimeElement(hourly.firstMs, timeZone, bucketMs)}.${cut}</p>`;
}

function spend(content: ReportContent): Markup | Charted {
  const { data, options, hourly } = content;
  if (!data.buckets.some(({ usd }) => usd !== 0)) return none("Nothing was spent.");
  const series = spendSeries(data.groups, data.buckets);
  const legend = markup`<ul class="legend">${[
    ...series.map(seriesKey),
    key("total line", "cumulative (right axis)"),
    ...hourly === null ? [] : budgetKeys(hourly),
  ]}</ul>`;
  const before = markup`<p>USD by ${shownFields(options.by)}, one bar per ${
    shownWidth(data.bucketMs)
  }.</p>${legend}`;
  return { before, chart: spendChart(content) };
}

function seriesKey({ label, color, usd }: SpendSeries): Markup {
  return key(color, markup`${textElement(label, 60)} ${shownUsd(usd)}`);
}

function key(style: string, meaning: string | Markup): Markup {
  return markup`<li><i class="key ${style}"></i>${meaning}</li>`;
}

function budgetKeys(hourly: HourlyBudget): Markup[] {
  const isRolling = hourly.lastHourUsd !== null;
  const axis = isRolling ? " (right axis)" : "";
  return [
    ...isRolling ? [key("hour line", `spend of the hour before${axis}`)] : [],
    key(
      "budget line",
      `budget: ${budgetShown(hourly)}${hourly.isFar ? ", above the chart" : axis}`,
    ),
  ];
}

function budgetShown(hourly: HourlyBudget): string {
  const perHour = `${shownUsd(hourly.budgetPerHour)} an hour`;
  return hasLimitPerBar(hourly) ? `${perHour}, or ${shownUsd(hourly.limitUsd)} per bar` : perHour;
}

/** Checks whether the bars are longer than an hour, so that their limit is not the budget per hour. */
function hasLimitPerBar({ budgetPerHour, limitUsd }: HourlyBudget): boolean {
  return limitUsd !== budgetPerHour;
}

function accuracy(content: ReportContent): Markup | Charted {
  const { data } = content;
  if (!data.buckets.some(hasAccuracy)) return none("No navigations, so the accuracy is unknown.");
  const width = shownWidth(data.bucketMs);
  const legend = markup`<ul class="legend">${[
    key("s0 line", "accuracy"),
    key("interval", "95 % confidence interval"),
    key("count", "n, the number of navigations (right axis)"),
  ]}</ul>`;
  const before =
    markup`<p>Navigations minus failed validations, in percent of the navigations, per ${width}.</p>${legend}`;
  return { before, chart: accuracyChart(content) };
}

function hasAccuracy({ accuracy }: BucketFigures): boolean {
  return accuracy.totalNav > 0;
}

function timeline(content: ReportContent): Markup | Charted {
  const { data } = content;
  const { by, lanes, bars, areCounted } = data.timeline;
  if (lanes.length === 0 || data.buckets.length === 0) return none("No calls.");
  const width = shownWidth(data.bucketMs);
  const lanesShown = by === null ? "All calls" : `The calls of each ${by}`;
  const shown = areCounted
    ? `${lanesShown}, counted per ${width} by their end. The heights grow with the square root of the number.`
    : `${lanesShown}, each from its beginning to its end.`;
  const statuses = new Set(bars.map(({ status }) => status));
  const legend = markup`<ul class="legend">${[
    key("s0", areCounted ? "calls that did not fail" : "call"),
    key("failed", "failed"),
    ...statuses.has("aborted") ? [key("others", "aborted")] : [],
    ...statuses.has("unfinished") ? [key("hatched", "not ended")] : [],
    key("total line", "cumulative spend"),
  ]}</ul>`;
  return { before: markup`<p>${shown}</p>${legend}`, chart: timelineChart(content) };
}

function latency(content: ReportContent): Markup | Charted {
  const { data } = content;
  if (!data.buckets.some(({ latency }) => latency.n > 0)) {
    return none("No call states its duration (duration_ms).");
  }
  const legend = markup`<ul class="legend">${[
    key("s0 line", "median"),
    key("s1 line", "95th percentile, of 20 calls or more"),
    key("others line", "longest"),
  ]}</ul>`;
  const before = markup`<p>The durations of the calls that ended, per ${
    shownWidth(data.bucketMs)
  }.</p>${legend}`;
  return { before, chart: latencyChart(content) };
}

function types(content: ReportContent): Markup | Charted {
  const { data } = content;
  if (data.events === 0) return none("No events.");
  return { before: NOTHING, chart: typesChart(content) };
}

function tokens(content: ReportContent): Markup | Charted {
  const { data } = content;
  const { named, others } = data.groups;
  const hasTokens = [...named, ...others === null ? [] : [others]]
    .some(({ inputTokens, outputTokens }) => inputTokens + outputTokens > 0);
  if (!hasTokens) return none("No tokens were counted.");
  const legend = markup`<ul class="legend">${[key("s0", "input"), key("s1", "output")]}</ul>`;
  return { before: legend, chart: tokensChart(content) };
}
