import { assertEquals, assertThrows } from "@std/assert";
import { parseWhen } from "../../src/cli/when.ts";

// The time is 90 minutes after clocks in Berlin were set back.
const NOW = Temporal.ZonedDateTime.from("2026-10-25T03:30:00+01:00[Europe/Berlin]");

const TIMES: [text: string, instant: string][] = [
  ["now", "2026-10-25T02:30:00Z"],
  ["90s", "2026-10-25T02:28:30Z"],
  ["15m", "2026-10-25T02:15:00Z"],
  ["3h", "2026-10-24T23:30:00Z"],
  ["1.5h", "2026-10-25T01:00:00Z"],
  ["1d", "2026-10-24T02:30:00Z"],
  ["2w", "2026-10-11T02:30:00Z"],
  ["today", "2026-10-24T22:00:00Z"],
  ["yesterday", "2026-10-23T22:00:00Z"],
  ["2026-02-13", "2026-02-12T23:00:00Z"],
  ["2026-02-13T14:30", "2026-02-13T13:30:00Z"],
  ["2026-02-13T14:30:22.123Z", "2026-02-13T14:30:22.123Z"],
  ["2026-02-13T14:30+05:30", "2026-02-13T09:00:00Z"],
];
for (const [text, instant] of TIMES) {
  Deno.test(`parseWhen() reads ${text}`, () => {
    assertEquals(parseWhen(text)(NOW).toString(), instant);
  });
}

for (const text of ["", "soon", "3", "h", "-3h", "3 h", "3y", "2026-13-01", "14:30"]) {
  Deno.test(`parseWhen() rejects ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseWhen(text), RangeError, "not a time; use 3h");
  });
}

Deno.test("parseWhen() rejects a time that is too long ago for a date, such as 20000000w", () => {
  for (const text of ["99999999999w", "20000000w", `${"9".repeat(400)}d`]) {
    assertThrows(() => parseWhen(text), RangeError, "not a time");
  }
});
