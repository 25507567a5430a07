/**
 * Random logs whose archives have rollups, and ways to damage their files. A rollup is a file with the sums of the
 * events in one archive, so that readers need not decode the archive.
 *
 * @module
 */
import { basename } from "@std/path";
import { gunzipSync, gzipSync } from "node:zlib";
import { type AuditLog, openLogOn } from "../../src/audit_log.ts";
import type { AuditSpan } from "../../src/audit_span.ts";
import { BudgetError } from "../../src/errors.ts";
import { LogFiles, type Stamp } from "../../src/segments/segment_name.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import type { SeededRandom } from "../seeded_random.ts";

export const PATH = "/log/audit.jsonl";
export const files = new LogFiles(PATH);
export const START_MS = Date.UTC(2026, 1, 13, 10);
export const QUARTER_MS = 15 * 60_000;
export const HOUR_MS = 4 * QUARTER_MS;
const DAY_MS = 24 * HOUR_MS;
const FIELDS = ["team"];

/**
 * Resolves with the disk of a log of random events in several archives and an active file.
 *
 * @param options With `isLong`, the log lasts for days or weeks and has few lines of other programs, so that a report
 *   need not decode most of its archives.
 */
export async function randomLog(
  random: SeededRandom,
  { isLong = false } = {},
): Promise<SimulatedDisk> {
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
  const archives = isLong ? 4 + random.below(4) : 1 + random.below(5);
  const stepMs = [6 * HOUR_MS, HOUR_MS, QUARTER_MS][random.below(isLong ? 2 : 3)]!;
  const foreignOneIn = random.below(isLong ? 6 : 2) === 0 ? 15 : 300;
  // The number of the first archive in which events spend a budget. The number is mostly higher than that of any
  // archive, so most logs have no budget.
  const budgetFrom = random.below(4 * archives);
  const hasJumps = random.below(4) === 0;
  const spans: AuditSpan[] = [];
  for (let part = 0; part <= archives; part++) {
    for (let left = random.below(isLong ? 60 : 40); left > 0; left--) {
      // On average, every tenth event sets the clock back by up to five hours.
      nowMs += random.below(10) === 0 ? -random.below(5 * HOUR_MS) : random.below(2 * stepMs);
      // A wrong clock can be far behind for a moment.
      const behindMs = hasJumps && random.below(15) === 0 ? random.below(200) * DAY_MS : 0;
      nowMs -= behindMs;
      await log.log(...randomEvent(random));
      if (random.below(8) === 0) {
        spans.push(await log.begin("tool_call", random.below(3) === 0 ? {} : { agent: "a" }));
      }
      if (random.below(8) === 0) {
        await spans.splice(random.below(spans.length + 1), 1)[0]?.end({ cost: random.below(9) });
      }
      nowMs += behindMs;
      if (part >= budgetFrom && random.below(3) === 0) await spendOnBudget(log, random);
      if (random.below(foreignOneIn) === 0) {
        appendForeign(disk, FOREIGN_LINES[random.below(FOREIGN_LINES.length)]!);
      }
    }
    if (part < archives) await log.rotate();
  }
  await log.close();
  return disk;
}

/** Reserves (holds) an amount of a budget, unless the budget refuses it, and mostly ends the hold with a cost. */
async function spendOnBudget(log: AuditLog, random: SeededRandom): Promise<void> {
  const budget = await log.budget({ name: "run", limit: { usd: 500 }, hours: 24 });
  try {
    const hold = await budget.hold({ usd: random.below(200) });
    if (random.below(4) > 0) {
      await hold.settle("llm_call", { cost: random.below(200), model: "large" });
    }
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error;
  }
}

/**
 * Lines that other programs may append: an event without a time, events with values of other types, events that state
 * tokens but are not calls, and a line that is not an event.
 */
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
  { ts: "2026-02-13T10:25:00Z", event: "llm_call_begin", span: "a", model: "large", input_t: 9 },
  { ts: "2026-02-13T10:26:00Z", event: "budget_note", model: "small", output_t: 4 },
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
  const types = { llm_call: 6, tool_call: 3, nav: 3, validation_fail: 1, gate_compress: 2 };
  return [random.pick({ ...types, gate_escalate: 1 }), {
    ...some({ model: random.pick({ large: 1, small: 2 }) }),
    ...some({ agent: random.pick({ a: 2, "b\n": 1 }) }),
    ...some({ team: random.pick({ x: 1, y: 1 }) }),
    ...some({ session_id: `s${random.below(3)}` }),
    ...some({ cost: random.below(1_000) / 7 }),
    ...some({ input_t: random.below(5_000), output_t: random.below(500) }),
    ...some({ confidence: random.below(101) }),
    ...some({ reason: random.pick({ stale_cascade: 1, parse_fail: 1, other: 3 }) }),
    ...some({ duration_ms: random.below(100_000) / 3 }),
    ...some({
      status: random.pick({ ok: 4, error: 1, aborted: 1 }),
      error: `timeout ${random.below(9)}`,
    }),
  }];
}

/**
 * Ways to change the files of a log so that a rollup cannot be used. Each returns the stamp (the time in the file name)
 * of the archive that readers must decode because of the change, or null if there is not exactly one.
 */
export const CHANGES: Readonly<
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
  miscounted(disk, [stamp]) {
    const bytes = disk.readFile(files.rollup(stamp!));
    const end = bytes.indexOf(0x0a);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    for (const { calls } of head.tables) for (const [spend] of calls) spend[0]++;
    head.longest++;
    const changed = new TextEncoder().encode(JSON.stringify(head));
    disk.writeFile(files.rollup(stamp!), new Uint8Array([...changed, ...bytes.subarray(end)]));
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
    // Readers take an archive for the one in the manifest if it has the same length; only verify() compares its digest.
    // So the length must differ.
    while (gzipSync(text).byteLength === old.byteLength) text += "{}\n";
    disk.writeFile(files.archive(stamp!), gzipSync(text));
    return stamp!;
  },
  "without the manifest": (disk) => {
    disk.process().remove(files.manifest);
    return null;
  },
};
/** The name of a way to change the files of a log. */
export type Change = keyof typeof CHANGES;

/** Returns the stamps (the times in the file names) of the archives on a disk, oldest first. */
export function stampsOn(disk: SimulatedDisk): Stamp[] {
  return Object.keys(disk.snapshot()).map((path) => files.parse(basename(path)))
    .filter((parsed) => parsed?.form === "archive").map((parsed) => parsed!.stamp).sort();
}

/**
 * Resolves with the disk of a log of three archives, each with events in two quarters of an hour, and an empty active
 * file.
 */
export async function threeArchives(): Promise<SimulatedDisk> {
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
