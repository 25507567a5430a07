import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { Manifest, type UnderLock } from "../../src/segments/manifest.ts";
import type { ArchiveFacts } from "../../src/segments/manifest_line.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import type { Turns } from "../../src/platform/turns.ts";
import { joined } from "../bytes.ts";
import {
  ioError,
  noSpace,
  type SimulatedDisk,
  type SimulatedProcess,
} from "../faults/simulated_disk.ts";
import { RULES } from "../rules.ts";
import { testNeeding } from "../requirements.ts";
import { tempDir } from "../temp_dir.ts";
import { diskWith, files, logOn } from "./log_on_disk.ts";

const PATH = files.manifest;

/** Returns the data of an archive for its manifest line. Different numbers result in different data. */
function facts(index: number, sha256 = "0".repeat(64)): ArchiveFacts {
  return {
    archive: `audit_20260213_14302${index}.jsonl.gz`,
    lines: 1,
    malformed: 0,
    oversized: 0,
    untimed: 0,
    raw_bytes: 100 + index,
    gzip_bytes: 50,
    first_ts: null,
    last_ts: null,
    min_ts: null,
    max_ts: null,
    events: { nav: { count: 1, cost: index } },
    last_seq: null,
    last_hash: null,
    sha256,
    gzip_sha256: "f".repeat(64),
    rebuilt: false,
  };
}

/** Returns the text of a manifest that has one line for each archive number. */
function textOf(...indexes: number[]): string {
  const lines = new ManifestLines();
  return indexes.map((index) => {
    const bytes = lines.next(facts(index));
    lines.take(bytes);
    return new TextDecoder().decode(bytes);
  }).join("");
}

/** Returns the manifest of a new process on the disk. */
function open(disk: SimulatedDisk) {
  const fileSystem = disk.process();
  const warnings: string[] = [];
  const logger = {
    debug() {},
    info() {},
    warn: (...data: unknown[]) => void warnings.push(data.join(" ")),
    error() {},
  };
  let isLocked = false;
  const underLock: UnderLock = async (section) => {
    await Promise.resolve();
    isLocked = true;
    try {
      return section();
    } finally {
      isLocked = false;
    }
  };
  fileSystem.onCall = ({ name }) => {
    if (name === "append" || name === "truncate") {
      assert(isLocked, `${name} was called without the lock`);
    }
    if (name === "syncData") assert(!isLocked, "syncData was called under the lock");
  };
  const manifest = new Manifest({ log: logOn(fileSystem), logger, underLock });
  return { fileSystem, manifest, warnings };
}

function manifestOn(disk: SimulatedDisk): string | Uint8Array | undefined {
  return disk.snapshot()[PATH];
}

/** Returns the names of the recorded calls, except status and read. */
function changesOf({ calls }: SimulatedProcess): string[] {
  return calls.map(({ name }) => name).filter((name) => name !== "status" && name !== "read");
}

Deno.test("Manifest.add() appends a line under the lock, and syncs the manifest after it has released the lock", async () => {
  const disk = diskWith({});
  const { fileSystem, manifest, warnings } = open(disk);
  for (const index of [1, 2, 3]) await manifest.add(facts(index));
  assertEquals(manifestOn(disk), textOf(1, 2, 3));
  const once = ["open", "append", "syncData"];
  // Before a process creates its first file, it creates and removes a temporary file, to find out which owner its files
  // have. Files on Windows have no owner.
  const first = ["list", "list", ...RULES === "Windows" ? [] : ["open", "remove"], ...once];
  assertEquals(changesOf(fileSystem), [...first, ...once, ...once]);
  assertEquals([fileSystem.openHandles, warnings], [0, []]);
});

Deno.test("Manifest.add() appends nothing, and only syncs, if the manifest already has the line", async () => {
  const disk = diskWith({ [PATH]: textOf(1, 2) });
  const { fileSystem, manifest } = open(disk);
  for (const index of [1, 2, 1]) await manifest.add(facts(index));
  assertEquals(manifestOn(disk), textOf(1, 2));
  assert(!changesOf(fileSystem).includes("append"));
  assertEquals(changesOf(fileSystem).filter((name) => name === "syncData").length, 3);
});

Deno.test("Manifest.add() adds a second line for an archive whose content has changed", async () => {
  const disk = diskWith({ [PATH]: textOf(1, 2) });
  const { manifest } = open(disk);
  await manifest.add(facts(1, "1".repeat(64)));
  await manifest.add({ ...facts(2), gzip_sha256: "e".repeat(64) });
  const { count, byArchive } = open(disk).manifest.read();
  assertEquals([count, byArchive.size], [4, 2]);
  assertEquals(byArchive.get(facts(1).archive)?.sha256, "1".repeat(64));
  assertEquals(byArchive.get(facts(2).archive)?.gzip_sha256, "e".repeat(64));
});

Deno.test("Manifest.read() creates no file, and returns no lines if the manifest does not exist", () => {
  const disk = diskWith({});
  assertEquals(open(disk).manifest.read().count, 0);
  assertEquals(disk.snapshot(), {});
});

Deno.test("Manifest.read() of a manifest that has grown reads only its last known line again, and the new lines", () => {
  const [whole, longer] = [textOf(1, 2), textOf(1, 2, 3)];
  const disk = diskWith({ [PATH]: whole });
  const { fileSystem, manifest } = open(disk);
  const positions: number[] = [];
  const { open: openFile } = fileSystem;
  fileSystem.open = (path, access) => {
    const handle = openFile.call(fileSystem, path, access);
    const readSync = handle.readSync.bind(handle);
    handle.readSync = (buffer, position) => {
      positions.push(position);
      return readSync(buffer, position);
    };
    return handle;
  };
  assertEquals(manifest.read().count, 2);
  disk.writeFile(PATH, longer);
  assertEquals(manifest.read().count, 3);
  assertEquals(positions, [0, textOf(1).length]);
  assertEquals(fileSystem.openHandles, 0);
});

Deno.test("Manifest.add() continues a manifest that was rewritten with more lines", async () => {
  const disk = diskWith({ [PATH]: textOf(1, 2, 3) });
  const { manifest, warnings } = open(disk);
  assertEquals(manifest.read().count, 3);
  const rewritten = textOf(4, 5, 6, 7, 8, 9);
  disk.writeFile(PATH, rewritten);
  await manifest.add(facts(1));
  assertEquals(manifestOn(disk), textOf(4, 5, 6, 7, 8, 9, 1));
  assertEquals(warnings, []);
});

Deno.test("Manifest.add() removes an incomplete last line with a warning, and continues the chain", async () => {
  const [whole, next] = [textOf(1, 2), textOf(1, 2, 3)];
  for (let length = whole.length + 1; length < next.length; length++) {
    const disk = diskWith({ [PATH]: next.slice(0, length) });
    const { manifest, warnings } = open(disk);
    assertEquals(manifest.read().count, 2);
    await manifest.add(facts(3));
    assertEquals(manifestOn(disk), next);
    const tornBytes = length - whole.length;
    assertEquals(warnings, [
      `Removed a torn tail of ${tornBytes} bytes after line 2 of the manifest: ${PATH}`,
    ]);
  }
});

Deno.test("Manifest.add() keeps a damaged line as evidence, and appends new lines for the untrusted lines", async () => {
  const damaged = textOf(1, 2, 3, 4).replace('"raw_bytes":102', '"raw_bytes":1 2');
  const disk = diskWith({ [PATH]: damaged });
  const { manifest, warnings } = open(disk);
  for (const index of [1, 2, 3, 4]) await manifest.add(facts(index));
  const { count, byArchive, faults } = open(disk).manifest.read();
  assert(String(manifestOn(disk)).startsWith(damaged));
  // The third line carries the digest of the original second line, which was damaged. So the third line is not trusted
  // either.
  assertEquals([count, byArchive.size, faults.map(({ line }) => line)], [6, 4, [2, 3]]);
  assertEquals(warnings, []);
});

Deno.test("Manifest.add() keeps an incomplete last line if it has no line to add", async () => {
  const damaged = `${textOf(1)}damage`;
  const disk = diskWith({ [PATH]: damaged });
  const { manifest, warnings } = open(disk);
  await manifest.add(facts(1));
  assertEquals([manifestOn(disk), warnings], [damaged, []]);
});

Deno.test("Two processes that add lines to one manifest continue one hash chain", async () => {
  const disk = diskWith({});
  const [one, other] = [open(disk), open(disk)];
  await one.manifest.add(facts(1));
  await other.manifest.add(facts(2));
  await Promise.all([3, 4, 5, 6].map((index) => {
    return [one, other][index % 2]!.manifest.add(facts(index));
  }));
  await Promise.all([one, other].map(({ manifest }) => manifest.add(facts(7))));
  const { count, byteLength, byArchive } = open(disk).manifest.read();
  assertEquals([count, byArchive.size], [7, 7]);
  assertEquals(byteLength, disk.readFile(PATH).byteLength);
  for (const { manifest, warnings } of [one, other]) {
    assertEquals([manifest.read().count, warnings], [7, []]);
  }
});

Deno.test("Manifest.add() leaves the manifest unchanged if the disk is full", async () => {
  const text = textOf(1, 2);
  const length = textOf(1, 2, 3).length - text.length;
  for (const bytesLeft of [0, 1, length - 1]) {
    const disk = diskWith({ [PATH]: text });
    disk.bytesLeft = bytesLeft;
    const { fileSystem, manifest, warnings } = open(disk);
    const message = bytesLeft === 0 ? noSpace().message : "the disk may be full";
    await assertRejects(() => manifest.add(facts(3)), Error, message);
    assertEquals([manifestOn(disk), fileSystem.openHandles], [text, 0]);
    disk.bytesLeft = length;
    await manifest.add(facts(3));
    assertEquals([manifestOn(disk), warnings], [textOf(1, 2, 3), []]);
  }
});

for (const name of ["status", "open", "read", "append", "syncData"] as const) {
  Deno.test(`Manifest.add() rejects if ${name}() fails, and a retry succeeds`, async () => {
    const disk = diskWith({ [PATH]: textOf(1) });
    const { fileSystem, manifest } = open(disk);
    fileSystem.failOn((call) => call.name === name, ioError);
    await assertRejects(() => manifest.add(facts(2)), Error, ioError().message);
    assertEquals(fileSystem.openHandles, 0);
    await manifest.add(facts(2));
    assertEquals(manifestOn(disk), textOf(1, 2));
  });
}

Deno.test("Manifest.add() continues a manifest that was replaced, truncated or removed since the last read", async () => {
  const text = textOf(1, 2);
  const changes: [changed: (disk: SimulatedDisk) => void, expected: string][] = [
    [(disk) => disk.process().remove(PATH), textOf(3)],
    [(disk) => disk.writeFile(PATH, ""), textOf(3)],
    [(disk) => disk.writeFile(PATH, textOf(1)), textOf(1, 3)],
    [(disk) => disk.writeFile(PATH, text.slice(0, -1)), textOf(1, 3)],
    [(disk) => replace(disk, textOf(4, 5, 6)), textOf(4, 5, 6, 3)],
    [(disk) => replace(disk, textOf(4)), textOf(4, 3)],
  ];
  for (const [change, expected] of changes) {
    const disk = diskWith({ [PATH]: text });
    const { manifest } = open(disk);
    assertEquals(manifest.read().count, 2);
    change(disk);
    await manifest.add(facts(3));
    assertEquals(manifestOn(disk), expected);
    assertEquals(manifest.read().byteLength, expected.length);
  }
});

/** Puts another file at the path of the manifest. */
function replace(disk: SimulatedDisk, text: string): void {
  disk.writeFile("/log/other", text);
  disk.process().rename("/log/other", PATH);
}

for (
  const [reason, plant] of [
    ["a symlink", (disk) => disk.plant(PATH, "symlink")],
    ["a directory", (disk) => disk.plant(PATH, "directory")],
    ["a FIFO, socket or device", (disk) => disk.plant(PATH, "other")],
    ["a file with 2 hard links", (disk) => {
      disk.writeFile(PATH, "");
      disk.process().link(PATH, "/log/second");
    }],
  ] as [reason: string, plant: (disk: SimulatedDisk) => void][]
) {
  Deno.test(`Manifest rejects a path that is ${reason}`, async () => {
    const disk = diskWith({});
    plant(disk);
    const before = disk.snapshot();
    const { fileSystem, manifest } = open(disk);
    assertThrows(() => manifest.read(), TypeError, reason);
    await assertRejects(() => manifest.add(facts(1)), TypeError, reason);
    assertEquals([disk.snapshot(), fileSystem.openHandles], [before, 0]);
  });
}

Deno.test("Manifest.add() does not access the file if it cannot get the lock", async () => {
  const disk = diskWith({ [PATH]: textOf(1) });
  const fileSystem = disk.process();
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const underLock: UnderLock = () => Promise.reject(new Error("Lock refused"));
  const manifest = new Manifest({ log: logOn(fileSystem), logger, underLock });
  await assertRejects(() => manifest.add(facts(2)), Error, "Lock refused");
  assertEquals([fileSystem.calls, manifestOn(disk)], [[], textOf(1)]);
});

await testNeeding("POSIX", "Manifest.add() creates a file with mode 0600", async () => {
  using dir = tempDir();
  const log = new LogDirectory(denoFileSystem, dir.path("audit.jsonl"));
  const path = log.files.manifest;
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const manifest = new Manifest({
    log,
    logger,
    underLock: async (section) => await Promise.resolve().then(section),
  });
  for (const index of [1, 2]) await manifest.add(facts(index));
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  assertEquals(Deno.readTextFileSync(path), textOf(1, 2));
});

Deno.test("ManifestReader.catchUp() reads lines that are longer than the bytes of a step, and lets the event loop turn in between", async () => {
  const lines = new ManifestLines();
  const begun = ["x".repeat(300_000)];
  const long = { ended: [], unlisted: [], begun, cut: false, seen: null };
  const parts = Array.from({ length: 9 }, (_, index) => {
    const bytes = lines.next({ ...facts(index), lines: 9, spans: index % 3 === 0 ? long : null });
    lines.take(bytes);
    return bytes;
  });
  const disk = diskWith({ [PATH]: joined(...parts) });
  const reader = new ManifestReader(logOn(disk.process()));
  let turns = 0;
  await reader.catchUp({ isDue: true, take: () => Promise.resolve(void turns++) } as Turns);
  assertEquals([reader.lastRead.count, reader.lastRead.faults], [9, []]);
  assert(turns > 3, `${turns} turns`);
});
