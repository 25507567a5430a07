import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isObject } from "../../src/line/parse_line.ts";
import { parseLines } from "../../src/line/parse_lines.ts";
import { decodeUtf8 } from "../../src/line/utf8.ts";
import { blockOfLines } from "./hostile_lines.ts";

/** Returns the values of the lines, each parsed by itself; null if one of them is not an object. */
function parsedOneByOne(text: string): unknown[] | null {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  try {
    const values = lines.map((line) => JSON.parse(line));
    return values.every(isObject) ? values : null;
  } catch {
    // A line is not JSON.
    return null;
  }
}

Deno.test("parseLines() returns the same events as parsing each line by itself, or null", () => {
  let accepted = 0;
  fc.assert(
    fc.property(blockOfLines, (bytes) => {
      const text = decodeUtf8(bytes);
      if (text === null) return;
      const events = parseLines(text);
      if (events === null) return;
      accepted++;
      assertEquals(events, parsedOneByOne(text));
    }),
    { numRuns: 20_000, seed: 1 },
  );
  assertEquals(accepted > 1_000, true, `only ${accepted} blocks were accepted`);
});

Deno.test("parseLines() keeps members with special names, duplicate members and strings with commas and braces", () => {
  const text = '{"a":[{}],"b":{"c":1}}\r\n {"__proto__":1} \n{"a":1,"a":"},\\"{","n":-0}\n{}';
  assertEquals(parseLines(text)?.length, 4);
  assertEquals(parseLines(text), parsedOneByOne(text));
  assertEquals(parseLines(`${text}\n`), parsedOneByOne(text));
  assertEquals(parseLines(""), []);
});

Deno.test("parseLines() returns null for arrays of several objects, which look like divided lines", () => {
  assertEquals(parseLines('{"a":[{},{}]}\n{}'), null);
  assertEquals(parseLines('{"a":[{}\t, {}]}\n{}'), null);
});

Deno.test("parseLines() returns null if a line is divided and other lines are merged, so that their number is the same", () => {
  for (
    const text of [
      '{"a":1},{"b":2}\n{"a":[{}\n{}]}',
      '{"a":1} , {"b":2}\n{"a":[{}\n{}]}\n',
      '{"a":[{}\n{}]}\n{"a":1}\t,\r{"b":2}',
      '{"a":[1\n2]}\n{},{}',
    ]
  ) {
    assertEquals(parseLines(text), null, text);
  }
});

Deno.test("parseLines() returns null for lines that are not objects, blank lines and a byte order mark", () => {
  for (
    const line of ["", "\r", "1", "null", "[]", "[{}]", '"a"', "{", "]", "],[", ",", "\ufeff{}"]
  ) {
    for (const text of [`${line}\n{}`, `{}\n${line}\n`, `{}\n${line}\n{}`, `${line}\n`]) {
      assertEquals(parseLines(text), null, JSON.stringify(text));
    }
  }
});

Deno.test("parseLines() returns null for a text that is longer than 1 MiB", () => {
  const line = `{"a":"${"x".repeat(1024)}"}\n`;
  const count = Math.floor(1024 * 1024 / line.length);
  assertEquals(parseLines(line.repeat(count))?.length, count);
  assertEquals(parseLines(line.repeat(count + 1)), null);
});
