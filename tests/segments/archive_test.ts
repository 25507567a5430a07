import { sampledTest } from "../extent.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path";
import { createHash } from "node:crypto";
import {
  ArchiveConflictError,
  archiveSegment,
  type Archiving,
  summarizeArchive,
} from "../../src/segments/archive.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileAccess, FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { Manifest } from "../../src/segments/manifest.ts";
import { type RollupBytes, rollupBytes } from "../../src/rollup/rollup_text.ts";
import { readRollup } from "../../src/segments/rollup_file.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { systemClock } from "../../src/platform/clock.ts";
import {
  type Call,
  Killed,
  noSpace,
  type SimulatedDisk,
  systemErrors,
} from "../faults/simulated_disk.ts";
import { WatchedFileSystem } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";
import { RULES } from "../rules.ts";
import { gunzipped, gzipped, tempDir } from "../temp_dir.ts";
import {
  assertRollups,
  claim,
  diskWith,
  files,
  linesFrom,
  logOn,
  LogProcess,
  namesOn,
  ODDITIES,
  textOfArchive,
} from "./log_on_disk.ts";

const STAMP = "20260213_143022";
const [SEALED, ARCHIVE, TEMP] = [
  files.sealed(STAMP),
  files.archive(STAMP),
  files.unfinished(STAMP),
];
const [ROLLUP, ROLLUP_TEMP] = [files.rollup(STAMP), files.unfinishedRollup(STAMP)];
const CLAIM = files.claim(STAMP);
const CONTENT = linesFrom(1);
const MANIFEST = files.manifest;

/** The calls that change or sync files after the unfinished archive is written, in order. */
const FROM_SYNC_ON = [
  `syncData ${TEMP}`,
  `link ${TEMP} ${ARCHIVE}`,
  `remove ${TEMP}`,
  `syncDirectory ${files.directory}`,
  `append ${ROLLUP_TEMP}`,
  `syncData ${ROLLUP_TEMP}`,
  `rename ${ROLLUP_TEMP} ${ROLLUP}`,
  `append ${MANIFEST}`,
  `syncData ${MANIFEST}`,
  `rename ${SEALED} ${TEMP}`,
  `remove ${TEMP}`,
  `syncDirectory ${files.directory}`,
];

const NAMES_WHEN_DONE = [
  "audit.manifest.jsonl",
  "audit_20260213_143022.jsonl.gz",
  "audit_20260213_143022.jsonl.rollup",
];

function archive(process: LogProcess) {
  return archiveSegment(process.archiving, STAMP);
}

/** Resolves with the rollup, the sums of the events, of a segment that contains the text. */
async function rollupOf(text: string): Promise<RollupBytes> {
  const scan = new SegmentScan(10_000, []);
  scan.add(new TextEncoder().encode(text));
  const { sha256: content_sha256 } = scan.finish();
  return (await rollupBytes(scan.rollup!, { content_sha256, fields: [] }))!;
}

/**
 * The digest and the bytes of the rollup (the sums of the events) for {@linkcode CONTENT}. The archive's line in the
 * manifest states the digest.
 */
const { digest: DIGEST, bytes: ROLLUP_BYTES } = await rollupOf(CONTENT);

/**
 * Checks that the whole segment is archived and removed, and that the manifest has one line.
 *
 * @param names The names of all files. If they include a rollup (sums), it must be that of the segment.
 */
async function assertArchived(
  disk: SimulatedDisk,
  names: readonly string[] = NAMES_WHEN_DONE,
): Promise<void> {
  assertEquals(namesOn(disk), names);
  assertEquals(await textOfArchive(disk, STAMP), CONTENT);
  const { count, byteLength, byArchive } = new LogProcess(disk).manifest.read();
  assertEquals([count, byteLength], [1, disk.readFile(MANIFEST).byteLength]);
  const line = byArchive.get("audit_20260213_143022.jsonl.gz")!;
  assertEquals(line.sha256, createHash("sha256").update(CONTENT).digest("hex"));
  assertEquals(line.gzip_bytes, disk.readFile(ARCHIVE).byteLength);
  assertEquals(line.rollup_sha256, DIGEST);
  if (!names.includes(basename(ROLLUP))) return;
  assertEquals(disk.readFile(ROLLUP), ROLLUP_BYTES);
  await assertRollups(disk);
}

/**
 * Checks that a process has archived the whole segment although it could not write the rollup (the sums of the events):
 * that it has logged one warning, that the next recovery writes the rollup, and that another recovery changes nothing.
 *
 * @param left The names of the files that the process could not remove.
 */
async function assertOnlyWarned(
  disk: SimulatedDisk,
  { told, system }: LogProcess,
  left: readonly string[] = [],
): Promise<void> {
  assertEquals(system.openHandles, 0);
  assertEquals(told.length, 1);
  assertStringIncludes(told[0]!, "Cannot write the sums of an archive");
  assertStringIncludes(told[0]!, ROLLUP);
  await assertArchived(disk, [...NAMES_WHEN_DONE.slice(0, -1), ...left]);
  const next = new LogProcess(disk);
  const { addedToManifest } = await next.recover();
  assertEquals([addedToManifest, next.told], [[basename(ARCHIVE)], []]);
  await assertArchived(disk);
  const last = new LogProcess(disk);
  await last.recover();
  assertEquals(last.changes, []);
}

Deno.test("archiveSegment() removes the segment after its archive and manifest line are durable", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "archived");
  const written = process.changes.findLastIndex((change) => change === `append ${TEMP}`);
  assertEquals(process.changes.slice(written + 1), FROM_SYNC_ON);
  await assertArchived(disk);
  // A process reserves a segment with a claim file. The removal of the claim file is not synced, so the power loss may
  // bring the file back.
  const restarted = disk.afterPowerLoss(() => false);
  await new LogProcess(restarted).recover();
  await assertArchived(restarted);
  assertEquals([process.system.openHandles, process.told], [0, []]);
});

Deno.test("archiveSegment() syncs the name of the segment before it publishes the archive", async () => {
  const disk = diskWith({ [files.active]: CONTENT });
  // The process that renamed the active file to this segment died before it synced the directory.
  disk.process().rename(files.active, SEALED);
  const process = new LogProcess(disk);
  let pendingAtLink: string[] = [];
  process.system.onCall = ({ name }) => {
    if (name === "link") pendingAtLink = disk.pending.map(({ kind }) => kind);
  };
  await archive(process);
  assertEquals(pendingAtLink, ["create"]);
});

Deno.test("archiveSegment() syncs and reads back the unfinished archive before it publishes it", async () => {
  const process = new LogProcess(diskWith({ [SEALED]: CONTENT }));
  await archive(process);
  const calls = process.system.calls;
  const indexOf = (name: Call["name"]) => calls.findIndex((call) => call.name === name);
  const readBack = calls.findIndex(({ name, path }) => name === "read" && path === TEMP);
  assert(indexOf("syncData") < readBack && readBack < indexOf("link"));
});

Deno.test("archiveSegment() lets the event loop turn at least once per chunk", async () => {
  const text = linesFrom(1, 20_000);
  const disk = diskWith({ [SEALED]: text });
  const process = new LogProcess(disk);
  let isOver = false;
  let turns = 0;
  const turning = (async () => {
    for (; !isOver; turns++) await systemClock.turn();
  })();
  await archive(process);
  isOver = true;
  await turning;
  // At least one turn for each 32 KiB that `archiveSegment()` compresses, and one for each 8 KiB of the archive that it
  // reads back.
  const chunks = text.length / (32 * 1024) + disk.readFile(ARCHIVE).byteLength / (8 * 1024);
  assert(turns >= chunks, `${turns} turns for ${chunks} chunks`);
});

Deno.test("archiveSegment() archives any bytes unchanged", async () => {
  const random = new SeededRandom(1);
  const bytes = Uint8Array.from({ length: 200_000 }, () => random.below(256));
  for (const content of [bytes, "\n", "no line break", "é".repeat(100_000), CONTENT]) {
    const disk = diskWith({ [SEALED]: content });
    assertEquals(await archive(new LogProcess(disk)), "archived");
    const stream = new Blob([new Uint8Array(disk.readFile(ARCHIVE))]).stream()
      .pipeThrough(new DecompressionStream("gzip"));
    const text = typeof content === "string" ? new TextEncoder().encode(content) : content;
    assertEquals(new Uint8Array(await new Response(stream).arrayBuffer()), text);
  }
});

Deno.test("archiveSegment() skips a segment that another process owns, and archives it after that process dies", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [TEMP]: "half" });
  const owner = disk.process();
  claim(owner, files.claim(STAMP));
  const before = disk.snapshot();
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "busy");
  assertEquals([process.changes, process.system.openHandles], [[], 0]);
  assertEquals(disk.snapshot(), before);
  owner.kill();
  assertEquals(await archive(process), "archived");
  await assertArchived(disk);
});

Deno.test('archiveSegment() resolves with "gone" if the segment was removed before or during the call', async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const [one, other] = [new LogProcess(disk), new LogProcess(disk)];
  other.system.onCall = ({ name }) => {
    if (name !== "tryLock") return;
    other.system.onCall = undefined;
    one.system.remove(SEALED);
  };
  assertEquals(await archive(other), "gone");
  assertEquals(await archive(other), "gone");
  assertEquals([other.changes, other.system.openHandles, namesOn(disk)], [[], 0, []]);
});

Deno.test("archiveSegment() archives a segment once if two processes archive at the same time", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const processes = [new LogProcess(disk), new LogProcess(disk)];
  const outcomes = await Promise.all(processes.map(archive));
  assertEquals(outcomes.sort(), ["archived", "busy"]);
  await assertArchived(disk);
});

Deno.test("archiveSegment() replaces the unfinished archive that a killed process left", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [TEMP]: (await gzipped(CONTENT)).subarray(0, 20) });
  assertEquals(await archive(new LogProcess(disk)), "archived");
  await assertArchived(disk);
});

Deno.test("archiveSegment() uses an existing archive of the segment, and writes no second archive", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: await gzipped(CONTENT) });
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "archived");
  assertEquals(process.changes, [
    // On Windows, a handle that was opened for reading cannot sync. The archive is then synced again, through a second
    // handle.
    ...Array<string>(RULES === "Windows" ? 2 : 1).fill(`syncData ${ARCHIVE}`),
    `syncDirectory ${files.directory}`,
    ...FROM_SYNC_ON.slice(-8),
  ]);
  await assertArchived(disk);
});

for (
  const [what, bytes] of [
    ["holds other lines", await gzipped(linesFrom(2))],
    ["lacks the last line", await gzipped(CONTENT.slice(0, CONTENT.lastIndexOf("{")))],
    ["has one more line", await gzipped(`${CONTENT}\n`)],
    ["is truncated", (await gzipped(CONTENT)).subarray(0, -1)],
    ["is empty", new Uint8Array(0)],
    ["is plain text", new TextEncoder().encode(CONTENT)],
  ] as const
) {
  Deno.test(`archiveSegment() keeps the segment and the archive if the archive ${what}`, async () => {
    const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: bytes });
    const before = disk.snapshot();
    const process = new LogProcess(disk);
    await assertRejects(() => archive(process), ArchiveConflictError, ARCHIVE);
    assertEquals(disk.snapshot(), before);
    assertEquals([process.changes, process.system.openHandles], [[], 0]);
  });
}

Deno.test("archiveSegment() does not replace a file that is created at the archive path during the call", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  process.system.onCall = ({ name }) => {
    if (name === "link") disk.writeFile(ARCHIVE, "foreign");
  };
  await assertRejects(() => archive(process), Deno.errors.AlreadyExists);
  assertEquals(disk.snapshot(), { [SEALED]: CONTENT, [ARCHIVE]: "foreign" });
  process.system.onCall = undefined;
  await assertRejects(() => archive(process), ArchiveConflictError);
  disk.writeFile(ARCHIVE, await gzipped(CONTENT));
  assertEquals(await archive(process), "archived");
  await assertArchived(disk);
});

Deno.test("archiveSegment() does not publish an archive that differs from the segment when it is read back", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  const other = await gzipped(linesFrom(2));
  process.system.onCall = ({ name, path }) => {
    if (name === "syncData" && path === TEMP) disk.writeFile(TEMP, other);
  };
  await assertRejects(() => archive(process), Error, "when the archive is read back");
  assertEquals(disk.snapshot(), { [SEALED]: CONTENT });
});

Deno.test("archiveSegment() rejects if the segment grows before the archive is published, and a retry archives the whole segment", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name === "syncData" && path === TEMP) disk.writeFile(SEALED, `${CONTENT}late\n`);
  };
  await assertRejects(() => archive(process), Error, "changed its length after it was sealed");
  assertEquals(disk.snapshot(), { [SEALED]: `${CONTENT}late\n` });
  process.system.onCall = undefined;
  assertEquals(await archive(process), "archived");
  assertEquals(await textOfArchive(disk, STAMP), `${CONTENT}late\n`);
});

Deno.test("archiveSegment() keeps a segment that grows after the archive is published", async () => {
  for (const at of ["link", "remove"] as const) {
    const disk = diskWith({ [SEALED]: CONTENT });
    const process = new LogProcess(disk);
    process.system.onCall = ({ name, path }) => {
      if (name === at && path === TEMP) disk.writeFile(SEALED, `${CONTENT}late\n`);
    };
    await assertRejects(
      () => archive(process),
      Error,
      "changed its length after it was sealed",
    );
    assertEquals(disk.snapshot()[SEALED], `${CONTENT}late\n`);
    process.system.onCall = undefined;
    await assertRejects(() => archive(process), ArchiveConflictError);
    assertEquals(disk.snapshot()[SEALED], `${CONTENT}late\n`);
  }
});

Deno.test("archiveSegment() removes an empty segment without an archive", async () => {
  const disk = diskWith({ [SEALED]: "", [TEMP]: "half" });
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "empty");
  const removed = [TEMP, SEALED].map((path) => `remove ${path}`);
  assertEquals(process.changes, [...removed, `syncDirectory ${files.directory}`]);
  assertEquals([disk.snapshot(), process.system.openHandles], [{}, 0]);
});

Deno.test("archiveSegment() keeps a segment that is empty because another process has reserved its name for a rotation", async () => {
  const disk = diskWith({ [SEALED]: "", [files.active]: CONTENT });
  const sealer = disk.process();
  const process = new LogProcess(disk);
  const archiving: Archiving = {
    ...process.archiving,
    underLock: async (section) => {
      await Promise.resolve();
      // Up to this point, the other process has only reserved the name of the segment. It now renames the active file.
      sealer.rename(files.active, SEALED);
      return section();
    },
  };
  assertEquals(await archiveSegment(archiving, STAMP), "gone");
  assertEquals(disk.snapshot(), { [SEALED]: CONTENT });
});

for (const [what, kind] of ODDITIES) {
  for (
    const [where, path] of [["segment", SEALED], ["unfinished archive", TEMP], [
      "archive",
      ARCHIVE,
    ]] as const
  ) {
    Deno.test(`archiveSegment() rejects ${what} at the path of the ${where}`, async () => {
      const disk = diskWith(path === SEALED ? {} : { [SEALED]: CONTENT });
      disk.plant(path, kind);
      const before = [disk.snapshot(), namesOn(disk)];
      const process = new LogProcess(disk);
      const expected = path === ARCHIVE ? ArchiveConflictError : TypeError;
      await assertRejects(() => archive(process), expected, path);
      assertEquals([disk.snapshot(), namesOn(disk)], before);
      assertEquals(process.system.openHandles, 0);
    });
  }
}

Deno.test("archiveSegment() rejects a segment or archive with a second hard link", async () => {
  for (const [path, expected] of [[SEALED, TypeError], [ARCHIVE, ArchiveConflictError]] as const) {
    const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: await gzipped(CONTENT) });
    disk.process().link(path, "/log/second");
    const before = disk.snapshot();
    await assertRejects(() => archive(new LogProcess(disk)), expected, "2 hard links");
    assertEquals(disk.snapshot(), before);
  }
});

Deno.test("archiveSegment() removes an unfinished archive that is a hard link, but not the linked file", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, "/log/precious": "precious" });
  disk.process().link("/log/precious", TEMP);
  assertEquals(await archive(new LogProcess(disk)), "archived");
  assertEquals(disk.snapshot()["/log/precious"], "precious");
  disk.process().remove("/log/precious");
  await assertArchived(disk);
});

for (const name of ["open", "append", "syncData", "link", "syncDirectory", "read"] as const) {
  Deno.test(`archiveSegment() keeps the segment and leaves no unfinished archive if any call of ${name}() fails`, async () => {
    for (const [code, error] of Object.entries(systemErrors)) {
      for (let nth = 0;; nth++) {
        const disk = diskWith({ [SEALED]: CONTENT });
        const process = new LogProcess(disk);
        let seen = 0;
        let failed: string | undefined;
        process.system.failOn((call) => {
          if (call.name !== name || seen++ !== nth) return false;
          failed = call.path;
          return true;
        }, error);
        const outcome = await archive(process).catch((failure: Error) => failure.message);
        if (failed === undefined) break;
        const at = `${code} at ${name} ${nth}`;
        assertEquals(disk.process().status(TEMP), null, at);
        assertEquals(process.system.openHandles, 0, at);
        // The rollup (the sums of the events) is derived from the archive. So if its file cannot be created, written or
        // synced, archiving still succeeds, with a warning.
        if (failed === ROLLUP_TEMP) {
          assertEquals(outcome, "archived", at);
          await assertOnlyWarned(disk, process);
          continue;
        }
        assertEquals([outcome, process.told], [error().message, []], at);
        // The last sync of the directory follows the removal of the segment, so if only that sync fails, the segment is
        // gone.
        const isKept = disk.snapshot()[SEALED] === CONTENT;
        assert(isKept || (name === "syncDirectory" && nth === 2), at);
        assertEquals(await archive(process), isKept ? "archived" : "gone", at);
        await assertArchived(disk);
      }
    }
  });
}

Deno.test("archiveSegment() only warns if any call on the rollup (the sums of the events) fails, and leaves no part of a rollup", async () => {
  const start = { [SEALED]: CONTENT, [ROLLUP]: "old", [ROLLUP_TEMP]: "half" };
  const dry = new LogProcess(diskWith(start));
  await archive(dry);
  const first = dry.system.calls.findIndex(({ path }) => path === ROLLUP);
  const last = dry.system.calls.findIndex(({ to }) => to === ROLLUP);
  const calls = dry.system.calls.slice(first, last + 1);
  const removed = calls.find(({ name, path }) => name === "remove" && path === ROLLUP_TEMP)!.index;
  const names = new Set(calls.map(({ name }) => name));
  assertEquals([...names].sort(), [
    "append",
    "open",
    "remove",
    "rename",
    "status",
    "syncData",
    "syncDirectory",
  ]);
  for (const [code, error] of Object.entries(systemErrors)) {
    for (const { index, name, path } of calls) {
      const disk = diskWith(start);
      const process = new LogProcess(disk);
      process.system.failOn((call) => call.index === index, error);
      assertEquals(await archive(process), "archived", `${code} at ${name} ${path}`);
      // If archiveSegment() cannot remove the old rollup of a killed process, the rollup stays. Readers ignore it
      // because its digest differs from the digest in the manifest, and verify() asks the user to delete it.
      if (path === ROLLUP) {
        assertEquals(disk.snapshot()[ROLLUP], "old");
        assertEquals(readRollup(logOn(disk.process()), STAMP, DIGEST), null);
        disk.process().remove(ROLLUP);
      }
      // If a call fails before the new rollup file (sums) is created, the unfinished rollup of a killed process may
      // stay. Recovery removes it.
      const isLeft = disk.process().status(ROLLUP_TEMP) !== null;
      if (isLeft) assertEquals([disk.snapshot()[ROLLUP_TEMP], index <= removed], ["half", true]);
      await assertOnlyWarned(disk, process, isLeft ? [basename(ROLLUP_TEMP)] : []);
    }
  }
});

Deno.test("archiveSegment() leaves no part of a rollup (the sums of the events) if the disk is full, and recovery writes the rollup", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (path !== ROLLUP_TEMP) return;
    if (name === "append") disk.bytesLeft = 10;
    if (name === "remove") disk.bytesLeft = Infinity;
  };
  assertEquals(await archive(process), "archived");
  assertStringIncludes(process.told[0]!, "the disk may be full");
  await assertOnlyWarned(disk, process);
});

Deno.test("archiveSegment() replaces the finished and the unfinished rollup (the sums of the events) that a killed process left", async () => {
  for (const old of ["", "half", (await rollupOf(linesFrom(2))).bytes, ROLLUP_BYTES]) {
    const disk = diskWith({ [SEALED]: CONTENT, [ROLLUP]: old, [ROLLUP_TEMP]: old });
    const process = new LogProcess(disk);
    assertEquals([await archive(process), process.told], ["archived", []]);
    await assertArchived(disk);
  }
});

Deno.test("archiveSegment() removes the rollup of a killed process if the archive has too many groups of events for a rollup", async () => {
  const text = Array.from({ length: 64 }, (_, n) => `{"event":"${n}${"x".repeat(9_900)}"}\n`).join(
    "",
  );
  const disk = diskWith({
    [SEALED]: text,
    [ROLLUP]: ROLLUP_BYTES,
    [ROLLUP_TEMP]: "half",
  });
  const process = new LogProcess(disk);
  assertEquals([await archive(process), process.told], ["archived", []]);
  assertEquals(namesOn(disk), NAMES_WHEN_DONE.slice(0, -1));
  assertEquals(await textOfArchive(disk, STAMP), text);
  const { byArchive } = process.manifest.read();
  assertEquals(byArchive.get(basename(ARCHIVE))?.rollup_sha256, null);
  const next = new LogProcess(disk);
  await next.recover();
  assertEquals([next.changes, next.told], [[], []]);
});

for (const [what, kind] of ODDITIES) {
  for (
    const [where, path] of [["rollup", ROLLUP], ["unfinished rollup", ROLLUP_TEMP]] as const
  ) {
    Deno.test(`archiveSegment() keeps ${what} at the path of the ${where}, and only warns`, async () => {
      const disk = diskWith({ [SEALED]: CONTENT });
      disk.plant(path, kind);
      const process = new LogProcess(disk);
      assertEquals(await archive(process), "archived");
      assertEquals(disk.process().status(path)?.kind, kind);
      assertEquals(namesOn(disk), [...NAMES_WHEN_DONE.slice(0, -1), basename(path)]);
      assertEquals([process.told.length, process.system.openHandles], [1, 0]);
      assertStringIncludes(process.told[0]!, "Cannot write the sums of an archive");
      assertEquals(await textOfArchive(disk, STAMP), CONTENT);
      const line = process.manifest.read().byArchive.get(basename(ARCHIVE));
      assertEquals(line?.rollup_sha256, DIGEST);
    });
  }
}

Deno.test("archiveSegment() rejects if a removal or a rename fails, and succeeds at the next attempt", async () => {
  for (const [name, path] of [["remove", TEMP], ["rename", SEALED]] as const) {
    const disk = diskWith({ [SEALED]: CONTENT });
    const process = new LogProcess(disk);
    process.system.failOn((call) => call.name === name && call.path === path, systemErrors.EIO);
    await assertRejects(() => archive(process), Error, systemErrors.EIO().message);
    assertEquals([disk.snapshot()[SEALED], process.system.openHandles], [CONTENT, 0]);
    assertEquals(await archive(process), "archived");
    await assertArchived(disk);
  }
});

Deno.test("archiveSegment() leaves a renamed segment that it cannot remove, and recovery removes the segment", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  let isRenamed = false;
  process.system.onCall = ({ name }) => isRenamed ||= name === "rename";
  process.system.failOn(({ name }) => name === "remove" && isRenamed, systemErrors.EIO);
  await assertRejects(() => archive(process), Error, systemErrors.EIO().message);
  assertEquals([disk.snapshot()[TEMP], process.system.openHandles], [CONTENT, 0]);
  assertEquals(await archive(process), "gone");
  assertEquals((await process.recover()).removed, [basename(TEMP)]);
  await assertArchived(disk);
});

Deno.test("archiveSegment() does not remove a file that has replaced the segment", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name !== "syncData" || path !== MANIFEST) return;
    process.system.onCall = undefined;
    process.system.rename(SEALED, "/log/moved");
    disk.writeFile(SEALED, "another");
  };
  assertEquals(await archive(process), "archived");
  assertEquals([disk.snapshot()[SEALED], disk.snapshot()["/log/moved"]], ["another", CONTENT]);
});

for (const when of ["before", "after"] as const) {
  Deno.test(`archiveSegment() that is killed ${when} any file system call is completed by the next process`, async () => {
    const dry = new LogProcess(diskWith({ [SEALED]: CONTENT }));
    await archive(dry);
    for (let index = 0; index < dry.system.calls.length; index++) {
      const disk = diskWith({ [SEALED]: CONTENT });
      const killed = new LogProcess(disk);
      killed.system.killAt(index, when);
      await assertRejects(() => archive(killed), Killed);
      const second = new LogProcess(disk);
      const outcome = await archive(second);
      assert(outcome === "archived" || outcome === "gone", `call ${index}`);
      // The killed process may have left a renamed segment, the claim file that reserved the segment, or a temporary
      // file. Recovery removes these files.
      await second.recover();
      await assertArchived(disk);
      assertEquals(second.system.openHandles, 0);
      const third = new LogProcess(disk);
      assertEquals([await archive(third), third.changes], ["gone", []]);
    }
  });
}

Deno.test("archiveSegment() loses no line if the power fails at any file system call", async () => {
  const random = new SeededRandom(1);
  const dry = new LogProcess(diskWith({ [SEALED]: CONTENT }));
  await archive(dry);
  for (let index = 0; index <= dry.system.calls.length; index++) {
    const disk = diskWith({ [SEALED]: CONTENT });
    const process = new LogProcess(disk);
    process.system.killAt(index, "before");
    await archive(process).catch(() => {});
    const choices = [
      () => false,
      () => true,
      () => random.below(2) === 0,
      () => random.below(2) === 0,
    ];
    for (const choice of choices) {
      const left = disk.afterPowerLoss(choice, ({ bytes }) => random.below(bytes.byteLength + 1));
      if (left.snapshot()[SEALED] === CONTENT) {
        assertEquals(await archive(new LogProcess(left)), "archived");
      }
      assertEquals(await textOfArchive(left, STAMP), CONTENT, `call ${index}`);
      // The power loss may also have undone the creation of the rollup (sums), the line in the manifest, or the removal
      // of the segment.
      await new LogProcess(left).recover();
      await assertArchived(left);
      const last = new LogProcess(left);
      await last.recover();
      assertEquals(last.changes, [], `call ${index}`);
    }
  }
});

Deno.test("archiveSegment() leaves a whole rollup (the sums of the events) or none if the sync of the rollup fails and the power fails later", async () => {
  const random = new SeededRandom(1);
  const rollupFails = (process: LogProcess) =>
    process.system.failOn(({ name, path }) => name === "syncData" && path === ROLLUP_TEMP, noSpace);
  const dry = new LogProcess(diskWith({ [SEALED]: CONTENT }));
  rollupFails(dry);
  await archive(dry);
  for (let index = 0; index <= dry.system.calls.length; index++) {
    const disk = diskWith({ [SEALED]: CONTENT });
    const process = new LogProcess(disk);
    rollupFails(process);
    process.system.killAt(index, "before");
    await archive(process).catch(() => {});
    for (let n = 0; n < 4; n++) {
      const left = disk.afterPowerLoss(
        () => random.below(2) === 0,
        ({ bytes }) => random.below(bytes.byteLength + 1),
      );
      await new LogProcess(left).recover();
      await assertArchived(left);
    }
  }
});

Deno.test("archiveSegment() that is aborted at any file system call keeps the segment or completes the archive", async () => {
  const dry = new LogProcess(diskWith({ [SEALED]: CONTENT }));
  await archive(dry);
  for (let index = 0; index < dry.system.calls.length; index++) {
    const disk = diskWith({ [SEALED]: CONTENT });
    const process = new LogProcess(disk);
    process.system.onCall = (call) => {
      if (call.index === index) process.ending.abort();
    };
    const outcome = await archive(process).catch((error: Error) => error.name);
    if (outcome === "AbortError") assertEquals(disk.snapshot(), { [SEALED]: CONTENT });
    else assertEquals(outcome, "archived", `call ${index}`);
    assertEquals([process.system.openHandles, process.told], [0, []], `call ${index}`);
    if (outcome === "AbortError") await archive(new LogProcess(disk));
    await assertArchived(disk);
  }
});

Deno.test("archiveSegment() that is aborted while it compares an existing archive with the segment does not report that they differ", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: await gzipped(CONTENT) });
  const before = disk.snapshot();
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name === "read" && path === ARCHIVE) process.ending.abort();
  };
  await assertRejects(() => archive(process), DOMException, "aborted");
  assertEquals([disk.snapshot(), process.system.openHandles], [before, 0]);
});

Deno.test("summarizeArchive() resolves with the figures of an archive, and rejects if the archive is damaged or missing", async () => {
  const disk = diskWith({ [ARCHIVE]: await gzipped(CONTENT) });
  const { archiving } = new LogProcess(disk);
  const { lines, raw_bytes } = await summarizeArchive(archiving, STAMP);
  assertEquals([lines, raw_bytes], [3, CONTENT.length]);
  disk.writeFile(ARCHIVE, CONTENT);
  await assertRejects(() => summarizeArchive(archiving, STAMP), TypeError);
  disk.process().remove(ARCHIVE);
  await assertRejects(() => summarizeArchive(archiving, STAMP), Deno.errors.NotFound);
});

/** Returns the objects that archiveSegment() needs, for a log on the real disk. */
function realArchiving(log: LogDirectory, signal: AbortSignal): Archiving {
  const underLock: Archiving["underLock"] = async (section) =>
    await Promise.resolve().then(section);
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const manifest = new Manifest({ log, logger, underLock });
  return {
    log,
    manifest,
    underLock,
    maxLineBytes: 10_000,
    rollupFields: [],
    clock: systemClock,
    signal,
  };
}

Deno.test("archiveSegment() creates files with the mode of the segment (real disk)", async () => {
  using dir = tempDir();
  const log = new LogDirectory(denoFileSystem, dir.path("audit.jsonl"));
  const { files } = log;
  const text = linesFrom(1, 20_000);
  Deno.writeTextFileSync(files.sealed(STAMP), text, { mode: 0o640 });
  const archiving = realArchiving(log, new AbortController().signal);
  assertEquals(await archiveSegment(archiving, STAMP), "archived");
  assertEquals(denoFileSystem.list(dir.path("")).sort(), NAMES_WHEN_DONE);
  assertEquals(await gunzipped(Deno.readFileSync(files.archive(STAMP))), text);
  for (const path of [files.archive(STAMP), files.rollup(STAMP), files.manifest]) {
    // Files on Windows have no mode.
    const { ownership } = denoFileSystem.status(path)!;
    if (ownership !== null) assertEquals(ownership.mode, 0o640, path);
  }
});

/** The real file system, which calls a function before each append. */
class ToldFileSystem extends WatchedFileSystem {
  appends = 0;
  onAppend: () => void = () => {};

  override open(path: string, access: FileAccess): FileHandle {
    const handle = super.open(path, access);
    return {
      ...handle,
      appendSync: (bytes) => {
        this.appends++;
        this.onAppend();
        return handle.appendSync(bytes);
      },
    };
  }
}

for (const nth of [1, 2, 5]) {
  Deno.test(`archiveSegment() that is aborted at write number ${nth} keeps only the segment (real disk)`, async () => {
    using dir = tempDir();
    const fileSystem = new ToldFileSystem();
    const log = new LogDirectory(fileSystem, dir.path("audit.jsonl"));
    const { files } = log;
    const text = linesFrom(1, 20_000);
    Deno.writeTextFileSync(files.sealed(STAMP), text);
    const ending = new AbortController();
    fileSystem.onAppend = () => {
      if (fileSystem.appends === nth) ending.abort();
    };
    const archiving = archiveSegment(realArchiving(log, ending.signal), STAMP);
    await assertRejects(() => archiving, DOMException, "aborted");
    assertEquals(denoFileSystem.list(dir.path("")), ["audit_20260213_143022.jsonl"]);
    assertEquals(Deno.readTextFileSync(files.sealed(STAMP)), text);
    assert(fileSystem.appends <= nth + 1, "archiveSegment() continued to write");
  });
}

Deno.test("archiveSegment() releases the lock on the segment before it rejects (real disk)", async () => {
  for (let n = 0; n < 10; n++) {
    using dir = tempDir();
    const ending = new AbortController();
    const fileSystem: FileSystem = {
      ...denoFileSystem,
      open(path, access) {
        const handle = denoFileSystem.open(path, access);
        const appendSync = handle.appendSync.bind(handle);
        handle.appendSync = (bytes) => {
          ending.abort();
          return appendSync(bytes);
        };
        return handle;
      },
    };
    const log = new LogDirectory(fileSystem, dir.path("audit.jsonl"));
    const sealed = log.files.sealed(STAMP);
    Deno.writeTextFileSync(sealed, linesFrom(1, 20_000));
    const archiving = realArchiving(log, ending.signal);
    await assertRejects(() => archiveSegment(archiving, STAMP), DOMException);
    using other = Deno.openSync(sealed);
    assert(other.tryLockSync(true), "the lock is still held");
  }
});

await sampledTest(
  "archiveSegment() loses no line if its claim file, which reserves the segment, is removed and a second archiving process is killed",
  1 / 8,
  async (extent) => {
    const dry = new LogProcess(diskWith({ [SEALED]: CONTENT }));
    await archive(dry);
    const { length } = dry.system.calls;
    for (let at = 0; at < length; at++) {
      for (let killedAt = 0; killedAt < length; killedAt++) {
        if (!extent.isDrawn()) continue;
        const disk = diskWith({ [SEALED]: CONTENT });
        const [first, second] = [new LogProcess(disk), new LogProcess(disk)];
        second.system.killAt(killedAt, "after");
        let archived: Promise<unknown> | undefined;
        first.system.onCall = ({ index }) => {
          if (index !== at) return;
          const outsider = disk.process();
          if (outsider.status(CLAIM) !== null) outsider.remove(CLAIM);
          archived = archive(second).catch(() => {});
        };
        await archive(first).catch(() => {});
        await archived;
        const isKept = disk.snapshot()[SEALED] === CONTENT ||
          await textOfArchive(disk, STAMP).catch(() => "") === CONTENT;
        assert(isKept, `claim removed at call ${at}, second process killed at call ${killedAt}`);
      }
    }
  },
);
