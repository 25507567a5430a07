/**
 * Plain text for a terminal: sections of aligned columns, and bars.
 *
 * @module
 */

/** Prints a titled table; the first column is aligned left, the others right. */
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

/** USD with as many decimals as small costs need. */
export function usd(amount: number): string {
  return `${amount.toFixed(6)} USD`;
}

/** A bar whose length is the share of the largest value, at most 30 characters. */
export function bar(value: number, largest: number): string {
  return largest <= 0 ? "" : "#".repeat(Math.round(30 * value / largest)).padEnd(30);
}
