/**
 * Draws the ratios that the benchmark has measured as a bar chart in SVG, each bar in relation to its target. Pure.
 *
 * @module
 */
import { median, type Row, shownFigure, shownTarget, verdictOf } from "./row.ts";

const BAR_HEIGHT = 16;
const ROW_HEIGHT = 40;
const LEFT = 24;
const WIDTH = 860;
const BARS_WIDTH = 560;
const TOP = 64;

const COLOURS = { met: "#2a7f62", missed: "#b5532a", "-": "#6b7280" } as const;

/**
 * Draws the rows that are ratios of two programs. A bar that reaches the vertical line meets its target. If a ratio
 * should be small, a smaller ratio makes a longer bar. For a row without a target, the vertical line means the ratio 1.
 */
export function chart(rows: readonly Row[], date: string): string {
  const ratios = rows.filter(({ unit, samples }) =>
    unit === "x" && Number.isFinite(median(samples))
  );
  const height = TOP + ratios.length * ROW_HEIGHT + 24;
  const scale = BARS_WIDTH / Math.max(2, ...ratios.map(achievementOf).map(bounded));
  const mark = LEFT + scale;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${LEFT}" y="26" font-size="16" fill="#111827">@vivarium/scout, ratios from alternating rounds</text>
<text x="${LEFT}" y="46" fill="#6b7280">${
    date.slice(0, 10)
  }; a bar that passes the line meets its target (1 if it has none)</text>
${ratios.map((row, index) => bar(row, TOP + index * ROW_HEIGHT, scale)).join("\n")}
<line x1="${mark}" x2="${mark}" y1="${TOP}" y2="${
    height - 16
  }" stroke="#111827" stroke-dasharray="3 3"/>
</svg>
`;
}

function bar(row: Row, y: number, scale: number): string {
  const { name, target, samples } = row;
  const length = Math.max(1, bounded(achievementOf(row)) * scale);
  const figure = `${shownFigure(median(samples))} x`;
  const wanted = target === null ? "" : ` (${shownTarget(target)})`;
  return `<text x="${LEFT}" y="${y + 12}" fill="#111827">${escaped(name)}</text>
<rect x="${LEFT}" y="${y + 17}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${
    COLOURS[verdictOf(row)]
  }"/>
<text x="${(LEFT + length + 8).toFixed(1)}" y="${y + 30}" fill="#374151">${
    escaped(figure + wanted)
  }</text>`;
}

/** Returns how far the row meets its target: 1 if exactly, more if better. */
function achievementOf({ samples, target }: Row): number {
  const value = median(samples);
  if (target === null) return value;
  return target.sense === "at least" ? value / target.value : target.value / value;
}

/** Limits the length of a bar, because a very long bar would make the others invisible. */
function bounded(achievement: number): number {
  return Math.min(achievement, 5);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
