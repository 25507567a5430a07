import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { eventEpochMs, type TimeLike, toEpochMs } from "../src/time.ts";
import { SeededRandom } from "./seeded_random.ts";

const MS = Date.UTC(2026, 1, 13, 14, 30, 22, 123);

const SAME: [what: string, time: TimeLike][] = [
  ["epoch milliseconds", MS],
  ["a Date", new Date(MS)],
  ["a Temporal.Instant", Temporal.Instant.fromEpochMilliseconds(MS)],
  ["text with Z", "2026-02-13T14:30:22.123Z"],
  ["text with +02:00", "2026-02-13T16:30:22.123+02:00"],
  ["text with -05:30", "2026-02-13T09:00:22.123-05:30"],
  ["text with microseconds", "2026-02-13T14:30:22.123456Z"],
  ["text with nanoseconds", "2026-02-13T14:30:22.123999999+00:00"],
];
for (const [what, time] of SAME) {
  Deno.test(`toEpochMs() reads ${what}`, () => {
    assertEquals(toEpochMs(time, "since"), MS);
  });
}

Deno.test("toEpochMs() reads the year 10000 only as +010000", () => {
  assertEquals(toEpochMs("+010000-01-01T00:00:00Z", "since"), Date.UTC(10000, 0, 1));
  assertThrows(() => toEpochMs("10000-01-01T00:00:00Z", "since"), RangeError, "since");
});

Deno.test("toEpochMs() accepts the earliest and latest time", () => {
  for (const time of [0, -0, 8.64e15, -8.64e15]) {
    assertEquals(Math.abs(toEpochMs(time, "since")), Math.abs(time));
  }
});

const REFUSED: [what: string, time: TimeLike, shown: string][] = [
  ["text without an offset", "2026-02-13T14:30:22.123", "2026-02-13T14:30:22.123"],
  ["a date alone", "2026-02-13", "2026-02-13"],
  ["empty text", "", ""],
  ["a month 13", "2026-13-01T00:00:00Z", "2026-13-01"],
  ["a local date", "Fri Feb 13 2026", "Fri Feb 13 2026"],
  ["NaN", NaN, "NaN"],
  ["Infinity", Infinity, "Infinity"],
  ["a number after the end of time", 8.64e15 + 1, "8640000000000001"],
  ["an invalid Date", new Date(NaN), "Invalid Date"],
  ["null", null as unknown as TimeLike, "null"],
];
for (const [what, time, shown] of REFUSED) {
  Deno.test(`toEpochMs() rejects ${what} and names it`, () => {
    const error = assertThrows(() => toEpochMs(time, "until"), RangeError);
    assertStringIncludes(
      error.message,
      "Cannot read until: it must be a Date, a Temporal.Instant, epoch milliseconds, or an ISO",
    );
    assertStringIncludes(error.message, shown);
  });
}

Deno.test("eventEpochMs() reads the time formats of other log writers", () => {
  for (
    const ts of [
      "2026-02-13T14:30:22.123Z",
      "2026-02-13T14:30:22.123456+00:00",
      "2026-02-13T16:30:22.123+02:00",
      "2026-02-13T16:30:22.123+0200",
      "2026-02-13T14:30:22.123456",
      "2026-02-13T14:30:22.123z",
    ]
  ) assertEquals(eventEpochMs(ts), MS, ts);
  assertEquals(eventEpochMs("+010000-01-01T00:00:00.000Z"), Date.UTC(10000, 0, 1));
});

Deno.test("eventEpochMs() returns NaN for a value that is not a time", () => {
  for (const ts of [undefined, null, 42, {}, "", "yesterday", "2026-02-13T25:00:00Z"]) {
    assert(Number.isNaN(eventEpochMs(ts)), String(ts));
  }
});

Deno.test("eventEpochMs() reads each time as Date.parse() does, independent of the time before it", () => {
  const random = new SeededRandom(20261125);
  const digits = (count: number) => String(random.below(10 ** count)).padStart(count, "0");
  const oneOf = (texts: readonly string[]) => texts[random.below(texts.length)]!;
  const minutes = [
    "2026-02-13T14:30:",
    "2026-02-13T24:00:",
    "2026-02-30T10:59:",
    "0000-01-01T00:00:",
  ];
  const rests = [
    "00.000Z",
    "59.999Z",
    "60.000Z",
    "6:.000Z",
    "1x.000Z",
    "00,000Z",
    "00.00 Z",
    "0/.1:0Z",
  ];
  for (let n = 0; n < 20_000; n++) {
    const minute = random.below(10) > 0
      ? oneOf(minutes)
      : `20${digits(2)}-0${digits(1)}-${digits(2)}T${digits(2)}:${digits(2)}:`;
    const rest = random.below(4) > 0 ? `${digits(2)}.${digits(3)}Z` : oneOf(rests);
    assertEquals(eventEpochMs(minute + rest), Date.parse(minute + rest), minute + rest);
  }
});
