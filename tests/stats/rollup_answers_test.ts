/**
 * Compares the answers that come from rollups with those from all events of the same log, for random histories: with
 * clocks that step, foreign archives, and rollups that are missing, torn, forged or of another archive.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { gunzipSync, gzipSync } from "node:zlib";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import type { AuditEvent } from "../../src/event.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import { LogFiles, type Stamp } from "../../src/segments/segment_name.ts";
import type { GroupOptions } from "../../src/stats/source.ts";
import { type Spend, spend } from "../../src/stats/spend.ts";
import { type Stats, stats } from "../../src/stats/stats.ts";
import { CountingFileSystem } from "../counting_file_system.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { sampledTest } from "../extent.ts";
import { SeededRandom } from "../seeded_random.ts";

const PATH = "/log/audit.jsonl";
const files = new LogFiles(PATH);
const START_MS = Date.UTC(2026, 1, 13, 10);
const QUARTER_MS = 15 * 60_000;
const FIELDS = ["agent"];

/** A log of random events in several archives and an active file. */
async function randomLog(random: SeededRandom): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  let nowMs = START_MS;
  const options = {
    path: PATH,
    logger: silent,
    sessionId: "s0",
    rollupFields: FIELDS,
    now: () => nowMs,
  };
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using log = await openLogOn(platform, options);
  const archives = 1 + random.below(5);
  for (let part = 0; part <= archives; part++) {
    for (let left = random.below(40); left > 0; left--) {
      // Steps of up to two quarters, and now and then a clock that is set back by hours.
      nowMs += random.below(10) === 0 ? -random.below(5 * 3_600_000) : random.below(2 * QUARTER_MS);
      await log.log(...randomEvent(random));
      if (random.below(15) === 0) {
        appendForeign(disk, FOREIGN_LINES[random.below(FOREIGN_LINES.length)]!);
      }
    }
    if (part < archives) await log.rotate();
  }
  await log.close();
  return disk;
}

/** Lines that other programs write: without a time, with values of other types, and no event at all. */
const FOREIGN_LINES = [
  { event: "llm_call", model: "large", cost: 2, session_id: "s1" },
  {
    ts: "2026-02-13 11:07+01:00",
    event: 7,
    model: ["x"],
    agent: { id: 1 },
    cost: "3",
    input_t: -4,
  },
  { ts: "2026-02-13T10:22:00Z", event: "llm_call", model: null, cost: null, duration_ms: "9" },
  ["no event"],
];

function appendForeign(disk: SimulatedDisk, line: unknown): void {
  const handle = disk.process().open(PATH, "append");
  handle.appendSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  handle.close();
}

function randomEvent(random: SeededRandom): [type: string, fields: Record<string, unknown>] {
  const some = (value: unknown) => random.below(3) === 0 ? {} : value as Record<string, unknown>;
  return [random.pick({ llm_call: 6, tool_call: 3, validation_fail: 1 }), {
    ...some({ model: random.pick({ large: 1, small: 2 }) }),
    ...some({ agent: random.pick({ a: 2, "b\n": 1 }) }),
    ...some({ session_id: `s${random.below(3)}` }),
    ...some({ cost: random.below(1_000) / 7 }),
    ...some({ input_t: random.below(5_000), output_t: random.below(500) }),
    ...some({ duration_ms: random.below(100_000) / 3 }),
    ...some({
      status: random.pick({ ok: 4, error: 1, aborted: 1 }),
      error: `timeout ${random.below(9)}`,
    }),
  }];
}

/** Ways in which the files of a log can be changed. Each returns the stamp of the archive that has to be decoded then. */
const CHANGES: Readonly<
  Record<
    string,
    (disk: SimulatedDisk, stamps: readonly Stamp[], random: SeededRandom) => Stamp | null
  >
> = {
  nothing: () => null,
  missing(disk, [stamp]) {
    disk.process().remove(files.rollup(stamp!));
    return stamp!;
  },
  torn(disk, [stamp], random) {
    const bytes = disk.readFile(files.rollup(stamp!));
    disk.writeFile(files.rollup(stamp!), bytes.slice(0, random.below(bytes.length)));
    return stamp!;
  },
  forged(disk, [stamp], random) {
    const bytes = disk.readFile(files.rollup(stamp!)).slice();
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    disk.writeFile(files.rollup(stamp!), bytes);
    return stamp!;
  },
  swapped(disk, [stamp, other]) {
    if (other === undefined) return null;
    disk.writeFile(files.rollup(stamp!), disk.readFile(files.rollup(other)));
    return stamp!;
  },
  foreign(disk) {
    const stamp = "20260101_000000";
    const event = { ts: "2026-02-13T11:00:00.000Z", event: "llm_call", cost: 3, agent: "a" };
    const untimed = { event: "llm_call", cost: 5 };
    const text = `${JSON.stringify(event)}\n${JSON.stringify(untimed)}\nno event\n`;
    disk.writeFile(files.archive(stamp), gzipSync(text));
    return stamp;
  },
  replaced(disk, [stamp]) {
    const old = disk.readFile(files.archive(stamp!));
    let text = `${gunzipSync(old)}{"event":"nav","cost":1}\n`;
    // An archive of the same length is taken for the one in the manifest, until verify() compares its digest.
    while (gzipSync(text).byteLength === old.byteLength) text += "{}\n";
    disk.writeFile(files.archive(stamp!), gzipSync(text));
    return stamp!;
  },
  "without the manifest": (disk) => {
    disk.process().remove(files.manifest);
    return null;
  },
};
type Change = keyof typeof CHANGES;

const BY: readonly (string | string[])[] = [
  [],
  "model",
  "event",
  ["model", "event"],
  "session",
  "agent",
  "hour",
  "day",
  ["day", "model"],
  ["hour", "agent"],
  ["session", "day"],
  "status",
  ["agent", "model"],
];

function randomQuestion(random: SeededRandom): GroupOptions {
  const some = <T>(value: T, one = 2) => random.below(one) === 0 ? value : {};
  const edge = () => {
    const ms = START_MS + random.below(40) * QUARTER_MS;
    return new Date(random.below(3) === 0 ? ms + random.below(QUARTER_MS) : ms);
  };
  return {
    by: BY[random.below(BY.length)]!,
    timeZone: random.pick({ "UTC": 1, "Asia/Kathmandu": 1, "America/St_Johns": 1, "+13:45": 1 }),
    ...some({ since: edge() }),
    ...some({ until: edge() }),
    ...some({ eventType: random.below(2) === 0 ? "llm_call" : ["tool_call", "nav"] }, 4),
    ...some({ sessionId: `s${random.below(3)}` }, 5),
    ...some({ where: ({ cost }: AuditEvent) => cost !== undefined }, 8),
  };
}

/** Asks random questions of a random log, and compares the answers with those from the events. */
async function checkHistory(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = await randomLog(random);
  const stamps = stampsOn(disk);
  const change = Object.keys(CHANGES)[random.below(Object.keys(CHANGES).length)] as Change;
  if (stamps.length > 0) CHANGES[change]!(disk, stamps, random);
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  for (let question = 0; question < 12; question++) {
    const options = randomQuestion(random);
    const place = `seed ${seed}, ${change}, ${JSON.stringify(options)}`;
    const { by: _by, timeZone: _zone, ...selection } = options;
    const events = await reader.query(selection as QueryOptions).toArray();
    const grouping = { by: options.by!, timeZone: options.timeZone! };
    const plainSpend = await spend(ReadableStream.from(events), grouping);
    assertSameSpend(await spend(reader, options), plainSpend, place);
    const plainStats = await stats(ReadableStream.from(events), grouping);
    assertSameStats(await stats(reader, options), plainStats, place);
  }
}

function stampsOn(disk: SimulatedDisk): Stamp[] {
  return Object.keys(disk.snapshot()).map((path) => files.parse(basename(path)))
    .filter((parsed) => parsed?.form === "archive").map((parsed) => parsed!.stamp).sort();
}

function assertSameSpend(found: Spend, expected: Spend, place: string): void {
  // The sums are exact, so the order in which they are added does not matter.
  assertEquals(found, expected, place);
}

function assertSameStats(found: Stats, expected: Stats, place: string): void {
  assertEquals(withoutDeviations(found), withoutDeviations(expected), place);
  for (
    const [one, other] of [[found.total, expected.total] as const].concat(
      found.groups.map((group, n) => [group, expected.groups[n]!] as const),
    )
  ) {
    for (const name of ["cost", "duration"] as const) {
      const [a, b] = [one[name]?.deviation ?? 0, other[name]?.deviation ?? 0];
      assertAlmostEquals(a, b, 1e-9 * (1 + Math.abs(b)), place);
    }
  }
}

/** Returns the figures without their deviations, and with rounded speeds, because the order of additions changes both. */
function withoutDeviations({ total, groups, ...others }: Stats): unknown {
  const rounded = (figures: Stats["total"]) => ({
    ...figures,
    cost: figures.cost === null ? null : { ...figures.cost, deviation: 0 },
    duration: figures.duration === null ? null : { ...figures.duration, deviation: 0 },
    tokensPerSecond: figures.tokensPerSecond?.toPrecision(12),
  });
  return { ...others, total: rounded(total), groups: groups.map(rounded) };
}

await sampledTest(
  "stats() and spend() of random logs return the same from rollups as from the events",
  0.04,
  async (extent) => {
    for (const seed of extent.seeds(1_500)) await checkHistory(seed);
  },
);

/** Returns a log of three archives, each with events in two quarters of an hour, and an empty active file. */
async function threeArchives(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  let nowMs = START_MS;
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const options = { path: PATH, logger: silent, rollupFields: FIELDS, now: () => nowMs };
  await using log = await openLogOn(platform, options);
  for (let archive = 0; archive < 3; archive++) {
    for (const model of ["large", "small"]) {
      await log.log("llm_call", { model, agent: "a", cost: 1, duration_ms: 5, status: "ok" });
      nowMs += QUARTER_MS;
    }
    await log.rotate();
  }
  await log.close();
  return disk;
}

const HOUR_MS = 3_600_000;
/** Questions about a log of three archives, and the number of archives that must be decoded. */
const DECODED: [question: GroupOptions, spendDecodes: number, statsDecodes: number][] = [
  [{}, 0, 0],
  [{ by: "model" }, 0, 0],
  [{ by: ["event", "model"], eventType: "llm_call" }, 0, 0],
  [{ by: "agent" }, 0, 0],
  [{ by: "session" }, 0, 3],
  [{ by: "hour" }, 0, 3],
  [{ by: ["day", "agent"], timeZone: "Asia/Kathmandu" }, 0, 3],
  [{ by: "model", since: START_MS - 1, until: START_MS + 2 * HOUR_MS }, 0, 0],
  [{ by: "model", since: START_MS + QUARTER_MS }, 0, 1],
  [{ by: "model", since: START_MS + 1 }, 1, 1],
  [{ by: "model", until: START_MS + 3 * QUARTER_MS - 1 }, 1, 1],
  [{ by: "model", until: START_MS + 3 * QUARTER_MS + 1 }, 0, 0],
  [{ by: "status" }, 3, 3],
  [{ by: ["agent", "model"] }, 3, 3],
  [{ by: "agent", eventType: "llm_call" }, 3, 3],
  [{ where: () => true }, 3, 3],
];
for (const [question, spendDecodes, statsDecodes] of DECODED) {
  Deno.test(`spend() decodes ${spendDecodes} of 3 archives, and stats() ${statsDecodes}, for ${JSON.stringify(question)}`, async () => {
    const disk = await threeArchives();
    const counts = new CountingFileSystem(disk.process());
    const platform = { fileSystem: counts, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    const { usd } = await spend(reader, question);
    assertEquals(counts.archivesOpened.length, spendDecodes);
    counts.forget();
    assertEquals((await stats(reader, question)).total.usd, usd);
    assertEquals(counts.archivesOpened.length, statsDecodes);
    assert(usd > 0);
  });
}

Deno.test("spend() decodes an archive with a line that is too long for the reader, or with types that are not strings, for a filter", async () => {
  const lines = [
    { ts: "2026-02-13T10:00:00.000Z", event: 5, session_id: 7, cost: 1 },
    { ts: "2026-02-13T10:00:00.000Z", cost: 2 },
    {
      ts: "2026-02-13T10:00:00.000Z",
      event: "5",
      session_id: "7",
      cost: 4,
      pad: "x".repeat(2_000),
    },
  ].map((line) => `${JSON.stringify(line)}\n`);
  const disk = new SimulatedDisk();
  disk.process().makeDirectory("/log");
  disk.writeFile(PATH, lines.join(""));
  const writer = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using log = await openLogOn(writer, { path: PATH, logger: silent });
  await log.rotate();
  await log.close();
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  for (
    const [filter, usd] of [[{}, 7], [{ eventType: "5" }, 4], [{ sessionId: "7" }, 4], [{
      eventType: "",
    }, 0]] as const
  ) {
    assertEquals((await spend(reader, filter)).usd, usd, JSON.stringify(filter));
  }
  const options = { path: PATH, logger: silent, maxLineBytes: 1_000 };
  await using small = await openReaderOn(platform, options);
  assertEquals((await spend(small)).usd, 3);
});

for (const change of ["missing", "torn", "forged", "swapped", "replaced"] as const) {
  Deno.test(`spend() decodes an archive whose rollup is ${change}, and no other`, async () => {
    const disk = await threeArchives();
    const stamp = CHANGES[change]!(disk, stampsOn(disk), new SeededRandom(5))!;
    const counts = new CountingFileSystem(disk.process());
    const platform = { fileSystem: counts, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    assertEquals((await spend(reader, { by: "hour" })).usd, change === "replaced" ? 7 : 6);
    assertEquals(counts.archivesOpened, [basename(files.archive(stamp))]);
  });
}
