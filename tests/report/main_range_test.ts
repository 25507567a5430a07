import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { renderReport } from "@vivarium/scout/report";
import type { BucketFigures } from "../../src/report/bucket_content.ts";
import { mainRange } from "../../src/report/main_range.ts";

/** Returns time buckets, one for each number of events in `counts`. */
function bucketsOf(counts: readonly number[]): BucketFigures[] {
  return counts.map((events, n) =>
    ({ firstMs: n, lastMs: n, events }) as Partial<BucketFigures> as BucketFigures
  );
}

const EMPTY = Array.from({ length: 50 }, () => 0);

for (
  const [what, counts, expected] of [
    ["one event long before all others", [1, ...EMPTY, 90, 9], {
      firstMs: 51,
      lastMs: 52,
      outside: 1,
    }],
    ["one event long after all others", [90, 9, ...EMPTY, 1], {
      firstMs: 0,
      lastMs: 1,
      outside: 1,
    }],
    ["one event of two thousand at each end of the time range", [1, ...EMPTY, 1_998, ...EMPTY, 1], {
      firstMs: 51,
      lastMs: 51,
      outside: 2,
    }],
    ["two events of a hundred at one end of the time range", [2, ...EMPTY, 98], null],
    ["an early event among only nine events", [1, ...EMPTY, 8], null],
    [
      "an early event and a main range of more than half of the time range",
      [1, 0, 50, 50, 50],
      null,
    ],
    ["five events in every time bucket", [5, 5, 5, 5], null],
    ["a single time bucket", [100], null],
    ["no time bucket", [], null],
  ] as const
) {
  Deno.test(`mainRange() returns ${expected === null ? "null" : "the range without the outliers"} for ${what}`, () => {
    assertEquals(mainRange(bucketsOf(counts)), expected);
  });
}

Deno.test("renderReport() states the time range of all events but one if that one event is from 1970", async () => {
  const events = Array.from({ length: 60 }, (_, n) => ({
    ts: new Date(Date.UTC(2026, 1, 13, 14, n)).toISOString(),
    event: "nav",
    cost: 0.01,
  }));
  const page = (all: readonly object[]) => renderReport(ReadableStream.from(all) as never);
  const hint = "far from all others in time";
  assert(!(await page(events)).includes(hint));
  const stretched = await page([{ ts: "1970-01-01T00:00:00Z", event: "nav" }, ...events]);
  assertStringIncludes(stretched, `<p>1 event ${hint}`);
  const others =
    /The others are between <time datetime="([^"]+)">.*? and <time datetime="([^"]+)">/;
  const [, first, last] = others.exec(stretched) ?? [];
  assertEquals([first, last], ["2026-02-13T14:00:00Z", "2026-02-13T14:59:00Z"]);
});
