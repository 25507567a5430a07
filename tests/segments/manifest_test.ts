import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { Manifest, type UnderLock } from "../../src/segments/manifest.ts";
import type { ArchiveFacts } from "../../src/segments/manifest_line.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import {
  ioError,
  noSpace,
  type SimulatedDisk,
  type SimulatedProcess,
} from "../faults/simulated_disk.ts";
import { testNeeding } from "../requirements.ts";
import { tempDir } from "../temp_dir.ts";
import { diskWith, files } from "./log_on_disk.ts";

const PATH = files.manifest;

/** The facts of the archive with the number. */
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

/** The text of a manifest of archives with the numbers. */
function textOf(...indexes: number[]): string {
  const lines = new ManifestLines();
  return indexes.map((index) => {
    const bytes = lines.next(facts(index));
    lines.take(bytes);
    return new TextDecoder().decode(bytes);
  }).join("");
}

/** A manifest as one process has it. */
function open(disk: SimulatedDisk, path = PATH) {
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
    if (name === "append" || name === "truncate") assert(isLocked, `${name} without the lock`);
    if (name === "syncData") assert(!isLocked, "a sync under the lock");
  };
  const manifest = new Manifest({ fileSystem, path, logger, underLock });
  return { fileSystem, manifest, warnings };
}

function manifestOn(disk: SimulatedDisk): string | Uint8Array | undefined {
  return disk.snapshot()[PATH];
}

/** Names of the calls behind those that look for the file. */
function changesOf({ calls }: SimulatedProcess): string[] {
  return calls.map(({ name }) => name).filter((name) => name !== "status" && name !== "read");
}

Deno.test("Manifest.add() appends a line under the lock and syncs it outside", async () => {
  const disk = diskWith({});
  const { fileSystem, manifest, warnings } = open(disk);
  for (const index of [1, 2, 3]) await manifest.add(facts(index));
  assertEquals(manifestOn(disk), textOf(1, 2, 3));
  const once = ["open", "append", "syncData"];
  assertEquals(changesOf(fileSystem), [...once, ...once, ...once]);
  assertEquals([fileSystem.openHandles, warnings], [0, []]);
});

Deno.test("Manifest.add() does nothing when the manifest has the line, but to sync it", async () => {
  const disk = diskWith({ [PATH]: textOf(1, 2) });
  const { fileSystem, manifest } = open(disk);
  for (const index of [1, 2, 1]) await manifest.add(facts(index));
  assertEquals(manifestOn(disk), textOf(1, 2));
  assert(!changesOf(fileSystem).includes("append"));
  assertEquals(changesOf(fileSystem).filter((name) => name === "syncData").length, 3);
});

Deno.test("Manifest.add() adds a second line for an archive that holds something else now", async () => {
  const disk = diskWith({ [PATH]: textOf(1, 2) });
  const { manifest } = open(disk);
  await manifest.add(facts(1, "1".repeat(64)));
  await manifest.add({ ...facts(2), gzip_sha256: "e".repeat(64) });
  const { count, byArchive } = open(disk).manifest.read();
  assertEquals([count, byArchive.size], [4, 2]);
  assertEquals(byArchive.get(facts(1).archive)?.sha256, "1".repeat(64));
  assertEquals(byArchive.get(facts(2).archive)?.gzip_sha256, "e".repeat(64));
});

Deno.test("Manifest.read() makes nothing, and has no lines where there is no manifest", () => {
  const disk = diskWith({});
  assertEquals(open(disk).manifest.read().count, 0);
  assertEquals(disk.snapshot(), {});
});

Deno.test("Manifest.read() reads the last line again, and nothing before it", () => {
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

Deno.test("Manifest.add() takes up a manifest that was written anew in its place and is longer", async () => {
  const disk = diskWith({ [PATH]: textOf(1, 2, 3) });
  const { manifest, warnings } = open(disk);
  assertEquals(manifest.read().count, 3);
  const anew = textOf(4, 5, 6, 7, 8, 9);
  disk.writeFile(PATH, anew);
  await manifest.add(facts(1));
  assertEquals(manifestOn(disk), textOf(4, 5, 6, 7, 8, 9, 1));
  assertEquals(warnings, []);
});

Deno.test("Manifest.add() cuts a torn tail off, with a warning, and continues the chain", async () => {
  const [whole, next] = [textOf(1, 2), textOf(1, 2, 3)];
  for (let length = whole.length + 1; length < next.length; length++) {
    const disk = diskWith({ [PATH]: next.slice(0, length) });
    const { manifest, warnings } = open(disk);
    assertEquals(manifest.read().count, 2);
    await manifest.add(facts(3));
    assertEquals(manifestOn(disk), next);
    const told = `Cut ${length - whole.length} torn bytes off behind line 2 of manifest: ${PATH}`;
    assertEquals(warnings, [told]);
  }
});

Deno.test("Manifest.add() keeps a damaged line as evidence, and adds what is not told behind it", async () => {
  const damaged = textOf(1, 2, 3, 4).replace('"raw_bytes":102', '"raw_bytes":1 2');
  const disk = diskWith({ [PATH]: damaged });
  const { manifest, warnings } = open(disk);
  for (const index of [1, 2, 3, 4]) await manifest.add(facts(index));
  const { count, byArchive, faults } = open(disk).manifest.read();
  assert(String(manifestOn(disk)).startsWith(damaged));
  // The third line does not follow the second as it is now, so nobody vouches for it.
  assertEquals([count, byArchive.size, faults.map(({ line }) => line)], [6, 4, [2, 3]]);
  assertEquals(warnings, []);
});

Deno.test("Manifest.add() leaves damage where it is when there is nothing to add", async () => {
  const damaged = `${textOf(1)}damage`;
  const disk = diskWith({ [PATH]: damaged });
  const { manifest, warnings } = open(disk);
  await manifest.add(facts(1));
  assertEquals([manifestOn(disk), warnings], [damaged, []]);
});

Deno.test("Manifests of two processes make one chain", async () => {
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

Deno.test("Manifest.add() leaves the manifest as it was when the disk gets full", async () => {
  const text = textOf(1, 2);
  const length = textOf(1, 2, 3).length - text.length;
  for (const bytesLeft of [0, 1, length - 1]) {
    const disk = diskWith({ [PATH]: text });
    disk.bytesLeft = bytesLeft;
    const { fileSystem, manifest, warnings } = open(disk);
    const message = bytesLeft === 0 ? noSpace().message : "(disk full?)";
    await assertRejects(() => manifest.add(facts(3)), Error, message);
    assertEquals([manifestOn(disk), fileSystem.openHandles], [text, 0]);
    disk.bytesLeft = length;
    await manifest.add(facts(3));
    assertEquals([manifestOn(disk), warnings], [textOf(1, 2, 3), []]);
  }
});

for (const name of ["status", "open", "read", "append", "syncData"] as const) {
  Deno.test(`Manifest.add() rejects when ${name} fails, and can be repeated`, async () => {
    const disk = diskWith({ [PATH]: textOf(1) });
    const { fileSystem, manifest } = open(disk);
    fileSystem.failOn((call) => call.name === name, ioError);
    await assertRejects(() => manifest.add(facts(2)), Error, ioError().message);
    assertEquals(fileSystem.openHandles, 0);
    await manifest.add(facts(2));
    assertEquals(manifestOn(disk), textOf(1, 2));
  });
}

Deno.test("Manifest.add() takes up a manifest that was replaced, cut or removed meanwhile", async () => {
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
    ["no plain file", (disk) => disk.plant(PATH, "other")],
    ["2 hard links", (disk) => {
      disk.writeFile(PATH, "");
      disk.process().link(PATH, "/log/second");
    }],
  ] as [reason: string, plant: (disk: SimulatedDisk) => void][]
) {
  Deno.test(`Manifest refuses a path that is ${reason}`, async () => {
    const disk = diskWith({});
    plant(disk);
    const before = disk.snapshot();
    const { fileSystem, manifest } = open(disk);
    assertThrows(() => manifest.read(), TypeError, reason);
    await assertRejects(() => manifest.add(facts(1)), TypeError, reason);
    assertEquals([disk.snapshot(), fileSystem.openHandles], [before, 0]);
  });
}

Deno.test("Manifest.add() touches nothing when it does not get the lock", async () => {
  const disk = diskWith({ [PATH]: textOf(1) });
  const fileSystem = disk.process();
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const underLock: UnderLock = () => Promise.reject(new Error("Lock refused"));
  const manifest = new Manifest({ fileSystem, path: PATH, logger, underLock });
  await assertRejects(() => manifest.add(facts(2)), Error, "Lock refused");
  assertEquals([fileSystem.calls, manifestOn(disk)], [[], textOf(1)]);
});

await testNeeding("POSIX", "Manifest.add() makes a file for its owner alone", async () => {
  using dir = tempDir();
  const path = dir.path("audit.manifest.jsonl");
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const manifest = new Manifest({
    fileSystem: denoFileSystem,
    path,
    logger,
    underLock: async (section) => await Promise.resolve().then(section),
  });
  for (const index of [1, 2]) await manifest.add(facts(index));
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  assertEquals(Deno.readTextFileSync(path), textOf(1, 2));
});
