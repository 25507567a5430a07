import { assert, assertEquals } from "@std/assert";
import { type SimulatedDisk, systemErrors } from "../faults/simulated_disk.ts";
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
const TEXTS = STAMPS.map((_, index) => linesFrom(10 * index)) as [string, string, string];
const NOTHING = { archived: [], removed: [], addedToManifest: [] };

function nameOf(stamp: string, extension = ".jsonl.gz"): string {
  return `audit_${stamp}${extension}`;
}

/** Returns a disk with three archives and no manifest. */
async function diskWithArchives(): Promise<SimulatedDisk> {
  const disk = diskWith({});
  for (const [index, stamp] of STAMPS.entries()) {
    disk.writeFile(files.archive(stamp), await gzipped(TEXTS[index]!));
  }
  return disk;
}

/**
 * Returns a disk with everything that crashed writers may leave: unfinished archives with and without a segment, an
 * empty segment, orphaned segments with and without an archive, and an archive without a manifest line.
 */
async function diskWithRemains(): Promise<SimulatedDisk> {
  const stray = (await gzipped("stray\n")).subarray(0, 20);
  return diskWith({
    [files.unfinished("20260213_143019")]: stray,
    [files.sealed("20260213_143020")]: "",
    [files.unfinished("20260213_143020")]: stray,
    [files.sealed(FIRST)]: TEXTS[0],
    [files.unfinished(FIRST)]: stray,
    [files.sealed(SECOND)]: TEXTS[1],
    [files.archive(SECOND)]: await gzipped(TEXTS[1]),
    [files.archive(THIRD)]: await gzipped(TEXTS[2]),
    [files.active]: "active\n",
  });
}

/** Checks that there are three archives, their rollups (sums), their manifest, the active file, and no other files. */
async function assertInOrder(disk: SimulatedDisk): Promise<void> {
  const names = [files.manifest, files.active];
  for (const stamp of STAMPS) names.push(files.archive(stamp), files.rollup(stamp));
  await assertRollups(disk);
  assertEquals(namesOn(disk).map((name) => `${files.directory}/${name}`), names.sort());
  for (const [index, stamp] of STAMPS.entries()) {
    assertEquals(await textOfArchive(disk, stamp), TEXTS[index]);
  }
  assertEquals(disk.snapshot()[files.active], "active\n");
  const { count, byArchive } = new LogProcess(disk).manifest.read();
  assertEquals([...byArchive.keys()].sort(), STAMPS.map((stamp) => nameOf(stamp)));
  assertEquals(count, 3);
}

/** Runs the recovery in a new process, and checks that it leaves no open handle or timer. */
async function recovered(disk: SimulatedDisk) {
  const process = new LogProcess(disk);
  const recovery = await process.recover();
  await process.archiver.finish();
  assertEquals([process.system.openHandles, process.clock.timerDelaysMs], [0, []]);
  return { process, recovery };
}

/** Checks that another recovery has nothing to repair. */
async function assertChangesNothing(disk: SimulatedDisk): Promise<void> {
  const before = disk.snapshot();
  const { process, recovery } = await recovered(disk);
  assertEquals([recovery, process.changes], [NOTHING, []]);
  assertEquals(disk.snapshot(), before);
}

Deno.test("recoverSegments() repairs everything that crashed writers leave, and reports the repairs", async () => {
  const disk = await diskWithRemains();
  const { process, recovery } = await recovered(disk);
  assertEquals(recovery, {
    archived: [nameOf(FIRST), nameOf(SECOND)],
    removed: [nameOf("20260213_143019", ".jsonl.gz.tmp"), nameOf("20260213_143020", ".jsonl")],
    addedToManifest: [nameOf(THIRD)],
  });
  assertEquals(process.told, []);
  await assertInOrder(disk);
  await assertChangesNothing(disk);
});

Deno.test("recoverSegments() does not change a directory without segments", async () => {
  await assertChangesNothing(diskWith({ [files.active]: "active\n" }));
  await assertChangesNothing(diskWith({}));
});

for (const when of ["before", "after"] as const) {
  Deno.test(`recoverSegments() that is killed ${when} any file system call is completed by the next run, and a third run changes nothing`, async () => {
    const dry = new LogProcess(await diskWithRemains());
    await dry.recover();
    assert(dry.system.calls.length > 50);
    for (let index = 0; index < dry.system.calls.length; index++) {
      const disk = await diskWithRemains();
      const killed = new LogProcess(disk);
      killed.system.killAt(index, when);
      // Recovery logs failures and does not reject. So it resolves even if every call after the kill fails.
      await killed.recover();
      assert(killed.system.isKilled);
      const { process } = await recovered(disk);
      assertEquals(process.told, [], `call ${index}`);
      await assertInOrder(disk);
      await assertChangesNothing(disk);
    }
  });
}

Deno.test("recoverSegments() loses no segment if the power fails at any file system call", async () => {
  const dry = new LogProcess(await diskWithRemains());
  await dry.recover();
  for (let index = 0; index < dry.system.calls.length; index += 3) {
    const disk = await diskWithRemains();
    const killed = new LogProcess(disk);
    killed.system.killAt(index, "before");
    await killed.recover();
    for (const survives of [true, false]) {
      const left = disk.afterPowerLoss(() => survives);
      await recovered(left);
      await assertInOrder(left);
    }
  }
});

Deno.test("recoverSegments() repairs each file once if two processes recover the log at the same time", async () => {
  const disk = await diskWithRemains();
  const processes = [new LogProcess(disk), new LogProcess(disk)];
  const recoveries = await Promise.all(processes.map((process) => process.recover()));
  const archived = recoveries.flatMap(({ archived }) => archived).sort();
  assertEquals(archived, [nameOf(FIRST), nameOf(SECOND)]);
  const added = recoveries.flatMap(({ addedToManifest }) => addedToManifest);
  assertEquals(added, [nameOf(THIRD)]);
  for (const { archiver, system, told } of processes) {
    await archiver.finish();
    assertEquals([system.openHandles, told], [0, []]);
  }
  await recovered(disk);
  await assertInOrder(disk);
});

Deno.test("recoverSegments() does not change the files of a segment that a living process owns", async () => {
  const disk = await diskWithRemains();
  const owner = disk.process();
  for (const stamp of [FIRST, SECOND]) claim(owner, files.claim(stamp));
  const before = disk.snapshot();
  const { recovery, process } = await recovered(disk);
  assertEquals([recovery.archived, process.told], [[], []]);
  assertEquals(recovery.addedToManifest, [nameOf(THIRD)]);
  const after = disk.snapshot();
  const theirs = [FIRST, SECOND].flatMap((stamp) => {
    return [files.sealed(stamp), files.unfinished(stamp), files.archive(stamp)];
  });
  for (const path of theirs) assertEquals(after[path], before[path], path);
  owner.kill();
  await recovered(disk);
  await assertInOrder(disk);
});

Deno.test("recoverSegments() rebuilds a missing manifest from the archives", async () => {
  const disk = await diskWithArchives();
  const { recovery, process } = await recovered(disk);
  const names = STAMPS.map((stamp) => nameOf(stamp));
  assertEquals(recovery, { ...NOTHING, addedToManifest: names });
  const { byArchive } = process.manifest.read();
  assertEquals(
    [...byArchive.values()].map(({ archive, rebuilt, lines }) => ({
      archive,
      rebuilt,
      lines,
    })),
    names.map((archive) => ({ archive, rebuilt: true, lines: 3 })),
  );
  await assertChangesNothing(disk);
});

Deno.test("recoverSegments() adds only the missing lines of a manifest", async () => {
  const disk = diskWith({ [files.sealed(FIRST)]: TEXTS[0] });
  await recovered(disk);
  const before = new TextDecoder().decode(disk.readFile(files.manifest));
  disk.writeFile(files.archive(SECOND), await gzipped(TEXTS[1]));
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery, { ...NOTHING, addedToManifest: [nameOf(SECOND)] });
  const after = new TextDecoder().decode(disk.readFile(files.manifest));
  assert(after.startsWith(before));
  const lines = [...process.manifest.read().byArchive.values()];
  assertEquals(lines.map(({ rebuilt }) => rebuilt), [false, true]);
});

Deno.test("recoverSegments() adds new lines for damaged manifest lines, and keeps the damaged lines as evidence", async () => {
  const disk = await diskWithArchives();
  await recovered(disk);
  const whole = new TextDecoder().decode(disk.readFile(files.manifest));
  const second = whole.indexOf("\n") + 1;
  for (const at of [second, second + 10, whole.length - 2]) {
    const damaged = `${whole.slice(0, at)}\0${whole.slice(at + 1)}`;
    disk.writeFile(files.manifest, damaged);
    const { process } = await recovered(disk);
    assert(new TextDecoder().decode(disk.readFile(files.manifest)).startsWith(damaged));
    const { byArchive } = process.manifest.read();
    assertEquals([...byArchive.keys()].sort(), STAMPS.map((stamp) => nameOf(stamp)));
    assertEquals(process.told, []);
    await assertChangesNothing(disk);
  }
});

/**
 * Returns a disk with three archives and their lines in the manifest, which state rollups (the sums of the events)
 * grouped by the fields. The rollup files are missing.
 */
async function diskWithoutRollups(fields: readonly string[] = []): Promise<SimulatedDisk> {
  const sealed = STAMPS.map((stamp, index) => [files.sealed(stamp), TEXTS[index]!]);
  const disk = diskWith(Object.fromEntries(sealed));
  const process = new LogProcess(disk, fields);
  await process.recover();
  await process.archiver.finish();
  const user = disk.process();
  for (const stamp of STAMPS) user.remove(files.rollup(stamp));
  user.syncDirectorySync(files.directory);
  return disk;
}

Deno.test("recoverSegments() writes missing rollups (the sums of the archives), and adds no lines to the manifest for them", async () => {
  const disk = await diskWithoutRollups();
  const before = disk.snapshot()[files.manifest];
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery, {
    ...NOTHING,
    addedToManifest: STAMPS.map((stamp) => nameOf(stamp)),
  });
  assertEquals([process.told, disk.snapshot()[files.manifest]], [[], before]);
  for (const stamp of STAMPS) assert(namesOn(disk).includes(nameOf(stamp, ".jsonl.rollup")));
  await assertRollups(disk);
  await assertChangesNothing(disk);
});

for (const [what, fields] of [["the same", []], ["other", ["stage"]]] as const) {
  for (const how of ["is killed", "fails", "loses power"] as const) {
    Deno.test(`recoverSegments() that ${how} at any call while it writes the missing rollups of ${what} fields is completed by the next run`, async () => {
      const start = await diskWithoutRollups(fields);
      const dry = new LogProcess(start.afterKill());
      await dry.recover();
      const { length } = dry.system.calls;
      assert(length > 100);
      for (let index = 0; index < length; index++) {
        for (const when of ["before", "after"] as const) {
          const disk = start.afterKill();
          const process = new LogProcess(disk);
          if (how === "fails") {
            process.system.failOn((call) => call.index === index, systemErrors.EIO);
          } else process.system.killAt(index, when);
          await process.recover();
          await process.archiver.finish();
          const left = how === "loses power" ? disk.afterPowerLoss(() => when === "after") : disk;
          const next = await recovered(left);
          const at = `call ${index}, ${when}`;
          assertEquals(next.process.told, [], at);
          await assertRollups(left, at);
          const { byArchive } = next.process.manifest.read();
          assertEquals([...byArchive.values()].map(({ rebuilt }) => rebuilt), [
            false,
            false,
            false,
          ], at);
          await assertChangesNothing(left);
        }
      }
    });
  }
}

Deno.test("recoverSegments() adds a rollup to an archive whose manifest line an earlier version wrote, and does not mark the archive as rebuilt", async () => {
  const disk = await diskWithoutRollups();
  const { manifest } = new LogProcess(disk);
  const lines = [...manifest.read().byArchive.values()];
  disk.writeFile(files.manifest, "");
  await new LogProcess(disk).manifest.addAll(
    lines.map((line) => ({ ...line, rollup_sha256: undefined })),
  );
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery.addedToManifest, STAMPS.map((stamp) => nameOf(stamp)));
  const { count, byArchive } = process.manifest.read();
  const found = [...byArchive.values()].map(({ archive, rollup_sha256, rebuilt }) => ({
    archive,
    rollup_sha256,
    rebuilt,
  }));
  const expected = lines.map(({ archive, rollup_sha256 }) => ({
    archive,
    rollup_sha256,
    rebuilt: false,
  }));
  assertEquals([count, found, process.told], [6, expected, []]);
  await assertRollups(disk);
  await assertChangesNothing(disk);
});

Deno.test("recoverSegments() replaces the rollups of earlier archives, and a power loss does not bring the old rollups back", async () => {
  const disk = await diskWithArchives();
  await recovered(disk);
  disk.process().syncDirectorySync(files.directory);
  disk.writeFile(files.archive(SECOND), await gzipped("something else\n"));
  const { process } = await recovered(disk);
  assertEquals(process.told, []);
  await assertRollups(disk);
  const left = disk.afterPowerLoss(() => false);
  await recovered(left);
  await assertRollups(left);
  await assertChangesNothing(left);
});

Deno.test("recoverSegments() removes rollups (the sums of an archive) without an archive, and reports them", async () => {
  const disk = await diskWithArchives();
  await recovered(disk);
  disk.process().remove(files.archive(FIRST));
  disk.writeFile(files.unfinishedRollup(FIRST), "half");
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery, {
    ...NOTHING,
    removed: [nameOf(FIRST, ".jsonl.rollup"), nameOf(FIRST, ".jsonl.rollup.tmp")],
  });
  assertEquals(process.told, []);
  assertEquals(namesOn(disk).filter((name) => name.includes(FIRST)), []);
  await assertChangesNothing(disk);
});

Deno.test("recoverSegments() removes the rollup of a segment that is not archived yet, and archives the segment", async () => {
  const disk = await diskWithoutRollups();
  disk.process().remove(files.archive(SECOND));
  disk.writeFile(files.rollup(SECOND), "the sums of another archive\n");
  disk.writeFile(files.sealed(SECOND), TEXTS[2]);
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery.archived, [nameOf(SECOND)]);
  assertEquals([await textOfArchive(disk, SECOND), process.told], [TEXTS[2], []]);
  await assertRollups(disk);
  await assertChangesNothing(disk);
});

for (const [what, kind] of ODDITIES) {
  Deno.test(`recoverSegments() writes the other rollups if ${what} is at the path of a rollup`, async () => {
    for (const form of ["rollup", "unfinishedRollup"] as const) {
      const disk = await diskWithArchives();
      disk.plant(files[form](FIRST), kind);
      const { process } = await recovered(disk);
      assertEquals(process.told.length, 1);
      assert(process.told[0]!.startsWith("Cannot write the sums of an archive"), process.told[0]);
      assertEquals(process.system.status(files[form](FIRST))?.kind, kind);
      assertEquals(process.manifest.read().count, 3);
      for (const stamp of [SECOND, THIRD]) {
        assertEquals(process.system.status(files.rollup(stamp))?.kind, "file");
      }
      const again = await recovered(disk);
      assertEquals(again.process.manifest.read().count, 3);
    }
  });
}

Deno.test("recoverSegments() adds no line for an archive that retention removes while recovery decodes it", async () => {
  const disk = await diskWithoutRollups();
  const other = new LogProcess(disk);
  const name = nameOf(FIRST);
  const { gzip_sha256 } = other.manifest.read().byArchive.get(name)!;
  const process = new LogProcess(disk, ["stage"]);
  let pruning: Promise<void> | undefined;
  process.system.onCall = ({ name: call, path }) => {
    if (call !== "read" || path !== files.archive(FIRST) || pruning !== undefined) return;
    const pruned_ts = new Date(0).toISOString();
    pruning = other.manifest.append(() => [{
      pruned: name,
      gzip_sha256,
      reason: "age",
      pruned_ts,
    }]);
    other.system.remove(files.archive(FIRST));
  };
  await process.recover();
  await process.archiver.finish();
  await pruning;
  const { byArchive, pruned } = new LogProcess(disk).manifest.read();
  assertEquals([...byArchive.keys()], [nameOf(SECOND), nameOf(THIRD)]);
  assertEquals([...pruned.keys()], [name]);
  assertEquals(process.told, []);
  // Recovery wrote the rollup (sums) after retention had removed the archive, so the next recovery removes the rollup.
  const { recovery } = await recovered(disk);
  assertEquals(recovery, { ...NOTHING, removed: [nameOf(FIRST, ".jsonl.rollup")] });
  await assertRollups(disk);
  await assertChangesNothing(disk);
});

Deno.test("recoverSegments() adds a line for an archive that was replaced by an archive of a different length", async () => {
  const disk = await diskWithArchives();
  await recovered(disk);
  disk.writeFile(files.archive(SECOND), await gzipped("something else\n"));
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery, { ...NOTHING, addedToManifest: [nameOf(SECOND)] });
  const { count, byArchive } = process.manifest.read();
  assertEquals([count, byArchive.get(nameOf(SECOND))?.lines], [4, 1]);
  await assertChangesNothing(disk);
});

Deno.test("recoverSegments() does not add a damaged archive to the manifest, and logs a warning", async () => {
  const disk = await diskWithArchives();
  const damaged = (await gzipped(TEXTS[1])).subarray(0, 40);
  disk.writeFile(files.archive(SECOND), damaged);
  const { recovery, process } = await recovered(disk);
  assertEquals(recovery.addedToManifest, [nameOf(FIRST), nameOf(THIRD)]);
  assertEquals(process.told.length, 1);
  assert(process.told[0]!.includes(files.archive(SECOND)), process.told[0]);
  assertEquals(disk.readFile(files.archive(SECOND)), damaged);
  await assertChangesNothing(disk);
});

for (const [what, kind] of ODDITIES) {
  Deno.test(`recoverSegments() repairs the other files if ${what} is at the path of an archive`, async () => {
    const disk = await diskWithRemains();
    disk.plant(files.archive("20260213_143000"), kind);
    const { process } = await recovered(disk);
    assertEquals(process.told.length, 1);
    assertEquals(process.system.status(files.archive("20260213_143000"))?.kind, kind);
    assertEquals(process.manifest.read().count, 3);
  });

  Deno.test(`recoverSegments() repairs the other files if ${what} is at the path of an unfinished archive`, async () => {
    const disk = await diskWithRemains();
    disk.plant(files.unfinished("20260213_143000"), kind);
    const { process } = await recovered(disk);
    assertEquals(process.told.length, 1);
    assertEquals(process.system.status(files.unfinished("20260213_143000"))?.kind, kind);
    assertEquals(process.manifest.read().count, 3);
  });

  Deno.test(`recoverSegments() keeps each segment if ${what} is at the path of the manifest`, async () => {
    const disk = await diskWithRemains();
    disk.plant(files.manifest, kind);
    const { process, recovery } = await recovered(disk);
    assertEquals([recovery.archived, recovery.addedToManifest], [[], []]);
    assert(process.told.length > 0);
    const texts = [disk.snapshot()[files.sealed(FIRST)], disk.snapshot()[files.sealed(SECOND)]];
    assertEquals(texts, [TEXTS[0], TEXTS[1]]);
  });
}

Deno.test("recoverSegments() logs the failure of any file system call, and the next run completes the repairs", async () => {
  const errors = Object.entries(systemErrors);
  const dry = new LogProcess(await diskWithRemains());
  await dry.recover();
  for (let index = 0; index < dry.system.calls.length; index++) {
    const [code, error] = errors[index % errors.length]!;
    const disk = await diskWithRemains();
    const process = new LogProcess(disk);
    process.system.failOn((call) => call.index === index, error);
    await process.recover();
    await process.archiver.finish();
    const at = `${code} at call ${index}`;
    assert(process.told.length > 0, at);
    assertEquals(process.system.openHandles, 0, at);
    await recovered(disk);
    await assertInOrder(disk);
  }
});

Deno.test("recoverSegments() stops adding manifest lines when its signal is aborted, and logs nothing", async () => {
  const disk = await diskWithArchives();
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name === "read" && path === files.archive(SECOND)) process.ending.abort();
  };
  const { addedToManifest } = await process.recover();
  assertEquals(addedToManifest, [nameOf(FIRST)]);
  assertEquals([process.told, process.system.openHandles], [[], 0]);
  const { recovery } = await recovered(disk);
  assertEquals(recovery.addedToManifest, [nameOf(SECOND), nameOf(THIRD)]);
});

Deno.test("recoverSegments() adds the line of an archive only once if a year has more than four digits", async () => {
  for (const ts of ["+010000-01-01T00:00:00.000Z", "-000001-01-01T00:00:00.000Z"]) {
    const disk = diskWith({
      [files.sealed(FIRST)]: `{"ts":"${ts}","event":"nav"}\n`,
      [files.sealed(SECOND)]: linesFrom(1),
    });
    for (let n = 0; n < 3; n++) await new LogProcess(disk).recover();
    const process = new LogProcess(disk);
    assertEquals((await process.recover()).addedToManifest, []);
    assertEquals([process.manifest.read().count, process.told], [2, []]);
  }
});

Deno.test("recoverSegments() removes an unfinished archive even if it could not remove another one", async () => {
  const disk = diskWith({ [files.unfinished(SECOND)]: "half" });
  disk.plant(files.unfinished(FIRST), "directory");
  const process = new LogProcess(disk);
  await process.recover();
  assert(!namesOn(disk).includes(`audit_${SECOND}.jsonl.gz.tmp`));
  assertEquals(process.told.length, 1);
});
