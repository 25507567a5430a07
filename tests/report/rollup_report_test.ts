/**
 * A rollup is a file with the sums of the events in one archive, so that a report need not decode the archive. Compares
 * reports that use rollups with reports that read every event of the same log. Compares the gate metrics in the same
 * way.
 */
import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { gunzipSync, gzipSync } from "node:zlib";
import { type AuditLog, openLogOn } from "../../src/audit_log.ts";
import { type AuditReader, openReaderOn } from "../../src/audit_reader.ts";
import { gateMetrics } from "../../src/metrics/gate.ts";
import { followLog } from "../../src/read/follow.ts";
import { sumsSourceOf } from "../../src/read/sum_up.ts";
import { ReportAggregate } from "../../src/report/aggregate.ts";
import { ReportArchives } from "../../src/report/archive_sums.ts";
import { type ReportOptions, resolveReportOptions } from "../../src/report/options.ts";
import { budgetsBefore, reportOn } from "../../src/report/render_report.ts";
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
const BY = ["agent", "event", "session", ["model", "event"], "status", ["agent", "model"]];

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
  { since, timeZone, by }: ReportOptions,
  place: string,
): Promise<void> {
  const options = resolveReportOptions({
    ...by === undefined ? {} : { by },
    ...since === undefined ? {} : { since },
    ...timeZone === undefined ? {} : { timeZone },
  });
  const [live, plain] = [new ReportAggregate(options), new ReportAggregate(options)];
  for (const each of [live, plain]) {
    each.beginBudgets(await budgetsBefore(since, { source: reader, signal: undefined }));
  }
  for await (const event of reader.query(since === undefined ? {} : { since })) plain.add(event);
  const expected = plain.data();
  const log = sumsSourceOf(reader)!;
  let taken = 0;
  const onTaken = (count: number) => taken += count;
  const taker = new ReportArchives(log, { options, aggregate: live, onTaken });
  const beginning = since === undefined ? { last: Infinity } : { since };
  const following = followLog(log, beginning, taker)[Symbol.asyncIterator]();
  for (let read = 0; taken + read < expected.events; read++) {
    const { value } = await following.next();
    live.add(value!);
  }
  await following.return?.();
  assertEquals(live.data(), expected, place);
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
  more: (log: AuditLog, day: number) => Promise<void> = () => Promise.resolve(),
): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  let nowMs = Date.UTC(2026, 1, 2);
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const options = { path: PATH, logger: silent, now: () => nowMs };
  await using log = await openLogOn(platform, options);
  for (let day = 0; day < 6; day++) {
    await more(log, day);
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
/**
 * For a report with these options on the log of `sixDays()`: the archives that the report must decode, numbered 0 to 5.
 * For all other archives in its range, the report uses the rollups.
 */
const DECODED: [options: ReportOptions, archives: number[]][] = [
  // The report decodes the archives with events of the last day. The newest event of archive 4 is exactly a day older
  // than that of archive 5.
  [{}, [4, 5]],
  [{ by: "session" }, [4, 5]],
  [{ by: "status" }, [0, 1, 2, 3, 4, 5]],
  [{ timeZone: "Asia/Kathmandu" }, [4, 5]],
  [{ timeZone: "+05:37" }, [0, 1, 2, 3, 4, 5]],
  [{ since: FIRST_MS + DAY_MS }, [4, 5]],
  [{ since: FIRST_MS + DAY_MS + 1 }, [1, 4, 5]],
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
