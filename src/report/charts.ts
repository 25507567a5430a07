/**
 * The charts of a report.
 *
 * @module
 */
import {
  AXIS,
  type ChartContent,
  cumulativeSpend,
  FONT_SIZE,
  MARGIN,
  nameLabels,
  QUIET,
  roundedUp,
  SMALLEST_USD,
  timeChart,
  timeLine,
} from "./chart_frame.ts";
import {
  accuracyInterval,
  accuracyTitles,
  latencyTitles,
  spendTitles,
  tokenTitles,
  typeTitles,
} from "./chart_titles.ts";
import type { Chart, ChartSize } from "./drawing.ts";
import { shownFields } from "./groups.ts";
import type { HourlyBudget } from "./hourly_budget.ts";
import { filterOfName } from "./links.ts";
import type { LinkTo, ReportContent } from "./report_content.ts";
import { type Bar, bars, byTokens, spendSeries } from "./series.ts";
import { shownDuration } from "../shown.ts";
import { shownBrief, shownCompact, shownUsdCompact } from "./shown_in_report.ts";

const BAR_HEIGHT = 26;

/** Returns a chart of the spend over time, stacked by group, with the budget and the cumulative spend. */
export function spendChart(content: ChartContent & Pick<ReportContent, "hourly">): Chart {
  const { data: { buckets, groups }, options: { timeZone, by }, hourly } = content;
  const series = spendSeries(groups, buckets);
  const cumulative = cumulativeSpend(buckets);
  const label = `Bar chart of the spend by ${shownFields(by)}, with a line of the cumulative spend`;
  const rolling = hourly?.lastHourUsd ?? null;
  const limitUsd = hourly === null || hourly.isFar ? 0 : hourly.limitUsd;
  // If the spend of the hour before is compared with the budget, both are on the right axis: on the axis of the bars,
  // they would make the bars of a few minutes too low to see.
  const [leftLimit, rightLimit] = rolling === null ? [limitUsd, 0] : [0, limitUsd];
  const titles = spendTitles(buckets, {
    series,
    cumulative,
    lastHourUsd: rolling,
    timeZone,
  });
  return timeChart({ name: "spend", label, titles }, content, {
    yAxis: [
      {
        ...AXIS,
        type: "value",
        axisLabel: { ...AXIS.axisLabel, formatter: shownUsdCompact },
        max: upTo(leftLimit),
      },
      {
        ...AXIS,
        type: "value",
        axisLabel: { ...AXIS.axisLabel, formatter: shownUsdCompact },
        splitLine: { show: false },
        alignTicks: true,
        // With aligned ticks, the axis would otherwise begin below 0, although no amount does.
        min: ({ min }: { min: number }) => Math.min(0, min),
        max: upTo(rightLimit),
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
      timeLine(cumulative, "var(--ink)"),
      ...hourly === null ? [] : budgetLines(hourly),
    ],
  });
}

/** Returns the end of an axis that includes a limit, so that its line is visible even if little was spent. */
function upTo(limitUsd: number) {
  return ({ max }: { max: number }) => roundedUp(Math.max(max, limitUsd, SMALLEST_USD));
}

function budgetLines({ lastHourUsd, limitUsd, isFar }: HourlyBudget) {
  return [
    ...lastHourUsd === null ? [] : [timeLine(lastHourUsd, "var(--hour)")],
    ...isFar ? [] : [budgetLine(limitUsd, lastHourUsd === null ? 0 : 1)],
  ];
}

function budgetLine(usd: number, yAxisIndex: number) {
  return {
    ...QUIET,
    type: "line" as const,
    yAxisIndex,
    data: [],
    markLine: {
      silent: true,
      symbol: "none",
      label: { show: false },
      // A wider line in the color of the page separates the dashes from bars of a similar color.
      data: [
        { yAxis: usd, lineStyle: { color: "var(--paper)", width: 5, type: "solid" as const } },
        { yAxis: usd, lineStyle: { color: "var(--budget)", width: 2, type: "dashed" as const } },
      ],
    },
  };
}

/** Returns a chart of the accuracy over time, with confidence intervals and the number of navigations. */
export function accuracyChart(content: ChartContent): Chart {
  const { data: { buckets }, options: { timeZone } } = content;
  const counted = buckets.map(({ accuracy }, index) => ({ ...accuracy, index }))
    .filter(({ totalNav }) => totalNav > 0);
  const counts = buckets.map(({ accuracy }) => accuracy.totalNav || null);
  const accuracies = buckets.map(({ accuracy }) =>
    accuracy.totalNav === 0 ? null : accuracy.accuracyPct
  );
  const label =
    "Line chart of the accuracy with 95 % confidence intervals, over bars of the number of navigations";
  const titles = accuracyTitles(buckets, timeZone);
  return timeChart({ name: "accuracy", label, titles }, content, {
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
        data: counted.map(({ index, ...accuracy }) => {
          const { low, high } = accuracyInterval(accuracy);
          return [index, low, high];
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
        showAllSymbol: true,
        symbolSize: buckets.length > 60 ? 4 : 6,
        lineStyle: { color: "var(--s0)", width: 1.5 },
        itemStyle: { color: "var(--s0)" },
      },
    ],
  });
}

/** Returns a chart of the median, the 95th percentile and the maximum of the durations over time. */
export function latencyChart(content: ChartContent): Chart {
  const { data: { buckets }, options: { timeZone } } = content;
  const label =
    "Line chart of the median, the 95th percentile and the maximum of the durations of calls";
  const titles = latencyTitles(buckets, timeZone);
  const line = (color: string, data: readonly (number | null)[]) => ({
    ...QUIET,
    type: "line" as const,
    data: [...data],
    symbol: "circle",
    showAllSymbol: true,
    symbolSize: buckets.length > 60 ? 4 : 6,
    lineStyle: { color: `var(--${color})`, width: 1.5 },
    itemStyle: { color: `var(--${color})` },
  });
  return timeChart({ name: "latency", label, titles }, content, {
    yAxis: {
      ...AXIS,
      type: "value",
      axisLabel: { ...AXIS.axisLabel, formatter: (ms: number) => shownDuration(ms) },
      max: ({ max }: { max: number }) => roundedUp(Math.max(max, 1)),
    },
    series: [
      line("others", buckets.map(({ latency }) => latency.longest)),
      line("s1", buckets.map(({ latency }) => latency.p95)),
      line("s0", buckets.map(({ latency }) => latency.p50)),
    ],
  });
}

/** Returns a chart of the number of events of each type. */
export function typesChart({ data: { types }, linkTo }: ChartContent): Chart {
  const label = "Bar chart of the number of events by type";
  const shown = bars(types, ({ events }) => [events]);
  const links = nameLinks(shown, ["event"], linkTo);
  return barsChart({ name: "types", label, titles: typeTitles(shown), links }, shown, ["s0"]);
}

/** Returns a chart of the number of input and output tokens of each group. */
export function tokensChart(
  { data: { groups }, options: { by }, linkTo }: ChartContent,
): Chart {
  const tokens = bars(
    byTokens(groups),
    ({ inputTokens, outputTokens }) => [inputTokens, outputTokens],
  );
  const label = `Bar chart of the input and output tokens by ${shownFields(by)}`;
  const links = nameLinks(tokens, by, linkTo);
  const chart = { name: "tokens", label, titles: tokenTitles(tokens), links } as const;
  return barsChart(chart, tokens, ["s0", "s1"]);
}

/** Returns the address of the events of each bar; null for a bar that combines several names. */
function nameLinks(
  bars: readonly Bar[],
  by: readonly string[],
  linkTo: LinkTo | null,
): (string | null)[] {
  return bars.map(({ name }) => {
    const filter = filterOfName(by, name);
    return filter === null || linkTo === null ? null : linkTo(filter);
  });
}

/** Returns a chart of horizontal bars, one below another. Each bar consists of one part per color. */
function barsChart(
  chart: Pick<Chart, "name" | "label" | "titles" | "links">,
  bars: readonly Bar[],
  colors: readonly string[],
): Chart {
  const totals = bars.map(({ values }) => values.reduce((sum, value) => sum + value));
  const labelsOf = (size: ChartSize) => nameLabels(bars.map(({ label }) => label), size);
  const height = BAR_HEIGHT * bars.length + 2 * BAR_HEIGHT / 3;
  return {
    ...chart,
    categories: "y",
    height,
    option: (size) => ({
      grid: { ...MARGIN, left: labelsOf(size).width, right: 64, outerBoundsMode: "none" },
      xAxis: { type: "value", show: false },
      yAxis: {
        ...AXIS,
        type: "category",
        inverse: true,
        axisTick: { show: false },
        data: [...labelsOf(size).labels],
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
    }),
  };
}
