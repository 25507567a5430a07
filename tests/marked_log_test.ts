/**
 * Marks in the lock file let a reader skip old parts of the active file. Marks must not change any result, even if
 * other programs write, truncate or move the file, clocks jump, or the power fails. So each test compares a reader
 * that sees the marks with a reader that does not.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type AuditLog, openLogOn } from "../src/audit_log.ts";
import { openReaderOn } from "../src/audit_reader.ts";
import { LogFiles } from "../src/segments/segment_name.ts";
import { sampledTest } from "./extent.ts";
import {
  ioError,
  type PendingOperation,
  SimulatedDisk,
  type SimulatedProcess,
} from "./faults/simulated_disk.ts";
import { SimulatedClock } from "./platform.ts";
import { SeededRandom } from "./seeded_random.ts";
import { gathering, silent } from "./loggers.ts";

const LOGS = 100;
const STEPS = 14;
const START_MS = Date.UTC(2026, 1, 13, 14, 30, 22);
const MINUTE_MS = 60_000;
const files = new LogFiles("/log/a.jsonl");

/** A log that two processes write, and that other programs write, truncate and move. */
class MarkedLog {
  readonly random: SeededRandom;
  readonly story: string[] = [];
  disk = new SimulatedDisk();
  nowMs = START_MS;
  #logs: AuditLog[] = [];
  /** Is true if another program has truncated the file, and no AuditLog has appended a line since. */
  #isCutUnseen = false;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  async open(): Promise<void> {
    const platform = () => ({ fileSystem: this.disk.process(), clock: new SimulatedClock() });
    const options = { path: files.active, rotationSizeBytes: 8_000, logger: silent };
    const now = () => this.nowMs;
    this.#logs = await Promise.all(
      [1, 2].map((n) => openLogOn(platform(), { ...options, sessionId: `s${n}`, now })),
    );
  }

  async step(): Promise<void> {
    const what = this.random.pick({ log: 12, write: 4, cut: 1, empty: 1, move: 1, power: 1 });
    this.story.push(what);
    this.nowMs += this.random.below(10) === 0
      ? (this.random.below(121) - 60) * MINUTE_MS
      : this.random.below(5 * MINUTE_MS);
    await this[what]();
  }

  async close(): Promise<void> {
    for (const log of this.#logs) await log.close();
  }

  async log(): Promise<void> {
    const log = this.#logs[this.random.below(2)]!;
    this.#isCutUnseen = false;
    await Promise.all(Array.from({ length: 1 + this.random.below(12) }, () => {
      this.nowMs += this.random.below(MINUTE_MS);
      return log.log("nav", { cost: this.random.below(100) / 7, reason: "x".repeat(100) });
    }));
  }

  /** Appends lines of other programs, whose times have various forms and come anywhere in the line. */
  write(): void {
    const process = this.disk.process();
    if (process.status(files.active) === null) return;
    const handle = process.open(files.active, "append");
    for (let lines = this.random.below(8); lines > 0; lines--) {
      handle.appendSync(new TextEncoder().encode(`${this.#foreignLine()}\n`));
    }
    // Without this sync, a power cut could lose these lines: a limitation that active_marks.ts describes.
    if (this.#isCutUnseen) handle.syncDataSync();
    handle.close();
  }

  #foreignLine(): string {
    const at = (ms: number) => new Date(ms).toISOString();
    const ts = at(this.nowMs + this.random.below(MINUTE_MS));
    const old = at(START_MS - 100 * MINUTE_MS);
    const rest = `"event":"nav","cost":0.25,"reason":"${"y".repeat(this.random.below(200))}"`;
    const lines = [
      `{"ts":"${ts}",${rest}}`,
      `{"ts": "${ts.replace("Z", "456+00:00")}", ${rest}}`,
      `{"ts":"${old}",${rest},"ts":"${ts}"}`,
      `{"ts":"${old}",${rest},"\\u0074s":"${ts}"}`,
      `{"ts":"${old}",${rest},"\\u0074s":"${at(START_MS + 1e12)}"}`,
      `{${rest},"ts":"${ts}"}`,
      `{"ts":"2026-02-13T12:00:00.000Z","ts":"${at(START_MS + 1e12)}",${rest}}`,
      `{"ts":"${ts}",${rest.slice(0, this.random.below(rest.length))}`,
      `{"event":"nav"}`,
      "42",
    ];
    return lines[this.random.below(lines.length)]!;
  }

  /** Cuts the file off at a random length, as another program might. */
  cut(): void {
    this.#truncate((byteLength) => this.random.below(byteLength + 1));
  }

  /** Empties the file, as logrotate does with `copytruncate`. */
  empty(): void {
    this.#truncate(() => 0);
  }

  /** Truncates the file without a sync, so a power cut may restore the truncated bytes. */
  #truncate(to: (byteLength: number) => number): void {
    const process = this.disk.process();
    if (process.status(files.active) === null) return;
    const handle = process.open(files.active, "update");
    handle.truncateSync(to(handle.status().byteLength));
    this.#isCutUnseen = true;
    handle.close();
  }

  /** Moves the file away, as logrotate does without `copytruncate`. */
  move(): void {
    const process = this.disk.process();
    if (process.status(files.active) !== null) process.rename(files.active, "/log/moved");
  }

  async power(): Promise<void> {
    const [keep, tear] = [this.random.below(4), this.random.below(300)];
    this.disk = this.disk.afterPowerLoss(() => this.random.below(4) <= keep, () => tear);
    await this.open();
  }
}

async function answersOn(disk: SimulatedDisk, nowMs: number, minutes: number) {
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const options = { path: files.active, now: () => nowMs, logger: silent };
  await using reader = await openReaderOn(platform, options);
  const since = nowMs - minutes * MINUTE_MS;
  const answers = {
    asc: await reader.query({ since }).toArray(),
    desc: await reader.query({ since, order: "desc" }).toArray(),
    spend: await reader.hourlySpend(minutes / 60),
    accuracy: await reader.accuracyMetrics(since),
  };
  assertEquals(process.openHandles, 0);
  return answers;
}

await sampledTest(
  "AuditReader returns the same results with and without marks, the places in the lock file at which reading may start",
  1 / 5,
  async (extent) => {
    let marked = 0;
    for (const seed of extent.seeds(LOGS)) {
      const log = new MarkedLog(seed);
      await log.open();
      for (let step = 0; step < STEPS; step++) {
        await log.step();
        const minutes = log.random.below(60);
        const unmarked = log.disk.afterKill();
        const lockText = unmarked.snapshot()[files.lock];
        if (typeof lockText === "string" && lockText.includes("marked_bytes")) marked++;
        unmarked.writeFile(files.lock, "");
        assertEquals(
          await answersOn(log.disk, log.nowMs, minutes),
          await answersOn(unmarked, log.nowMs, minutes),
          `seed ${seed}, the last ${minutes} minutes: ${log.story}`,
        );
      }
      await log.close();
    }
    const states = extent.of(LOGS) * STEPS;
    assert(marked > states / 4, `only ${marked} of ${states} states had marks`);
  },
);

Deno.test("AuditLog.log() resolves even if it cannot write a mark, which lets readers skip old events, to the lock file", async () => {
  const { logger, warnings } = gathering();
  const process = new SimulatedDisk().process();
  const path = "/log/a.jsonl";
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  await using log = await openLogOn(platform, {
    path,
    rotationSizeBytes: 2_000,
    sessionId: "s",
    logger,
  });
  process.failOn((call) => call.name === "truncate" && call.path === `${path}.lock`, ioError);
  for (let n = 0; n < 10; n++) await log.log("nav", { n });
  assertEquals((await log.query().toArray()).map(({ n }) => n), [...Array(10).keys()]);
  assertEquals(warnings.length, 1);
  assertStringIncludes(
    warnings[0]!,
    "Cannot write marks (places in the log where queries start), so queries read more of the log: Input/output error",
  );
});

/**
 * Logs old events, truncates the file as another program does, without a sync, lets the log append two events, and
 * cuts the power so that the truncation is lost. Asserts that a query of the last hour finds the two events.
 */
async function assertFoundAfterCut(
  byteLength: number,
  spoil: (other: SimulatedProcess, log: SimulatedProcess) => void = () => {},
): Promise<string[]> {
  const { logger, warnings } = gathering();
  const disk = new SimulatedDisk();
  let nowMs = START_MS;
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const options = { path: files.active, rotationSizeBytes: 8_000, sessionId: "s", logger };
  await using log = await openLogOn(platform, { ...options, now: () => nowMs });
  for (let n = 0; n < 40; n++) await log.log("nav", { n, reason: "x".repeat(60) });
  await log.flush();
  const other = disk.process();
  spoil(other, process);
  const handle = other.open(files.active, "update");
  handle.truncateSync(byteLength);
  handle.close();
  nowMs += 24 * 60 * MINUTE_MS;
  for (let n = 0; n < 3; n++) await log.log("fresh", { n });
  const isLost = ({ kind, path }: PendingOperation) => kind === "truncate" && path === files.active;
  const after = disk.afterPowerLoss((operation) => !isLost(operation), () => Infinity);
  const { asc } = await answersOn(after, nowMs, 60);
  assertEquals(asc.map(({ n }) => n), [0, 1, 2], `cut to ${byteLength} bytes`);
  return warnings;
}

const CUTS = [399, 1_064, 1_330, 2_000];

Deno.test("AuditReader.query() finds events that follow an unsynced truncation, even if a power loss undoes the truncation", async () => {
  for (const byteLength of CUTS) assertEquals(await assertFoundAfterCut(byteLength), []);
});

Deno.test("AuditReader.query() finds events that follow an unsynced truncation, even if the last mark in the lock file is incomplete", async () => {
  for (const byteLength of CUTS) {
    await assertFoundAfterCut(byteLength, (other) => {
      const handle = other.open(files.lock, "append");
      handle.appendSync(new TextEncoder().encode('{"marked_bytes":4'));
      handle.close();
    });
  }
});

Deno.test("AuditLog.log() tries again to remove the marks of an earlier active file from the lock file if the removal fails, and warns once", async () => {
  for (const name of ["truncate", "syncData"]) {
    const warnings = await assertFoundAfterCut(1_064, (_other, process) => {
      process.failOn((call) => call.name === name && call.path === files.lock, ioError, 2);
    });
    assertEquals(warnings.length, 1);
    assertStringIncludes(
      warnings[0]!,
      "Cannot remove marks (places in the log where queries start) of an earlier active file from the lock file",
    );
  }
});

/**
 * Text at the end of every line, like a prompt that all agents share. A mark has a digest of a few bytes before its
 * offset. This text is longer, so the digest alone cannot distinguish two files.
 */
const PROMPT = "You are a careful agent. ".repeat(40);

Deno.test("AuditReader skips no events because of marks in the lock file that belong to an older active file, even if all lines have the same ending", async () => {
  const disk = new SimulatedDisk();
  let nowMs = START_MS;
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const options = { path: files.active, rotationSizeBytes: 60_000, logger: silent, sessionId: "s" };
  await using log = await openLogOn(platform, { ...options, now: () => nowMs });
  const write = async (count: number) => {
    for (let n = 0; n < count; n++) await log.log("nav", { cost: 0.25, reason: PROMPT });
  };
  for (let round = 0; round < 6; round++) {
    await write(70);
    nowMs += 60 * MINUTE_MS;
    await write(40);
    const answers = await answersOn(disk, nowMs, 1);
    const counts = [answers.asc.length, answers.desc.length, answers.accuracy.totalNav];
    assertEquals([...counts, answers.spend], [40, 40, 40, 10], `round ${round}`);
    nowMs += 60 * MINUTE_MS;
  }
});

Deno.test("AuditReader.hourlySpend() notices a new active file, even if its lines end like those of the old file", async () => {
  const disk = new SimulatedDisk();
  let nowMs = START_MS;
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const options = { path: files.active, logger: silent, now: () => nowMs };
  await using log = await openLogOn(platform, { ...options, sessionId: "s" });
  await using reader = await openReaderOn(platform, options);
  for (let round = 1; round <= 5; round++) {
    for (let n = 0; n < 20; n++) await log.log("nav", { cost: 1, reason: PROMPT });
    nowMs += 1_000;
    assertEquals([await reader.hourlySpend(), await log.hourlySpend()], [20 * round, 20 * round]);
    await log.rotate();
    nowMs += 1_000;
  }
});
