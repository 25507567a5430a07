/**
 * Draws a chart as SVG with Apache ECharts, in the sizes for wide and for narrow pages. The charts are drawn outside of
 * a browser, so the report needs no scripts. Drawing needs no permissions.
 *
 * @module
 */
// The main entry of the ECharts package reads an environment variable, which needs a permission. So another entry is
// imported.
// @ts-types="echarts"
import { type ECharts, type EChartsOption, init } from "echarts/dist/echarts.esm.min.mjs";
import { Markup, markup, NOTHING } from "./markup.ts";
import { plainSvg } from "./plain_svg.ts";

export type { EChartsOption };

/** The size in pixels at which a chart is drawn. The page scales the drawing to the available width. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
  /** The kind of page that shows the drawing. Identifiers in the SVG contain this name, so that they are unique. */
  readonly name: "wide" | "middle" | "narrow";
}

// The style sheet shows the drawing whose width is closest to the available width, so that no text is scaled up to more
// than the size of the page's text, or down to less than two thirds of it.
const SIZES: readonly ChartSize[] = [
  { name: "wide", width: 760, height: 300 },
  { name: "middle", width: 520, height: 280 },
  { name: "narrow", width: 320, height: 260 },
];

/** The values of a bar or a point, line by line. Browsers show them when the pointer is over the bar or the point. */
export type Title = readonly string[];

/** What a chart shows, and the texts that describe it. */
export interface Chart {
  /** The name of the chart, which is part of the identifiers in its SVG. */
  readonly name: "spend" | "accuracy" | "timeline" | "latency" | "types" | "tokens";
  /** The description of the chart for screen readers. */
  readonly label: string;
  /** The axis with the categories: the bars stand side by side on the x axis, or one below another on the y axis. */
  readonly categories: "x" | "y";
  /** The title of each category. */
  readonly titles: readonly Title[];
  /** The address to which a click on each category leads in a live page; null if the category has no link. */
  readonly links: readonly (string | null)[];
  readonly option: (size: ChartSize) => EChartsOption;
  /** The height of the drawing in pixels, if it depends on what the chart shows. */
  readonly height?: number;
  /** Returns further shapes of the SVG, which are drawn over the chart. */
  readonly shapes?: (size: ChartSize) => Markup;
}

/**
 * Draws a chart once for each size, and yields each drawing. The style sheet shows the drawing that fits the page. A
 * drawing takes about 10 ms, so the caller should let other tasks run between two drawings.
 */
export function* drawingsOf(chart: Chart): Generator<Markup> {
  const { name, label, height, shapes } = chart;
  for (const usual of SIZES) {
    const size = height === undefined ? usual : { ...usual, height };
    const { svg, areas } = drawn(chart, size);
    const plain = new Markup(plainSvg(svg, `${name}-${size.name}`).replace(/<\/svg>$/, ""));
    const described = `${label}. The table below lists the figures.`;
    yield markup`<div class="${size.name}" role="img" aria-label="${described}">${plain}${
      shapes?.(size) ?? NOTHING
    }<g fill="transparent">${areas}</g></svg></div>`;
  }
}

function drawn(
  { option, categories, titles, links }: Chart,
  size: ChartSize,
): { readonly svg: string; readonly areas: readonly Markup[] } {
  const { width, height } = size;
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  // The animation loop must not start, because its timer would outlive the chart.
  chart.getZr().animation.start = () => {};
  try {
    chart.setOption({ animation: false, ...option(size) });
    const svg = chart.renderToSVGString();
    // A phone has no pointer that can rest on a bar, so its drawing needs no titles.
    const areas = size.name === "narrow"
      ? []
      : titledAreas(chart, { categories, titles, links, size });
    return { svg, areas };
  } finally {
    // ECharts stores each chart in a global list until the chart is disposed of.
    chart.dispose();
  }
}

/**
 * Returns a transparent area for each category, over the whole height or width of the drawing. Its title works without
 * a script, and is easier to reach with the pointer than a small bar or point.
 */
function titledAreas(
  chart: ECharts,
  { categories, titles, links, size }: Pick<Chart, "categories" | "titles" | "links"> & {
    readonly size: ChartSize;
  },
): Markup[] {
  const axis = categories === "x" ? { xAxisIndex: 0 } : { yAxisIndex: 0 };
  const [first = 0, second] = [0, 1].map((index) => Number(chart.convertToPixel(axis, index)));
  const length = categories === "x" ? size.width : size.height;
  const step = titles.length > 1 ? second! - first : 2 * Math.max(first, length - first);
  return titles.map((texts, index) => {
    const lines = texts.map((text, n) => n === 0 ? markup`${text}` : markup`${LINE_BREAK}${text}`);
    const title = markup`<title>${lines}</title>`;
    const link = links[index] ?? null;
    // The script of a live page opens this address. A real link in the drawing could get the focus, although the
    // drawing is an image for screen readers.
    const href = link === null ? NOTHING : markup` data-href="${link}"`;
    const start = rounded(first + (index - 0.5) * step);
    return categories === "x"
      ? markup`<rect x="${start}" y="0" width="${
        rounded(step)
      }" height="${size.height}"${href}>${title}</rect>`
      : markup`<rect x="0" y="${start}" width="${size.width}" height="${
        rounded(step)
      }"${href}>${title}</rect>`;
  });
}

const LINE_BREAK = new Markup("\n");

/** Rounds pixels to tenths. */
export function rounded(pixels: number): number {
  return Math.round(10 * pixels) / 10;
}
