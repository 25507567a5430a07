import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ArchiveConflictError } from "../../src/segments/archive.ts";
import {
  type Call,
  ioError,
  noSpace,
  type SimulatedDisk,
  systemErrors,
} from "../faults/simulated_disk.ts";
import { gzipped } from "../temp_dir.ts";
import {
  assertRollups,
  claim,
  diskWith,
  files,
  linesFrom,
  LogProcess,
  namesOn,
  ODDITIES,
  STAMPS,
  textOfArchive,
} from "./log_on_disk.ts";

const [FIRST, SECOND, THIRD] = STAMPS;
const LATE = "20260213_143024";
const TEXTS = STAMPS.map((_, index) => linesFrom(10 * index)) as [string, string, string];

/** Returns a disk with three segments (closed parts of the log) that are not archived yet, and with further files. */
function diskWithSegments(more: Record<string, string | Uint8Array> = {}): SimulatedDisk {
  const sealed = STAMPS.map((stamp, index) => [files.sealed(stamp), TEXTS[index]!]);
  return diskWith({ ...Object.fromEntries(sealed), ...more });
}

/** Fires the retry timer, and resolves when the retry is done. */
async function retry(process: LogProcess): Promise<void> {
  process.clock.fireTimers();
  await settled(process);
}

/** Resolves when all queued jobs of the archiver are done; does not stop its retry timer. */
async function settled({ archiver }: LogProcess): Promise<void> {
  const none = "20000101_000000";
  await archiver.archived(none);
}

/**
 * Returns the times in the names of the segments whose only files are an archive and its rollup (the sums of the
 * events).
 */
function archivedOn(disk: SimulatedDisk): string[] {
  return STAMPS.filter((stamp) => {
    const names = namesOn(disk).filter((name) => name.includes(stamp));
    return names.join() === `audit_${stamp}.jsonl.gz,audit_${stamp}.jsonl.rollup`;
  });
}

/** Stops the archiver, and checks that no timer and no open file handle remain. */
async function assertAtRest(process: LogProcess): Promise<void> {
  await process.archiver.finish();
  assertEquals([process.clock.timerDelaysMs, process.system.openHandles], [[], 0]);
}

Deno.test("Archiver.sweep() archives every segment, the oldest first", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  const outcome = "archived";
  const swept = STAMPS.map((stamp) => ({ stamp, outcome } as const));
  assertEquals(await process.archiver.sweep(), swept);
  for (const [index, stamp] of STAMPS.entries()) {
    assertEquals(await textOfArchive(disk, stamp), TEXTS[index]);
  }
  const links = process.system.calls.filter(({ name }) => name === "link").map(({ to }) => to);
  assertEquals(links, STAMPS.map((stamp) => files.archive(stamp)));
  assertEquals([await process.archiver.sweep(), process.told], [[], []]);
  await assertAtRest(process);
});

Deno.test("Archiver.sealed() archives all segments, and looks for segments only once for many calls", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  assertEquals(process.archiver.isBusy, false);
  for (let count = 0; count < 100; count++) process.archiver.sealed();
  assertEquals(process.archiver.isBusy, true);
  await process.archiver.finish();
  assertEquals(process.archiver.isBusy, false);
  assertEquals(archivedOn(disk), [...STAMPS]);
  // A sweep lists the directory twice. So does the creation of the manifest, because without an active file the newest
  // segment determines the owner of new files.
  assertEquals(process.system.calls.filter(({ name }) => name === "list").length, 2 + 2);
  await assertAtRest(process);
});

Deno.test("Archiver.sealed() during Archiver.sweep() queues another sweep, which finds the segments created in the meantime", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name !== "rename" || path !== files.sealed(THIRD)) return;
    disk.writeFile(files.sealed(LATE), "late\n");
    process.archiver.sealed();
  };
  process.archiver.sealed();
  await process.archiver.finish();
  assertEquals(await textOfArchive(disk, LATE), "late\n");
  await assertAtRest(process);
});

Deno.test("Archiver retries a segment that another process owns", async () => {
  const disk = diskWithSegments();
  const owner = disk.process();
  claim(owner, files.claim(SECOND));
  const process = new LogProcess(disk);
  const swept = await process.archiver.sweep();
  assertEquals(swept.map(({ stamp }) => stamp), [FIRST, THIRD]);
  assertEquals([process.clock.timerDelaysMs, process.told], [[1_000], []]);
  owner.kill();
  await retry(process);
  assertEquals(archivedOn(disk), [...STAMPS]);
  await assertAtRest(process);
});

Deno.test("Archiver doubles its back-off from 1 s to 60 s, and resets it after a success", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  process.system.failOn(({ name }) => name === "link", ioError, 9 * STAMPS.length);
  process.archiver.sealed();
  await settled(process);
  const delays: number[] = [];
  while (process.clock.timerDelaysMs.length > 0) {
    delays.push(...process.clock.timerDelaysMs);
    await retry(process);
  }
  assertEquals(delays.map((ms) => ms / 1_000), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  assertEquals(archivedOn(disk), [...STAMPS]);
  disk.writeFile(files.sealed(LATE), "late\n");
  process.system.failOn(({ name }) => name === "link", ioError);
  await process.archiver.sweep();
  assertEquals(process.clock.timerDelaysMs, [1_000]);
  await assertAtRest(process);
});

Deno.test("Archiver leaves at most one unfinished archive on a full disk, and resumes when there is space", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  let tempsMax = 0;
  process.system.onCall = () => {
    const temps = namesOn(disk).filter((name) => name.endsWith(".tmp"));
    tempsMax = Math.max(tempsMax, temps.length);
  };
  for (const bytesLeft of [0, 5]) {
    disk.bytesLeft = bytesLeft;
    await process.archiver.sweep();
    for (let count = 0; count < 10; count++) await retry(process);
    assertEquals(namesOn(disk), STAMPS.map((stamp) => `audit_${stamp}.jsonl`));
    for (const [index, stamp] of STAMPS.entries()) {
      assertEquals(disk.snapshot()[files.sealed(stamp)], TEXTS[index]);
    }
  }
  assertEquals([tempsMax, process.system.openHandles], [1, 0]);
  assertEquals(process.told.length, 2);
  assertStringIncludes(process.told[0]!, noSpace().message);
  assertStringIncludes(process.told[1]!, "the disk may be full");
  disk.bytesLeft = 10_000;
  await retry(process);
  assertEquals(archivedOn(disk), [...STAMPS]);
  assertEquals(process.told.length, 2);
  await assertAtRest(process);
});

Deno.test("Archiver logs a failure again if it recurs after a success", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  for (const toldInAll of [1, 2]) {
    disk.writeFile(files.sealed(`20260213_14303${toldInAll}`), `${toldInAll}\n`);
    process.system.failOn(({ name }) => name === "link", ioError, 2);
    for (let count = 0; count < 3; count++) await process.archiver.sweep();
    assertEquals(process.told.length, toldInAll);
  }
  await assertAtRest(process);
});

for (
  const [what, bytes] of [
    ["different", await gzipped("other\n")],
    ["damaged", (await gzipped(TEXTS[1])).subarray(0, 30)],
  ] as const
) {
  Deno.test(`Archiver keeps a segment with a ${what} archive, logs the conflict once and archives the other segments`, async () => {
    const disk = diskWithSegments({ [files.archive(SECOND)]: bytes });
    const process = new LogProcess(disk);
    const swept = await process.archiver.sweep();
    assertEquals(swept.map(({ stamp }) => stamp), [FIRST, THIRD]);
    assertEquals(process.clock.timerDelaysMs, []);
    const opened = process.system.calls.length;
    for (let count = 0; count < 3; count++) await process.archiver.sweep();
    const looked = process.system.calls.slice(opened).map(({ name }) => name);
    // The archiver may also call `status` on the directory, whose size determines whether the directory is listed in
    // steps.
    assertEquals(new Set(looked), new Set(["status", "list"]));
    assertEquals(process.told.length, 1);
    assertEquals(disk.snapshot()[files.sealed(SECOND)], TEXTS[1]);
    assertEquals(disk.readFile(files.archive(SECOND)), bytes);
    await assertRejects(() => process.archiver.archived(SECOND), ArchiveConflictError);
    await assertAtRest(process);
  });
}

for (const [what, kind] of ODDITIES) {
  for (const form of ["sealed", "unfinished", "archive"] as const) {
    Deno.test(`Archiver archives the other segments if ${what} has the name of the ${form} file of one segment`, async () => {
      const disk = diskWithSegments();
      if (form === "sealed") disk.process().remove(files.sealed(FIRST));
      disk.plant(files[form](FIRST), kind);
      const before = namesOn(disk).filter((name) => name.includes(FIRST));
      const process = new LogProcess(disk);
      await process.archiver.sweep();
      for (let count = 0; count < 3; count++) await retry(process);
      const after = namesOn(disk).filter((name) => name.includes(FIRST));
      assertEquals([after, process.told.length], [before, 1]);
      for (const stamp of [SECOND, THIRD]) assert(archivedOn(disk).includes(stamp));
      await assertAtRest(process);
    });
  }
}

for (const name of ["open", "append", "syncData", "rename"] as const) {
  Deno.test(`Archiver only warns if ${name} of a rollup (the sums of an archive) fails, and the next recovery writes the rollup`, async () => {
    const disk = diskWithSegments();
    const process = new LogProcess(disk);
    const isOfRollup = (call: Call) =>
      call.name === name && call.path === files.unfinishedRollup(SECOND);
    process.system.failOn(isOfRollup, ioError);
    const swept = await process.archiver.sweep();
    assertEquals(swept, STAMPS.map((stamp) => ({ stamp, outcome: "archived" })));
    await assertOnlyWarned(process, disk, ioError().message);
  });
}

Deno.test("Archiver only warns if a rollup (the sums of an archive) is only partly written, and the next recovery writes the rollup", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  let bytesLeft = 0;
  process.system.onCall = ({ name, path }) => {
    if (path === files.unfinishedRollup(SECOND) && name === "append") {
      [bytesLeft, disk.bytesLeft] = [disk.bytesLeft, 100];
    }
    if (path === files.manifest && name === "open" && bytesLeft > 0) disk.bytesLeft = bytesLeft;
  };
  await process.archiver.sweep();
  await assertOnlyWarned(process, disk, "only a part of it was written; the disk may be full");
});

/**
 * Checks that the process has archived every segment, although it could not write the rollup (the sums of the events)
 * of the second segment, and that the next recovery writes this rollup.
 */
async function assertOnlyWarned(
  process: LogProcess,
  disk: SimulatedDisk,
  reason: string,
): Promise<void> {
  await assertAtRest(process);
  assertEquals(process.told, [
    `Cannot write the sums of an archive, so queries decode the archive until the next open(): ${reason}: ${
      files.rollup(SECOND)
    }`,
  ]);
  assertEquals(archivedOn(disk), [FIRST, THIRD]);
  const second = `audit_${SECOND}.jsonl.gz`;
  assertEquals(namesOn(disk).filter((name) => name.includes(SECOND)), [second]);
  for (const [index, stamp] of STAMPS.entries()) {
    assertEquals(await textOfArchive(disk, stamp), TEXTS[index]);
  }
  assertEquals(process.manifest.read().count, 3);
  const next = new LogProcess(disk);
  assertEquals((await next.recover()).addedToManifest, [second]);
  assertEquals(archivedOn(disk), [...STAMPS]);
  await assertRollups(disk);
  assertEquals([next.manifest.read().count, next.told], [3, []]);
  await assertAtRest(next);
}

for (const [what, kind] of ODDITIES) {
  for (const form of ["rollup", "unfinishedRollup"] as const) {
    Deno.test(`Archiver archives every segment if ${what} has the name of the ${form} file of one segment`, async () => {
      const disk = diskWithSegments();
      disk.plant(files[form](FIRST), kind);
      const process = new LogProcess(disk);
      await process.archiver.sweep();
      assertEquals(process.told.length, 1);
      assertStringIncludes(process.told[0]!, "Cannot write the sums of an archive");
      assertEquals(process.system.status(files[form](FIRST))?.kind, kind);
      for (const [index, stamp] of STAMPS.entries()) {
        assertEquals(await textOfArchive(disk, stamp), TEXTS[index]);
      }
      assertEquals(process.manifest.read().count, 3);
      assertEquals(archivedOn(disk).filter((stamp) => stamp !== FIRST), [SECOND, THIRD]);
      await assertAtRest(process);
    });
  }
}

Deno.test("Archiver archives the other segments if one segment has a second hard link", async () => {
  const disk = diskWithSegments();
  disk.process().link(files.sealed(FIRST), "/log/second");
  const process = new LogProcess(disk);
  await process.archiver.sweep();
  for (let count = 0; count < 3; count++) await retry(process);
  assertEquals([archivedOn(disk), process.told.length], [[SECOND, THIRD], 1]);
  disk.process().remove("/log/second");
  await retry(process);
  assertEquals(archivedOn(disk), [...STAMPS]);
});

Deno.test("Archiver.archived() waits while another process archives the segment, and rejects if archiving fails", async () => {
  const disk = diskWithSegments();
  const owner = disk.process();
  claim(owner, files.claim(FIRST));
  const process = new LogProcess(disk);
  const archived = process.archiver.archived(FIRST);
  await process.archiver.archived(SECOND);
  assert(!archivedOn(disk).includes(FIRST));
  owner.kill();
  await archived;
  assertEquals(archivedOn(disk), [FIRST, SECOND]);
  assert(process.clock.monotonicMs() > 0);
  await process.archiver.archived(FIRST);
  process.system.failOn(({ name }) => name === "link", ioError);
  await assertRejects(() => process.archiver.archived(THIRD), Error, ioError().message);
  assertEquals(process.told, []);
  await process.archiver.archived(THIRD);
  await assertAtRest(process);
});

Deno.test("Archiver.finish() leaves no timer if every file system call fails", async () => {
  const process = new LogProcess(diskWithSegments());
  process.system.failOn(() => true, ioError, Infinity);
  process.archiver.sealed();
  await process.archiver.finish();
  assertEquals(process.told.length, 1);
  await assertAtRest(process);
});

Deno.test("Archiver.stop() aborts at once, logs nothing and leaves the segment to the next process", async () => {
  for (const index of [0, 5, 10, 15, 20, 25, 30]) {
    const disk = diskWithSegments();
    const process = new LogProcess(disk);
    let stopped: Promise<void> | undefined;
    process.system.onCall = (call) => {
      if (call.index === index) stopped = process.archiver.stop();
    };
    process.archiver.sealed();
    await process.archiver.finish();
    await stopped;
    assertEquals([process.clock.timerDelaysMs, process.told], [[], []]);
    assertEquals(process.system.openHandles, 0);
    assert(archivedOn(disk).length <= 1, `call ${index}`);
    assert(!namesOn(disk).some((name) => name.endsWith(".tmp")), `call ${index}`);
    const next = new LogProcess(disk);
    await next.archiver.sweep();
    for (const [at, stamp] of STAMPS.entries()) {
      assertEquals(await textOfArchive(disk, stamp), TEXTS[at], `call ${index}`);
    }
  }
});

Deno.test("Archiver.sweep() does nothing after stop()", async () => {
  const disk = diskWithSegments();
  const before = disk.snapshot();
  const process = new LogProcess(disk);
  await process.archiver.stop();
  assertEquals(await process.archiver.sweep(), []);
  assertEquals([disk.snapshot(), process.told], [before, []]);
  assertEquals([process.clock.timerDelaysMs, process.system.openHandles], [[], 0]);
});

Deno.test("Archivers of two processes archive each segment once", async () => {
  const disk = diskWithSegments();
  const processes = [new LogProcess(disk), new LogProcess(disk)];
  await Promise.all(processes.map(({ archiver }) => archiver.sweep()));
  for (const process of processes) {
    await retry(process);
    assertEquals(process.told, []);
    await assertAtRest(process);
  }
  assertEquals(archivedOn(disk), [...STAMPS]);
  const { count, byArchive } = new LogProcess(disk).manifest.read();
  assertEquals([count, byArchive.size], [3, 3]);
});

Deno.test("Archiver.archived() rejects if the archiver is stopped", async () => {
  const disk = diskWithSegments();
  claim(disk.process(), files.claim(FIRST));
  const process = new LogProcess(disk);
  const archived = assertRejects(() => process.archiver.archived(FIRST), DOMException);
  await process.archiver.stop();
  await archived;
});

Deno.test("Archiver archives the other segments if reading one segment is not permitted", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  const isFirst = ({ name, path }: Call) => name === "open" && path === files.sealed(FIRST);
  process.system.failOn(isFirst, systemErrors.EACCES, Infinity);
  await process.archiver.sweep();
  await process.archiver.finish();
  assertEquals(archivedOn(disk), [SECOND, THIRD]);
});

Deno.test("Archiver logs two different failures once each, however often it tries again", async () => {
  const disk = diskWithSegments();
  for (const stamp of [FIRST, SECOND]) disk.plant(files.unfinished(stamp), "directory");
  const process = new LogProcess(disk);
  for (let n = 0; n < 5; n++) await process.archiver.sweep();
  await process.archiver.finish();
  assertEquals(process.told.length, 2);
});

for (const name of ["read", "open", "syncData"] as const) {
  Deno.test(`Archiver retries if ${name} of an existing archive fails once`, async () => {
    const disk = diskWith({
      [files.sealed(FIRST)]: linesFrom(1),
      [files.archive(FIRST)]: await gzipped(linesFrom(1)),
    });
    const process = new LogProcess(disk);
    const isOfArchive = (call: Call) => call.name === name && call.path === files.archive(FIRST);
    process.system.failOn(isOfArchive, ioError);
    for (let n = 0; n < 2; n++) await process.archiver.sweep();
    await process.archiver.finish();
    assertEquals(process.told, [
      `Archiving failed; segments that are not archived are kept: ${ioError().message}`,
    ]);
    assertEquals(disk.process().status(files.sealed(FIRST)), null);
  });
}

Deno.test("Archiver.room() waits until a segment is archived if too many segments wait to be archived", async () => {
  const disk = diskWithSegments();
  const process = new LogProcess(disk);
  for (let count = 0; count < 8; count++) process.archiver.sealed();
  assertEquals(process.archiver.room(), undefined);
  process.archiver.sealed();
  let removed = 0;
  process.system.onCall = ({ name, path }) => {
    if (name === "rename" && STAMPS.some((stamp) => path === files.sealed(stamp))) removed++;
  };
  await process.archiver.room();
  assertEquals(removed, 1);
  await process.archiver.finish();
  assertEquals(process.archiver.room(), undefined);
});

Deno.test("Archiver.room() resolves if archiving fails", async () => {
  const process = new LogProcess(diskWithSegments());
  process.system.failOn(({ name }) => name === "link", ioError, Infinity);
  for (let count = 0; count < 100; count++) process.archiver.sealed();
  await process.archiver.room();
  assertEquals(process.told.length, 1);
  await process.archiver.finish();
});
