import { assert, assertEquals } from "@std/assert";
import { type Bucket, TimeBuckets } from "../../src/report/time_buckets.ts";
import { SeededRandom } from "../seeded_random.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const YEAR_MS = 365.25 * DAY_MS;
const START = Date.UTC(1996, 0, 1);
const FIRST_MONDAY = Temporal.PlainDate.from("1970-01-05");
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "+05:37",
];

class Times {
  readonly all: number[] = [];
  addAll(other: Times): void {
    this.all.push(...other.all);
  }
}

function bucketsOf(timeZone: string, times: readonly number[]): TimeBuckets<Times> {
  const buckets = new TimeBuckets(timeZone, () => new Times());
  for (const ms of times) buckets.at(ms).all.push(ms);
  return buckets;
}

/** Returns the buckets of some times. Calls cover() with a random one of the times before each time is added. */
function coveredBucketsOf(
  timeZone: string,
  times: readonly number[],
  random: SeededRandom,
): TimeBuckets<Times> {
  const buckets = new TimeBuckets(timeZone, () => new Times());
  for (const ms of times) {
    buckets.cover(times[random.below(times.length)]!);
    buckets.at(ms).all.push(ms);
  }
  return buckets;
}

function zoned(ms: number, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timeZone);
}

/** Returns the expected start of the bucket that contains a time, computed only with calendar functions. */
function beginningOf(ms: number, { widthMs, timeZone }: { widthMs: number; timeZone: string }) {
  const time = zoned(ms, timeZone);
  if (widthMs >= WEEK_MS) {
    const weeks = FIRST_MONDAY.until(time, { largestUnit: "weeks" }).weeks;
    const into = ((weeks % (widthMs / WEEK_MS)) + widthMs / WEEK_MS) % (widthMs / WEEK_MS);
    const monday = time.toPlainDate().subtract({ days: time.dayOfWeek - 1, weeks: into });
    return monday.toZonedDateTime(timeZone).epochMilliseconds;
  }
  if (widthMs === DAY_MS) return time.startOfDay().epochMilliseconds;
  if (widthMs > HOUR_MS) {
    const hour = time.hour - time.hour % (widthMs / HOUR_MS);
    return time.toPlainDate().toZonedDateTime({ timeZone, plainTime: { hour } }).epochMilliseconds;
  }
  const [smallestUnit, unitMs] = widthMs === HOUR_MS
    ? ["hour", HOUR_MS] as const
    : widthMs < MINUTE_MS
    ? ["second", SECOND_MS] as const
    : ["minute", MINUTE_MS] as const;
  const roundingIncrement = widthMs / unitMs;
  return time.round({ smallestUnit, roundingIncrement, roundingMode: "floor" }).epochMilliseconds;
}

function contentsOf(buckets: readonly Bucket<Times>[]): [startMs: number, times: number[]][] {
  return buckets.flatMap(({ startMs, content }) =>
    content === undefined ? [] : [[startMs, content.all.toSorted((a, b) => a - b)]]
  );
}

/**
 * Checks that TimeBuckets groups times as independent calendar functions do, whether the times are added in ascending,
 * descending or random order, and also if cover() has announced some of the times before.
 */
function checkBuckets(timeZone: string, times: readonly number[], random: SeededRandom): void {
  const sorted = times.toSorted((a, b) => a - b);
  const shuffled = times.map((ms) => ({ ms, place: random.below(2 ** 32) }))
    .sort((a, b) => a.place - b.place).map(({ ms }) => ms);
  const { widthMs } = bucketsOf(timeZone, sorted);
  const width = { widthMs, timeZone };
  for (
    const buckets of [
      bucketsOf(timeZone, sorted),
      bucketsOf(timeZone, sorted.toReversed()),
      bucketsOf(timeZone, shuffled),
      coveredBucketsOf(timeZone, shuffled, random),
    ]
  ) {
    assertEquals(buckets.widthMs, widthMs);
    const list = buckets.list();
    const groups = Map.groupBy(sorted, (ms) => beginningOf(ms, width));
    assertEquals(contentsOf(list), [...groups]);
    checkRange(list, sorted);
    assertEquals(list.map(({ startMs }) => beginningOf(startMs, width)), startsOf(list));
  }
}

/**
 * Checks that each bucket starts at the end of the bucket before, and that all buckets span exactly the range from the
 * first to the last time.
 */
function checkRange(list: readonly Bucket<Times>[], sorted: readonly number[]): void {
  const [first, last] = [list[0]!, list.at(-1)!];
  assert(first.startMs <= sorted[0]! && sorted[0]! < first.endMs);
  assert(last.startMs <= sorted.at(-1)! && sorted.at(-1)! < last.endMs);
  assertEquals(list.slice(0, -1).map(({ endMs }) => endMs), startsOf(list.slice(1)));
  assert(list.every(({ startMs, endMs }) => startMs < endMs));
  assert(list.length <= 121, `${list.length} buckets`);
}

function startsOf(list: readonly Bucket<Times>[]): number[] {
  return list.map(({ startMs }) => startMs);
}

/** Returns a random range from 2 seconds to 30 years; each order of magnitude is equally likely. */
function randomRangeMs(random: SeededRandom): number {
  return 2 * SECOND_MS * (30 * YEAR_MS / (2 * SECOND_MS)) ** (random.below(1_000) / 999);
}

function randomTimes(random: SeededRandom, fromMs: number, rangeMs: number): number[] {
  return Array.from({ length: 40 }, () => fromMs + random.below(Math.ceil(rangeMs)));
}

for (const timeZone of ZONES) {
  Deno.test(`TimeBuckets groups random times in ${timeZone} into the same buckets as calendar functions do`, () => {
    const random = new SeededRandom(`buckets in ${timeZone}`);
    for (let round = 0; round < 40; round++) {
      const rangeMs = randomRangeMs(random);
      const fromMs = START + random.below(31 * YEAR_MS - rangeMs);
      checkBuckets(timeZone, randomTimes(random, fromMs, rangeMs), random);
    }
  });
}

Deno.test("TimeBuckets chooses the same width in any order if the range is close to the limit of a width", () => {
  const random = new SeededRandom("close to the limit");
  for (const widthMs of [SECOND_MS, 5 * SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS]) {
    for (let round = 0; round < 20; round++) {
      const [fromMs, toMs] = [START + random.below(widthMs), START + 119 * widthMs];
      const ends = [fromMs, ...[1, 2, 3].map(() => toMs + random.below(widthMs))];
      checkBuckets("UTC", [...ends, ...randomTimes(random, fromMs, 119 * widthMs)], random);
    }
  }
});

Deno.test("TimeBuckets adds an event to the widened bucket if cover() has merged the bucket used last", () => {
  const buckets = bucketsOf("UTC", [START, START + 2_000]);
  buckets.cover(START - 100 * DAY_MS);
  buckets.at(START + 2_500).all.push(START + 2_500);
  assertEquals(contentsOf(buckets.list()), [[START, [START, START + 2_000, START + 2_500]]]);
});

for (const timeZone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
  Deno.test(`TimeBuckets groups times around clock changes in ${timeZone} into the same buckets as calendar functions do`, () => {
    const random = new SeededRandom(`changes in ${timeZone}`);
    for (let round = 0; round < 40; round++) {
      const anywhere = zoned(START + random.below(30 * YEAR_MS), timeZone);
      const changeMs = anywhere.getTimeZoneTransition("next")!.epochMilliseconds;
      const rangeMs = randomRangeMs(random) / 60;
      const around = randomTimes(random, changeMs - rangeMs / 2, rangeMs);
      const near = randomTimes(random, changeMs - 2 * HOUR_MS, 4 * HOUR_MS);
      checkBuckets(timeZone, [...around, ...near].map(Math.floor), random);
    }
  });
}

Deno.test("TimeBuckets lists two buckets for a repeated hour, and no bucket for a skipped hour", () => {
  const hoursOf = (from: string, to: string) =>
    bucketsOf("Europe/Berlin", [Date.parse(from), Date.parse(to)]).list().slice(0, 4)
      .map(({ startMs, endMs }) => {
        assertEquals(endMs - startMs, HOUR_MS);
        return zoned(startMs, "Europe/Berlin").toString({ timeZoneName: "never" });
      });
  assertEquals(hoursOf("2026-10-24T23:30:00Z", "2026-10-27T00:00:00Z"), [
    "2026-10-25T01:00:00+02:00",
    "2026-10-25T02:00:00+02:00",
    "2026-10-25T02:00:00+01:00",
    "2026-10-25T03:00:00+01:00",
  ]);
  assertEquals(hoursOf("2026-03-28T23:30:00Z", "2026-03-31T00:00:00Z"), [
    "2026-03-29T00:00:00+01:00",
    "2026-03-29T01:00:00+01:00",
    "2026-03-29T03:00:00+02:00",
    "2026-03-29T04:00:00+02:00",
  ]);
});

Deno.test("TimeBuckets lists days of 23 and 25 hours when clocks change", () => {
  const oddDays = (timeZone: string, from: string, to: string) =>
    bucketsOf(timeZone, [Date.parse(from), Date.parse(to)]).list()
      .map(({ startMs, endMs }) => [
        zoned(startMs, timeZone).toPlainDateTime().toString({ smallestUnit: "minute" }),
        (endMs - startMs) / HOUR_MS,
      ])
      .filter(([, hours]) => hours !== 24);
  assertEquals(oddDays("Europe/Berlin", "2026-01-20", "2026-05-01"), [["2026-03-29T00:00", 23]]);
  assertEquals(oddDays("Europe/Berlin", "2026-08-20", "2026-12-01"), [["2026-10-25T00:00", 25]]);
  assertEquals(oddDays("America/New_York", "2026-08-20", "2026-12-01"), [["2026-11-01T00:00", 25]]);
  assertEquals(oddDays("Asia/Kolkata", "2026-01-20", "2026-05-01"), []);
});

Deno.test("TimeBuckets starts a day at its first instant if a clock change skips its midnight", () => {
  const [first] = bucketsOf("America/Sao_Paulo", [
    Date.parse("2018-11-04T12:00:00-02:00"),
    Date.parse("2019-02-01T12:00:00-02:00"),
  ]).list();
  assertEquals(zoned(first!.startMs, "America/Sao_Paulo").toPlainTime().hour, 1);
  assertEquals(first!.endMs - first!.startMs, 23 * HOUR_MS);
});

for (const timeZone of ZONES) {
  Deno.test(`TimeBuckets starts buckets of one or more weeks on Mondays in ${timeZone}`, () => {
    for (const [years, weeks] of [[2, 1], [4, 2], [30, 16]] as const) {
      const buckets = bucketsOf(timeZone, [START + DAY_MS, START + years * YEAR_MS]);
      assertEquals(buckets.widthMs, weeks * WEEK_MS);
      for (const { startMs } of buckets.list()) {
        const start = zoned(startMs, timeZone);
        assertEquals([start.dayOfWeek, start.equals(start.startOfDay())], [1, true]);
      }
    }
  });
}

const WIDTHS: [rangeMs: number, widthMs: number][] = [
  [0, SECOND_MS],
  [2 * MINUTE_MS - SECOND_MS, SECOND_MS],
  [2 * MINUTE_MS, 5 * SECOND_MS],
  [10 * MINUTE_MS, 15 * SECOND_MS],
  [30 * MINUTE_MS, MINUTE_MS],
  [2 * HOUR_MS - MINUTE_MS, MINUTE_MS],
  [2 * HOUR_MS, 5 * MINUTE_MS],
  [24 * HOUR_MS, 15 * MINUTE_MS],
  [4 * DAY_MS, HOUR_MS],
  [14 * DAY_MS, 3 * HOUR_MS],
  [28 * DAY_MS, 6 * HOUR_MS],
  [59 * DAY_MS, 12 * HOUR_MS],
  [92 * DAY_MS, DAY_MS],
  [2 * YEAR_MS, WEEK_MS],
  [3 * YEAR_MS, 2 * WEEK_MS],
  [30 * YEAR_MS, 16 * WEEK_MS],
];
Deno.test("TimeBuckets chooses the width of buckets by the range of the times", () => {
  for (const [rangeMs, widthMs] of WIDTHS) {
    assertEquals(bucketsOf("UTC", [START, START + rangeMs]).widthMs, widthMs);
    assertEquals(bucketsOf("UTC", [START + rangeMs, START]).widthMs, widthMs);
  }
});

Deno.test("TimeBuckets lists each bucket with its content, and the empty buckets in between", () => {
  const buckets = bucketsOf("UTC", [START, START + 3 * SECOND_MS, START + 1]);
  assertEquals(buckets.list().map(({ content }) => content?.all), [
    [START, START + 1],
    undefined,
    undefined,
    [START + 3 * SECOND_MS],
  ]);
  assertEquals(buckets.list(), buckets.list());
  assert(buckets.at(START) === buckets.at(START + SECOND_MS - 1));
  assert(buckets.at(START) !== buckets.at(START + SECOND_MS));
});

Deno.test("TimeBuckets accepts events in any order, also after list() was called", () => {
  const buckets = bucketsOf("Asia/Kolkata", []);
  const random = new SeededRandom(3);
  const times: number[] = [];
  for (let round = 1; round <= 12; round++) {
    for (
      const ms of randomTimes(random, START - 4 ** round * MINUTE_MS, 2 * 4 ** round * MINUTE_MS)
    ) {
      buckets.at(ms).all.push(ms);
      times.push(ms);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const list = buckets.list();
    checkRange(list, sorted);
    assertEquals(contentsOf(list).flatMap(([, all]) => all), sorted);
  }
});

Deno.test("TimeBuckets.list() returns an empty list if no event was added", () => {
  assertEquals(bucketsOf("UTC", []).list(), []);
});

Deno.test("TimeBuckets accepts the years 0001 and 9999, and the first and the last instant of a Date", () => {
  for (const timeZone of ZONES) {
    for (
      const [from, to] of [
        [Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59.999Z")],
        [Date.parse("0001-01-01T00:00:00Z"), Date.UTC(2026, 0)],
        [Date.UTC(2026, 0), Date.parse("9999-12-31T23:59:59.999Z")],
        [-8.64e15, 8.64e15],
        [-8.64e15, -8.64e15],
        [8.64e15, 8.64e15],
      ] as const
    ) {
      const list = bucketsOf(timeZone, [from, to, from]).list();
      assert(list.length <= 121, `${list.length} buckets`);
      assertEquals(list.flatMap(({ content }) => content?.all ?? []).length, 3);
      assertEquals(list.slice(0, -1).map(({ endMs }) => endMs), startsOf(list.slice(1)));
    }
  }
});

/**
 * Time zones in which clocks once changed by half an hour, by several hours or by a day, or at an unusual time such as
 * 00:01.
 */
const ODD_ZONES = [
  "America/Caracas",
  "America/Goose_Bay",
  "Antarctica/Casey",
  "Antarctica/Troll",
  "Antarctica/Vostok",
  "Asia/Pyongyang",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Pacific/Chatham",
];

function changesOf(timeZone: string): number[] {
  const changes: number[] = [];
  let time: Temporal.ZonedDateTime | null = zoned(Date.UTC(2009, 0, 1), timeZone);
  while ((time = time.getTimeZoneTransition("next")) !== null && time.year <= 2026) {
    changes.push(time.epochMilliseconds);
  }
  return changes;
}

/**
 * Checks, for several time ranges around a clock change, that the buckets have no gaps and that each time is in the
 * right bucket.
 */
function checkAround(changeMs: number, timeZone: string): void {
  const times = Array.from({ length: 60 }, (_, n) => changeMs + (n - 30) * 7 * MINUTE_MS + 1);
  for (
    const rangeMs of [
      HOUR_MS * 8,
      20 * HOUR_MS,
      ...[4, 10, 25, 50, 100].map((n) => n * DAY_MS),
    ]
  ) {
    const sorted = [changeMs - rangeMs / 2, ...times, changeMs + rangeMs / 2];
    const list = bucketsOf(timeZone, sorted).list();
    checkRange(list, sorted);
    assertEquals(contentsOf(list).flatMap(([, all]) => all), sorted);
    for (const { startMs, endMs, content } of list) {
      assert(content?.all.every((ms) => ms >= startMs && ms < endMs) ?? true);
    }
  }
}

for (const timeZone of ODD_ZONES) {
  Deno.test(`TimeBuckets lists buckets without gaps that contain all times around clock changes in ${timeZone}`, () => {
    const changes = changesOf(timeZone);
    assert(changes.length > 0);
    for (const changeMs of changes) checkAround(changeMs, timeZone);
  });
}

Deno.test("TimeBuckets lists buckets without gaps that contain all times if the UTC offset, such as +05:17, is not a multiple of 15 minutes", () => {
  for (const timeZone of ["+05:17", "-03:41"]) checkAround(Date.UTC(2026, 0, 1), timeZone);
});
