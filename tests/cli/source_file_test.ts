import { assertEquals } from "@std/assert";
import { SourceFile, type SourceOptions } from "../../src/cli/import/source_file.ts";
import { gzipped, tempDir } from "../temp_dir.ts";

type Content = string | Uint8Array<ArrayBuffer>;

/** Creates and reads a file. Resolves with the values or the problem of each record, and with the columns. */
async function recordsIn(name: string, content: Content, options: Partial<SourceOptions> = {}) {
  using dir = tempDir();
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  Deno.writeFileSync(dir.path(name), bytes);
  const open = { format: undefined, delimiter: undefined, ...options };
  const file = (await SourceFile.open(dir.path(name), open))!;
  const columns: (readonly string[])[] = [];
  let read = 0;
  const batches = await Array.fromAsync(file.records({
    onRead: (byteLength) => read += byteLength,
    onColumns: (found) => columns.push(found),
  }));
  const records = batches.flat().map((record) => [
    record.line,
    "values" in record ? record.values : record.problem,
  ]);
  return { records, columns, isReadOnce: read === bytes.byteLength };
}

Deno.test("SourceFile numbers a CSV row by its first line, even if cells contain line breaks", async () => {
  for (const lineBreak of ["\n", "\r\n"]) {
    const text = ["\uFEFFa,b", '1,"x', 'y"', "", '"2 ""two""",', "", "3,4"].join(lineBreak);
    const { records, columns, isReadOnce } = await recordsIn("rows.csv", text);
    assertEquals(columns, [["a", "b"]]);
    assertEquals(records, [
      [2, { a: "1", b: `x${lineBreak}y` }],
      [5, { a: '2 "two"', b: "" }],
      [7, { a: "3", b: "4" }],
    ]);
    assertEquals(isReadOnce, true);
  }
});

Deno.test("SourceFile splits cells at commas, tabs or the delimiter option", async () => {
  const expected = [[2, { a: "1", b: "x,y" }]];
  assertEquals((await recordsIn("rows.csv", 'a,b\n1,"x,y"')).records, expected);
  assertEquals((await recordsIn("rows.tsv", "a\tb\n1\tx,y")).records, expected);
  assertEquals((await recordsIn("rows.csv", "a;b\n1;x,y", { delimiter: ";" })).records, expected);
  assertEquals((await recordsIn("rows.txt", 'a,b\n1,"x,y"', { format: "csv" })).records, expected);
});

Deno.test("SourceFile reports each row with a wrong number of cells, and stops at an unclosed quote", async () => {
  const { records } = await recordsIn("rows.csv", 'a,b\n1\n1,2\n1,2,3\n3,"4\n5,6\n');
  assertEquals(records.slice(0, -1), [
    [2, "the row must have 2 cells, got 1"],
    [3, { a: "1", b: "2" }],
    [4, "the row must have 2 cells, got 3"],
  ]);
  const [line, problem] = records.at(-1)!;
  assertEquals([line, /^Quote Not Closed/.test(`${problem}`)], [5, true]);
});

Deno.test("SourceFile reports the line number of invalid UTF-8, in CSV and in JSON lines", async () => {
  const bytes = new TextEncoder().encode('a,b\n1,2\n1,"?"\n');
  bytes[bytes.indexOf(0x3f)] = 0xe4;
  assertEquals((await recordsIn("rows.csv", bytes)).records.at(-1), [3, "not UTF-8"]);
  assertEquals((await recordsIn("rows.jsonl", bytes)).records.at(-1), [3, "not UTF-8"]);
});

Deno.test("SourceFile returns the readable part of a damaged archive, then the reason of the damage", async () => {
  const text = Array.from(
    { length: 20_000 },
    (_, n) => `${JSON.stringify({ n, r: n * 7919 % 20_011 })}\n`,
  ).join("");
  const whole = await gzipped(text);
  const good = await recordsIn("rows.jsonl.gz", whole);
  assertEquals([good.records.length, good.isReadOnce], [20_000, true]);
  const { records, isReadOnce } = await recordsIn(
    "rows.jsonl.gz",
    whole.subarray(0, whole.length / 2),
  );
  assertEquals(isReadOnce, true);
  const [line, problem] = records.at(-1)!;
  assertEquals([line, problem], [records.length, "the gzip file is truncated"]);
  assertEquals(records.slice(0, -1), good.records.slice(0, records.length - 1));
});

Deno.test("SourceFile returns a JSON number as text if JavaScript cannot represent the number", async () => {
  const numbers = [
    ["12345678901234567890", "12345678901234567890"],
    ["9007199254740993", "9007199254740993"],
    ["-18446744073709551615", "-18446744073709551615"],
    ["1e400", "1e400"],
    ["-1e400", "-1e400"],
    ["3e-9999", "3e-9999"],
    ["1.7976931348623157e308", Number.MAX_VALUE],
    ["9007199254740992", 2 ** 53],
    ["0.1", 0.1],
    ["1.10", 1.1],
    ["0e5", 0],
    ["1e21", 1e21],
    ["10000000000000000000000", 1e22],
    ["9007199254740993.0", "9007199254740993.0"],
    ["9.007199254740993e15", "9.007199254740993e15"],
    ["0.30000000000000004441", 0.30000000000000004],
    ["-0", -0],
  ] as const;
  const text = numbers.map(([source]) => `{"a":[{"b":${source}}],"s":"${source}"}`).join("\n");
  const { records } = await recordsIn("rows.jsonl", text);
  const expected = numbers.map(([s, b], n) => [n + 1, { a: [{ b }], s }]);
  assertEquals(records, expected);
  for (
    const text of [
      "{12345678901234567890:1}",
      '{"a":012345678901234567890}',
      '{"a":1234567890123456789x}',
    ]
  ) {
    assertEquals((await recordsIn("rows.jsonl", text)).records, [[1, "not JSON"]], text);
  }
  const deep = `{"n":12345678901234567890,"deep":${"[".repeat(50_000)}0${"]".repeat(50_000)}}`;
  const [[, values]] = (await recordsIn("rows.jsonl", deep)).records as [[number, { n: unknown }]];
  assertEquals(values.n, "12345678901234567890");
  const python = await recordsIn("rows.jsonl", '{"a":NaN,"b":12345678901234567890}');
  assertEquals(python.records, [[1, { a: null, b: "12345678901234567890" }]]);
});
