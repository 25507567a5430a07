/**
 * The charts, drawn by Apache ECharts to SVG. It runs without a page, so the report needs no script for
 * them, and asks for no permission.
 *
 * @module
 */
// The package's main entry asks for an environment variable.
// @ts-types="echarts"
import { type EChartsOption, init } from "echarts/dist/echarts.esm.min.mjs";
import type { BucketFigures, ReportData } from "./aggregate.ts";
import { Markup } from "./markup.ts";
import { plainSvg } from "./plain_svg.ts";
import { type Bar, bars, spendSeries } from "./series.ts";
import { shownBrief, shownCompact, shownShort, shownUsdCompact } from "./shown_in_report.ts";
import { timeTicks } from "./time_ticks.ts";
import { wilsonInterval } from "./wilson_interval.ts";

/** How large a chart is drawn; it is shown as wide as there is room. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
  /** Where it is shown, and what tells its identifiers from those of others on the page. */
  readonly name: "wide" | "narrow";
}

const WIDE: ChartSize = { name: "wide", width: 760, height: 300 };
const NARROW: ChartSize = { name: "narrow", width: 320, height: 260 };
/** What the charts are, for who cannot see them. */
const LABELS = {
  spend: "Bars of the spend by model, and a line of what it has come to",
  accuracy: "A line of the accuracy, with its intervals of confidence over bars of n",
  types: "Bars of the number of events by type",
  tokens: "Bars of the tokens by model, input and output",
} as const;
const BAR_HEIGHT = 26;
const FONT_SIZE = 12;
/** Characters of a name beside a bar. */
const LABEL_LENGTHS = { wide: 26, narrow: 14 } as const;
/** How wide a character of them is at most, nearly always: nobody has a font to measure them by. */
const CHARACTER_WIDTH = 7;
/** Labels that a time axis has room for. */
const TICKS_MAX = { wide: 10, narrow: 5 } as const;
const MARGIN = { left: 8, right: 8, top: 14, bottom: 8 } as const;
const HOUR_MS = 3_600_000;
/** Where nothing was spent, an axis has to end all the same. */
const SMALLEST_USD = 1e-6;

const QUIET = { silent: true, emphasis: { disabled: true } } as const;
const AXIS = {
  axisLabel: { color: "var(--dim)", fontSize: FONT_SIZE },
  axisLine: { lineStyle: { color: "var(--line)" } },
  axisTick: { lineStyle: { color: "var(--line)" } },
  splitLine: { lineStyle: { color: "var(--grid)" } },
} as const;

/** The spend over time, stacked by model, with the budget and what it has come to. */
export function spendChart(
  { buckets, models, bucketMs }: ReportData,
  { timeZone, budgetPerHour }: { timeZone: string; budgetPerHour: number | null },
): Markup {
  const series = spendSeries(models, buckets);
  const budget = budgetPerHour === null ? null : budgetPerHour * bucketMs / HOUR_MS;
  let soFar = 0;
  const cumulative = buckets.map(({ usd }) => soFar += usd);
  return inBothSizes("spend", (size) => ({
    grid: { ...MARGIN, outerBounds: { ...MARGIN } },
    xAxis: timeAxis(buckets, { size, timeZone }),
    yAxis: [
      {
        ...AXIS,
        type: "value",
        axisLabel: { ...AXIS.axisLabel, formatter: shownUsdCompact },
        // The line of the budget is to be seen, however little was spent.
        max: ({ max }: { max: number }) => roundedUp(Math.max(max, budget ?? 0, SMALLEST_USD)),
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
        // Nothing is not drawn.
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
      ...budget === null ? [] : [budgetLine(budget)],
    ],
  }));
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

/** The accuracy over time, with its interval of confidence and the number of navigations. */
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
  return inBothSizes("accuracy", (size) => ({
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
        // The bars stay in the lower half, below most of what they are the number of.
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

/** How many events of each type there are. */
export function typesChart({ types }: ReportData): Markup {
  return barsChart("types", bars(types, ({ events }) => [events]), ["s0"]);
}

/** How many tokens went into each model, and how many came out of it. */
export function tokensChart({ models }: ReportData): Markup {
  const tokens = bars(models, ({ inputTokens, outputTokens }) => [inputTokens, outputTokens]);
  return barsChart("tokens", tokens, ["s0", "s1"]);
}

/** Bars that lie below one another; each has a part in each of the colours. */
function barsChart(
  name: "types" | "tokens",
  bars: readonly Bar[],
  colors: readonly string[],
): Markup {
  const totals = bars.map(({ values }) => values.reduce((sum, value) => sum + value));
  const labelsOf = (size: ChartSize) =>
    bars.map(({ label }) => shownShort(label, LABEL_LENGTHS[size.name]));
  const leftOf = (size: ChartSize) =>
    CHARACTER_WIDTH * Math.max(...labelsOf(size).map(({ length }) => length)) + 2 * MARGIN.left;
  return inBothSizes(name, (size) => ({
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

/** The least round number that is not below. */
function roundedUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 5, 8, 10].find((step) => step * power >= value)!;
}

/** Draws a chart for wide pages and for narrow ones, of which the style of the page shows one. */
function inBothSizes(
  name: keyof typeof LABELS,
  option: (size: ChartSize) => EChartsOption,
  sized: (size: ChartSize) => ChartSize = (size) => size,
): Markup {
  const label = `${LABELS[name]}; its figures are in the table below.`;
  const drawings = [WIDE, NARROW].map(sized).map((size) => {
    const svg = plainSvg(drawn(option(size), size), `${name}-${size.name}`);
    return `<div class="${size.name}" role="img" aria-label="${label}">${svg}</div>`;
  });
  return new Markup(drawings.join(""));
}

function drawn(option: EChartsOption, { width, height }: ChartSize): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  // Nothing moves; the timer of a loop that was begun would outlast the chart.
  chart.getZr().animation.start = () => {};
  try {
    chart.setOption({ animation: false, ...option });
    return chart.renderToSVGString();
  } finally {
    // It is kept in a list of all charts until then.
    chart.dispose();
  }
}
