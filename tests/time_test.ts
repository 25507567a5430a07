import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { eventEpochMs, parseTime, type TimeLike, toEpochMs } from "../src/time.ts";
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
  ["text of PostgreSQL", "2026-02-13 19:30:22.123+05"],
  ["text of Java", "2026-02-13T15:30:22.123+01:00[Europe/Berlin]"],
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
  Deno.test(`toEpochMs() rejects ${what} and names the value`, () => {
    const error = assertThrows(() => toEpochMs(time, "until"), RangeError);
    assertStringIncludes(
      error.message,
      "Cannot read until: the time must be a Date, a Temporal.Instant, epoch milliseconds, or an ISO",
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
      "2026-02-13 14:30:22,123",
      "2026-02-13 14:30:22.123 UTC",
      "2026-02-13 19:30:22.123+05",
      "2026-02-13T09:00:22.123-0530",
      "2026-02-13T14:31:07.123+00:00:45",
      "2026-02-13T15:30:22.123456789+01:00[Europe/Berlin]",
      "20260213T143022.123Z",
    ]
  ) assertEquals(eventEpochMs(ts), MS, ts);
  assertEquals(eventEpochMs("+010000-01-01T00:00:00.000Z"), Date.UTC(10000, 0, 1));
  assertEquals(eventEpochMs("2026-02-13"), Date.UTC(2026, 1, 13));
  assertEquals(eventEpochMs("2026-02-13T24:00Z"), Date.UTC(2026, 1, 14));
  assertEquals(eventEpochMs("2016-12-31T23:59:60Z"), Date.UTC(2016, 11, 31, 23, 59, 59));
});

const NOT_TIMES = [
  ...["", "yesterday", "Fri Feb 13 2026", "2026", "2026-02", "14:30:22", "1770993022", "2026-044"],
  ...["2026-13-01", "2026-00-01", "2026-02-30", "2026-02-30T10:00:00.000Z", "2026-0213"],
  ...["2026-02-13T25:00:00Z", "2026-02-13T24:00:01Z", "2026-02-13T14:60Z", "2026-02-13T14:30:61Z"],
  ...[
    "2026-02-13T14:30:22.Z",
    "2026-02-13T14:3022Z",
    "2026-02-13T14:30:22+24",
    "2026-02-13T14:30+1",
  ],
  ...["-000000-01-01T00:00Z", "+275760-09-13T00:00:00.001Z", "+999999-01-01T00:00Z", " 2026-02-13"],
];

Deno.test("eventEpochMs() returns NaN for a value that is not a time", () => {
  for (const ts of [undefined, null, 42, {}, ...NOT_TIMES]) {
    assert(Number.isNaN(eventEpochMs(ts)), String(ts));
  }
});

/** A random instant, and its offset from UTC. */
const instants = fc.record({
  epochMs: fc.integer({ min: -62_000_000_000_000, max: 253_000_000_000_000 }),
  offsetMinutes: fc.integer({ min: -23 * 60, max: 23 * 60 }),
});

Deno.test("parseTime() reads an instant in every format as Temporal does", () => {
  const styles = fc.record({
    separator: fc.constantFrom("T", "t", " "),
    point: fc.constantFrom(".", ","),
    digits: fc.integer({ min: 3, max: 9 }),
    colon: fc.constantFrom("", ":"),
    gap: fc.constantFrom("", " "),
    zone: fc.constantFrom("", "[Europe/Berlin]"),
  });
  fc.assert(fc.property(instants, styles, ({ epochMs, offsetMinutes }, style) => {
    const minutes = Math.abs(offsetMinutes);
    const two = (number: number) => `${number}`.padStart(2, "0");
    const offset = [two(Math.floor(minutes / 60)), two(minutes % 60)].join(style.colon);
    const sign = offsetMinutes < 0 ? "-" : "+";
    const local = new Date(epochMs + offsetMinutes * 60_000).toISOString().slice(0, -1);
    const text = local.replace("T", style.separator).replace(".", style.point)
      .padEnd(local.length + style.digits - 3, "7") + style.gap + sign + offset + style.zone;
    assertEquals(eventEpochMs(text), epochMs, text);
    const rfc3339 = `${local}${sign}${
      [two(Math.floor(minutes / 60)), two(minutes % 60)].join(":")
    }`;
    assertEquals(eventEpochMs(rfc3339), Temporal.Instant.from(rfc3339).epochMilliseconds, rfc3339);
  }));
});

Deno.test("parseTime() rejects every time in RFC 3339 format that Temporal rejects", () => {
  const digit = fc.integer({ min: 0, max: 9 });
  const texts = fc.tuple(
    fc.array(digit, { minLength: 17, maxLength: 17 }),
    fc.constantFrom("Z", "+0x:yz"),
  )
    .map(([d, zone]) =>
      `20${d[0]}${d[1]}-${d[2]! % 2}${d[3]}-${d[4]! % 4}${d[5]}T${d[6]! % 3}${d[7]}:${d[8]! % 7}${
        d[9]
      }:` +
      `${d[10]! % 7}${d[11]}.${d[12]}${
        zone.replace("x", `${d[13]}`).replace("y", `${d[14]! % 7}`).replace("z", `${d[15]}`)
      }`
    );
  fc.assert(
    fc.property(texts, (text) => {
      let expected: number | undefined;
      try {
        expected = Temporal.Instant.from(text).epochMilliseconds;
      } catch {
        // Temporal rejects 24:00, which ISO 8601 allows.
        expected = /T24:00:00\.0/.test(text) ? undefined : NaN;
      }
      if (expected !== undefined) assertEquals(eventEpochMs(text), expected, text);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("eventEpochMs() reads the time format of this library like parseTime(), regardless of the times that it has read before", () => {
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
    const parsed = parseTime(minute + rest);
    const expected = parsed === null ? NaN : parsed.localMs - (parsed.offsetMs ?? 0);
    assertEquals(eventEpochMs(minute + rest), expected, minute + rest);
  }
});
