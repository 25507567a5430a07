/**
 * A table of text: the first column is aligned left, all others right.
 *
 * @module
 */
import stringWidth from "string-width";

/**
 * Returns the lines of a table. All rows must have the same number of cells. The caller must have escaped the control
 * characters in the cells.
 */
export function textTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, n) =>
    Math.max(...rows.map((row) => stringWidth(row[n]!)))
  );
  return rows.map((row) =>
    row.map((cell, n) => {
      const blanks = " ".repeat(widths[n]! - stringWidth(cell));
      return n === 0 ? cell + blanks : blanks + cell;
    }).join("  ").trimEnd()
  );
}
