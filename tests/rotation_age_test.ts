/**
 * Rotation and deletion by age: at open(), at an append, and by a timer. The log's clock and its timers are simulated.
 *
 * @module
 */
import type { AuditLog, AuditLogOptions } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { openLogOn } from "../src/audit_log.ts";
import { beganMs } from "../src/segments/active_age.ts";
import { type Call, SimulatedDisk, systemErrors } from "./faults/simulated_disk.ts";
import { gathering } from "./loggers.ts";
import { SimulatedClock } from "./platform.ts";

const PATH = "/log/audit.jsonl";
const DAY_SEC = 86_400;
const START_MS = Date.UTC(2026, 1, 13);

/** A log on a simulated disk, whose days the test lets pass. */
class AgingLog {
  readonly disk = new SimulatedDisk();
  readonly clock = new SimulatedClock();
  readonly process = this.disk.process();
  readonly told = gathering();
  nowMs = START_MS;
  #log: AuditLog | undefined;

  constructor() {
    this.disk.plant("/log", "directory");
  }

  async open(options: Omit<AuditLogOptions, "path">): Promise<AuditLog> {
    const { logger } = this.told;
    const platform = { fileSystem: this.process, clock: this.clock };
    const now = () => this.nowMs;
    this.#log = await openLogOn(platform, { path: PATH, logger, now, ...options });
    await this.#log.recovery;
    return this.#log;
  }

  /** Lets days pass, fires the timers at the end, and waits until their work is done. */
  async pass(days: number): Promise<void> {
    this.nowMs += days * DAY_SEC * 1000;
    this.clock.fireTimers();
    await this.rest();
  }

  /** Waits until the process has made no file system call during 20 turns of the event loop. */
  async rest(): Promise<void> {
    for (let quiet = 0, calls = -1; quiet < 20; quiet++) {
      if (calls !== this.process.calls.length) quiet = 0;
      calls = this.process.calls.length;
      await this.clock.turn();
    }
  }

  /** Returns the number of archives, and of lines in the active file. */
  get state(): { archives: number; lines: number } {
    const files = this.disk.snapshot();
    const archives = Object.keys(files).filter((path) => path.endsWith(".gz")).length;
    return { archives, lines: String(files[PATH] ?? "").split("\n").length - 1 };
  }
}

Deno.test("AuditLog with retention.maxAgeSec keeps no event longer than twice that age, even if few are logged", async () => {
  const aging = new AgingLog();
  const log = await aging.open({ retention: { maxAgeSec: 30 * DAY_SEC } });
  for (let day = 0; day < 365; day += 5) {
    await log.log("nav", { day });
    await aging.pass(5);
    const [oldest] = await log.query({ limit: 1 }).toArray();
    const ageDays = (aging.nowMs - Date.parse(oldest!.ts!)) / 1000 / DAY_SEC;
    assertEquals(ageDays <= 65, true, `day ${day}: the oldest event is ${ageDays} days old`);
  }
  await aging.pass(31);
  await aging.pass(31);
  assertEquals(aging.state, { archives: 0, lines: 0 });
  assertEquals(await log.query().toArray(), []);
  assertEquals((await log.prunedUntil())?.getTime(), START_MS + 360 * DAY_SEC * 1000);
  await log.log("nav");
  await log.close();
  assertEquals([aging.told.warnings, aging.told.errors], [[], []]);
});

Deno.test("AuditLog.open() rotates an active file whose first line is too old", async () => {
  const aging = new AgingLog();
  await (await aging.open({})).close();
  const first = await aging.open({});
  await first.log("nav");
  await first.close();
  aging.nowMs += DAY_SEC * 1000;
  const second = await aging.open({ rotationAgeSec: DAY_SEC });
  assertEquals(aging.state.lines, 0);
  await second.close();
  assertEquals(aging.state, { archives: 1, lines: 0 });
});

Deno.test("AuditLog.log() rotates a file that is too old before it appends the event", async () => {
  const aging = new AgingLog();
  const log = await aging.open({ rotationAgeSec: DAY_SEC });
  await log.log("nav", { n: 0 });
  aging.nowMs += DAY_SEC * 1000 - 1;
  await log.log("nav", { n: 1 });
  assertEquals(aging.state.lines, 2);
  aging.nowMs++;
  await log.log("nav", { n: 2 });
  assertEquals(aging.state.lines, 1);
  await log.close();
  assertEquals(aging.state, { archives: 1, lines: 1 });
});

Deno.test("AuditLog counts the age from the new first line after another program truncated the file", async () => {
  const aging = new AgingLog();
  const log = await aging.open({ rotationAgeSec: DAY_SEC });
  for (let n = 0; n < 2; n++) await log.log("nav", { n });
  const other = aging.disk.process().open(PATH, "update");
  other.truncateSync(0);
  other.close();
  aging.nowMs += DAY_SEC * 1000 - 1;
  await log.log("nav", { n: 2 });
  aging.nowMs += DAY_SEC * 1000 - 1;
  await log.log("nav", { n: 3 });
  assertEquals(aging.state, { archives: 0, lines: 2 });
  aging.nowMs++;
  await log.log("nav", { n: 4 });
  assertEquals(aging.state.lines, 1);
  await log.close();
});

Deno.test("AuditLog rotates no empty file, and does not rotate by age if no age limit is set", async () => {
  for (const options of [{ rotationAgeSec: 60 }, {}, { retention: { maxArchives: 1 } }]) {
    const aging = new AgingLog();
    const log = await aging.open(options);
    if (!("rotationAgeSec" in options)) await log.log("nav");
    for (let n = 0; n < 3; n++) await aging.pass(1);
    assertEquals(aging.state.archives, 0);
    await log.close();
  }
});

Deno.test("rotationAgeSec: Infinity turns off rotation by age, even if retention has maxAgeSec", async () => {
  const aging = new AgingLog();
  const log = await aging.open({ rotationAgeSec: Infinity, retention: { maxAgeSec: 60 } });
  await log.log("nav");
  await aging.pass(2);
  assertEquals(aging.state, { archives: 0, lines: 1 });
  await log.close();
});

Deno.test("AuditLog checks the age of the file when the age reaches its limit, but at least every hour and at most once a second", async () => {
  const delays: number[][] = [];
  for (const rotationAgeSec of [1, 60, DAY_SEC]) {
    const aging = new AgingLog();
    const log = await aging.open({ rotationAgeSec });
    delays.push(aging.clock.timerDelaysMs);
    await log.log("nav");
    aging.nowMs += 50_000;
    const other = await aging.open({ rotationAgeSec });
    delays.push(aging.clock.timerDelaysMs.slice(-1));
    await Promise.all([log.close(), other.close()]);
    assertEquals(aging.clock.timerDelaysMs, []);
  }
  assertEquals(delays, [[1_000], [1_000], [60_000], [10_000], [3_600_000], [3_600_000]]);
});

Deno.test("AuditLog tries again to rotate a file that is too old, and reports a failure once", async () => {
  const aging = new AgingLog();
  const log = await aging.open({ rotationAgeSec: DAY_SEC });
  await log.log("nav");
  const isSeal = ({ name, path }: Call) => name === "rename" && path === PATH;
  aging.process.failOn(isSeal, systemErrors.EIO, 2);
  for (let n = 0; n < 2; n++) await aging.pass(1);
  assertEquals(aging.state, { archives: 0, lines: 1 });
  assertEquals(aging.told.errors.length, 1);
  await aging.pass(1);
  assertEquals(aging.state, { archives: 1, lines: 0 });
  await log.close();
});

for (
  const [what, line, createdMs, expected] of [
    ["the first event", '{"ts":"2026-02-13T00:00:01.000Z"}\n{"ts":"x"}\n', null, 1_000],
    [
      "the creation of a file with an imported event",
      '{"ts":"2020-01-01T00:00:00Z"}\n',
      2_000,
      2_000,
    ],
    [
      "the first event if the clock of the log is behind",
      '{"ts":"2026-02-13T00:00:01Z"}\n',
      10_000,
      1_000,
    ],
    ["the creation if the event has no time", '{"event":"nav"}\n', 2_000, 2_000],
    ["the creation if the line is not JSON", "oops\n", 2_000, 2_000],
    [
      "the time at the start of a long line",
      `{"ts":"2026-02-13T00:00:01Z","x":"${"é".repeat(99_999)}"}\n`,
      null,
      1_000,
    ],
    ["no time", '{"event":"nav"}\n', null, NaN],
    [
      "the creation if the first event lies in the future",
      '{"ts":"2026-02-14T00:00:00Z"}\n',
      2_000,
      2_000,
    ],
    ["no time if all times lie in the future", '{"ts":"2026-02-14T00:00:00Z"}\n', 10_000, NaN],
  ] as const
) {
  Deno.test(`The age of the active file counts from ${what}`, () => {
    const handle = {
      status: () => ({ createdMs: createdMs === null ? null : START_MS + createdMs }),
      readSync(buffer: Uint8Array, position: number) {
        const bytes = new TextEncoder().encode(line).subarray(position, position + buffer.length);
        buffer.set(bytes);
        return bytes.byteLength;
      },
    } as unknown as Parameters<typeof beganMs>[0];
    assertEquals(beganMs(handle, START_MS + 5_000), START_MS + expected);
  });
}
