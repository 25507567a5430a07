import { assertEquals } from "@std/assert";
import {
  shownBrief,
  shownCompact,
  shownCount,
  shownShort,
  shownUsdCompact,
  shownWidth,
  textElement,
  timeElement,
} from "../../src/report/shown_in_report.ts";

const HOUR_MS = 3_600_000;
const NUMBERS: [
  shown: (value: number) => string,
  name: string,
  cases: [value: number, text: string][],
][] = [
  [shownCount, "shownCount", [[0, "0"], [9_999, "9999"], [1_234_567, "1,234,567"]]],
  [shownBrief, "shownBrief", [[0, "0"], [999_999, "999,999"], [1e6, "1M"], [1_234_567, "1.23M"]]],
  [shownCompact, "shownCompact", [
    [0, "0"],
    [0.25, "0.25"],
    [999, "999"],
    [1_500, "1.5K"],
    [123_456, "123K"],
    [2e9, "2B"],
  ]],
  [shownUsdCompact, "shownUsdCompact", [[0, "$0"], [0.000012, "$0.000012"], [12_345, "$12.3K"]]],
  [shownWidth, "shownWidth", [
    [60_000, "minute"],
    [300_000, "5 minutes"],
    [900_000, "15 minutes"],
    [HOUR_MS, "hour"],
    [12 * HOUR_MS, "12 hours"],
    [24 * HOUR_MS, "day"],
    [168 * HOUR_MS, "week"],
    [336 * HOUR_MS, "2 weeks"],
  ]],
];
for (const [shown, name, cases] of NUMBERS) {
  Deno.test(`${name}() shows ${cases.map(([, text]) => text).join(", ")}`, () => {
    assertEquals(cases.map(([value]) => shown(value)), cases.map(([, text]) => text));
  });
}

Deno.test("timeElement() shows the local time, and has the instant as an attribute", () => {
  const ms = Date.parse("2026-10-25T00:30:15.042Z");
  assertEquals(
    timeElement(ms, "Europe/Berlin").text,
    '<time datetime="2026-10-25T00:30:15.042Z">2026-10-25 02:30</time>',
  );
  assertEquals(
    timeElement(ms, "Asia/Kolkata", "millisecond").text,
    '<time datetime="2026-10-25T00:30:15.042Z">2026-10-25 06:00:15.042</time>',
  );
});

Deno.test("timeElement() shows the first and the last possible instant", () => {
  for (const ms of [-8.64e15, 8.64e15]) {
    for (const timeZone of ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"]) {
      const [, instant = ""] = timeElement(ms, timeZone).text.match(/datetime="([^"]+)"/) ?? [];
      assertEquals(Date.parse(instant), ms);
    }
  }
});

Deno.test("textElement() escapes a text, and isolates its writing direction", () => {
  assertEquals(textElement("<b>&\u202e").text, "<bdi>&lt;b&gt;&amp;\\u202e</bdi>");
  assertEquals(textElement("").text, "<bdi></bdi>");
});

Deno.test("textElement() states how many characters of a long text are left out", () => {
  assertEquals(textElement("x".repeat(500)).text, `<bdi>${"x".repeat(500)}</bdi>`);
  assertEquals(
    textElement("x".repeat(2_501)).text,
    `<bdi>${"x".repeat(500)}</bdi><span class="more">… and 2001 more characters</span>`,
  );
  assertEquals(
    textElement("<<<<", 2).text,
    '<bdi>&lt;&lt;</bdi><span class="more">… and 2 more characters</span>',
  );
});

Deno.test("textElement() and shownShort() do not split surrogate pairs", () => {
  const faces = "\u{1f600}".repeat(10);
  for (let length = 2; length < 20; length++) {
    assertEquals([textElement(faces, length).text, shownShort(faces, length)].map(isWhole), [
      true,
      true,
    ]);
  }
});

function isWhole(text: string): boolean {
  return text.isWellFormed();
}

Deno.test("shownShort() never returns more than the maximum length", () => {
  assertEquals(shownShort("abcdef", 6), "abcdef");
  assertEquals(shownShort("abcdefg", 6), "abcde…");
  assertEquals(shownShort("ab\u{1f600}cdef", 4), "ab…");
  assertEquals(shownShort("", 6), "");
  assertEquals(shownShort("a\u001b]0", 20), "a\\u001b]0");
});
