/**
 * Formats the rows as a table for a terminal. Pure.
 *
 * @module
 */
import { median, type Row, shownFigure, shownTarget, verdictOf } from "./row.ts";

const HEADER = ["", "what", "target", "median", "min", "max", "", ""];

/** Returns the table, without a line break at its end. */
export function table(rows: readonly Row[]): string {
  const lines = [HEADER, ...rows.map(cells)];
  const widths = HEADER.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line.map((cell, column) =>
      FIGURES.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** Indexes of the columns that are aligned right. */
const FIGURES = new Set([3, 4, 5]);

function cells(row: Row): string[] {
  const { id, name, target, samples, unit, note } = row;
  return [
    id,
    name,
    shownTarget(target),
    `${shownFigure(median(samples))} ${unit}`,
    shownFigure(Math.min(...samples)),
    shownFigure(Math.max(...samples)),
    verdictOf(row),
    note,
  ];
}
