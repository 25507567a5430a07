/**
 * Draws the charts of a report as SVG with Apache ECharts. The charts are drawn outside of a browser, so the
 * report needs no scripts. Drawing needs no permissions.
 *
 * @module
 */
// The main entry of the ECharts package reads an environment variable, which needs a permission. So another entry is
// imported.
// @ts-types="echarts"
import { type EChartsOption, init } from "echarts/dist/echarts.esm.min.mjs";
import type { BucketFigures, ReportData } from "./aggregate.ts";
import { shownFields } from "./groups.ts";
import type { HourlyBudget } from "./hourly_budget.ts";
import { Markup, markup } from "./markup.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { plainSvg } from "./plain_svg.ts";
import { type Bar, bars, spendSeries } from "./series.ts";
import { shownBrief, shownCompact, shownShort, shownUsdCompact } from "./shown_in_report.ts";
import { timeTicks } from "./time_ticks.ts";
import { wilsonInterval } from "../stats/intervals.ts";

/** The size in pixels at which a chart is drawn. The page scales the drawing to the available width. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
  /** The kind of page that shows the drawing. Identifiers in the SVG contain this name, so that they are unique. */
  readonly name: "wide" | "narrow";
}

const WIDE: ChartSize = { name: "wide", width: 760, height: 300 };
const NARROW: ChartSize = { name: "narrow", width: 320, height: 260 };
const BAR_HEIGHT = 26;
const FONT_SIZE = 12;
/** Maximum number of characters in the label of a bar. Longer labels are cut. */
const LABEL_LENGTHS = { wide: 26, narrow: 14 } as const;
/** Estimated maximum width of a character in pixels, because no font is available for measuring. */
const CHARACTER_WIDTH = 7;
/** Maximum number of labels on a time axis. */
const TICKS_MAX = { wide: 10, narrow: 5 } as const;
const MARGIN = { left: 8, right: 8, top: 14, bottom: 8 } as const;
/** Minimum upper end of a cost axis in USD. Without this minimum, the axis of a chart without costs would end at 0. */
const SMALLEST_USD = 1e-6;

const QUIET = { silent: true, emphasis: { disabled: true } } as const;
const AXIS = {
  axisLabel: { color: "var(--dim)", fontSize: FONT_SIZE },
  axisLine: { lineStyle: { color: "var(--line)" } },
  axisTick: { lineStyle: { color: "var(--line)" } },
  splitLine: { lineStyle: { color: "var(--grid)" } },
} as const;

/** Draws a chart of the spend over time, stacked by group, with the budget and the cumulative spend. */
export function spendChart(
  { buckets, groups }: ReportData,
  { timeZone, by }: Pick<ResolvedReportOptions, "timeZone" | "by">,
  hourly: HourlyBudget | null,
): Markup {
  const series = spendSeries(groups, buckets);
  let soFar = 0;
  const cumulative = buckets.map(({ usd }) => soFar += usd);
  const label = `Bar chart of the spend by ${shownFields(by)}, with a line of the cumulative spend`;
  return inBothSizes({ name: "spend", label }, (size) => ({
    grid: { ...MARGIN, outerBounds: { ...MARGIN } },
    xAxis: timeAxis(buckets, { size, timeZone }),
    yAxis: [
      {
        ...AXIS,
        type: "value",
        axisLabel: { ...AXIS.axisLabel, formatter: shownUsdCompact },
        // The axis includes the budget, so that the budget line is visible even if little was spent.
        max: ({ max }: { max: number }) =>
          roundedUp(Math.max(max, hourly?.limitUsd ?? 0, SMALLEST_USD)),
      },
      {
        ...AXIS,
        type: "value",
        axisLabel: { ...AXIS.axisLabel, formatter: shownUsdCompact },
        splitLine: { show: false },
        alignTicks: true,
      },
    ],
    series: [
      ...series.map(({ color, values }) => ({
        ...QUIET,
        type: "bar" as const,
        stack: "usd",
        barMaxWidth: 40,
        barCategoryGap: "15%",
        itemStyle: { color: `var(--${color})` },
        // Null replaces 0, because ECharts draws no bar for null.
        data: values.map((usd) => usd === 0 ? null : usd),
      })),
      {
        ...QUIET,
        type: "line" as const,
        yAxisIndex: 1,
        data: cumulative,
        symbol: buckets.length === 1 ? "circle" : "none",
        lineStyle: { color: "var(--ink)", width: 1.5 },
        itemStyle: { color: "var(--ink)" },
      },
      ...hourly === null ? [] : budgetLines(hourly),
    ],
  }));
}

function budgetLines({ lastHourUsd, limitUsd }: HourlyBudget) {
  const limit = budgetLine(limitUsd);
  return lastHourUsd === null ? [limit] : [lastHourLine(lastHourUsd), limit];
}

function lastHourLine(data: readonly number[]) {
  return {
    ...QUIET,
    type: "line" as const,
    data: [...data],
    symbol: data.length === 1 ? "circle" : "none",
    lineStyle: { color: "var(--hour)", width: 1.5 },
    itemStyle: { color: "var(--hour)" },
  };
}

function budgetLine(usd: number) {
  return {
    ...QUIET,
    type: "line" as const,
    data: [],
    markLine: {
      silent: true,
      symbol: "none",
      label: { show: false },
      lineStyle: { color: "var(--budget)", width: 2, type: "dashed" as const },
      data: [{ yAxis: usd }],
    },
  };
}

/** Draws a chart of the accuracy over time, with confidence intervals and the number of navigations. */
export function accuracyChart(
  { buckets }: ReportData,
  { timeZone }: { timeZone: string },
): Markup {
  const counted = buckets.map(({ accuracy }, index) => ({ ...accuracy, index }))
    .filter(({ totalNav }) => totalNav > 0);
  const counts = buckets.map(({ accuracy }) => accuracy.totalNav || null);
  const accuracies = buckets.map(({ accuracy }) =>
    accuracy.totalNav === 0 ? null : accuracy.accuracyPct
  );
  const label =
    "Line chart of the accuracy with 95 % confidence intervals, over bars of the number of navigations";
  return inBothSizes({ name: "accuracy", label }, (size) => ({
    grid: { ...MARGIN, outerBounds: { ...MARGIN } },
    xAxis: timeAxis(buckets, { size, timeZone }),
    yAxis: [
      {
        ...AXIS,
        type: "value",
        min: 0,
        max: 100,
        axisLabel: { ...AXIS.axisLabel, formatter: (value: number) => `${value} %` },
      },
      {
        ...AXIS,
        type: "value",
        minInterval: 1,
        // The bars stay in the lower half of the chart, so that they rarely overlap the line of the accuracy.
        max: ({ max }: { max: number }) => roundedUp(2 * max),
        axisLabel: { ...AXIS.axisLabel, formatter: shownCompact },
        splitLine: { show: false },
      },
    ],
    series: [
      {
        ...QUIET,
        type: "bar",
        yAxisIndex: 1,
        barMaxWidth: 40,
        barCategoryGap: "15%",
        itemStyle: { color: "var(--count)" },
        data: counts,
      },
      {
        type: "custom",
        silent: true,
        clip: true,
        data: counted.map(({ index, totalNav, validationFailCount }) => {
          const right = Math.max(0, totalNav - validationFailCount);
          const { low, high } = wilsonInterval(right, totalNav);
          return [index, 100 * low, 100 * high];
        }),
        renderItem: (_params, api) => {
          const [x = 0, top = 0] = api.coord([api.value(0), api.value(2)]);
          const [, bottom = 0] = api.coord([api.value(0), api.value(1)]);
          return {
            type: "line",
            shape: { x1: x, x2: x, y1: top, y2: bottom },
            style: { stroke: "var(--interval)", lineWidth: 2 },
          };
        },
      },
      {
        ...QUIET,
        type: "line",
        data: accuracies,
        symbol: "circle",
        symbolSize: buckets.length > 60 ? 4 : 6,
        lineStyle: { color: "var(--s0)", width: 1.5 },
        itemStyle: { color: "var(--s0)" },
      },
    ],
  }));
}

/** Draws a chart of the number of events of each type. */
export function typesChart({ types }: ReportData): Markup {
  const label = "Bar chart of the number of events by type";
  return barsChart({ name: "types", label }, bars(types, ({ events }) => [events]), ["s0"]);
}

/** Draws a chart of the number of input and output tokens of each group. */
export function tokensChart(
  { groups }: ReportData,
  { by }: Pick<ResolvedReportOptions, "by">,
): Markup {
  const tokens = bars(groups, ({ inputTokens, outputTokens }) => [inputTokens, outputTokens]);
  const label = `Bar chart of the input and output tokens by ${shownFields(by)}`;
  return barsChart({ name: "tokens", label }, tokens, ["s0", "s1"]);
}

/**
 * Returns a text that ECharts can measure. ECharts keeps the widths of texts in an object with the members of
 * `Object.prototype`. So if a text were "constructor", it would write into the built-in class `Object`.
 */
function chartText(text: string): string {
  return text in {} ? `${text}\u200a` : text;
}

/** Draws horizontal bars, one below another. Each bar consists of one part per color. */
function barsChart(
  chart: ChartName,
  bars: readonly Bar[],
  colors: readonly string[],
): Markup {
  const totals = bars.map(({ values }) => values.reduce((sum, value) => sum + value));
  const labelsOf = (size: ChartSize) =>
    bars.map(({ label }) => chartText(shownShort(label, LABEL_LENGTHS[size.name])));
  const leftOf = (size: ChartSize) =>
    CHARACTER_WIDTH * Math.max(...labelsOf(size).map(({ length }) => length)) + 2 * MARGIN.left;
  return inBothSizes(chart, (size) => ({
    grid: { ...MARGIN, left: leftOf(size), right: 64, outerBoundsMode: "none" },
    xAxis: { type: "value", show: false },
    yAxis: {
      ...AXIS,
      type: "category",
      inverse: true,
      axisTick: { show: false },
      data: labelsOf(size),
    },
    series: colors.map((color, part) => ({
      ...QUIET,
      type: "bar" as const,
      stack: "bar",
      barCategoryGap: "30%",
      itemStyle: { color: `var(--${color})` },
      data: bars.map(({ values }) => values[part]!),
      label: {
        show: part === colors.length - 1,
        position: "right" as const,
        color: "var(--ink)",
        fontSize: FONT_SIZE,
        formatter: ({ dataIndex }: { dataIndex: number }) => shownBrief(totals[dataIndex]!),
      },
    })),
  }), (size) => ({ ...size, height: BAR_HEIGHT * bars.length + 2 * BAR_HEIGHT / 3 }));
}

function timeAxis(
  buckets: readonly BucketFigures[],
  { size, timeZone }: { size: ChartSize; timeZone: string },
) {
  const startsMs = buckets.map(({ startMs }) => startMs);
  const ticks = timeTicks(startsMs, { timeZone, ticksMax: TICKS_MAX[size.name] });
  const labels = new Map(ticks.map(({ index, label }) => [index, label]));
  const interval = (index: number) => labels.has(index);
  return {
    ...AXIS,
    type: "category" as const,
    data: startsMs.map(String),
    axisTick: { ...AXIS.axisTick, interval, alignWithLabel: true },
    axisLabel: {
      ...AXIS.axisLabel,
      interval,
      formatter: (_value: string, index: number) => labels.get(index) ?? "",
    },
  };
}

/** Returns the smallest round number, such as 200 or 500, that is at least as large as the value. */
function roundedUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 5, 8, 10].find((step) => step * power >= value)!;
}

/** The name of a chart, which is part of the identifiers in its SVG, and its description for screen readers. */
interface ChartName {
  readonly name: "spend" | "accuracy" | "types" | "tokens";
  readonly label: string;
}

/** Draws a chart twice, for wide and for narrow pages. The style sheet shows the drawing that fits the page. */
function inBothSizes(
  { name, label }: ChartName,
  option: (size: ChartSize) => EChartsOption,
  sized: (size: ChartSize) => ChartSize = (size) => size,
): Markup {
  const drawings = [WIDE, NARROW].map(sized).map((size) => {
    const svg = plainSvg(drawn(option(size), size), `${name}-${size.name}`);
    const described = `${label}. The table below lists the figures.`;
    return markup`<div class="${size.name}" role="img" aria-label="${described}">${new Markup(
      svg,
    )}</div>`;
  });
  return markup`${drawings}`;
}

function drawn(option: EChartsOption, { width, height }: ChartSize): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  // The animation loop must not start, because its timer would outlive the chart.
  chart.getZr().animation.start = () => {};
  try {
    chart.setOption({ animation: false, ...option });
    return chart.renderToSVGString();
  } finally {
    // ECharts stores each chart in a global list until the chart is disposed of.
    chart.dispose();
  }
}
