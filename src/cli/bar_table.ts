/**
 * A table for a terminal whose rows have bars.
 *
 * @module
 */
import stringWidth from "string-width";
import { cut } from "./fit.ts";
import { styled } from "./terminal.ts";

/** A row; the length of its bar is the value's share of the largest one. */
export interface BarRow {
  readonly label: string;
  readonly value: number;
  /** The cells between the label and the bar. */
  readonly cells: readonly string[];
}

const GAP = "  ";
const BAR_WIDTH_MAX = 40;
/** From a full block down to an eighth of one. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LABEL_WIDTH_MAX = 40;
const LABEL_WIDTH_MIN = 8;
/** Labels are cut until a bar has this width. */
const BAR_WIDTH_WANTED = 10;

/**
 * Returns the lines of a table, none wider than the columns: labels from the left, cells from the right,
 * and bars in the columns that remain. Labels are cut if there are too few columns.
 */
export function barTable(
  rows: readonly BarRow[],
  { header, columns }: { readonly header: readonly string[]; readonly columns: number },
): string[] {
  if (rows.length === 0) return [];
  const cellWidths = header.slice(1).map((head, n) =>
    Math.max(...[head, ...rows.map(({ cells }) => cells[n] ?? "")].map((cell) => stringWidth(cell)))
  );
  const cellsWidth = cellWidths.reduce((sum, width) => sum + GAP.length + width, 0);
  const labelRoom = columns - cellsWidth - GAP.length - BAR_WIDTH_WANTED;
  const labelMax = Math.min(LABEL_WIDTH_MAX, Math.max(LABEL_WIDTH_MIN, labelRoom));
  const cellsOf = ({ label, cells }: BarRow) => [cut(label, labelMax), ...cells];
  const labels = [header[0]!, ...rows.map((row) => cellsOf(row)[0]!)];
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
    styled("bold", line(header)),
    ...rows.map((row) =>
      `${line(cellsOf(row))}${GAP}${styled("cyan", bar(row.value, largest, barWidth))}`.trimEnd()
    ),
  ];
}

/** Returns a bar whose length is the value's share of the largest one, which fills the width. */
export function bar(value: number, largest: number, width: number): string {
  // A sum past the largest number has no share.
  if (!(value > 0) || !Number.isFinite(largest)) return "";
  const eighths = Math.max(1, Math.round(8 * width * (value / largest)));
  return width === 0 ? "" : "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}
