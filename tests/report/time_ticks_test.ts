import { assert, assertEquals } from "@std/assert";
import { TimeBuckets } from "../../src/report/time_buckets.ts";
import { timeTicks } from "../../src/report/time_ticks.ts";
import { SeededRandom } from "../seeded_random.ts";

const MINUTE_MS = 60_000;
const YEAR_MS = 365.25 * 24 * 60 * MINUTE_MS;
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];

/** Returns the start times of the time buckets between two times. */
function startsOf(timeZone: string, fromMs: number, toMs: number): number[] {
  const buckets = new TimeBuckets(timeZone, () => ({ addAll() {} }));
  for (const ms of [fromMs, toMs]) buckets.at(ms);
  return buckets.list().map(({ startMs }) => startMs);
}

/** Returns the labels of a time axis between two local times. */
function labelsOf(from: string, to: string, { timeZone = "UTC", ticksMax = 10 } = {}): string[] {
  const [fromMs, toMs] = [from, to].map((text) =>
    Temporal.PlainDateTime.from(text).toZonedDateTime(timeZone).epochMilliseconds
  );
  const starts = startsOf(timeZone, fromMs!, toMs!);
  return timeTicks(starts, { timeZone, ticksMax }).map(({ label }) => label);
}

Deno.test("timeTicks() labels round times, and adds the date to the first label of a day", () => {
  assertEquals(labelsOf("2026-02-13T14:03", "2026-02-13T14:41"), [
    "14:05\n13 Feb",
    "14:10",
    "14:15",
    "14:20",
    "14:25",
    "14:30",
    "14:35",
    "14:40",
  ]);
  assertEquals(labelsOf("2026-02-13T20:00", "2026-02-14T08:00", { ticksMax: 5 }), [
    "21:00\n13 Feb",
    "00:00\n14 Feb",
    "03:00",
    "06:00",
  ]);
});

Deno.test("timeTicks() labels seconds in a range of less than half an hour", () => {
  assertEquals(labelsOf("2026-02-13T14:00:03", "2026-02-13T14:00:33"), [
    "14:00:05\n13 Feb",
    "14:00:10",
    "14:00:15",
    "14:00:20",
    "14:00:25",
    "14:00:30",
  ]);
  assertEquals(labelsOf("2026-02-13T14:00:00", "2026-02-13T14:20:00", { ticksMax: 5 }), [
    "14:00\n13 Feb",
    "14:05",
    "14:10",
    "14:15",
    "14:20",
  ]);
});

Deno.test("timeTicks() labels Mondays, and adds the year to the first label of a year", () => {
  assertEquals(labelsOf("2025-12-03T10:00", "2026-01-29T10:00"), [
    "8 Dec\n2025",
    "15 Dec",
    "22 Dec",
    "29 Dec",
    "5 Jan\n2026",
    "12 Jan",
    "19 Jan",
    "26 Jan",
  ]);
});

Deno.test("timeTicks() labels quarters in a range of two years, and years in a range of ten years", () => {
  assertEquals(labelsOf("2024-09-10T00:00", "2026-08-20T00:00"), [
    "Oct\n2024",
    "Jan\n2025",
    "Apr",
    "Jul",
    "Oct",
    "Jan\n2026",
    "Apr",
    "Jul",
  ]);
  assertEquals(labelsOf("2016-02-13T20:00", "2026-05-14T02:00", { ticksMax: 5 }), [
    "2018",
    "2020",
    "2022",
    "2024",
    "2026",
  ]);
});

Deno.test("timeTicks() uses the local time, also on days when clocks change", () => {
  const berlin = { timeZone: "Europe/Berlin", ticksMax: 5 };
  for (const day of ["2026-03-29", "2026-10-25"]) {
    const date = day === "2026-03-29" ? "29 Mar" : "25 Oct";
    const expected = [`00:00\n${date}`, "06:00", "12:00", "18:00"];
    assertEquals(labelsOf(`${day}T00:00`, `${day}T23:59`, berlin), expected);
  }
  assertEquals(labelsOf("2026-10-25T01:00", "2026-10-25T04:00", { ...berlin, ticksMax: 9 }), [
    "01:00\n25 Oct",
    "01:30",
    "02:00",
    "02:30",
    "02:00",
    "02:30",
    "03:00",
    "03:30",
    "04:00",
  ]);
  const kolkata = { timeZone: "Asia/Kolkata", ticksMax: 5 };
  assertEquals(labelsOf("2026-02-13T20:00", "2026-02-14T02:00", kolkata), [
    "20:00\n13 Feb",
    "22:00",
    "00:00\n14 Feb",
    "02:00",
  ]);
});

Deno.test("timeTicks() labels a single bucket, and returns no labels without buckets", () => {
  const options = { timeZone: "Asia/Kolkata", ticksMax: 1 };
  assertEquals(timeTicks([], options), []);
  assertEquals(timeTicks([Date.UTC(2026, 1, 13, 14, 37)], options), [
    { index: 0, label: "20:07\n13 Feb" },
  ]);
});

/** Returns the parts of a local time, computed with Intl instead of the calendar functions of the code. */
function partsOf(ms: number, timeZone: string) {
  const format = new Intl.DateTimeFormat("en", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const date = `${part.day} ${part.month}`;
  return { clock: `${part.hour}:${part.minute}`, date, month: part.month!, year: part.year! };
}

Deno.test("timeTicks() labels random buckets correctly, and uses at least a quarter of the maximum number of labels", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 200; round++) {
    const timeZone = ZONES[round % ZONES.length]!;
    const rangeMs = 10 * MINUTE_MS * (30 * YEAR_MS / (10 * MINUTE_MS)) ** (random.below(100) / 99);
    const fromMs = Date.UTC(1996, 0) + random.below(31 * YEAR_MS - rangeMs);
    const starts = startsOf(timeZone, fromMs, Math.floor(fromMs + rangeMs));
    const ticksMax = 5 + random.below(6);
    const ticks = timeTicks(starts, { timeZone, ticksMax });
    assert(ticks.length <= ticksMax && ticks.length >= Math.floor(ticksMax / 4), `${ticks.length}`);
    let before: ReturnType<typeof partsOf> | undefined;
    let lastIndex = -1;
    for (const { index, label } of ticks) {
      assert(index > lastIndex);
      const parts = partsOf(starts[index]!, timeZone);
      const { clock, date, month, year } = parts;
      const day = before?.date === date && before.year === year ? clock : `${clock}\n${date}`;
      const inYear = before?.year === year ? "" : `\n${year}`;
      const truths = [day, `${date}${inYear}`, `${month}${inYear}`, year];
      assert(truths.includes(label), `${label} in ${timeZone} is not one of ${truths}`);
      before = parts;
      lastIndex = index;
    }
  }
});
