/**
 * The common parts of the charts of a report: axes, margins and labels.
 *
 * @module
 */
import type { BucketFigures } from "./bucket_content.ts";
import type { Chart, ChartSize, EChartsOption } from "./drawing.ts";
import { filterOfBucket } from "./links.ts";
import type { LinkTo, ReportContent } from "./report_content.ts";
import { shownShort } from "./shown_in_report.ts";
import { timeTicks } from "./time_ticks.ts";

/** The size of all text in a drawing, in pixels. */
export const FONT_SIZE = 12;
/** Maximum number of characters in the label of a bar. Longer labels are cut. */
const LABEL_LENGTHS = { wide: 26, middle: 20, narrow: 14 } as const;
/** Estimated maximum width of a character in pixels, because no font is available for measuring. */
const CHARACTER_WIDTH = 7;
/** Maximum number of labels on a time axis. */
const TICKS_MAX = { wide: 10, middle: 7, narrow: 5 } as const;
/** The space in pixels between a drawing and its edges. */
export const MARGIN = { left: 8, right: 8, top: 14, bottom: 8 } as const;

/** Options of a series that disable its reaction to the pointer. */
export const QUIET = { silent: true, emphasis: { disabled: true } } as const;
/** Options of an axis: its colors. */
export const AXIS = {
  axisLabel: { color: "var(--dim)", fontSize: FONT_SIZE },
  axisLine: { lineStyle: { color: "var(--line)" } },
  axisTick: { lineStyle: { color: "var(--line)" } },
  splitLine: { lineStyle: { color: "var(--grid)" } },
} as const;

/** Minimum upper end of a cost axis in USD. Without this minimum, the axis of a chart without costs would end at 0. */
export const SMALLEST_USD = 1e-6;

/** The parts of a report that a chart needs. */
export type ChartContent = Pick<ReportContent, "data" | "options" | "linkTo">;

/** Returns the address of the events of each bucket; an empty list if the page has no links. */
export function bucketLinks(
  buckets: readonly BucketFigures[],
  linkTo: LinkTo | null,
): readonly string[] {
  return linkTo === null ? [] : buckets.map((bucket) => linkTo(filterOfBucket(bucket)));
}

/** Returns the spend since the start of the report at the end of each bucket, in USD. */
export function cumulativeSpend(buckets: readonly BucketFigures[]): readonly number[] {
  let soFar = 0;
  return buckets.map(({ usd }) => soFar += usd);
}

/** Returns a line over time. A single value is drawn as a circle, because a line needs two. */
export function timeLine(data: readonly number[], color: string) {
  return {
    ...QUIET,
    type: "line" as const,
    yAxisIndex: 1,
    data: [...data],
    symbol: data.length === 1 ? "circle" : "none",
    lineStyle: { color, width: 1.5 },
    itemStyle: { color },
  };
}

/** Returns a chart over time, with the buckets side by side. */
export function timeChart(
  chart: Pick<Chart, "name" | "label" | "titles">,
  { data: { buckets }, options: { timeZone }, linkTo }: ChartContent,
  option: Pick<EChartsOption, "yAxis" | "series">,
): Chart {
  return {
    ...chart,
    categories: "x",
    links: bucketLinks(buckets, linkTo),
    option: (size) => ({
      grid: { ...MARGIN, outerBounds: { ...MARGIN } },
      xAxis: timeAxis(buckets, { size, timeZone }),
      ...option,
    }),
  };
}

/** Returns a time axis with a category for each bucket, and labels at round times. */
export function timeAxis(
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

/** The labels of a category axis, and the space in pixels that the labels need. */
export interface NameLabels {
  readonly labels: readonly string[];
  readonly width: number;
}

/** Returns names as the labels of an axis. Long names are cut, so that the labels fit a drawing of this size. */
export function nameLabels(names: readonly string[], { name }: ChartSize): NameLabels {
  const labels = names.map((each) => chartText(shownShort(each, LABEL_LENGTHS[name])));
  const longest = Math.max(...labels.map(({ length }) => length));
  return { labels, width: CHARACTER_WIDTH * longest + 2 * MARGIN.left };
}

/**
 * Returns a text that ECharts can measure. ECharts keeps the widths of texts in an object with the members of
 * `Object.prototype`. So if a text were "constructor", it would write into the built-in class `Object`.
 */
function chartText(text: string): string {
  return text in {} ? `${text}\u200a` : text;
}

/** Returns the smallest round number, such as 200 or 500, that is at least as large as the value. */
export function roundedUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 5, 8, 10].find((step) => step * power >= value)!;
}
