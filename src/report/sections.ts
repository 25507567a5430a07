/**
 * The parts of the page that change with the log, each by the identifier of the element that holds it.
 * None of them can have the focus, so that they can be put in the place of older ones under a reader.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { Damage } from "../read/damage.ts";
import { counted } from "../shown.ts";
import { finite } from "../spend.ts";
import { eventEpochMs } from "../time.ts";
import type { BucketFigures, ModelFigures, ReportData, TypeFigures } from "./aggregate.ts";
import { accuracyChart, spendChart, tokensChart, typesChart } from "./charts.ts";
import { type Markup, markup, NOTHING } from "./markup.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { FURTHER_LABEL, labelOf, type SpendSeries, spendSeries } from "./series.ts";
import {
  shownCount,
  shownUsdCompact,
  shownUsdExactly,
  shownWidth,
  textElement,
  timeElement,
} from "./shown_in_report.ts";
import { wilsonInterval } from "./wilson_interval.ts";

const HOUR_MS = 3_600_000;
/** Regions that are listed; of more than these there is mostly one cause. */
const DAMAGE_MAX = 5_000;
/** Characters of the further fields of an event that are shown. */
const FIELDS_LENGTH_MAX = 1_000;

/** What a page is made of. */
export interface ReportContent {
  readonly data: ReportData;
  readonly damage: readonly Damage[];
  readonly options: ResolvedReportOptions;
}

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
    figure("usd", "Spend", shownUsdExactly(data.usd), "in the whole range"),
    figure("usd-hour", "Last hour", shownUsdExactly(data.lastHourUsd), endOfRange(content)),
    figure("usd-day", "Last 24 hours", shownUsdExactly(data.lastDayUsd), endOfRange(content)),
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
  return key(color, markup`${textElement(label, 60)} ${shownUsdExactly(usd)}`);
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

function spendTable({ data, options: { timeZone } }: ReportContent): Markup {
  const series = spendSeries(data.models, data.buckets);
  return table(
    [text("from"), ...series.map(({ label }) => number(textElement(label, 60))), number("total")],
    data.buckets.map((bucket, index) => [
      timeElement(bucket.startMs, timeZone),
      ...series.map(({ values }) => amount(values[index]!)),
      amount(bucket.usd),
    ]),
  );
}

function amount(usd: number): Cell {
  return usd === 0 ? "–" : shownUsdExactly(usd);
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

function accuracyTable({ data, options: { timeZone } }: ReportContent): Markup {
  return table(
    [text("from"), ...["accuracy", "95 % interval", "n", "failed"].map(number)],
    data.buckets.filter(hasAccuracy).map(({ startMs, accuracy }) => {
      const { totalNav, validationFailCount, accuracyPct } = accuracy;
      const right = Math.max(0, totalNav - validationFailCount);
      const { low, high } = wilsonInterval(right, totalNav);
      return [
        timeElement(startMs, timeZone),
        `${accuracyPct} %`,
        `${Math.round(100 * low)} to ${Math.round(100 * high)} %`,
        shownCount(totalNav),
        shownCount(validationFailCount),
      ];
    }),
  );
}

function types({ data }: ReportContent): Markup {
  return data.events === 0 ? none("No events.") : typesChart(data);
}

function typesTable({ data: { types } }: ReportContent): Markup {
  return table(
    [text("type"), number("events"), number("USD")],
    namedRows(types, ({ events, usd }: TypeFigures) => [shownCount(events), amount(usd)]),
  );
}

function tokens({ data }: ReportContent): Markup {
  const { named, others } = data.models;
  const hasTokens = [...named, ...others === null ? [] : [others]]
    .some(({ inputTokens, outputTokens }) => inputTokens + outputTokens > 0);
  if (!hasTokens) return none("No tokens were counted.");
  const legend = markup`<ul class="legend">${[key("s0", "input"), key("s1", "output")]}</ul>`;
  return markup`${legend}${tokensChart(data)}`;
}

function tokensTable({ data: { models } }: ReportContent): Markup {
  return table(
    [text("model"), ...["input", "output", "events", "USD"].map(number)],
    namedRows(models, ({ inputTokens, outputTokens, events, usd }: ModelFigures) => [
      shownCount(inputTokens),
      shownCount(outputTokens),
      shownCount(events),
      amount(usd),
    ]),
  );
}

function namedRows<T extends { readonly name: string | null }>(
  { named, others }: { readonly named: readonly T[]; readonly others: T | null },
  cellsOf: (figures: T) => readonly Cell[],
): Cell[][] {
  const rows = named.map((figures) => [textElement(labelOf(figures.name)), ...cellsOf(figures)]);
  return others === null ? rows : [...rows, [FURTHER_LABEL, ...cellsOf(others)]];
}

function sessionsTable({ data: { sessions }, options: { timeZone } }: ReportContent): Markup {
  if (sessions.length === 0) return none("No session that cost anything.");
  return table(
    [text("session"), ...["USD", "events", "first event", "last event"].map(number)],
    sessions.map(({ id, usd, isPartial, events, firstMs, lastMs }) => [
      textElement(id),
      `${isPartial ? "at least " : ""}${shownUsdExactly(usd)}`,
      `${isPartial ? "at least " : ""}${shownCount(events)}`,
      firstMs === null ? "–" : timeElement(firstMs, timeZone),
      lastMs === null ? "–" : timeElement(lastMs, timeZone),
    ]),
  );
}

/** What of an event has a column of its own. */
const COLUMNS = new Set(["ts", "event", "session_id", "model", "cost", "input_t", "output_t"]);

function eventsTable({ data: { lastEvents }, options: { timeZone } }: ReportContent): Markup {
  if (lastEvents.length === 0) return none("No events.");
  return table(
    [
      ...["time", "type", "model"].map(text),
      ...["USD", "tokens"].map(number),
      ...["session", "further fields"].map(text),
    ],
    lastEvents.map((event) => [
      eventTime(event, timeZone),
      valueElement(event.event),
      valueElement(event.model),
      typeof event.cost === "number" ? shownUsdExactly(event.cost) : "–",
      tokensOf(event),
      valueElement(event.session_id),
      furtherFields(event),
    ]),
  );
}

function eventTime({ ts }: AuditEvent, timeZone: string): Cell {
  const epochMs = eventEpochMs(ts);
  return Number.isNaN(epochMs) ? valueElement(ts) : timeElement(epochMs, timeZone, "millisecond");
}

function tokensOf({ input_t, output_t }: AuditEvent): Cell {
  const [input, output] = [finite(input_t), finite(output_t)];
  if (input === null && output === null) return "–";
  const shown = (tokens: number | null) => tokens === null ? "?" : shownCount(tokens);
  return `${shown(input)} in, ${shown(output)} out`;
}

function furtherFields(event: AuditEvent): Cell {
  const fields = Object.entries(event).filter(([name]) => !COLUMNS.has(name));
  if (fields.length === 0) return "–";
  const shown = fields.map(([name, value]) => `${name}: ${valueText(value)}`).join(", ");
  return textElement(shown, FIELDS_LENGTH_MAX);
}

/** A value as it stands in the log, a text without its quotes. */
function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}

function valueElement(value: unknown): Cell {
  return value === undefined ? "–" : textElement(valueText(value));
}

function damageTable({ damage }: ReportContent): Markup {
  if (damage.length === 0) return none("Everything could be read.");
  const rest = damage.length - DAMAGE_MAX;
  const more = rest <= 0 ? NOTHING : markup`<p>… and ${shownCount(rest)} more.</p>`;
  const rows = damage.slice(0, DAMAGE_MAX).map(({ path, byteOffset, byteLength, reason }) => [
    textElement(path),
    shownCount(byteOffset),
    byteLength === 0 ? "all from there on" : shownCount(byteLength),
    textElement(reason),
  ]);
  const columns = [text("file"), number("at byte"), number("bytes"), text("what is wrong")];
  return markup`${table(columns, rows)}${more}`;
}

function none(why: string): Markup {
  return markup`<p class="none">${why}</p>`;
}

/** What is in a table. */
type Cell = string | Markup;

/** A column: what is at its head, and whether it holds text, which begins on the left. */
interface Column {
  readonly head: Cell;
  readonly style: "text" | "number";
}

function text(head: Cell): Column {
  return { head, style: "text" };
}

function number(head: Cell): Column {
  return { head, style: "number" };
}

/** A table whose first cell of a row names it. */
function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): Markup {
  if (rows.length === 0) return none("Nothing to show.");
  const heads = columns.map(({ head, style }) =>
    markup`<th scope="col" class="${style}">${head}</th>`
  );
  const body = rows.map((row) =>
    markup`<tr>${
      columns.map(({ style }, index) => {
        const cell = row[index]!;
        return index === 0
          ? markup`<th scope="row" class="${style}">${cell}</th>`
          : markup`<td class="${style}">${cell}</td>`;
      })
    }</tr>\n`
  );
  return markup`<table><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table>`;
}
