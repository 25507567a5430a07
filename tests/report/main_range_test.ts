import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type AuditEvent, AuditReader } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import type { BucketFigures } from "../../src/report/bucket_content.ts";
import { mainRange } from "../../src/report/main_range.ts";
import { tempDir } from "../temp_dir.ts";
import { withoutOrigin } from "./same_page.ts";

const DAY_MS = 24 * 3_600_000;

/** Returns a report with a time bucket of a day for each number of events in `counts`. */
function reportOf(counts: readonly number[], outside = 0): Parameters<typeof mainRange>[0] {
  const buckets = counts.map((events, n) => {
    const times = events > 0
      ? { firstMs: n * DAY_MS, lastMs: n * DAY_MS }
      : { firstMs: Infinity, lastMs: -Infinity };
    return { ...times, events } as Partial<BucketFigures> as BucketFigures;
  });
  return { buckets, outside: { count: outside } };
}

const EMPTY = Array.from({ length: 50 }, () => 0);

for (
  const [what, counts, expected] of [
    ["one event long before all others", [1, ...EMPTY, 90, 9], {
      firstMs: 51 * DAY_MS,
      lastMs: 52 * DAY_MS,
      outside: 1,
      span: { fromMs: 51 * DAY_MS, toMs: Infinity },
    }],
    ["one event in the future, long after all others", [90, 9, ...EMPTY, 1], {
      firstMs: 0,
      lastMs: DAY_MS,
      outside: 1,
      span: { fromMs: -Infinity, toMs: DAY_MS },
    }],
    ["one event of two thousand at each end of the time range", [1, ...EMPTY, 1_998, ...EMPTY, 1], {
      firstMs: 51 * DAY_MS,
      lastMs: 51 * DAY_MS,
      outside: 2,
      span: { fromMs: 51 * DAY_MS, toMs: 51 * DAY_MS },
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
    assertEquals(mainRange(reportOf(counts), 50 * DAY_MS), expected);
  });
}

Deno.test("mainRange() leaves out at most a thousandth of all events, including those that the report has left out before", () => {
  const few = [1, ...EMPTY, 90, 9];
  assertEquals(mainRange(reportOf(few))?.outside, 1);
  assertEquals(mainRange(reportOf(few, 1)), null);
  const many = [1, ...EMPTY, 2_000];
  assertEquals(mainRange(reportOf(many, 1))?.outside, 1);
  assertEquals(mainRange(reportOf(many, 2)), null);
});

Deno.test("mainRange() keeps the newest events if they are not in the future, and early events of the day before", () => {
  const newest = reportOf([5_000, ...EMPTY, 5]);
  assertEquals(mainRange(newest, 50 * DAY_MS + 1), null);
  assertEquals(mainRange(newest, 49 * DAY_MS)?.outside, 5);
  const hours = (counts: readonly number[]) => {
    const { buckets, ...rest } = reportOf(counts);
    const shorter = buckets.map((bucket) => ({
      ...bucket,
      firstMs: bucket.firstMs / 24,
      lastMs: bucket.lastMs / 24,
    }));
    return { ...rest, buckets: shorter };
  };
  assertEquals(mainRange(hours([1, ...EMPTY.slice(0, 22), 90])), null);
  assertEquals(mainRange(hours([1, ...EMPTY.slice(0, 23), 90]))?.outside, 1);
});

Deno.test("The last hour includes the newest events, although all others are two days older", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const at = (ms: number, cost: number) => ({ ts: new Date(ms).toISOString(), event: "nav", cost });
  const nowMs = Date.UTC(2026, 1, 15, 10);
  const old = Array.from({ length: 5_000 }, (_, n) => at(nowMs - 2 * DAY_MS + n * 1_000, 0.01));
  const lines = [...old, ...Array.from({ length: 5 }, (_, n) => at(nowMs + n, 100))];
  Deno.writeTextFileSync(path, lines.map((event) => `${JSON.stringify(event)}\n`).join(""));
  await using reader = await AuditReader.open({ path });
  for (const until of [{}, { until: nowMs + 60_000 }]) {
    const page = await renderReport(reader, { budgetPerHour: 50, ...until });
    assertStringIncludes(page, '<b id="usd-hour">$500.00 of $50.00</b>');
  }
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
