/**
 * A table for a terminal whose rows have bars.
 *
 * @module
 */
import stringWidth from "string-width";
import { styled } from "./terminal.ts";

/** A row; its bar is as long as the value is of the largest. */
export interface BarRow {
  readonly label: string;
  readonly value: number;
  /** What stands between the label and the bar. */
  readonly cells: readonly string[];
}

const GAP = "  ";
const BAR_WIDTH_MAX = 40;
/** From a full block down to an eighth of one. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LABEL_WIDTH_MAX = 40;

/** Gives the lines, none for no rows: labels from the left, cells from the right, and the bars in what room there is. */
export function barTable(
  rows: readonly BarRow[],
  { header, columns }: { readonly header: readonly string[]; readonly columns: number },
): string[] {
  if (rows.length === 0) return [];
  const cellsOf = ({ label, cells }: BarRow) => [cut(label), ...cells];
  const all = [header, ...rows.map(cellsOf)];
  const widths = header.map((_, column) =>
    Math.max(...all.map((cells) => stringWidth(cells[column] ?? "")))
  );
  const taken = widths.reduce((sum, width) => sum + width + GAP.length, 0);
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

function cut(label: string): string {
  return label.length > LABEL_WIDTH_MAX ? `${label.slice(0, LABEL_WIDTH_MAX - 1)}…` : label;
}

/** A bar as long as the value is of the largest, which fills the width. */
export function bar(value: number, largest: number, width: number): string {
  if (!(value > 0)) return "";
  const eighths = Math.max(1, Math.round(8 * width * value / largest));
  return width === 0 ? "" : "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}
