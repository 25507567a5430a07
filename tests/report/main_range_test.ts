import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type AuditEvent, AuditReader } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import type { BucketFigures } from "../../src/report/bucket_content.ts";
import { mainRange } from "../../src/report/main_range.ts";
import { tempDir } from "../temp_dir.ts";
import { withoutOrigin } from "./same_page.ts";

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
      span: { fromMs: 51, toMs: Infinity },
    }],
    ["one event long after all others", [90, 9, ...EMPTY, 1], {
      firstMs: 0,
      lastMs: 1,
      outside: 1,
      span: { fromMs: -Infinity, toMs: 1 },
    }],
    ["one event of two thousand at each end of the time range", [1, ...EMPTY, 1_998, ...EMPTY, 1], {
      firstMs: 51,
      lastMs: 51,
      outside: 2,
      span: { fromMs: 51, toMs: 51 },
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

Deno.test("mainRange() leaves out at most a thousandth of all events, also those that are left out already", () => {
  const buckets = bucketsOf([1, ...EMPTY, 90, 9]);
  assertEquals(mainRange(buckets)?.outside, 1);
  assertEquals(mainRange(buckets, 1), null);
  const many = bucketsOf([1, ...EMPTY, 2_000]);
  assertEquals(mainRange(many, 1)?.outside, 1);
  assertEquals(mainRange(many, 2), null);
});

/** Returns an event of each minute of an hour, and more events. */
function hourAnd(...more: readonly AuditEvent[]): AuditEvent[] {
  const hour = Array.from({ length: 60 }, (_, n) => ({
    ts: new Date(Date.UTC(2026, 1, 13, 14, n)).toISOString(),
    event: "nav",
    cost: 0.01,
  }));
  return [...more, ...hour];
}

Deno.test("The charts of a log leave out an event of 1970, and a table shows it", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const wrong = { ts: "1970-01-01T00:00:00Z", event: "nav", cost: 3, agent: "mapper" };
  const pageOf = async (events: readonly AuditEvent[]) => {
    Deno.writeTextFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    await using reader = await AuditReader.open({ path });
    const page = await renderReport(reader);
    assertEquals(withoutOrigin(await renderReport(reader.query())), withoutOrigin(page));
    return page;
  };
  const part = (page: string, id: string) =>
    new RegExp(`id="${id}"[^>]*>(.*?)</(?:p|div|b)>`, "s").exec(page)![1]!;
  const [usual, page] = [await pageOf(hourAnd()), await pageOf(hourAnd(wrong))];
  for (const id of ["range", "spend-table", "usd-hour"]) {
    assertEquals(part(page, id), part(usual, id));
  }
  assertEquals([part(page, "usd"), part(page, "event-count")], ["$3.60", "61"]);
  assertStringIncludes(page, "<p>1 event far from all others in time. The charts over time, ");
  const outside = part(page, "outside");
  assertStringIncludes(outside, "1970-01-01 00:00:00.000");
  assertStringIncludes(outside, "<bdi>mapper</bdi>");
  assertEquals([usual.includes('id="outside"'), outside.split("<tr>").length], [false, 3]);
});

Deno.test("The charts of a log leave out at most a thousandth of the events, and the table lists the first 50", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const early = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      ts: new Date(n * 86_400_000).toISOString(),
      event: "nav",
    }));
  const many = Array.from({ length: 999 }, () => hourAnd()).flat();
  for (const [count, shown] of [[60, true], [61, false]] as const) {
    const lines = [...early(count), ...many].map((event) => `${JSON.stringify(event)}\n`);
    Deno.writeTextFileSync(path, lines.join(""));
    await using reader = await AuditReader.open({ path });
    const page = await renderReport(reader);
    assertEquals(page.includes("The first 50 of these events"), shown);
    assertEquals(page.includes(`<p>${count} events far from all others`), shown);
  }
});

Deno.test("renderReport() states the time range of all events but one if that one event is from 1970", async () => {
  // A stream cannot be read again, so its charts include all events.
  const events = hourAnd();
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
