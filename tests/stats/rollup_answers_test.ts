/**
 * A rollup is a file with the sums of the events in one archive, so that readers need not decode the archive. Compares
 * the answers that come from rollups with those from all events of the same log. The random logs have clocks that step,
 * archives of other programs, and rollups that are missing, torn, forged, miscounted or of another archive.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import type { AuditEvent } from "../../src/event.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import type { GroupOptions } from "../../src/stats/source.ts";
import { type Spend, spend } from "../../src/stats/spend.ts";
import { type Stats, stats } from "../../src/stats/stats.ts";
import { CountingFileSystem } from "../counting_file_system.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { sampledTest } from "../extent.ts";
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
  threeArchives,
} from "./random_log.ts";

const BY: readonly (string | string[])[] = [
  [],
  "model",
  "event",
  ["model", "event"],
  "session",
  "agent",
  "team",
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

/**
 * Creates a random log, and compares the answers of `spend()` and `stats()` to random questions with answers from all
 * events.
 */
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

function assertSameSpend(found: Spend, expected: Spend, place: string): void {
  // The sums are exact, so the result does not depend on the order in which costs are added.
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

/**
 * Returns the figures without their standard deviations, and with rounded speeds (tokens per second). The rounding
 * errors of both depend on the order of additions.
 */
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
  "stats() and spend() of random logs return the same from rollups (stored sums of archives) as from the events",
  0.04,
  async (extent) => {
    for (const seed of extent.seeds(1_000)) await checkHistory(seed);
  },
);

/**
 * Questions about a log of three archives, and the number of archives that `spend()` and `stats()` must decode because
 * the rollups cannot answer the question.
 */
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
  Deno.test(`spend() decodes ${spendDecodes} of 3 archives, and stats() decodes ${statsDecodes}, for the options ${JSON.stringify(question)}`, async () => {
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

Deno.test("spend() and stats() by agent include the archives in which no event has an agent, without decoding them", async () => {
  const disk = new SimulatedDisk();
  let nowMs = START_MS;
  const writer = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using log = await openLogOn(writer, { path: PATH, logger: silent, now: () => nowMs });
  for (const agent of [{ agent: "a" }, {}, {}]) {
    for (const [n, model] of ["large", "small", "small"].entries()) {
      await log.log("llm_call", { model, ...agent, cost: n + 1, duration_ms: 9 * n, status: "ok" });
    }
    nowMs += HOUR_MS;
    await log.rotate();
  }
  await log.close();
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  for (const options of [{ by: "agent" }, { by: "agent", since: START_MS + HOUR_MS }]) {
    const events = await reader.query(options.since === undefined ? {} : { since: options.since })
      .toArray();
    counts.forget();
    assertSameSpend(
      await spend(reader, options),
      await spend(ReadableStream.from(events), { by: "agent" }),
      "",
    );
    assertSameStats(
      await stats(reader, options),
      await stats(ReadableStream.from(events), { by: "agent" }),
      "",
    );
    assertEquals(counts.archivesOpened, []);
  }
  const byDay = await spend(reader, { by: ["day", "agent"] });
  assertEquals(byDay.rows.map(({ key, usd }) => [key[1], usd]), [[null, 12], ["a", 6]]);
});

Deno.test("spend() decodes an archive if a line is too long for the reader, or if a field that it filters by has values that are not strings", async () => {
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

for (
  const change of [
    "missing",
    "torn",
    "forged",
    "miscounted",
    "swapped",
    "replaced",
  ] as const
) {
  Deno.test(`spend() decodes only the archive ${change === "replaced" ? "that was replaced" : `whose rollup is ${change}`}`, async () => {
    const disk = await threeArchives();
    const stamp = CHANGES[change]!(disk, stampsOn(disk), new SeededRandom(5))!;
    const counts = new CountingFileSystem(disk.process());
    const platform = { fileSystem: counts, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
    assertEquals((await spend(reader, { by: "hour" })).usd, change === "replaced" ? 7 : 6);
    assertEquals(counts.archivesOpened, [basename(files.archive(stamp))]);
  });
}
