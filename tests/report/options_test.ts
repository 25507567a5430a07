import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type ReportOptions, resolveReportOptions } from "../../src/report/options.ts";

const MS = Date.UTC(2026, 1, 13, 14, 30);

Deno.test("resolveReportOptions() fills in the defaults", () => {
  assertEquals(resolveReportOptions({}), {
    isTimed: false,
    sinceMs: -Infinity,
    untilMs: Infinity,
    timeZone: "UTC",
    by: ["model"],
    title: "Audit log",
    budgetPerHour: null,
  });
});

Deno.test("resolveReportOptions() accepts every type of time", () => {
  const same = [
    new Date(MS),
    Temporal.Instant.fromEpochMilliseconds(MS),
    "2026-02-13T15:30:00+01:00",
    MS,
  ];
  for (const time of same) {
    const { isTimed, sinceMs, untilMs } = resolveReportOptions({ since: time });
    assertEquals({ isTimed, sinceMs, untilMs }, { isTimed: true, sinceMs: MS, untilMs: Infinity });
    const { isTimed: isEnding, ...until } = resolveReportOptions({ until: time });
    assertEquals([isEnding, until.sinceMs, until.untilMs], [true, -Infinity, MS]);
  }
  assertEquals(resolveReportOptions({ since: 0 }).isTimed, true);
});

Deno.test("resolveReportOptions() accepts a time zone, a title and a budget", () => {
  const { signal } = new AbortController();
  const options = { timeZone: "europe/berlin", title: "<A>", budgetPerHour: 0.5, signal };
  const { timeZone, title, budgetPerHour } = resolveReportOptions(options);
  assertEquals([timeZone, title, budgetPerHour], ["Europe/Berlin", "<A>", 0.5]);
  assertEquals(resolveReportOptions({ title: "" }).title, "");
  assertEquals(resolveReportOptions({ timeZone: "+05:30" }).timeZone, "+05:30");
});

const REFUSED: [
  name: keyof ReportOptions,
  value: unknown,
  error: ErrorConstructor,
  says: string,
][] = [
  ["since", "2026-02-13", RangeError, "2026-02-13"],
  ["since", NaN, RangeError, "NaN"],
  ["until", new Date(NaN), RangeError, "Invalid Date"],
  ["until", Infinity, RangeError, "Infinity"],
  ["until", null, RangeError, "null"],
  ["timeZone", "Mars/Olympus", RangeError, '"Mars/Olympus"'],
  ["timeZone", "", RangeError, '""'],
  ["timeZone", 2, TypeError, "2"],
  ["timeZone", null, TypeError, "null"],
  ["title", 7, TypeError, "7"],
  ["title", null, TypeError, "null"],
  ["budgetPerHour", 0, RangeError, "0"],
  ["budgetPerHour", -1, RangeError, "-1"],
  ["budgetPerHour", NaN, RangeError, "NaN"],
  ["budgetPerHour", Infinity, RangeError, "Infinity"],
  ["budgetPerHour", "5", TypeError, '"5"'],
  ["budgetPerHour", null, TypeError, "null"],
];
for (const [name, value, error, says] of REFUSED) {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  Deno.test(`resolveReportOptions() rejects ${shown} as ${name} and names the value and the option`, () => {
    const { message } = assertThrows(() => resolveReportOptions({ [name]: value }), error);
    assertStringIncludes(message, name);
    assertStringIncludes(message, says);
  });
}

Deno.test("resolveReportOptions() shortens a long value in its error message", () => {
  const timeZone = "x".repeat(10_000);
  const { message } = assertThrows(() => resolveReportOptions({ timeZone }), RangeError);
  assertEquals(message.length < 300, true);
});

Deno.test("resolveReportOptions() accepts one or two names of fields to group by, and rejects anything else", () => {
  assertEquals(resolveReportOptions({ by: "agent" }).by, ["agent"]);
  assertEquals(resolveReportOptions({ by: ["agent", "model"] }).by, ["agent", "model"]);
  for (const by of [[], "", ["a", ""], ["a", "b", "c"], "hour", ["agent", "day"]]) {
    const error = assertThrows(() => resolveReportOptions({ by }), RangeError);
    assertStringIncludes(error.message, "by must be one or two names of fields");
  }
  assertThrows(() => resolveReportOptions({ by: 5 as unknown as string }), TypeError, "by");
});
