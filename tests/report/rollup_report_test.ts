/**
 * A rollup is a file with the sums of the events in one archive, so that a report need not decode the archive. Compares
 * reports that use rollups with reports that read every event of the same log. Compares the gate metrics in the same
 * way.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path";
import { gunzipSync, gzipSync } from "node:zlib";
import { type AuditLog, openLogOn } from "../../src/audit_log.ts";
import { type AuditReader, openReaderOn } from "../../src/audit_reader.ts";
import { gateMetrics } from "../../src/metrics/gate.ts";
import { DamageReport } from "../../src/read/damage.ts";
import { eventFilter } from "../../src/read/filter.ts";
import { followLog } from "../../src/read/follow.ts";
import { sumsSourceOf } from "../../src/read/sum_up.ts";
import { type ArchiveTaker, readExceptTaken } from "../../src/read/whole_archives.ts";
import { ReportAggregate } from "../../src/report/aggregate.ts";
import { ReportArchives } from "../../src/report/archive_sums.ts";
import { type ReportOptions, resolveReportOptions } from "../../src/report/options.ts";
import { budgetsBefore, reportOn } from "../../src/report/render_report.ts";
import { PART_NAMES, type PartName } from "../../src/rollup/rollup_text.ts";
import { CountingFileSystem } from "../counting_file_system.ts";
import { sampledTest } from "../extent.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";
import {
  type Change,
  CHANGES,
  files,
  HOUR_MS,
  PATH,
  QUARTER_MS,
  randomLog,
  stampsOn,
  START_MS,
} from "../stats/random_log.ts";
import { assertSamePage, withoutSums } from "./same_page.ts";

const DAY_MS = 24 * HOUR_MS;

/** The groups of a report: in the first table of a rollup, in others, and in none. */
const BY = ["agent", "team", "event", "session", ["model", "event"], "status", ["agent", "model"]];

function randomOptions(random: SeededRandom): ReportOptions {
  const some = <T>(value: T, one: number) => random.below(one) === 0 ? value : {};
  const edge = () => new Date(START_MS + random.below(300) * QUARTER_MS + random.below(2) * 1_234);
  return {
    timeZone: random.pick({
      "UTC": 3,
      "Asia/Kathmandu": 1,
      "America/St_Johns": 1,
      "+13:45": 1,
      "+05:37": 1,
    }),
    ...some({ by: BY[random.below(BY.length)]! }, 2),
    ...some({ since: edge() }, 3),
    ...some({ until: edge() }, 3),
  };
}

/**
 * Creates a random log, and checks that reports that may use rollups equal reports that read every event. Resolves with
 * the number of archives that the former reports did not open.
 */
async function checkReports(seed: number): Promise<number> {
  const random = new SeededRandom(seed);
  const disk = await randomLog(random, { isLong: random.below(4) > 0 });
  const stamps = stampsOn(disk);
  const change = Object.keys(CHANGES)[random.below(Object.keys(CHANGES).length)] as Change;
  if (stamps.length > 0) CHANGES[change]!(disk, stamps, random);
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  let spared = 0;
  for (let question = 0; question < 4; question++) {
    const options = randomOptions(random);
    const place = `seed ${seed}, ${change}, ${JSON.stringify(options)}`;
    counts.forget();
    const plain = await reportOn(withoutSums(reader), options);
    const opened = new Set(counts.archivesOpened).size;
    counts.forget();
    assertSamePage(await reportOn(reader, options), plain, place);
    spared += opened - new Set(counts.archivesOpened).size;
    await assertSameLiveReport(reader, options, place);
    const { since } = options;
    const range = since === undefined ? {} : { since };
    for (const lastN of [0, 3]) {
      const gate = await gateMetrics(reader.query(range), { lastN });
      assertEquals(await reader.gateMetrics({ ...range, lastN }), gate, place);
    }
  }
  return spared;
}

/**
 * Checks that a report that follows the log and may use rollups has the same figures as a report that reads every event
 * of the log.
 */
async function assertSameLiveReport(
  reader: AuditReader,
  { since, until, timeZone, by }: ReportOptions,
  place: string,
): Promise<void> {
  const options = resolveReportOptions({
    ...by === undefined ? {} : { by },
    ...since === undefined ? {} : { since },
    ...until === undefined ? {} : { until },
    ...timeZone === undefined ? {} : { timeZone },
  });
  const [live, plain] = [new ReportAggregate(options), new ReportAggregate(options)];
  for (const each of [live, plain]) {
    each.beginBudgets(await budgetsBefore(since, { source: reader, signal: undefined }));
  }
  let total = 0;
  for await (const event of reader.query(since === undefined ? {} : { since })) {
    plain.add(event);
    total++;
  }
  const log = sumsSourceOf(reader)!;
  let taken = 0;
  const onTaken = (count: number) => taken += count;
  const taker = new ReportArchives(log, { options, aggregate: live, onTaken });
  const beginning = since === undefined ? { last: Infinity } : { since };
  const following = followLog(log, beginning, { taker })[Symbol.asyncIterator]();
  for (let read = 0; taken + read < total; read++) {
    const { value } = await following.next();
    live.add(value!);
  }
  await following.return?.();
  assertEquals(live.data(), plain.data(), place);
}

await sampledTest(
  "Reports and gate metrics of random logs are the same from rollups (stored sums of archives) as from the events",
  0.08,
  async (extent) => {
    let spared = 0;
    for (const seed of extent.seeds(150)) spared += await checkReports(seed);
    // A few logs may have no archive that a report can take from its rollup.
    if (extent.share === 1) assert(spared > 0, "no report took an archive from its rollup");
  },
);

/**
 * Resolves with the disk of a log of six archives, each with 60 events of one day, and an active file with one event.
 */
async function sixDays(
  more: (log: AuditLog, day: number, disk: SimulatedDisk) => Promise<void> = () =>
    Promise.resolve(),
): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  let nowMs = Date.UTC(2026, 1, 2);
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const options = { path: PATH, logger: silent, now: () => nowMs };
  await using log = await openLogOn(platform, options);
  for (let day = 0; day < 6; day++) {
    await more(log, day, disk);
    for (let n = 0; n < 60; n++) {
      await log.log("gate_compress", { confidence: n, cost: 1, model: "small" });
      nowMs += DAY_MS / 60;
    }
    await log.rotate();
  }
  await log.log("nav", { cost: 1 });
  await log.close();
  return disk;
}

const FIRST_MS = Date.UTC(2026, 1, 2);
const LINE_BREAK = 0x0a;
/**
 * For a report with these options on the log of `sixDays()`: the archives that the report must decode, numbered 0 to 5.
 * For all other archives in its range, the report uses the rollups.
 */
const DECODED: [options: ReportOptions, archives: number[]][] = [
  // The report decodes the archives with events of the last day. The only event of the active file is more than a day
  // newer than all events of archive 4.
  [{}, [5]],
  [{ by: "session" }, [5]],
  [{ by: "status" }, [0, 1, 2, 3, 4, 5]],
  [{ timeZone: "Asia/Kathmandu" }, [5]],
  [{ timeZone: "+05:37" }, [0, 1, 2, 3, 4, 5]],
  [{ since: FIRST_MS + DAY_MS }, [5]],
  [{ since: FIRST_MS + DAY_MS + 1 }, [1, 5]],
  [{ until: FIRST_MS + 3 * DAY_MS }, [2]],
  [{ until: FIRST_MS + 3 * DAY_MS + HOUR_MS }, [2, 3]],
  [{ until: FIRST_MS + 365 * DAY_MS }, [5]],
  [{ since: FIRST_MS, until: FIRST_MS + DAY_MS }, [0]],
];
for (const [options, archives] of DECODED) {
  Deno.test(`A report with the options ${JSON.stringify(options)} decodes only the archives ${archives.join(", ")} of the archives 0 to 5`, async () => {
    const disk = await sixDays();
    const names = stampsOn(disk).map((stamp) => basename(files.archive(stamp)));
    const counts = new CountingFileSystem(disk.process());
    const platform = { fileSystem: counts, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    const found = await reportOn(reader, options);
    assertEquals(new Set(counts.archivesOpened), new Set(archives.map((n) => names[n]!)));
    assertSamePage(found, await reportOn(withoutSums(reader), options));
  });
}

/** Files after the archives of `sixDays()`: the events of the active file, and the archives that a report decodes. */
const ACTIVE_FILES: [name: string, events: readonly string[], archives: number[]][] = [
  ["has 50 events of the day after the next", eventsAt(50, 8 * DAY_MS), []],
  ["has 49 events of the day after the next", eventsAt(49, 8 * DAY_MS), [5]],
  [
    "has 49 events of the day after the next and one without a time",
    [...eventsAt(49, 8 * DAY_MS), '{"event":"nav"}\n'],
    [],
  ],
  ["has 50 older events", eventsAt(50, 0), [4, 5]],
  ["has 50 events of the same time", eventsAt(50, 6 * DAY_MS), [5]],
  [
    "ends with an unfinished line of a much later time",
    [...eventsAt(50, 6 * DAY_MS), ...eventsAt(1, 9 * DAY_MS).map((line) => line.trim())],
    [],
  ],
  [
    "ends with a torn line",
    [...eventsAt(50, 6 * DAY_MS), ...eventsAt(1, 9 * DAY_MS).map((line) => line.slice(0, -3))],
    [5],
  ],
  ["is missing", [], [4, 5]],
];

function eventsAt(count: number, afterMs: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const ts = new Date(FIRST_MS + afterMs + n).toISOString();
    return `${JSON.stringify({ ts, event: "nav", cost: n + 1 / 7 })}\n`;
  });
}

for (const [name, events, archives] of ACTIVE_FILES) {
  Deno.test(`A report decodes only the archives ${archives.join(", ") || "-"} if the active file ${name}`, async () => {
    const disk = await sixDays();
    disk.process().remove(PATH);
    if (events.length > 0) disk.writeFile(PATH, events.join(""));
    const names = stampsOn(disk).map((stamp) => basename(files.archive(stamp)));
    const counts = new CountingFileSystem(disk.process());
    const platform = { fileSystem: counts, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    const found = await reportOn(reader);
    assertEquals(new Set(counts.archivesOpened), new Set(archives.map((n) => names[n]!)));
    assertSamePage(found, await reportOn(withoutSums(reader)));
  });
}

Deno.test("The timeline has no lane for an agent without calls, also if its archives are not decoded", async () => {
  const disk = new SimulatedDisk();
  let nowMs = FIRST_MS;
  {
    const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
    await using log = await openLogOn(platform, { path: PATH, logger: silent, now: () => nowMs });
    // All events of an archive are in one bar of the charts.
    for (let day = 0; day < 30; day++, nowMs += DAY_MS) {
      await log.log("llm_call", { agent: "a", status: "ok" });
      await log.log("note", { agent: "b" });
      await log.rotate();
    }
    for (let n = 0; n < 50; n++) await log.log("nav");
  }
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const found = await reportOn(reader);
  // The last day begins in the newest archive.
  assertEquals(counts.archivesOpened.length, 1);
  assertSamePage(found, await reportOn(withoutSums(reader)));
});

Deno.test("An unreadable archive without stored sums does not extend the time axis", async () => {
  const disk = await sixDays();
  const [first] = stampsOn(disk);
  disk.writeFile(files.archive(first!), "no gzip");
  disk.process().remove(files.rollup(first!));
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  assertSamePage(await reportOn(reader), await reportOn(withoutSums(reader)));
});

/** Time between two events of `shortArchives()`. */
const STEP_MS = 4 * 60_000 + 1_234;

/** Resolves with the disk of a log of twelve archives, each with 60 events of four hours, and no active file. */
async function shortArchives(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  let nowMs = FIRST_MS;
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using log = await openLogOn(platform, { path: PATH, logger: silent, now: () => nowMs });
  for (let archive = 0; archive < 12; archive++) {
    for (let n = 0; n < 60; n++, nowMs += STEP_MS) await log.log("nav", { cost: 1 / 7 + n });
    await log.rotate();
  }
  return disk;
}

Deno.test("A report reads no events of archives that are in the last day but not at its edges", async () => {
  const disk = await shortArchives();
  disk.writeFile(PATH, eventsAt(60, 12 * 60 * STEP_MS + 26 * 60_000).join(""));
  const names = stampsOn(disk).map((stamp) => basename(files.archive(stamp)));
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const found = await reportOn(reader);
  // The last day begins in archive 6, and the last hour in archive 11.
  assertEquals(new Set(counts.archivesOpened), new Set([names[6]!, names[11]!]));
  assertSamePage(found, await reportOn(withoutSums(reader)));
});

Deno.test("A report is right if the newest event is before the last block of the active file", async () => {
  const disk = await shortArchives();
  const endMs = 12 * 60 * STEP_MS;
  for (const minutes of [61, 68, 75, 82, 89]) {
    const newest = eventsAt(1, endMs + minutes * 60_000);
    disk.writeFile(PATH, [...newest, ...eventsAt(20_000, endMs)].join(""));
    const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    assertSamePage(
      await reportOn(reader),
      await reportOn(withoutSums(reader)),
      `${minutes} minutes`,
    );
  }
});

Deno.test("A report decodes an archive with an event of 1970, which the charts leave out", async () => {
  const disk = await sixDays(async (log, day, disk) => {
    await log.log("nav");
    if (day !== 2) return;
    const handle = disk.process().open(PATH, "append");
    handle.appendSync(new TextEncoder().encode('{"ts":"1970-01-01T00:00:00Z","event":"nav"}\n'));
    handle.close();
  });
  const names = stampsOn(disk).map((stamp) => basename(files.archive(stamp)));
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const found = await reportOn(reader);
  assertEquals(new Set(counts.archivesOpened), new Set([names[2]!, names[5]!]));
  assertSamePage(found, await reportOn(withoutSums(reader)));
  assertStringIncludes(found.page, "<p>1 event far from all others in time.");
});

Deno.test("A report decodes an archive whose rollup has no durations by quarter, because they would be too long", async () => {
  const disk = await sixDays(async (log, day) => {
    if (day !== 1) return;
    // No two durations fall into the same bucket of the sketch, so the rollup would store two numbers for each.
    for (let n = 0; n < 10_000; n++) {
      await log.log("llm_call", { duration_ms: (1.01 / 0.99) ** (n - 5_000.5) });
    }
  });
  const names = stampsOn(disk).map((stamp) => basename(files.archive(stamp)));
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const found = await reportOn(reader);
  assertEquals(new Set(counts.archivesOpened), new Set([names[1]!, names[5]!]));
  assertSamePage(found, await reportOn(withoutSums(reader)));
});

Deno.test("A report that follows the log does not count an event whose line is unfinished as the newest", async () => {
  const disk = await sixDays();
  const [unfinished] = eventsAt(1, 90 * DAY_MS);
  disk.writeFile(PATH, eventsAt(50, 6 * DAY_MS).join("") + unfinished!.trim());
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const options = resolveReportOptions({});
  const [live, plain] = [new ReportAggregate(options), new ReportAggregate(options)];
  for await (const event of reader.query({ until: FIRST_MS + 60 * DAY_MS })) plain.add(event);
  counts.forget();
  const taker = new ReportArchives(sumsSourceOf(reader)!, { options, aggregate: live });
  const following = followLog(sumsSourceOf(reader)!, { last: Infinity }, { taker });
  let read = 0;
  for await (const event of following) {
    live.add(event);
    if (++read === 50) break;
  }
  assertEquals(counts.archivesOpened, [basename(files.archive(stampsOn(disk)[5]!))]);
  assertEquals(live.data(), plain.data());
});

for (const active of [eventsAt(0, 0), eventsAt(5, 6 * DAY_MS), eventsAt(60, 0)]) {
  Deno.test(`A report on a damaged newest archive and ${active.length} events of the active file reads the older archives`, async () => {
    const disk = await sixDays();
    disk.writeFile(PATH, active.join(""));
    const path = files.archive(stampsOn(disk).at(-1)!);
    const bytes = disk.readFile(path).slice();
    for (let n = 30; n < 60; n++) bytes[n]! ^= 0x55;
    disk.writeFile(path, bytes);
    const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    const plain = await reportOn(withoutSums(reader));
    assert(plain.page.includes('<b id="damage-count">1</b>'));
    assertSamePage(await reportOn(reader), plain);
  });
}

Deno.test("A live report up to a time does not count the events after that time among its last events", async () => {
  const disk = await sixDays();
  disk.writeFile(PATH, eventsAt(80, 26 * DAY_MS).join(""));
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  for (const hours of [6 * 24, 3 * 24 + 7]) {
    await assertSameLiveReport(reader, { until: FIRST_MS + hours * HOUR_MS }, `${hours} hours`);
  }
});

Deno.test("A report shows a budget that was made while the clock was set back to before its time range", async () => {
  const disk = new SimulatedDisk();
  let nowMs = FIRST_MS + 5 * DAY_MS;
  const writer = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const log = await openLogOn(writer, { path: PATH, logger: silent, now: () => nowMs });
  const logEvents = async (count: number) => {
    for (let n = 0; n < count; n++) await log.log("nav", { cost: 1 });
  };
  const spendOn = async (name: string) => {
    const budget = await log.budget({ name, limit: { usd: 900 }, hours: 720 });
    await (await budget.hold({ usd: 100 })).settle("llm_call", { cost: 7 });
  };
  await logEvents(5);
  await log.rotate();
  nowMs += DAY_MS;
  await logEvents(5);
  await spendOn("later");
  await log.rotate();
  nowMs -= 8 * DAY_MS;
  await spendOn("earlier");
  nowMs += 8 * DAY_MS;
  await logEvents(60);
  await log.rotate();
  nowMs += 5 * DAY_MS;
  await logEvents(70);
  await log.close();
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const options = { since: FIRST_MS + 4 * DAY_MS };
  const report = await reportOn(reader, options);
  assert(report.page.includes("<bdi>earlier</bdi>"));
  assertSamePage(report, await reportOn(withoutSums(reader), options));
  await assertSameLiveReport(reader, options, "live");
});

Deno.test("A report reads only the events of the last day of an archive that began earlier", async () => {
  const disk = await sixDays();
  disk.writeFile(PATH, eventsAt(50, 6 * DAY_MS + 12 * HOUR_MS).join(""));
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const options = resolveReportOptions({});
  const aggregate = new ReportAggregate(options);
  const log = sumsSourceOf(reader)!;
  const archives = new ReportArchives(log, { options, aggregate });
  const needed: string[] = [];
  const taker: ArchiveTaker = {
    plan: (files, newest) => archives.plan(files, newest),
    async take(archive) {
      const taken = await archives.take(archive);
      if (typeof taken === "boolean") return taken;
      return { ...taken, add: ({ ts }) => needed.push(ts as string) };
    },
  };
  let added = 0;
  const reading = {
    filter: eventFilter({}),
    order: "asc",
    damage: new DamageReport(silent),
  } as const;
  await readExceptTaken(log, reading, { taker, add: () => added++ });
  assertEquals([added, needed.length], [50, 29]);
  assertEquals(needed[0], new Date(FIRST_MS + 5 * DAY_MS + 12.4 * HOUR_MS).toISOString());
});

for (const by of ["model", "session"]) {
  Deno.test(`A report by ${by} needs only the totals of an archive whose events are all in one bar`, async () => {
    const disk = new SimulatedDisk();
    let nowMs = FIRST_MS;
    const writer = { fileSystem: disk.process(), clock: new SimulatedClock() };
    const log = await openLogOn(writer, { path: PATH, logger: silent, now: () => nowMs });
    for (let archive = 0; archive < 20; archive++, nowMs += 20 * DAY_MS) {
      for (let n = 0; n < 60; n++, nowMs += 60_000) {
        const model = n % 7 === 0 ? "large" : "small";
        await log.log("nav", { cost: n / 7, model, input_t: n, session_id: `s${n % 3}` });
      }
      await log.rotate();
    }
    await log.close();
    const stamps = stampsOn(disk);
    for (const stamp of stamps) {
      const bytes = disk.readFile(files.rollup(stamp)).slice();
      const end = bytes.indexOf(LINE_BREAK) + 1;
      const parts = bytes.indexOf(LINE_BREAK, end) + 1;
      const lengths = JSON.parse(new TextDecoder().decode(bytes.subarray(end, parts)));
      const of = (name: PartName) => PART_NAMES.indexOf(name);
      const startOf = (part: number) =>
        lengths.slice(0, part).reduce((sum: number, length: number) => sum + length, parts);
      for (const part of [of("cells"), of("sessionCells")]) bytes[startOf(part)]! ^= 0xff;
      disk.writeFile(files.rollup(stamp), bytes);
    }
    const counts = new CountingFileSystem(disk.process());
    const platform = { fileSystem: counts, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    const report = await reportOn(reader, { by });
    assertEquals(counts.archivesOpened, [basename(files.archive(stamps.at(-1)!))]);
    assertSamePage(report, await reportOn(withoutSums(reader), { by }));
  });
}

Deno.test("A report decodes the archive with the newest recorded state of the budgets, and all later archives", async () => {
  const disk = await sixDays(async (log, day) => {
    if (day !== 1 && day !== 3) return;
    const budget = await log.budget({ name: "run", limit: { usd: 900 }, hours: 720 });
    await (await budget.hold({ usd: 100 })).settle("llm_call", { cost: 7 });
  });
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const report = await reportOn(reader);
  assertEquals(new Set(counts.archivesOpened).size, 3);
  assert(report.page.includes("<bdi>run</bdi>"));
  assertSamePage(report, await reportOn(withoutSums(reader)));
  // The report from day 2 on does not decode the archive of day 2. So it must not continue the budget amounts that it
  // knows from before day 2.
  const since = { since: FIRST_MS + 2 * DAY_MS };
  const later = await reportOn(reader, since);
  assertSamePage(later, await reportOn(withoutSums(reader), since));
});

Deno.test("A report up to a time does not look for the state of the budgets after that time", async () => {
  const disk = await sixDays(async (log, day) => {
    if (day === 1 || day === 4) {
      await log.budget({ name: `of day ${day}`, limit: { usd: 900 }, hours: 720 });
    }
  });
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  for (const hours of [0, 12]) {
    const until = FIRST_MS + 4 * DAY_MS + hours * HOUR_MS;
    const report = await reportOn(reader, { until });
    assert(report.page.includes("<bdi>of day 1</bdi>"));
    assertSamePage(report, await reportOn(withoutSums(reader), { until }), `${hours} hours`);
  }
});

Deno.test("A report decodes the archives after one that the manifest does not describe, because it may have budgets", async () => {
  const disk = await sixDays(async (log, day) => {
    if (day === 1) await log.budget({ name: "run", limit: { usd: 900 }, hours: 720 });
  });
  const path = files.archive(stampsOn(disk)[1]!);
  disk.writeFile(path, gzipSync(`${gunzipSync(disk.readFile(path))}{"event":"nav"}\n`));
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const report = await reportOn(reader);
  assertEquals(new Set(counts.archivesOpened).size, 5);
  assertSamePage(report, await reportOn(withoutSums(reader)));
});

Deno.test("A report with bars of less than a quarter of an hour decodes every archive", async () => {
  const disk = new SimulatedDisk();
  let nowMs = FIRST_MS;
  const writer = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const log = await openLogOn(writer, { path: PATH, logger: silent, now: () => nowMs });
  for (let n = 0; n < 180; n++, nowMs += 60_000) {
    await log.log("nav", { cost: n });
    if (n % 60 === 59) await log.rotate();
  }
  await log.close();
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const options = { until: FIRST_MS + 3 * DAY_MS };
  const report = await reportOn(reader, options);
  assertEquals(new Set(counts.archivesOpened).size, 3);
  assertSamePage(report, await reportOn(withoutSums(reader), options));
});

Deno.test("gateMetrics() decodes only the archives with the last decisions, and an archive that begins before since and ends after it", async () => {
  const disk = await sixDays();
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  for (
    const [options, decoded, passes] of [
      [{}, 1, 360],
      [{ lastN: 0 }, 0, 360],
      [{ lastN: 61 }, 2, 360],
      [{ since: FIRST_MS + DAY_MS }, 1, 300],
      [{ since: FIRST_MS + DAY_MS + 1 }, 2, 299],
    ] as const
  ) {
    counts.forget();
    assertEquals((await reader.gateMetrics(options)).passCount, passes);
    assertEquals(counts.archivesOpened.length, decoded, JSON.stringify(options));
  }
});
