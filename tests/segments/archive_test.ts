import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename } from "@std/path";
import { createHash } from "node:crypto";
import {
  ArchiveConflictError,
  archiveSegment,
  type ArchiveSite,
  summarizeArchive,
} from "../../src/segments/archive.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileAccess, FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { Manifest } from "../../src/segments/manifest.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type Call, Killed, type SimulatedDisk, systemErrors } from "../faults/simulated_disk.ts";
import { WatchedFileSystem } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";
import { gunzipped, gzipped, tempDir } from "../temp_dir.ts";
import {
  diskWith,
  files,
  linesFrom,
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
const CONTENT = linesFrom(1);
const MANIFEST = files.manifest;

/** What an archiving changes once the temporary file is written, in this order. */
const FROM_SYNC_ON = [
  `syncData ${TEMP}`,
  `link ${TEMP} ${ARCHIVE}`,
  `remove ${TEMP}`,
  `syncDirectory ${files.directory}`,
  `append ${MANIFEST}`,
  `syncData ${MANIFEST}`,
  `rename ${SEALED} ${TEMP}`,
  `remove ${TEMP}`,
  `syncDirectory ${files.directory}`,
];

const NAMES_WHEN_DONE = ["audit.manifest.jsonl", "audit_20260213_143022.jsonl.gz"];

function archive(process: LogProcess) {
  return archiveSegment(process.site, STAMP);
}

/** Sees that the segment is archived, whole and alone, with one line in the manifest. */
async function assertArchived(disk: SimulatedDisk, text = CONTENT): Promise<void> {
  assertEquals(namesOn(disk), NAMES_WHEN_DONE);
  assertEquals(await textOfArchive(disk, STAMP), text);
  const { count, byteLength, byArchive } = new LogProcess(disk).manifest.read();
  assertEquals([count, byteLength], [1, disk.readFile(MANIFEST).byteLength]);
  const line = byArchive.get("audit_20260213_143022.jsonl.gz")!;
  assertEquals(line.sha256, createHash("sha256").update(text).digest("hex"));
  assertEquals(line.gzip_bytes, disk.readFile(ARCHIVE).byteLength);
}

Deno.test("archiveSegment() removes the segment once its archive and line are on the disk", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "archived");
  const written = process.changes.findLastIndex((change) => change === `append ${TEMP}`);
  assertEquals(process.changes.slice(written + 1), FROM_SYNC_ON);
  await assertArchived(disk);
  await assertArchived(disk.afterPowerLoss(() => false));
  assertEquals([process.system.openHandles, process.told], [0, []]);
});

Deno.test("archiveSegment() has the segment's name on the disk before that of the archive", async () => {
  const disk = diskWith({ [files.active]: CONTENT });
  // A sealer that died before it could sync the directory.
  disk.process().rename(files.active, SEALED);
  const process = new LogProcess(disk);
  let pendingAtLink: string[] = [];
  process.system.onCall = ({ name }) => {
    if (name === "link") pendingAtLink = disk.pending.map(({ kind }) => kind);
  };
  await archive(process);
  assertEquals(pendingAtLink, ["create"]);
});

Deno.test("archiveSegment() reads the temporary file back before it publishes it", async () => {
  const process = new LogProcess(diskWith({ [SEALED]: CONTENT }));
  await archive(process);
  const calls = process.system.calls;
  const indexOf = (name: Call["name"]) => calls.findIndex((call) => call.name === name);
  const readBack = calls.findIndex(({ name, path }) => name === "read" && path === TEMP);
  assert(indexOf("syncData") < readBack && readBack < indexOf("link"));
});

Deno.test("archiveSegment() lets the event loop turn for each millisecond of its work", async () => {
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
  // Once for each 32 KiB that it compresses, and for each 8 KiB that it reads back.
  const chunks = text.length / (32 * 1024) + disk.readFile(ARCHIVE).byteLength / (8 * 1024);
  assert(turns >= chunks, `${turns} turns for ${chunks} chunks`);
});

Deno.test("archiveSegment() writes what the segment holds, whatever that is", async () => {
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

Deno.test("archiveSegment() leaves a segment to its living owner, and takes it over from a dead one", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [TEMP]: "half" });
  const before = disk.snapshot();
  const owner = disk.process();
  assert(owner.open(SEALED, "read").tryLock());
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "busy");
  assertEquals([process.changes, process.system.openHandles], [[], 0]);
  assertEquals(disk.snapshot(), before);
  owner.kill();
  assertEquals(await archive(process), "archived");
  await assertArchived(disk);
});

Deno.test("archiveSegment() finds a segment gone that was archived before or meanwhile", async () => {
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

Deno.test("archiveSegment() by two processes archives once", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const processes = [new LogProcess(disk), new LogProcess(disk)];
  const outcomes = await Promise.all(processes.map(archive));
  assertEquals(outcomes.sort(), ["archived", "busy"]);
  await assertArchived(disk);
});

Deno.test("archiveSegment() begins again where a dead owner left a half-written archive", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [TEMP]: (await gzipped(CONTENT)).subarray(0, 20) });
  assertEquals(await archive(new LogProcess(disk)), "archived");
  await assertArchived(disk);
});

Deno.test("archiveSegment() finishes where the archive is there, and writes none", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: await gzipped(CONTENT) });
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "archived");
  assertEquals(process.changes, [
    `syncData ${ARCHIVE}`,
    `syncDirectory ${files.directory}`,
    ...FROM_SYNC_ON.slice(-5),
  ]);
  await assertArchived(disk);
});

for (
  const [what, bytes] of [
    ["holds other lines", await gzipped(linesFrom(2))],
    ["holds one line less", await gzipped(CONTENT.slice(0, CONTENT.lastIndexOf("{")))],
    ["holds more", await gzipped(`${CONTENT}\n`)],
    ["is cut", (await gzipped(CONTENT)).subarray(0, -1)],
    ["is empty", new Uint8Array(0)],
    ["is plain text", new TextEncoder().encode(CONTENT)],
  ] as const
) {
  Deno.test(`archiveSegment() keeps the segment and an archive that ${what}`, async () => {
    const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: bytes });
    const before = disk.snapshot();
    const process = new LogProcess(disk);
    await assertRejects(() => archive(process), ArchiveConflictError, ARCHIVE);
    assertEquals(disk.snapshot(), before);
    assertEquals([process.changes, process.system.openHandles], [[], 0]);
  });
}

Deno.test("archiveSegment() replaces nothing that gets the archive's name meanwhile", async () => {
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

Deno.test("archiveSegment() publishes nothing that reads back differently", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  const other = await gzipped(linesFrom(2));
  process.system.onCall = ({ name, path }) => {
    if (name === "syncData" && path === TEMP) disk.writeFile(TEMP, other);
  };
  await assertRejects(() => archive(process), Error, "reads back differently");
  assertEquals(disk.snapshot(), { [SEALED]: CONTENT });
});

Deno.test("archiveSegment() begins again with a segment that grows before the archive has its name", async () => {
  const disk = diskWith({ [SEALED]: CONTENT });
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name === "syncData" && path === TEMP) disk.writeFile(SEALED, `${CONTENT}late\n`);
  };
  await assertRejects(() => archive(process), Error, "has grown since it was sealed");
  assertEquals(disk.snapshot(), { [SEALED]: `${CONTENT}late\n` });
  process.system.onCall = undefined;
  assertEquals(await archive(process), "archived");
  assertEquals(await textOfArchive(disk, STAMP), `${CONTENT}late\n`);
});

Deno.test("archiveSegment() keeps a segment that grows once the archive has its name", async () => {
  for (const at of ["link", "remove"] as const) {
    const disk = diskWith({ [SEALED]: CONTENT });
    const process = new LogProcess(disk);
    process.system.onCall = ({ name, path }) => {
      if (name === at && path === TEMP) disk.writeFile(SEALED, `${CONTENT}late\n`);
    };
    await assertRejects(() => archive(process), Error, "has grown since it was sealed");
    assertEquals(disk.snapshot()[SEALED], `${CONTENT}late\n`);
    process.system.onCall = undefined;
    await assertRejects(() => archive(process), ArchiveConflictError);
    assertEquals(disk.snapshot()[SEALED], `${CONTENT}late\n`);
  }
});

Deno.test("archiveSegment() removes an empty segment, and makes no archive of it", async () => {
  const disk = diskWith({ [SEALED]: "", [TEMP]: "half" });
  const process = new LogProcess(disk);
  assertEquals(await archive(process), "empty");
  const removed = [TEMP, SEALED].map((path) => `remove ${path}`);
  assertEquals(process.changes, [...removed, `syncDirectory ${files.directory}`]);
  assertEquals([disk.snapshot(), process.system.openHandles], [{}, 0]);
});

Deno.test("archiveSegment() leaves the name of an empty segment to a sealer that is still at work", async () => {
  const disk = diskWith({ [SEALED]: "", [files.active]: CONTENT });
  const sealer = disk.process();
  const process = new LogProcess(disk);
  const site: ArchiveSite = {
    ...process.site,
    underLock: async (section) => {
      await Promise.resolve();
      // Until now the sealer had the append lock.
      sealer.rename(files.active, SEALED);
      return section();
    },
  };
  assertEquals(await archiveSegment(site, STAMP), "gone");
  assertEquals(disk.snapshot(), { [SEALED]: CONTENT });
});

for (const [what, kind] of ODDITIES) {
  for (const [where, path] of [["sealed", SEALED], ["temp", TEMP], ["archive", ARCHIVE]] as const) {
    Deno.test(`archiveSegment() refuses ${what} at the ${where} path`, async () => {
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

Deno.test("archiveSegment() refuses a segment or archive that has a second name", async () => {
  for (const [path, expected] of [[SEALED, TypeError], [ARCHIVE, ArchiveConflictError]] as const) {
    const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: await gzipped(CONTENT) });
    disk.process().link(path, "/log/second");
    const before = disk.snapshot();
    await assertRejects(() => archive(new LogProcess(disk)), expected, "2 hard links");
    assertEquals(disk.snapshot(), before);
  }
});

Deno.test("archiveSegment() takes only the name of a half-written archive that has another, too", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, "/log/precious": "precious" });
  disk.process().link("/log/precious", TEMP);
  assertEquals(await archive(new LogProcess(disk)), "archived");
  assertEquals(disk.snapshot()["/log/precious"], "precious");
  assertEquals(namesOn(disk), [...NAMES_WHEN_DONE, "precious"]);
});

for (const name of ["open", "append", "syncData", "link", "syncDirectory", "read"] as const) {
  Deno.test(`archiveSegment() keeps the segment when any ${name} fails, and no temporary file`, async () => {
    for (const [code, error] of Object.entries(systemErrors)) {
      for (let nth = 0;; nth++) {
        const disk = diskWith({ [SEALED]: CONTENT });
        const process = new LogProcess(disk);
        let seen = 0;
        process.system.failOn((call) => call.name === name && seen++ === nth, error);
        const outcome = await archive(process).catch((failure: Error) => failure.message);
        if (seen <= nth) break;
        const at = `${code} at ${name} ${nth}`;
        assertEquals(disk.process().status(TEMP), null, at);
        assertEquals(process.system.openHandles, 0, at);
        assertEquals(outcome, error().message, at);
        // The last sync of the directory comes when the segment has been removed.
        const isKept = disk.snapshot()[SEALED] === CONTENT;
        assert(isKept || (name === "syncDirectory" && nth === 2), at);
        assertEquals(await archive(process), isKept ? "archived" : "gone", at);
        await assertArchived(disk);
      }
    }
  });
}

Deno.test("archiveSegment() is finished by the next attempt when a removal fails", async () => {
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

Deno.test("archiveSegment() leaves it to recovery to free a segment that has lost its name", async () => {
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

Deno.test("archiveSegment() takes nothing away that has come to the place of the segment", async () => {
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
  Deno.test(`archiveSegment() killed ${when} any call is finished by the next owner`, async () => {
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
      // It may have been killed when the segment had lost its name, and was there still.
      if (outcome === "gone") await second.recover();
      await assertArchived(disk);
      assertEquals(second.system.openHandles, 0);
      const third = new LogProcess(disk);
      assertEquals([await archive(third), third.changes], ["gone", []]);
    }
  });
}

Deno.test("archiveSegment() has the whole segment on the disk at every power cut", async () => {
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
    }
  }
});

Deno.test("archiveSegment() that is aborted anywhere keeps the segment or finishes", async () => {
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

Deno.test("archiveSegment() that is aborted while it looks at an archive finds no fault with it", async () => {
  const disk = diskWith({ [SEALED]: CONTENT, [ARCHIVE]: await gzipped(CONTENT) });
  const before = disk.snapshot();
  const process = new LogProcess(disk);
  process.system.onCall = ({ name, path }) => {
    if (name === "read" && path === ARCHIVE) process.ending.abort();
  };
  await assertRejects(() => archive(process), DOMException, "aborted");
  assertEquals([disk.snapshot(), process.system.openHandles], [before, 0]);
});

Deno.test("summarizeArchive() tells what an archive holds, and rejects what is none", async () => {
  const disk = diskWith({ [ARCHIVE]: await gzipped(CONTENT) });
  const { site } = new LogProcess(disk);
  const { lines, raw_bytes } = await summarizeArchive(site, STAMP);
  assertEquals([lines, raw_bytes], [3, CONTENT.length]);
  disk.writeFile(ARCHIVE, CONTENT);
  await assertRejects(() => summarizeArchive(site, STAMP), TypeError);
  disk.process().remove(ARCHIVE);
  await assertRejects(() => summarizeArchive(site, STAMP), Deno.errors.NotFound);
});

/** A site on the real disk. */
function realSite(files: LogFiles, fileSystem: FileSystem, signal: AbortSignal): ArchiveSite {
  const underLock: ArchiveSite["underLock"] = async (section) =>
    await Promise.resolve().then(section);
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const manifest = new Manifest({ fileSystem, path: files.manifest, logger, underLock });
  return {
    fileSystem,
    files,
    manifest,
    underLock,
    maxLineBytes: 10_000,
    clock: systemClock,
    signal,
  };
}

Deno.test("archiveSegment() on the real disk makes files for their owner alone", async () => {
  using dir = tempDir();
  const files = new LogFiles(dir.path("audit.jsonl"));
  const text = linesFrom(1, 20_000);
  Deno.writeTextFileSync(files.sealed(STAMP), text);
  const site = realSite(files, denoFileSystem, new AbortController().signal);
  assertEquals(await archiveSegment(site, STAMP), "archived");
  assertEquals(denoFileSystem.list(dir.path("")).sort(), NAMES_WHEN_DONE);
  assertEquals(await gunzipped(Deno.readFileSync(files.archive(STAMP))), text);
  for (const path of [files.archive(STAMP), files.manifest]) {
    // Windows has no file modes.
    const { mode } = Deno.statSync(path);
    if (mode !== null) assertEquals(mode & 0o777, 0o600);
  }
});

/** The real disk, which tells of each append. */
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
  Deno.test(`archiveSegment() aborted at its write ${nth} leaves the segment alone (real disk)`, async () => {
    using dir = tempDir();
    const files = new LogFiles(dir.path("audit.jsonl"));
    const text = linesFrom(1, 20_000);
    Deno.writeTextFileSync(files.sealed(STAMP), text);
    const ending = new AbortController();
    const fileSystem = new ToldFileSystem();
    fileSystem.onAppend = () => {
      if (fileSystem.appends === nth) ending.abort();
    };
    const archiving = archiveSegment(realSite(files, fileSystem, ending.signal), STAMP);
    await assertRejects(() => archiving, DOMException, "aborted");
    assertEquals(denoFileSystem.list(dir.path("")), ["audit_20260213_143022.jsonl"]);
    assertEquals(Deno.readTextFileSync(files.sealed(STAMP)), text);
    assert(fileSystem.appends <= nth + 1, "it went on with the work");
  });
}

Deno.test("archiveSegment() has let the segment go when it rejects (real disk)", async () => {
  for (let n = 0; n < 10; n++) {
    using dir = tempDir();
    const files = new LogFiles(dir.path("audit.jsonl"));
    Deno.writeTextFileSync(files.sealed(STAMP), linesFrom(1, 20_000));
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
    const site = realSite(files, fileSystem, ending.signal);
    await assertRejects(() => archiveSegment(site, STAMP), DOMException);
    using other = Deno.openSync(files.sealed(STAMP));
    assert(other.tryLockSync(true), "the lock is still held");
  }
});
