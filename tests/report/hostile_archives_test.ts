/**
 * Compares reports that use the stored sums of archives with reports on every event, for archives with lines that no
 * writer of this library writes, and for other odd archives.
 */
import { assert, assertEquals } from "@std/assert";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import type { ReportOptions } from "../../src/report/options.ts";
import { reportOn } from "../../src/report/render_report.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { PATH, stampsOn } from "../stats/random_log.ts";
import { assertSamePage, withoutSums } from "./same_page.ts";

const DAY_MS = 24 * 3_600_000;
const START_MS = Date.UTC(2026, 1, 2);

type Line = Record<string, unknown>;

/** Returns an event at an instant in epoch milliseconds. */
function eventAt(ms: number, fields: Line = {}): Line {
  return { ts: new Date(ms).toISOString(), event: "llm_call", model: "m", ...fields };
}

/** Returns 60 events of a day, each with a cost of 1 USD. */
function dayFrom(ms: number, fields: Line = {}): Line[] {
  return Array.from(
    { length: 60 },
    (_, n) => eventAt(ms + n * DAY_MS / 60, { cost: 1, ...fields }),
  );
}

/** Returns a log of six archives of one day each; `more` returns lines at the start of a day. */
function sixDays(more: (day: number) => readonly Line[]): Promise<SimulatedDisk> {
  return logOf(
    Array.from({ length: 6 }, (_, day) => [...more(day), ...dayFrom(START_MS + day * DAY_MS)]),
  );
}

/** Returns a log with an archive for each list of lines. Another program has written the lines. */
async function logOf(archives: readonly (readonly Line[])[]): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  for (const lines of archives) {
    await using log = await openLogOn(platform, { path: PATH, logger: silent });
    const handle = disk.process().open(PATH, "append");
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    handle.appendSync(new TextEncoder().encode(text));
    handle.close();
    await log.rotate();
  }
  assertEquals(stampsOn(disk).length, archives.length);
  return disk;
}

/** Checks that a report from stored sums is the same as one on every event, and returns its page. */
async function checkedReport(
  disk: SimulatedDisk,
  options: ReportOptions = {},
  maxLineBytes = 100_000,
): Promise<string> {
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent, maxLineBytes });
  const report = await reportOn(reader, options);
  assertSamePage(report, await reportOn(withoutSums(reader), options));
  return report.page;
}

const ACCOUNT = {
  budget: "run",
  unit: "usd",
  hours: 720,
  limit: 900,
  declared: true,
  declared_limit: 900,
  clock: START_MS,
  sums: [],
};

function stateAt(ms: number): Line {
  return { ...eventAt(ms), event: "budget_state", accounts: [ACCOUNT], holds: [] };
}

const CASES: Readonly<Record<string, (day: number) => readonly Line[]>> = {
  "a budget line that is not the state it claims to be": (day) =>
    day === 0
      ? [stateAt(START_MS)]
      : day === 3
      ? [eventAt(START_MS + 3 * DAY_MS, { event: "budget_state" })]
      : [],
  "a hold before the first state of its budget": (day) =>
    day === 0
      ? [eventAt(START_MS, { event: "budget_hold", hold: "h", budgets: ["run"] })]
      : day === 3
      ? [stateAt(START_MS + 3 * DAY_MS)]
      : [],
  "a state of the budgets without a time": (day) =>
    day === 1 ? [{ ...stateAt(START_MS), ts: undefined }] : [],
};
for (const [name, more] of Object.entries(CASES)) {
  Deno.test(`A report from stored sums shows the budgets in spite of ${name}`, async () => {
    assert((await checkedReport(await sixDays(more))).includes("<bdi>run</bdi>"));
  });
}

Deno.test("A report from stored sums shows the last day of the log if the lines of the newest archive are too long", async () => {
  const days = [0, 2, 4, 6, 8].map((day) =>
    dayFrom(START_MS + day * DAY_MS, day === 8 ? { pad: "x".repeat(3_000) } : {})
  );
  const page = await checkedReport(await logOf(days), {}, 1_024);
  assert(page.includes('<b id="usd-day">$60.00</b>'));
});

Deno.test("A report from stored sums ignores the field scout_log, which names the log in a fleet", async () => {
  const days = [0, 1, 2, 3, 4, 5].map((day) => [
    ...day === 3 ? [stateAt(START_MS + 3 * DAY_MS)] : [],
    ...dayFrom(START_MS + day * DAY_MS, { scout_log: "other" }),
  ]);
  assert((await checkedReport(await logOf(days))).includes("$180.00"));
});

// In these zones, an hour began within a quarter of an hour of UTC: the clock was changed at 16:01, or the offset from
// UTC was -10:40.
for (
  const [timeZone, ms] of [
    ["Antarctica/Casey", Date.UTC(2020, 9, 3, 16)],
    ["Pacific/Kiritimati", Date.UTC(1975, 9, 3, 16, 30)],
  ] as const
) {
  Deno.test(`A report from stored sums puts each event into its own hour of ${timeZone}`, async () => {
    const minutes = Array.from({ length: 15 }, (_, n) => eventAt(ms + n * 60_000, { cost: 1 }));
    await checkedReport(await logOf([minutes, dayFrom(ms + 2 * DAY_MS)]), { timeZone });
    await checkedReport(await logOf([minutes, dayFrom(ms + 8 * DAY_MS)]), { timeZone });
  });
}

for (
  const fields of [
    { event: "budget_hold", budgets: [{ toString: 1 }] },
    { event: "budget_refused", count: 1, budget: { toString: 1 } },
    { event: "budget_release", hold: { toString: 1 } },
  ]
) {
  Deno.test(`A log with the line ${JSON.stringify(fields)} is archived, and has a report`, async () => {
    const page = await checkedReport(
      await sixDays((day) => day === 0 ? [stateAt(START_MS), eventAt(START_MS, fields)] : []),
    );
    assert(page.includes("<bdi>run</bdi>"));
  });
}

Deno.test("A report leaves the built-in objects as they are if event types have the names of their members", async () => {
  const before = Object.getOwnPropertyNames(Object);
  const types = ["constructor", "__proto__", "toString", "hasOwnProperty"];
  const { page } = await reportOn(ReadableStream.from(types.map((event) => ({ event }))));
  assertEquals(Object.getOwnPropertyNames(Object), before);
  for (const type of types) assert(page.includes(`<bdi>${type}</bdi>`));
});
