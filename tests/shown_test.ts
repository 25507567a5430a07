import { assertEquals } from "@std/assert";
import {
  counted,
  shownBytes,
  shownDuration,
  shownNumber,
  shownText,
  shownUsd,
} from "../src/shown.ts";

const USD: [usd: number, shown: string][] = [
  [0, "$0.00"],
  [1e-7, "$0.0000001"],
  [0.000413, "$0.000413"],
  [0.00041312345, "$0.000413123"],
  [0.5, "$0.50"],
  [0.25, "$0.25"],
  [0.1234567, "$0.123457"],
  [0.9999994, "$0.999999"],
  [0.9999999, "$1.00"],
  [1, "$1.00"],
  [2.755, "$2.76"],
  [9999.994, "$9999.99"],
  [12_345.6, "$12,345.60"],
  [-3, "-$3.00"],
  [5e-324, "$5e-324"],
  [1e300, "$1e+300"],
  [Infinity, "$Infinity"],
];
for (const [usd, shown] of USD) {
  Deno.test(`shownUsd() shows ${usd} as ${shown}`, () => assertEquals(shownUsd(usd), shown));
}

Deno.test("shownNumber(), counted() and shownBytes() group digits above 9,999", () => {
  assertEquals([0, 9_999, 10_000, 1_234_567].map(shownNumber), [
    "0",
    "9999",
    "10,000",
    "1,234,567",
  ]);
  assertEquals([1, 2, 24_000].map((count) => counted(count, "line")), [
    "1 line",
    "2 lines",
    "24,000 lines",
  ]);
  assertEquals([0, 1, 999, 1_000, 48_919, 5e15].map(shownBytes), [
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1 kB",
    "48.9 kB",
    "5000 TB",
  ]);
});

/** Returns every character that controls a terminal or changes the order of text on it. */
function unsafeCharacters(): string[] {
  const ranges = [[0x00, 0x1f], [0x7f, 0x9f], [0x200e, 0x200f], [0x2028, 0x202e], [0x2066, 0x2069]];
  const codes = ranges.flatMap(([from = 0, to = 0]) =>
    Array.from({ length: to - from + 1 }, (_, n) => from + n)
  );
  return [...codes, 0x061c, 0xd800, 0xdbff, 0xdc00, 0xdfff].map((code) =>
    String.fromCharCode(code)
  );
}

Deno.test("shownText() escapes every control character, bidirectional control and lone surrogate", () => {
  for (const character of unsafeCharacters()) {
    const shown = shownText(`a${character}b`);
    assertEquals([...shown].some((each) => unsafeCharacters().includes(each)), false, shown);
    assertEquals(JSON.parse(`"${shown}"`), `a${character}b`);
  }
  assertEquals(shownText("\u001b[31m\n\t\u009b\u202e"), "\\u001b[31m\\n\\t\\u009b\\u202e");
});

Deno.test("shownText() returns harmless text unchanged, so that it can be applied twice", () => {
  for (const text of ["", "nav", "é 模型 🐟 👩‍👩‍👧", "שלום", "a\\b"]) {
    assertEquals(shownText(text), text);
  }
  const shown = shownText("\u001b\n");
  assertEquals(shownText(shown), shown);
});

Deno.test("shownText() does not change the value of a JSON text", () => {
  const value = { [`k${unsafeCharacters().join("")}`]: unsafeCharacters() };
  const text = shownText(JSON.stringify(value));
  assertEquals([...text].filter((each) => unsafeCharacters().includes(each)), []);
  assertEquals(JSON.parse(text), value);
});

Deno.test("shownDuration() shows three digits below a minute, and whole units above it", () => {
  const shown: [ms: number, text: string][] = [
    [0, "0 ms"],
    [0.0123, "0.0123 ms"],
    [32.94, "32.9 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [1_234, "1.23 s"],
    [59_940, "59.9 s"],
    [59_960, "1 min 0 s"],
    [125_400, "2 min 5 s"],
    [3_599_400, "59 min 59 s"],
    [3_599_600, "1 h 0 min"],
    [7_260_000, "2 h 1 min"],
    [36_000_000_000, "10,000 h 0 min"],
  ];
  assertEquals(shown.map(([ms]) => shownDuration(ms)), shown.map(([, text]) => text));
});

Deno.test("shownNumber() and shownUsd() return the same as formatters of the locale for every number", () => {
  const numbers = new Intl.NumberFormat("en", { useGrouping: "min2" });
  const odd = [-0, -1, -9_999, 0.5, 1.005, 9_999.4, 9_999.9999, 1e21, NaN, Infinity, -Infinity];
  for (const value of [...Array.from({ length: 10_100 }, (_, n) => n), ...odd]) {
    assertEquals(shownNumber(value), numbers.format(value));
  }
  assertEquals([shownUsd(0), shownUsd(-0)], ["$0.00", "$0.00"]);
});
