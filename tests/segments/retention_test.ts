import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { gzipSync } from "node:zlib";
import { type AuditLog, openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import type { AuditLogOptions, RetentionPolicy } from "../../src/options/log_options.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import type { SimulatedDisk, SimulatedProcess } from "../faults/simulated_disk.ts";
import { sampledTest } from "../extent.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";
import { assertRollups, diskWith, files, linesFrom, logOn, namesOn } from "./log_on_disk.ts";

const NOW_MS = Date.UTC(2026, 1, 13, 12);
const KEEP_TWO: RetentionPolicy = { maxArchives: 2 };

function open(
  process: SimulatedProcess,
  options: Omit<AuditLogOptions, "path"> = {},
): Promise<AuditLog> {
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const path = files.active;
  return openLogOn(platform, { path, now: () => NOW_MS, logger: silent, ...options });
}

/** Returns a disk with a chained log: archives of two events each, and one event in the active file. */
async function diskWithLog(
  archives: number,
  content: Record<string, string | Uint8Array> = {},
): Promise<SimulatedDisk> {
  const disk = diskWith(content);
  const log = await open(disk.process(), { chain: true, sessionId: "s" });
  for (let n = 0; n < 2 * archives; n++) {
    await log.log("nav", { n, cost: 1 });
    if (n % 2 === 1) await log.rotate();
  }
  await log.log("nav", { n: 2 * archives, cost: 1 });
  await log.close();
  return disk;
}

/** Opens the log with the retention policy, closes the log after recovery, and resolves with the pruned archives. */
async function reopened(disk: SimulatedDisk, retention: RetentionPolicy): Promise<string[]> {
  const log = await open(disk.process(), { retention });
  const { pruned } = await log.recovery;
  await log.close();
  return [...pruned];
}

function archivesOn(disk: SimulatedDisk): string[] {
  return namesOn(disk).filter((name) => name.endsWith(".gz"));
}

function rollupOf(archive: string): string {
  return basename(files.rollup(files.parse(archive)!.stamp));
}

function manifestOf(disk: SimulatedDisk) {
  return new ManifestReader(logOn(disk.process())).read();
}

async function read(disk: SimulatedDisk) {
  const warnings: string[] = [];
  const logger = { ...silent, warn: (...data: unknown[]) => void warnings.push(data.join(" ")) };
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const reader = await openReaderOn(platform, {
    path: files.active,
    logger,
    now: () => NOW_MS,
  });
  const { faults, notShown } = await reader.verify();
  const numbers = (await reader.query().toArray()).map(({ n }) => n);
  return { reader, warnings, faults, notShown, numbers };
}

Deno.test("AuditLog keeps at most maxArchives archives after each rotation", async () => {
  const disk = diskWith({});
  const log = await open(disk.process(), { retention: KEEP_TWO, chain: true });
  for (let n = 0; n < 6; n++) {
    await log.log("nav", { n });
    await log.rotate();
    assertEquals(archivesOn(disk).length, Math.min(n + 1, 2));
    await assertRollups(disk);
  }
  await log.close();
  const { faults, numbers } = await read(disk);
  assertEquals([faults, numbers], [[], [4, 5]]);
  assertEquals([...manifestOf(disk).pruned.values()].map(({ reason }) => reason), [
    "archives",
    "archives",
    "archives",
    "archives",
  ]);
});

Deno.test("AuditLog never reuses the name of an archive that retention removed, even if the clock is set back", async () => {
  const disk = diskWith({});
  let nowMs = NOW_MS;
  const options = { retention: { maxAgeSec: 60 }, now: () => nowMs };
  const names: string[] = [];
  for (const ms of [NOW_MS, NOW_MS + 5_000, NOW_MS, NOW_MS, NOW_MS - 86_400_000]) {
    nowMs = ms;
    const log = await open(disk.process(), options);
    await log.log("nav");
    await log.rotate();
    names.push(...archivesOn(disk));
    nowMs = NOW_MS + 3_600_000;
    await log.close();
    const later = await open(disk.process(), options);
    await later.recovery;
    await later.close();
    assertEquals(archivesOn(disk), []);
  }
  assertEquals([names.length, new Set(names).size], [5, 5], `${names}`);
  assertEquals((await read(disk)).faults, []);
});

Deno.test("AuditLog.open() prunes the oldest archives, and reports them", async () => {
  const disk = await diskWithLog(5);
  const before = archivesOn(disk);
  assertEquals(await reopened(disk, KEEP_TWO), before.slice(0, 3));
  assertEquals(archivesOn(disk), before.slice(3));
  assertEquals(await reopened(disk, KEEP_TWO), []);
  const { faults, notShown, numbers } = await read(disk);
  assertEquals([faults, numbers], [[], [6, 7, 8, 9, 10]]);
  assert(notShown.some((sentence) => sentence.includes("3 archives that retention")));
});

Deno.test("AuditLog.open() reports every pruned archive when it also archives orphaned segments", async () => {
  const disk = await diskWithLog(3);
  const before = archivesOn(disk);
  for (const stamp of ["20260214_000000", "20260215_000000"]) {
    disk.writeFile(files.sealed(stamp), linesFrom(90));
  }
  assertEquals(await reopened(disk, KEEP_TWO), before);
  assertEquals(archivesOn(disk).length, 2);
});

Deno.test("AuditReader.prunedUntil() returns the time up to which retention has removed the events", async () => {
  const disk = await diskWithLog(5);
  {
    const { reader, warnings } = await read(disk);
    assertEquals(await reader.prunedUntil(), null);
    assertEquals([await reader.hourlySpend(48), warnings], [11, []]);
  }
  await reopened(disk, KEEP_TWO);
  const { reader, warnings } = await read(disk);
  assertEquals(await reader.prunedUntil(), new Date(NOW_MS));
  assertEquals([await reader.hourlySpend(48), warnings.length], [5, 1]);
  assert(warnings[0]!.includes(`up to ${new Date(NOW_MS).toISOString()}`), warnings[0]);
  await reader.accuracyMetrics(0);
  await reader.gateMetrics();
  assertEquals(warnings.length, 1);
});

Deno.test("AuditLog does not prune modified archives, segments without an archive, or files that it has not written", async () => {
  const foreign = new Uint8Array(gzipSync(linesFrom(50)));
  const disk = await diskWithLog(4, {
    // Another program has created this archive. Recovery adds a line for it to the manifest, and marks it as rebuilt.
    [files.archive("20250101_000000")]: foreign,
    [`${files.directory}/other_20250101_000000.jsonl.gz`]: foreign,
    [`${files.directory}/audit_2025.jsonl.gz`]: foreign,
    [`${files.directory}/notes.txt`]: "notes",
  });
  // The oldest archive of this library is modified, but its length stays the same.
  const [, oldest = "", ...ours] = archivesOn(disk).filter((name) =>
    /^audit_2025|^audit_2026/.test(name)
  )
    .filter((name) => name !== "audit_2025.jsonl.gz");
  const path = `${files.directory}/${oldest}`;
  const changed = disk.readFile(path).slice();
  changed[4]! ^= 1;
  disk.writeFile(path, changed);
  // The log cannot archive this segment, because a directory has the name of its archive.
  const sealed = files.sealed("20250601_000000");
  disk.writeFile(sealed, linesFrom(70));
  disk.plant(files.archive("20250601_000000"), "directory");
  const before = namesOn(disk);
  await reopened(disk, { maxArchives: 1, maxBytes: 0, maxAgeSec: 0 });
  assertEquals(
    before.filter((name) => !namesOn(disk).includes(name)),
    ours.slice(0, -1).flatMap((name) => [name, rollupOf(name)]),
  );
});

await sampledTest(
  "AuditLog prunes no archive that is within its limits, even if it is killed at any file system call",
  1 / 4,
  async (extent) => {
    const before = archivesOn(await diskWithLog(5));
    const calls = await callsOfPruning();
    for (let at = 0; at <= calls; at++) {
      for (const when of ["before", "after"] as const) {
        if (!extent.isDrawn()) continue;
        const disk = await diskWithLog(5);
        await pruneUntil(disk, at, when);
        await assertPrunes(disk.afterKill(), before, `killed ${when} call ${at}`);
      }
    }
  },
);

await sampledTest(
  "AuditLog prunes no archive that is within its limits, even if the power fails at any file system call",
  1 / 4,
  async (extent) => {
    const before = archivesOn(await diskWithLog(5));
    const random = new SeededRandom(extent.seed);
    const calls = await callsOfPruning();
    for (let at = 0; at <= calls; at++) {
      if (!extent.isDrawn()) continue;
      const disk = await diskWithLog(5);
      await pruneUntil(disk, at, "before");
      for (const share of [0, 1, 2]) {
        const after = disk.afterPowerLoss(() =>
          share === 2 || share === 1 && random.below(2) === 0
        );
        await assertPrunes(after, before, `power loss at call ${at}`);
      }
    }
  },
);

/**
 * Opens the log, which prunes archives. Kills the process at call number `at`, if the process makes that many calls.
 */
async function pruneUntil(
  disk: SimulatedDisk,
  at: number,
  when: "before" | "after",
): Promise<SimulatedProcess> {
  const process = disk.process();
  process.killAt(at, when);
  await open(process, { retention: KEEP_TWO }).then((log) => log.close()).catch(() => {});
  return process;
}

/** Resolves with the number of calls of a process that prunes and is not killed. */
async function callsOfPruning(): Promise<number> {
  const process = await pruneUntil(await diskWithLog(5), Infinity, "before");
  const { length } = process.calls;
  assert(!process.isKilled && length > 60, `only ${length} calls`);
  return length;
}

/** Checks that each removal is in the manifest, and that the next `open()` completes the pruning. */
async function assertPrunes(disk: SimulatedDisk, before: readonly string[], place: string) {
  const gone = before.filter((name) => !archivesOn(disk).includes(name));
  const { pruned } = manifestOf(disk);
  assertEquals(gone.filter((name) => !pruned.has(name)), [], place);
  await reopened(disk, KEEP_TWO);
  assertEquals(archivesOn(disk), before.slice(3), place);
  await assertRollups(disk, place);
  const { faults, numbers } = await read(disk);
  assertEquals([faults, numbers], [[], [6, 7, 8, 9, 10]], place);
  // The manifest has one line for each of the five archives, and one for each of the three pruned archives.
  assertEquals([manifestOf(disk).pruned.size, manifestOf(disk).count], [3, 8], place);
  const settled = disk.snapshot();
  assertEquals(await reopened(disk, KEEP_TWO), [], place);
  assertEquals(disk.snapshot(), settled, place);
}

for (const name of ["read", "append", "syncData", "remove", "syncDirectory"] as const) {
  Deno.test(`AuditLog logs that pruning failed if ${name}() fails, and removes no archive that is within its limits`, async () => {
    const disk = await diskWithLog(4);
    const before = archivesOn(disk);
    const process = disk.process();
    const logged: string[] = [];
    const logger = { ...silent, error: (...data: unknown[]) => void logged.push(data.join(" ")) };
    process.failOn(
      (call) => call.name === name && /\.gz$|manifest|\/log$/.test(call.path ?? ""),
      () => new Error("EIO"),
      Infinity,
    );
    const log = await open(process, { retention: KEEP_TWO, logger });
    await log.recovery;
    await log.log("nav");
    await log.close().catch(() => {});
    assert(logged.some((message) => message.startsWith("Pruning failed")), `${logged}`);
    await reopened(disk.afterKill(), KEEP_TWO);
    assert(archivesOn(disk).every((archive) => before.includes(archive)));
  });
}

Deno.test("AuditLog continues pruning if it cannot remove a rollup (the sums of an archive), and the next open() removes the rollup", async () => {
  const disk = await diskWithLog(5);
  const before = archivesOn(disk);
  const process = disk.process();
  process.failOn(
    ({ name, path }) => name === "remove" && path.endsWith(".rollup"),
    () => new Error("EIO"),
    Infinity,
  );
  const logged: string[] = [];
  const note = (...data: unknown[]) => void logged.push(data.join(" "));
  const log = await open(process, {
    retention: KEEP_TWO,
    logger: { ...silent, warn: note, error: note },
  });
  assertEquals((await log.recovery).pruned, before.slice(0, 3));
  await log.close();
  const strays = before.slice(0, 3).map(rollupOf);
  assertEquals(
    logged,
    strays.map((name) =>
      `Cannot remove the sums of a deleted archive; the next open() retries this: EIO: ${files.directory}/${name}`
    ),
  );
  assertEquals(strays.filter((name) => !namesOn(disk).includes(name)), []);
  const next = await open(disk.process(), { retention: KEEP_TWO });
  const { removed, pruned } = await next.recovery;
  await next.close();
  assertEquals([removed, pruned], [strays, []]);
  assertEquals(archivesOn(disk), before.slice(3));
  await assertRollups(disk);
});

Deno.test("AuditLogs of two processes prune each archive of one log once", async () => {
  const disk = await diskWithLog(6);
  const [one, other] = await Promise.all([
    open(disk.process(), { retention: KEEP_TWO }),
    open(disk.process(), { retention: KEEP_TWO }),
  ]);
  const pruned = [...(await one.recovery).pruned, ...(await other.recovery).pruned];
  await Promise.all([one.close(), other.close()]);
  assertEquals([pruned.length, new Set(pruned).size], [4, 4]);
  assertEquals(archivesOn(disk).length, 2);
  await assertRollups(disk);
  assertEquals(manifestOf(disk).pruned.size, 4);
  assertEquals((await read(disk)).faults, []);
  assertEquals(basename(files.manifest), "audit.manifest.jsonl");
});

Deno.test("AuditLog continues its hash chain after retention by age has removed every archive", async () => {
  const disk = await diskWithLog(3);
  const now = () => NOW_MS + 86_400_000;
  const log = await open(disk.process(), { chain: true, now, retention: { maxAgeSec: 3_600 } });
  const { pruned } = await log.recovery;
  assertEquals(pruned.length, 3);
  await log.log("nav", { n: 7 });
  await log.close();
  // The active file was too old as well, so open() has rotated it; its archive is new.
  assertEquals(archivesOn(disk).length, 1);
  const later = () => now() + 86_400_000;
  const next = await open(disk.process(), {
    chain: true,
    now: later,
    retention: { maxAgeSec: 60 },
    rotationAgeSec: Infinity,
  });
  assertEquals((await next.recovery).pruned.length, 1);
  assertEquals(archivesOn(disk), []);
  await next.log("nav", { n: 8 });
  await next.close();
  const { faults, numbers } = await read(disk);
  assertEquals([faults, numbers], [[], [7, 8]]);
});
