/**
 * Formats a table with a bar in each row, for a terminal.
 *
 * @module
 */
import stringWidth from "string-width";
import { cut } from "./fit.ts";
import { styled } from "./terminal.ts";

/** A row of a table. The length of the row's bar is proportional to `value`. */
export interface BarRow {
  readonly label: string;
  readonly value: number;
  /** The texts of the cells between the label and the bar of the row. */
  readonly cells: readonly string[];
}

const GAP = "  ";
const BAR_WIDTH_MAX = 40;
/** The last character of a bar, indexed by the number of eighths of a column that the character fills. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LABEL_WIDTH_MAX = 40;
const LABEL_WIDTH_MIN = 8;
/** Minimum width of the widest bar in columns. If there is less space for the bars, long labels are cut. */
const BAR_WIDTH_WANTED = 10;

/**
 * Returns a table as lines that are at most `columns` wide. Labels are aligned left and cells right; bars take the
 * remaining columns. If there are too few columns for the bars, labels are cut. If there are too few columns for the
 * cells, the last cells are left out.
 */
export function barTable(
  rows: readonly BarRow[],
  { header, columns }: { readonly header: readonly string[]; readonly columns: number },
): string[] {
  if (rows.length === 0) return [];
  const cellWidths = fitting(
    header.slice(1).map((head, n) =>
      Math.max(
        ...[head, ...rows.map(({ cells }) => cells[n] ?? "")].map((cell) => stringWidth(cell)),
      )
    ),
    columns - LABEL_WIDTH_MIN,
  );
  const cellsWidth = cellWidths.reduce((sum, width) => sum + GAP.length + width, 0);
  const labelRoom = columns - cellsWidth - GAP.length - BAR_WIDTH_WANTED;
  const labelMax = Math.min(LABEL_WIDTH_MAX, Math.max(LABEL_WIDTH_MIN, labelRoom));
  const textsOf = (label: string, cells: readonly string[]) => [
    cut(label, labelMax),
    ...cells.slice(0, cellWidths.length),
  ];
  const labels = [header[0]!, ...rows.map(({ label }) => label)].map((label) =>
    cut(label, labelMax)
  );
  const widths = [Math.max(...labels.map((label) => stringWidth(label))), ...cellWidths];
  const taken = widths[0]! + cellsWidth + GAP.length;
  const barWidth = Math.max(0, Math.min(BAR_WIDTH_MAX, columns - taken));
  const largest = Math.max(0, ...rows.map(({ value }) => value));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => {
      const space = " ".repeat(widths[column]! - stringWidth(cell));
      return column === 0 ? cell + space : space + cell;
    }).join(GAP);
  return [
    styled("bold", line(textsOf(header[0]!, header.slice(1)))),
    ...rows.map((row) =>
      `${line(textsOf(row.label, row.cells))}${GAP}${
        styled("cyan", bar(row.value, largest, barWidth))
      }`.trimEnd()
    ),
  ];
}

/**
 * Returns the widths of the first cells that fit into the columns together, each with a gap before it. The other cells
 * are left out.
 */
function fitting(widths: readonly number[], columns: number): readonly number[] {
  let left = columns;
  const first = widths.findIndex((width) => (left -= GAP.length + width) < 0);
  return first < 0 ? widths : widths.slice(0, first);
}

/** Returns the text of a bar. Its length is proportional to `value`; the largest value fills `width` columns. */
export function bar(value: number, largest: number, width: number): string {
  // If the largest value has overflowed to Infinity, no bar can be proportional to its value, so all bars are empty.
  if (!(value > 0) || !Number.isFinite(largest)) return "";
  const eighths = Math.max(1, Math.round(8 * width * (value / largest)));
  return width === 0 ? "" : "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}
