/**
 * Compares the answers of the library with those of {@linkcode Reference}, a simple reader, for random queries of
 * random logs. The library skips archives, reads files from their ends and takes sums from the manifest; none of this
 * may change an answer.
 *
 * Each run of a test draws new random histories (a log and random changes of it). `../extent.ts` describes how to
 * repeat the histories of a failed test.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type AuditReader, openReaderOn } from "../../src/audit_reader.ts";
import type { AuditEvent } from "../../src/event.ts";
import { messageOf } from "../../src/errors.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { stampOf } from "../../src/segments/segment_name.ts";
import { type Extent, sampledTest } from "../extent.ts";
import { hidesOlderArchives } from "../faults/planted_faults.ts";
import type { SimulatedProcess } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import type { Damage } from "../../src/read/damage.ts";
import { SeededRandom } from "../seeded_random.ts";
import { archivedBy, RandomHistory, randomQuery, randomTypes } from "./random_history.ts";
import {
  contentsOf,
  cutWhereReaderStopped,
  type Files,
  Reference,
  type Region,
  type Spend,
} from "./reference.ts";
import { silent } from "../loggers.ts";

/** Number of random histories (a log and random changes of it) with which each test of the long suite runs. */
const HISTORIES = 100;
/**
 * The fraction of the random histories (a log and random changes of it) with which each test of the quick suite runs.
 */
const SHARE = 0.15;
const QUERIES = 12;
const CHANGES = 8;

const HOURS = [0, -1, 0.001, 0.1, 0.5, 1, 1, 1.5, 3, 24, 24, 24 * 30, 24 * 30, 24 * 365, Infinity];

/** A random log, a reader of this log, and the expected answers. */
interface Case {
  readonly random: SeededRandom;
  readonly history: RandomHistory;
  readonly process: SimulatedProcess;
  /** The clock of the reader. */
  readonly clock: SimulatedClock;
  readonly reader: AuditReader;
  /**
   * The accepted answers: the reader must agree with one of these references. There are two if an archive was changed
   * but its line in the manifest still describes the original content. A reader may then answer from the archive or
   * from the manifest.
   */
  readonly references: References;
}

type References = readonly [Reference, ...Reference[]];

async function openReader(
  history: RandomHistory,
  process: FileSystem,
  clock: SimulatedClock = new SimulatedClock(),
): Promise<AuditReader> {
  return await openReaderOn({ fileSystem: process, clock }, {
    path: history.path,
    maxLineBytes: history.maxLineBytes,
    now: () => history.nowMs,
    logger: silent,
  });
}

/**
 * For each seed, creates a random history (a log and random changes of it), runs `check` with a reader of this log, and
 * checks that the reader closes every file.
 */
async function forEachSeed(
  extent: Extent,
  check: (given: Case) => Promise<void>,
  isEnough: () => boolean = () => false,
): Promise<void> {
  for (const seed of extent.seeds(HISTORIES)) {
    if (isEnough()) return;
    const random = new SeededRandom(seed);
    const history = new RandomHistory(random);
    await within(() => `seed ${seed}\n${history.story.join("\n")}`, async () => {
      const process = history.disk.process();
      const clock = new SimulatedClock();
      const reader = await openReader(history, process, clock);
      const references = await referencesOf(history);
      await check({ random, history, process, clock, reader, references });
      await reader.close();
      assertEquals(process.openHandles, 0, "files are left open");
    });
  }
}

async function within(place: () => string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (cause) {
    throw new Error(`${place()}\n${messageOf(cause)}`, { cause });
  }
}

/**
 * Resolves with the references: the accepted answers for the log of a history. The number of bytes of a damaged archive
 * that can be decoded depends on how much input the decoder gets at once. Therefore one full scan of the reader
 * determines that number, and all other answers must agree with it.
 */
async function referencesOf(history: RandomHistory): Promise<References> {
  const { maxLineBytes, path, rotten } = history;
  const decoded = await contentsOf(history.files(), path);
  const isDamaged = decoded.some(({ goodBytesMin }) => goodBytesMin !== null);
  const contents = isDamaged ? cutWhereReaderStopped(decoded, await damageFound(history)) : decoded;
  const reference = new Reference(contents, maxLineBytes);
  if (rotten === null || !contents.some(({ path }) => path === rotten.path)) return [reference];
  const believed = contents.map((content) =>
    content.path === rotten.path ? { ...content, bytes: rotten.held } : content
  );
  return [reference, new Reference(believed, maxLineBytes)];
}

/** Resolves with all damage that a new reader finds in the log. */
async function damageFound(history: RandomHistory): Promise<readonly Damage[]> {
  await using reader = await openReader(history, history.disk.process());
  const scan = reader.query();
  await scan.toArray();
  return scan.damage;
}

/**
 * Returns a value as JSON text, in which the order of members shows. Numbers that JSON lacks, such as NaN and -0, are
 * written as strings, so that they differ from null and 0.
 */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each) => {
    return typeof each === "number" && (!Number.isFinite(each) || Object.is(each, -0))
      ? `number ${Object.is(each, -0) ? "-0" : each}`
      : each;
  }, 1);
}

function assertOneOf(actual: unknown, [expected, ...others]: readonly unknown[], what: string) {
  const text = textOf(actual);
  if (text === textOf(expected) || others.some((other) => text === textOf(other))) return;
  assertEquals(actual, expected, what);
  throw new Error(`${what}: differs in the order of members: ${text}`);
}

function keysOf(regions: readonly Region[]): string[] {
  return regions.map(({ path, byteOffset, byteLength, reason }) => {
    const isDecoders = byteLength === 0;
    return `${path} ${byteOffset} ${byteLength} ${isDecoders ? "" : reason}`;
  }).sort();
}

function assertSpend(actual: number, references: readonly Spend[], what: string): void {
  if (references.some((spend) => isSpend(actual, spend))) return;
  const [{ usd }] = references as [Spend];
  throw new Error(`${what} is ${actual}, not ${usd}: ${actual - usd} off`);
}

function isSpend(actual: number, { usd, magnitude }: Spend): boolean {
  // Costs may be so large that a partial sum overflows. The result then depends on the order of the costs, so either
  // infinity is accepted.
  if (magnitude === Infinity && Math.abs(actual) === Infinity) return true;
  // The accepted error is relative to the sum of the absolute costs, because costs of opposite signs may cancel each
  // other out. If no cost is negative, that sum equals the expected sum.
  return actual === usd || Math.abs(actual - usd) <= 1e-12 * Math.min(magnitude, Number.MAX_VALUE);
}

await sampledTest(
  "AuditReader.query() finds every event and all damage, in ascending and descending order",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ reader, references: [reference] }) => {
      for (const order of ["asc", "desc"] as const) {
        const query = reader.query({ order });
        assertOneOf(await query.toArray(), [reference.query({ order })], `all events, ${order}`);
        assertEquals(keysOf(query.damage), keysOf(reference.damage), `all damage, ${order}`);
      }
    });
  },
);

await sampledTest(
  "AuditReader.query() returns the same events as the simple reference reader, for random options",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ random, history, process, reader, references }) => {
      const damage = new Set(keysOf(references[0].damage));
      for (let round = 0; round < QUERIES; round++) {
        const options = randomQuery(random, history);
        const what = `query(${Deno.inspect(options)})`;
        const query = reader.query(options);
        const expected = references.map((reference) => reference.query(options));
        assertOneOf(await query.toArray(), expected, what);
        const surplus = keysOf(query.damage).filter((region) => !damage.has(region));
        assertEquals(surplus, [], `${what} reports damage that does not exist`);
        assertEquals(process.openHandles, 0, `${what} leaves files open`);
      }
    });
  },
);

await sampledTest(
  "AuditReader.lastEvents() returns the same events as the simple reference reader",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ random, reader, references }) => {
      for (const n of [0, 1, 2, 20, 100, 100_000]) {
        for (const options of [{}, { eventType: randomTypes(random) }]) {
          const expected = references.map((reference) => reference.lastEvents(n, options));
          const what = `lastEvents(${n}, ${Deno.inspect(options)})`;
          assertOneOf(await reader.lastEvents(n, options), expected, what);
        }
      }
    });
  },
);

await sampledTest(
  "AuditReader.hourlySpend() returns the same sum as the simple reference reader, at any time",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ random, history, reader, references }) => {
      for (const hours of HOURS) {
        const since = history.someTime();
        // In about half of the rounds, the window starts at the time of an event or near it. The cost of an event
        // exactly at the start or the end of the window counts.
        history.nowMs = random.below(2) === 0
          ? history.nowMs
          : since + Math.min(hours, 1e5) * 3_600_000;
        const expected = references.map((reference) => reference.spend(hours, history.nowMs));
        const what = `hourlySpend(${hours}) at ${history.nowMs}`;
        assertSpend(await reader.hourlySpend(hours), expected, what);
        assertSpend(await reader.hourlySpend(hours), expected, `${what}, the second time,`);
      }
    });
  },
);

await sampledTest(
  "AuditReader.hourlySpend() stays correct while the log grows, is sealed, archived and truncated",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ random, history, clock, reader }) => {
      for (let round = 0; round < CHANGES; round++) {
        const { removals } = history;
        for (let left = random.below(4); left > 0; left--) history.change();
        // A reader may take up to a second to notice that another program removed a segment, so the test waits longer.
        if (history.removals > removals) await clock.wait(1_001);
        const hours = HOURS[random.below(HOURS.length)]!;
        const expected = (await referencesOf(history))
          .map((reference) => reference.spend(hours, history.nowMs));
        const what = `hourlySpend(${hours}) at ${history.nowMs}, in round ${round},`;
        assertSpend(await reader.hourlySpend(hours), expected, what);
      }
    });
  },
);

await sampledTest(
  "AuditReader.query() and lastEvents() stay correct after every change of the log",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ random, history, reader }) => {
      for (let round = 0; round < CHANGES / 2; round++) {
        for (let left = random.below(4); left > 0; left--) history.change();
        const references = await referencesOf(history);
        const options = randomQuery(random, history);
        assertOneOf(
          await reader.query(options).toArray(),
          references.map((reference) => reference.query(options)),
          `query(${Deno.inspect(options)}) in round ${round}`,
        );
        assertOneOf(
          await reader.lastEvents(5),
          references.map((reference) => reference.lastEvents(5)),
          `lastEvents(5) in round ${round}`,
        );
      }
    });
  },
);

await sampledTest(
  "AuditReader.accuracyMetrics() and gateMetrics() return the same figures as the simple reference reader",
  SHARE,
  async (extent) => {
    await forEachSeed(extent, async ({ random, history, reader, references }) => {
      for (let round = 0; round < QUERIES / 2; round++) {
        const since = history.someTime();
        assertOneOf(
          await reader.accuracyMetrics(since),
          references.map((reference) => reference.accuracy(since)),
          `accuracyMetrics(${since})`,
        );
        const lastN = random.below(12);
        const gate = random.below(3) === 0 ? { lastN } : random.below(2) === 0 ? { since } : {
          since,
          lastN,
        };
        assertOneOf(
          await reader.gateMetrics(gate),
          references.map((reference) => reference.gate(gate)),
          `gateMetrics(${Deno.inspect(gate)})`,
        );
      }
    });
  },
);

/** Returns the files of a log: an archive, a sealed segment that also has an archive, and an active file. */
async function plainFiles(): Promise<Files> {
  const line = (event: AuditEvent) => `${JSON.stringify(event)}\n`;
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  const gzip = async (text: string) => {
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const ts = (hour: number) => `2026-02-13T${hour}:00:00Z`;
  return new Map([
    ["/log/audit.jsonl", bytesOf(`${line({ ts: ts(14), event: "nav", cost: 0.5 })}{"event":`)],
    ["/log/audit_20260213_120000.jsonl", bytesOf(line({ ts: ts(12), event: "brief" }))],
    ["/log/audit_20260213_120000.jsonl.gz", await gzip(line({ event: "other" }))],
    [
      "/log/audit_20260213_110000.jsonl.gz",
      await gzip(`${line({ ts: ts(13), event: "validation_fail", cost: 0.25 })}42\n`),
    ],
  ]);
}

Deno.test("AuditReader finds a line that is longer than the maxLineBytes of the process that archived the line", async () => {
  const ts = ["2026-02-13T10:00:00.000Z", "2026-02-13T15:00:00.000Z"] as const;
  const long = { ts: ts[1], event: "nav", cost: 2, pad: "x".repeat(500) };
  const lines = [{ ts: ts[0], event: "nav", cost: 1 }, long].map((event) => JSON.stringify(event));
  const history = archivedBy({ maxLineBytes: 400 }, `${lines.join("\n")}\n`);
  await using reader = await openReaderOn(
    { fileSystem: history.process(), clock: new SimulatedClock() },
    { path: "/log/audit.jsonl", now: () => Date.parse(ts[1]), logger: silent },
  );
  assertEquals(await reader.query({ since: ts[1] }).toArray(), [long]);
  assertEquals(await reader.hourlySpend(24), 3);
  assertEquals((await reader.accuracyMetrics(ts[0])).totalNav, 2);
});

Deno.test("The reference reader returns the answers that were computed by hand", async () => {
  const contents = await contentsOf(await plainFiles(), "/log/audit.jsonl");
  const reference = new Reference(contents, 1_000);
  const types = reference.events.map(({ event }) => event);
  assertEquals(types, ["validation_fail", "brief", "nav"]);
  assertEquals(
    reference.damage.map(({ path, byteOffset, reason }) => [path, byteOffset, reason]),
    [
      ["/log/audit_20260213_110000.jsonl.gz", 68, "not an object"],
      ["/log/audit.jsonl", 55, "torn tail"],
    ],
  );
  const nowMs = Date.UTC(2026, 1, 13, 14);
  assertEquals([0.9, 1].map((hours) => reference.spend(hours, nowMs).usd), [0.5, 0.75]);
  assertEquals(reference.lastEvents(1, { eventType: "brief" }), [{
    ts: "2026-02-13T12:00:00Z",
    event: "brief",
  }]);
  assertEquals(reference.accuracy(nowMs), {
    totalNav: 1,
    validationFailCount: 0,
    accuracyPct: 100,
  });
  assertEquals(reference.gate().total, 0);
});

await sampledTest(
  "The comparison with the reference detects a reader that selects archives by the times in their names",
  // A reader that selects archives by their names answers wrongly for about one random log in ten. So even the quick
  // suite may try all histories; the test stops at the first wrong answer.
  1,
  async (extent) => {
    let isDetected = false;
    await forEachSeed(extent, async ({ history, references }) => {
      const since = history.someTime();
      const process = history.disk.process();
      const byNames = hidesOlderArchives(process, stampOf(Math.max(0, since)));
      await using reader = await openReader(history, byNames);
      const events = textOf(await reader.query({ since }).toArray());
      const isRight = references.some((reference) => events === textOf(reference.query({ since })));
      if (!isRight) isDetected = true;
    }, () => isDetected);
    assert(isDetected, "no random log showed that the reader is wrong");
  },
);

Deno.test("The comparison with the reference detects a missing event and a wrong sum", async () => {
  const contents = await contentsOf(await plainFiles(), "/log/audit.jsonl");
  const all = new Reference(contents, 1_000);
  const fewer = new Reference(contents.slice(1), 1_000);
  const compare = () => {
    assertOneOf(fewer.query(), [all.query()], "query()");
    return Promise.resolve();
  };
  await assertRejects(() => within(() => "seed 7", compare), Error, "seed 7");
  const spend = all.spend(1, Date.UTC(2026, 1, 13, 14));
  assert(isSpend(0.75, spend));
  assert(!isSpend(0.75 + 1e-11, spend));
  assert(!isSpend(NaN, { usd: Infinity, magnitude: Infinity }));
});
