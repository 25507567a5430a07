/**
 * Tables and bars in plain text, for a terminal.
 *
 * @module
 */

/** Prints a table with a title. The first column is aligned left, all other columns right. */
export function printTable(title: string, rows: readonly (readonly string[])[]): void {
  console.log(`\n${title}`);
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
    );
    console.log(`  ${cells.join("  ")}`.trimEnd());
  }
}

/** Formats USD with six decimals, because single calls cost fractions of a cent. */
export function usd(amount: number): string {
  return `${amount.toFixed(6)} USD`;
}

/** Returns a bar as long as the value's share of the largest value, padded to 30 characters. */
export function bar(value: number, largest: number): string {
  return largest <= 0 ? "" : "#".repeat(Math.round(30 * value / largest)).padEnd(30);
}
