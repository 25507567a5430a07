/**
 * The timeline of a report: a lane for each agent with its calls, and the cumulative spend beneath the lanes.
 *
 * The lanes are drawn here as paths, because ECharts would need an element for each of thousands of calls. ECharts draws
 * the axes and the line of the spend.
 *
 * @module
 */
import type { BucketFigures } from "./bucket_content.ts";
import {
  AXIS,
  bucketLinks,
  type ChartContent,
  cumulativeSpend,
  MARGIN,
  nameLabels,
  roundedUp,
  SMALLEST_USD,
  timeAxis,
  timeLine,
} from "./chart_frame.ts";
import { timelineTitles } from "./chart_titles.ts";
import { type Chart, type ChartSize, rounded } from "./drawing.ts";
import { type Markup, markup } from "./markup.ts";
import { FURTHER_LABEL, labelOf } from "./series.ts";
import { shownUsdCompact } from "./shown_in_report.ts";
import type { CallBar, Lane, TimelineFigures } from "./timeline_tally.ts";

/** The height of a lane, and the space in a lane above and below its bars, in pixels. */
const LANE_HEIGHT = 24;
const LANE_PADDING = 3;
/** The height of the chart of the spend, of the gap above it, and of the labels of the time axis, in pixels. */
const SPEND_HEIGHT = 48;
const SPEND_GAP = 12;
const AXIS_HEIGHT = 40;
/** Minimum width and height of a bar, and minimum height of its part of failed calls, in pixels. */
const BAR_WIDTH_MIN = 1.5;
const BAR_HEIGHT_MIN = 2;
const FAILED_HEIGHT_MIN = 1;
/** The share of the width of a time bucket that its bar takes. */
const BUCKET_SHARE = 0.85;

/** The fill of the bars of calls by their status. `unfinished` is a pattern, see {@linkcode hatch}. */
const FILLS = {
  ok: "var(--s0)",
  aborted: "var(--others)",
  error: "var(--bad)",
} as const;

/** Returns the label of a lane. */
export function laneLabel({ name, combined }: Lane, by: TimelineFigures["by"]): string {
  if (by === null) return "all calls";
  if (combined === Infinity) return FURTHER_LABEL;
  return combined > 1 ? `${combined} others` : labelOf(name);
}

/** Returns a chart of the calls of each agent over time, and of the cumulative spend. */
export function timelineChart(
  { data: { timeline, buckets }, options: { timeZone }, linkTo }: ChartContent,
): Chart {
  const { by, lanes } = timeline;
  const named = lanes.map((lane) => ({ ...lane, label: laneLabel(lane, by) }));
  const cumulative = cumulativeSpend(buckets);
  const lanesHeight = LANE_HEIGHT * lanes.length;
  const spendTop = MARGIN.top + lanesHeight + SPEND_GAP;
  const layoutOf = (size: ChartSize) => {
    const { labels, width } = nameLabels(named.map(({ label }) => label), size);
    return { labels, left: width, right: MARGIN.right };
  };
  return {
    name: "timeline",
    label: `Timeline of the calls, ${
      by === null ? "in one lane" : `with a lane for each ${by}`
    }, over a line of the cumulative spend`,
    categories: "x",
    links: bucketLinks(buckets, linkTo),
    titles: timelineTitles(buckets, { lanes: named, cumulative, timeZone }),
    height: spendTop + SPEND_HEIGHT + AXIS_HEIGHT,
    option: (size) => {
      const { labels, left, right } = layoutOf(size);
      const time = timeAxis(buckets, { size, timeZone });
      const grid = { left, right, outerBoundsMode: "none" as const };
      return {
        grid: [
          { ...grid, top: MARGIN.top, height: lanesHeight },
          { ...grid, top: spendTop, height: SPEND_HEIGHT },
        ],
        xAxis: [
          { ...time, gridIndex: 0, axisLabel: { show: false }, axisTick: { show: false } },
          { ...time, gridIndex: 1 },
        ],
        yAxis: [
          {
            ...AXIS,
            type: "category",
            gridIndex: 0,
            inverse: true,
            axisTick: { show: false },
            splitLine: { ...AXIS.splitLine, show: true },
            data: [...labels],
          },
          {
            ...AXIS,
            type: "value",
            gridIndex: 1,
            splitNumber: 1,
            axisLabel: { ...AXIS.axisLabel, formatter: shownUsdCompact },
            max: ({ max }: { max: number }) => roundedUp(Math.max(max, SMALLEST_USD)),
          },
        ],
        series: [{ ...timeLine(cumulative, "var(--ink)"), xAxisIndex: 1 }],
      };
    },
    shapes: (size) => {
      const { left, right } = layoutOf(size);
      return shapes(timeline, { buckets, left, width: size.width - left - right, size });
    },
  };
}

/** The place of the lanes in a drawing, in pixels. */
interface Layout {
  readonly buckets: readonly BucketFigures[];
  readonly left: number;
  readonly width: number;
  readonly size: ChartSize;
}

function shapes(timeline: TimelineFigures, layout: Layout): Markup {
  const { bars, areCounted } = timeline;
  const counted = areCounted ? countedPaths(timeline.lanes, layout) : [];
  const pathOf = (status: CallBar["status"]) =>
    bars.filter((bar) => bar.status === status).map((bar) => barShape(bar, timeline, layout))
      .join("");
  // Failed calls are drawn last, so that no other call covers them.
  const single = (["ok", "aborted", "error"] as const).map((status) => ({
    fill: FILLS[status],
    path: pathOf(status),
  }));
  const id = `timeline-${layout.size.name}-hatch`;
  const open = pathOf("unfinished");
  const all = [...counted, ...single].filter(({ path }) => path !== "");
  return markup`${all.map(({ fill, path }) => markup`<path d="${path}" fill="${fill}"></path>`)}${
    open === ""
      ? ""
      : markup`${hatch(id)}<path d="${open}" fill="url(#${id})" stroke="var(--hour)"></path>`
  }`;
}

/** Returns the pattern with which unfinished calls are filled: diagonal lines. */
function hatch(id: string): Markup {
  return markup`<defs><pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M-1 1L1 -1M0 6L6 0M5 7L7 5" stroke="var(--hour)" stroke-width="1.5"></path></pattern></defs>`;
}

/**
 * Returns the bars of the calls in each bucket. Their heights grow with the square root of the number of calls, so that
 * agents with few calls are visible beside those with many.
 */
function countedPaths(
  lanes: readonly Lane[],
  layout: Layout,
): { readonly fill: string; readonly path: string }[] {
  // A lane of combined agents would make all others too low to see, so it does not count for the scale.
  const single = lanes.filter(({ combined }) => combined === 1);
  const most = Math.max(1, ...single.flatMap(({ cells }) => cells.map(({ calls }) => calls)));
  const { left, width, buckets } = layout;
  const step = width / buckets.length;
  const barWidth = Math.max(BAR_WIDTH_MIN, step * BUCKET_SHARE);
  const [ok, failed]: [string[], string[]] = [[], []];
  for (const [lane, { cells }] of lanes.entries()) {
    const bottom = MARGIN.top + LANE_HEIGHT * (lane + 1) - LANE_PADDING;
    for (const [index, { calls, errors }] of cells.entries()) {
      if (calls === 0) continue;
      const x = left + step * index + (step - barWidth) / 2;
      const share = Math.min(1, Math.sqrt(calls / most));
      const height = Math.max(BAR_HEIGHT_MIN, (LANE_HEIGHT - 2 * LANE_PADDING) * share);
      const red = errors === 0 ? 0 : Math.max(FAILED_HEIGHT_MIN, height * errors / calls);
      if (height > red) ok.push(rectangle(x, bottom - height, barWidth, height - red));
      if (red > 0) failed.push(rectangle(x, bottom - red, barWidth, red));
    }
  }
  return [{ fill: FILLS.ok, path: ok.join("") }, { fill: FILLS.error, path: failed.join("") }];
}

/** Returns the shape of a call: a rectangle in a row of its lane. Parts outside of the time axis are cut off. */
function barShape(
  { lane, row, startMs, endMs }: CallBar,
  { lanes, areCounted }: TimelineFigures,
  { buckets, left, width }: Layout,
): string {
  const rows = areCounted ? 1 : lanes[lane]!.rows;
  const rowHeight = (LANE_HEIGHT - 2 * LANE_PADDING) / rows;
  const y = MARGIN.top + LANE_HEIGHT * lane + LANE_PADDING + rowHeight * (areCounted ? 0 : row);
  const gap = rows === 1 ? 0 : 1;
  const [start, end] = [startMs, endMs].map((ms) => left + width * shareBefore(ms, buckets));
  const barWidth = Math.max(BAR_WIDTH_MIN, end! - start!);
  // A short call at the end of the axis is moved to the left, so that its bar is not outside.
  const x = Math.min(start!, left + width - barWidth);
  return rectangle(x, y, barWidth, rowHeight - gap);
}

/** Returns the share of the time axis that is before an instant, from 0 to 1. Each bucket has the same width. */
function shareBefore(ms: number, buckets: readonly BucketFigures[]): number {
  const index = buckets.findLastIndex(({ startMs }) => startMs <= ms);
  if (index < 0) return 0;
  const { startMs, endMs } = buckets[index]!;
  return (index + Math.min(1, (ms - startMs) / (endMs - startMs))) / buckets.length;
}

function rectangle(x: number, y: number, width: number, height: number): string {
  return `M${rounded(x)} ${rounded(y)}h${rounded(width)}v${rounded(height)}h-${rounded(width)}z`;
}
