import { assertEquals } from "@std/assert";
import stringWidth from "string-width";
import { bar, barTable } from "../../src/cli/bar_table.ts";

const row = (label: string, value: number) => ({ label, value, cells: [`${value}`] });
const header = ["what", "USD"];

Deno.test("barTable() aligns labels with wide or combining characters, and cuts long labels", () => {
  const rows = [row("模型", 1), row("🐟 fish", 10), row("é".normalize("NFD"), 100)];
  const lines = barTable([...rows, row("x".repeat(60), 50)], { header, columns: 80 });
  const barAt = lines.slice(1).map((line) => stringWidth(line.slice(0, line.search(/[█-▏]/))));
  assertEquals(barAt, [47, 47, 47, 47]);
  assertEquals(lines[4]!.slice(0, 40), `${"x".repeat(39)}…`);
});

Deno.test("barTable() fills the available width with the largest bar, and draws a bar for every cost", () => {
  const rows = [row("a", 8), row("b", 4), row("c", 0.0001), row("d", 0)];
  const barsAt = (columns: number) =>
    barTable(rows, { header, columns }).slice(1).map((line) => line.slice(14));
  assertEquals(barsAt(24), ["██████████", "█████", "▏", ""]);
  assertEquals(barsAt(10), ["", "", "", ""]);
  assertEquals(barsAt(300)[0], "█".repeat(40));
});

Deno.test("barTable() returns no lines for an empty table", () => {
  assertEquals(barTable([], { header, columns: 80 }), []);
});

Deno.test("bar() returns an empty bar if the largest value is Infinity", () => {
  for (const value of [1e308, Infinity]) assertEquals(bar(value, Infinity, 40), "");
  assertEquals(bar(1e308, 1e308, 2), "██");
});
