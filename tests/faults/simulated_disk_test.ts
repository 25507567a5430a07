import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileAccess, FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { RuledFileSystem } from "../ruled_file_system.ts";
import { RULES, type Rules } from "../rules.ts";
import { isLockViolation } from "../../src/platform/system_error.ts";
import { tempDir } from "../temp_dir.ts";
import {
  ioError,
  Killed,
  noSpace,
  type PendingOperation,
  SimulatedDisk,
  type SimulatedProcess,
} from "./simulated_disk.ts";

// The following tests check properties that the simulated disk and the real disk share.

interface DiskUnderTest extends Disposable {
  rules: Rules;
  fileSystem: FileSystem;
  path(name: string): string;
  /** Creates a dangling symlink. */
  plantSymlink(name: string): void;
}

function simulatedDisk(rules: Rules): DiskUnderTest {
  const disk = new SimulatedDisk(rules);
  disk.plant("/log", "directory");
  return {
    rules,
    fileSystem: disk.process(),
    path: (name) => `/log/${name}`,
    plantSymlink: (name) => disk.plant(`/log/${name}`, "symlink"),
    [Symbol.dispose]: () => {},
  };
}

function realDisk(rules: Rules): DiskUnderTest {
  const { path, [Symbol.dispose]: dispose } = tempDir();
  return {
    rules,
    fileSystem: rules === RULES ? denoFileSystem : new RuledFileSystem(denoFileSystem),
    path,
    plantSymlink: (name) => {
      // On Windows, a program needs a privilege to create a symlink. So none is created, and no property that is tested
      // on Windows uses a symlink.
      if (Deno.build.os !== "windows") Deno.symlinkSync(path("nowhere"), path(name));
    },
    [Symbol.dispose]: dispose,
  };
}

/**
 * Registers the tests of a property: on the simulated and the real disk, each under the rules of POSIX and of Windows.
 * The real disk always has the rules of its system, and can have the rules of Windows on top. On Windows itself, the
 * real disk raises other errors for missing files and directories, so only properties without such errors are tested
 * there.
 */
function testBoth(
  property: string,
  check: (disk: DiskUnderTest) => void | Promise<void>,
  { isOfWindows = false }: { isOfWindows?: boolean } = {},
): void {
  for (const rules of ["POSIX", "Windows"] as const) {
    for (const setUp of [simulatedDisk, realDisk]) {
      const isReal = setUp === realDisk;
      if (isReal && rules === "POSIX" && RULES === "Windows") continue;
      if (isReal && Deno.build.os === "windows" && !isOfWindows) continue;
      Deno.test(`${property} (${setUp.name}, ${rules})`, async () => {
        using disk = setUp(rules);
        await check(disk);
      });
    }
  }
}

/** Creates a directory "dir" with a file "x" in it, a file "file" and a symlink "symlink". */
function furnish({ fileSystem, path, plantSymlink }: DiskUnderTest): void {
  fileSystem.makeDirectory(path("dir"));
  write(fileSystem, path("dir/x"), "x");
  write(fileSystem, path("file"), "abc");
  plantSymlink("symlink");
}

function write(fileSystem: FileSystem, path: string, text: string): void {
  using file = opened(fileSystem, path, "create");
  file.handle.appendSync(bytes(text));
}

function read(fileSystem: FileSystem, path: string): string {
  using file = opened(fileSystem, path, "read");
  const buffer = new Uint8Array(file.handle.status().byteLength);
  file.handle.readSync(buffer, 0);
  return new TextDecoder().decode(buffer);
}

function opened(
  fileSystem: FileSystem,
  path: string,
  access: FileAccess = "append",
): Disposable & { handle: FileHandle } {
  const handle = fileSystem.open(path, access);
  return { handle, [Symbol.dispose]: () => handle.close() };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

testBoth(
  "FileSystem.status() returns the kind and length of the file, directory or symlink at a path",
  (disk) => {
    furnish(disk);
    const { fileSystem, path } = disk;
    const kindAt = (name: string) => fileSystem.status(path(name))?.kind;
    assertEquals(["dir", "file", "symlink"].map(kindAt), ["directory", "file", "symlink"]);
    assertEquals(["none", "none/x"].map((name) => fileSystem.status(path(name))), [null, null]);
    assertEquals(fileSystem.status("/")?.kind, "directory");
    assertThrows(() => kindAt("file/x"), Deno.errors.NotADirectory);
    const status = fileSystem.status(path("file"))!;
    const { byteLength, inode, links } = status;
    assertEquals({ byteLength, links }, { byteLength: 3, links: 1 });
    using file = opened(fileSystem, path("file"));
    assertEquals(file.handle.status(), status);
    assertNotEquals(inode, fileSystem.status(path("dir/x"))?.inode);
  },
);

testBoth(
  "FileHandle.setOwnership() changes the mode of a file that this process created",
  (disk) => {
    const { fileSystem, path } = disk;
    using file = opened(fileSystem, path("file"), "create");
    const ownership = file.handle.status().ownership;
    // Files on Windows have no ownership, so there is nothing to check.
    if (ownership === null) return;
    assertEquals(ownership.mode, 0o600);
    file.handle.setOwnership({ ...ownership, mode: 0o640 });
    assertEquals(fileSystem.status(path("file"))?.ownership, { ...ownership, mode: 0o640 });
    fileSystem.rename(path("file"), path("moved"));
    fileSystem.open(path("file"), "create").close();
    assertThrows(() => file.handle.setOwnership(ownership), Deno.errors.Busy);
  },
);

testBoth("FileSystem.list() returns the names in a directory", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  assertEquals(fileSystem.list(path("")).sort(), ["dir", "file", "symlink"]);
  assertEquals(fileSystem.list(path("dir")), ["x"]);
  assertThrows(() => fileSystem.list(path("none")), Deno.errors.NotFound);
  assertThrows(() => fileSystem.list(path("file")), Deno.errors.NotADirectory);
});

testBoth('FileSystem.open("create") accepts only an unused name', (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  for (const taken of ["file", "dir", "symlink"]) {
    assertThrows(() => fileSystem.open(path(taken), "create"), Deno.errors.AlreadyExists);
  }
  assertThrows(() => fileSystem.open(path("none/x"), "create"), Deno.errors.NotFound);
  assertThrows(() => fileSystem.open(path("file/x"), "create"), Deno.errors.NotADirectory);
  write(fileSystem, path("new"), "new");
  assertEquals(read(fileSystem, path("new")), "new");
});

for (const access of ["read", "append", "update"] as const) {
  testBoth(`FileSystem.open("${access}") requires an existing file`, (disk) => {
    furnish(disk);
    const { fileSystem, path } = disk;
    for (const name of ["none", "none/x", "symlink"]) {
      assertThrows(() => fileSystem.open(path(name), access), Deno.errors.NotFound);
    }
    assertThrows(() => fileSystem.open(path("file/x"), access), Deno.errors.NotADirectory);
  });
}

testBoth("FileSystem.open() opens a directory for reading its status only", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  assertThrows(() => fileSystem.open(path("dir"), "append"), Deno.errors.IsADirectory);
  using dir = opened(fileSystem, path("dir"), "read");
  assertEquals(dir.handle.status().kind, "directory");
  assertThrows(() => dir.handle.readSync(new Uint8Array(1), 0), Deno.errors.IsADirectory);
});

testBoth("FileHandle reads at any position, and writes at the end of the file", async (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  using one = opened(fileSystem, path("file"));
  using other = opened(fileSystem, path("file"));
  const buffer = new Uint8Array(4);
  assertEquals(one.handle.readSync(buffer, 1), 2);
  assertEquals(other.handle.appendSync(bytes("de")), 2);
  assertEquals(one.handle.appendSync(bytes("f")), 1);
  assertEquals(one.handle.appendSync(bytes("")), 0);
  assertEquals(await one.handle.read(buffer, 2), 4);
  assertEquals(buffer, bytes("cdef"));
  assertEquals([one.handle.readSync(buffer, 6), await one.handle.read(buffer, 99)], [0, 0]);
  assertThrows(() => one.handle.readSync(buffer, -1), Error);
}, { isOfWindows: true });

testBoth('FileHandle opened with "update" can truncate the file, and writes at its end', (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  using file = opened(fileSystem, path("file"), "update");
  using other = opened(fileSystem, path("file"));
  file.handle.truncateSync(1);
  other.handle.appendSync(bytes("xy"));
  file.handle.appendSync(bytes("z"));
  assertEquals(read(fileSystem, path("file")), "axyz");
  file.handle.truncateSync(2);
  file.handle.truncateSync(3);
  assertEquals(read(fileSystem, path("file")), "ax\0");
}, { isOfWindows: true });

testBoth('FileHandle opened with "append" can truncate the file, but not on Windows', (disk) => {
  furnish(disk);
  const { fileSystem, path, rules } = disk;
  using file = opened(fileSystem, path("file"));
  using created = opened(fileSystem, path("new"), "create");
  for (const { handle } of [file, created]) {
    if (rules === "POSIX") handle.truncateSync(1);
    else assertThrows(() => handle.truncateSync(1), Deno.errors.PermissionDenied);
  }
  assertEquals(read(fileSystem, path("file")), rules === "POSIX" ? "a" : "abc");
}, { isOfWindows: true });

testBoth("FileHandle opened for reading rejects writes", (disk) => {
  furnish(disk);
  using file = opened(disk.fileSystem, disk.path("file"), "read");
  assertThrows(() => file.handle.appendSync(bytes("x")), Error);
  assertThrows(() => file.handle.truncateSync(0), Error);
  assertEquals(read(disk.fileSystem, disk.path("file")), "abc");
}, { isOfWindows: true });

testBoth("FileHandle rejects every call after close()", async (disk) => {
  furnish(disk);
  const handle = disk.fileSystem.open(disk.path("file"), "update");
  handle.close();
  for (
    const call of [
      () => handle.status(),
      () => handle.readSync(new Uint8Array(1), 0),
      () => handle.appendSync(bytes("x")),
      () => handle.truncateSync(0),
      () => handle.syncDataSync(),
      () => handle.tryLock(),
      () => handle.unlock(),
      () => handle.close(),
    ]
  ) assertThrows(call, Deno.errors.BadResource);
  await assertRejects(() => handle.read(new Uint8Array(1), 0), Deno.errors.BadResource);
  await assertRejects(() => handle.syncData(), Deno.errors.BadResource);
}, { isOfWindows: true });

testBoth("FileSystem syncs files and directories", async (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  for (const access of ["append", "update"] as const) {
    using file = opened(fileSystem, path("file"), access);
    await file.handle.syncData();
    file.handle.syncDataSync();
  }
  await fileSystem.syncDirectory(path("dir"));
  fileSystem.syncDirectorySync(path("dir"));
  await assertRejects(() => fileSystem.syncDirectory(path("none")), Deno.errors.NotFound);
  assertThrows(() => fileSystem.syncDirectorySync(path("symlink")), Deno.errors.NotFound);
});

testBoth("FileHandle opened for reading can sync the file, but not on Windows", async (disk) => {
  furnish(disk);
  using file = opened(disk.fileSystem, disk.path("file"), "read");
  if (disk.rules === "POSIX") {
    await file.handle.syncData();
    file.handle.syncDataSync();
  } else {
    await assertRejects(() => file.handle.syncData(), Deno.errors.PermissionDenied);
    assertThrows(() => file.handle.syncDataSync(), Deno.errors.PermissionDenied);
  }
}, { isOfWindows: true });

testBoth("FileSystem ignores the case of letters in names on Windows only", (disk) => {
  furnish(disk);
  const { fileSystem, path, rules } = disk;
  if (rules === "POSIX" && fileSystem.status(path("FILE")) === null) {
    write(fileSystem, path("FILE"), "other");
    assertEquals(read(fileSystem, path("file")), "abc");
    return;
  }
  assertThrows(() => fileSystem.open(path("FILE"), "create"), Deno.errors.AlreadyExists);
  assertEquals(read(fileSystem, path("FILE")), "abc");
  assertEquals(fileSystem.status(path("File")), fileSystem.status(path("file")));
  fileSystem.rename(path("FILE"), path("dir/X"));
  assertEquals(fileSystem.list(path("dir")).map((name) => name.toLowerCase()), ["x"]);
  fileSystem.remove(path("dir/X"));
  assertEquals(fileSystem.list(path("dir")), []);
}, { isOfWindows: true });

testBoth("FileSystem.rename() replaces an existing file", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  fileSystem.rename(path("file"), path("dir/x"));
  assertEquals(fileSystem.status(path("file")), null);
  assertEquals(read(fileSystem, path("dir/x")), "abc");
  fileSystem.rename(path("symlink"), path("dir/x"));
  assertEquals(fileSystem.status(path("dir/x"))?.kind, "symlink");
});

testBoth("FileSystem.rename() rejects impossible renames", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  for (const [from, to] of [["none", "new"], ["none", "none"], ["file", "none/x"]] as const) {
    assertThrows(() => fileSystem.rename(path(from), path(to)), Deno.errors.NotFound);
  }
  assertThrows(() => fileSystem.rename(path("dir/x"), path("file/x")), Deno.errors.NotADirectory);
  assertThrows(() => fileSystem.rename(path("file"), path("dir")), Deno.errors.IsADirectory);
});

testBoth("FileSystem.rename() does nothing between two names of one file", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  fileSystem.link(path("file"), path("second"));
  fileSystem.rename(path("file"), path("second"));
  assertEquals(fileSystem.status(path("file")), fileSystem.status(path("second")));
}, { isOfWindows: true });

testBoth("FileSystem.link() adds a second name to a file", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  fileSystem.link(path("file"), path("dir/second"));
  assertEquals(fileSystem.status(path("file")), fileSystem.status(path("dir/second")));
  assertEquals(fileSystem.status(path("file"))?.links, 2);
  fileSystem.link(path("symlink"), path("third"));
  assertEquals(fileSystem.status(path("third"))?.kind, "symlink");
});

testBoth("FileSystem.link() rejects an existing name and a directory", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  for (const [from, to] of [["file", "dir/x"], ["file", "file"], ["dir", "symlink"]] as const) {
    assertThrows(() => fileSystem.link(path(from), path(to)), Deno.errors.AlreadyExists);
  }
  assertThrows(() => fileSystem.link(path("none"), path("new")), Deno.errors.NotFound);
  assertThrows(() => fileSystem.link(path("file"), path("none/x")), Deno.errors.NotFound);
  assertThrows(() => fileSystem.link(path("file"), path("file/x")), Deno.errors.NotADirectory);
  assertThrows(() => fileSystem.link(path("dir"), path("new")), Deno.errors.PermissionDenied);
});

testBoth("FileSystem.remove() removes one name of a file", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  fileSystem.link(path("file"), path("second"));
  fileSystem.remove(path("file"));
  assertEquals(fileSystem.status(path("second"))?.links, 1);
  fileSystem.remove(path("symlink"));
  assertEquals(fileSystem.list(path("")).sort(), ["dir", "second"]);
  assertThrows(() => fileSystem.remove(path("file")), Deno.errors.NotFound);
  assertThrows(() => fileSystem.remove(path("second/x")), Deno.errors.NotADirectory);
  assertThrows(() => fileSystem.remove(path("dir")), Error);
});

testBoth("FileSystem.makeDirectory() requires an unused name and an existing parent", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  for (const taken of ["dir", "file", "symlink"]) {
    assertThrows(() => fileSystem.makeDirectory(path(taken)), Deno.errors.AlreadyExists);
  }
  assertThrows(() => fileSystem.makeDirectory(path("none/x")), Deno.errors.NotFound);
  assertThrows(() => fileSystem.makeDirectory(path("file/x")), Deno.errors.NotADirectory);
});

testBoth("FileHandle still accesses its file after the file was renamed or removed", (disk) => {
  furnish(disk);
  const { fileSystem, path } = disk;
  using file = opened(fileSystem, path("file"));
  fileSystem.rename(path("file"), path("moved"));
  write(fileSystem, path("file"), "other");
  file.handle.appendSync(bytes("d"));
  assertEquals(read(fileSystem, path("moved")), "abcd");
  fileSystem.remove(path("moved"));
  file.handle.appendSync(bytes("e"));
  const { byteLength, links } = file.handle.status();
  assertEquals({ byteLength, links }, { byteLength: 5, links: 0 });
  assertEquals(read(fileSystem, path("file")), "other");
});

testBoth("FileHandle.tryLock() returns false if another handle locked the file", (disk) => {
  furnish(disk);
  const { fileSystem, path, rules } = disk;
  fileSystem.link(path("file"), path("second"));
  using other = opened(fileSystem, path("second"), "read");
  const handle = fileSystem.open(path("file"), "append");
  using elsewhere = opened(fileSystem, path("dir/x"));
  assertEquals([handle.tryLock(), other.handle.tryLock()], [true, false]);
  assert(elsewhere.handle.tryLock());
  if (rules === "POSIX") other.handle.unlock();
  else assertThrows(() => other.handle.unlock(), Error);
  assert(!other.handle.tryLock());
  handle.unlock();
  assert(other.handle.tryLock());
  other.handle.unlock();
  assert(handle.tryLock());
  handle.close();
  assert(other.handle.tryLock());
}, { isOfWindows: true });

testBoth(
  "FileHandle.tryLock() makes reads and writes by other handles fail, but only on Windows",
  async (disk) => {
    furnish(disk);
    const { fileSystem, path, rules } = disk;
    using owner = opened(fileSystem, path("file"), "update");
    using other = opened(fileSystem, path("file"), "update");
    assert(owner.handle.tryLock());
    const buffer = new Uint8Array(3);
    const calls = [
      () => other.handle.readSync(buffer, 0),
      () => other.handle.read(buffer, 0),
      () => other.handle.appendSync(bytes("d")),
    ];
    for (const call of calls) {
      if (rules === "POSIX") await call();
      else assert(isLockViolation(await assertRejects(async () => await call(), Error)));
    }
    other.handle.truncateSync(3);
    owner.handle.appendSync(bytes("e"));
    assertEquals(owner.handle.readSync(buffer, 0), 3);
    assertEquals(other.handle.status().byteLength, 4);
    owner.handle.unlock();
    for (const call of calls) await call();
    assert(other.handle.tryLock());
  },
  { isOfWindows: true },
);

// The following tests check which operations on the simulated disk survive a power loss.

/** Creates a disk with a durable file "/log/a" that contains "abc", and a process on the disk. */
function simulation(): { disk: SimulatedDisk; process: SimulatedProcess } {
  const disk = new SimulatedDisk();
  disk.writeFile("/log/a", "abc");
  return { disk, process: disk.process() };
}

const nothing = () => false;
const everything = () => true;

/** Returns a function that chooses all operations except those of the given `kinds`. */
function without(...kinds: PendingOperation["kind"][]): (operation: PendingOperation) => boolean {
  return ({ kind }) => !kinds.includes(kind);
}

Deno.test("SimulatedDisk.writeFile() writes a file that is durable at once", () => {
  const { disk, process } = simulation();
  assertEquals([disk.pending, process.calls], [[], []]);
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
  disk.writeFile("/log/a", Uint8Array.of(0xff));
  assertEquals(disk.snapshot(), { "/log/a": Uint8Array.of(0xff) });
  assertEquals(disk.readFile("/log/a"), Uint8Array.of(0xff));
});

Deno.test("SimulatedDisk.plant() creates files of other kinds, which open() rejects", () => {
  const { disk, process } = simulation();
  disk.plant("/log/fifo", "other");
  assertEquals(process.status("/log/fifo")?.kind, "other");
  assertThrows(() => process.open("/log/fifo", "append"), Error, "block for ever");
  assertEquals(disk.afterPowerLoss(nothing).process().list("/log"), ["a", "fifo"]);
});

Deno.test("SimulatedDisk.afterPowerLoss() can lose, keep or cut off an append", () => {
  const { disk, process } = simulation();
  process.open("/log/a", "append").appendSync(bytes("defg"));
  assertEquals(disk.pending.map(({ id, kind, path }) => ({ id, kind, path })), [
    { id: disk.pending[0]!.id, kind: "append", path: "/log/a" },
  ]);
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
  assertEquals(disk.afterPowerLoss(everything).snapshot(), { "/log/a": "abcdefg" });
  assertEquals(disk.afterPowerLoss(everything, () => 2).snapshot(), { "/log/a": "abcde" });
  assertEquals(disk.afterPowerLoss(everything, () => 0).snapshot(), { "/log/a": "abc" });
  assertEquals(disk.snapshot(), { "/log/a": "abcdefg" });
});

Deno.test("SimulatedDisk.afterPowerLoss() fills the place of a lost append with NUL bytes if a later append survives", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "append");
  for (const text of ["de", "fg", "h"]) handle.appendSync(bytes(text));
  const [first, second] = disk.pending;
  const lost = disk.afterPowerLoss(({ id }) => id !== second!.id);
  assertEquals(lost.snapshot(), { "/log/a": "abcde\0\0h" });
  const torn = disk.afterPowerLoss(everything, ({ id, bytes }) => {
    return id === first!.id ? 1 : bytes.byteLength;
  });
  assertEquals(torn.snapshot(), { "/log/a": "abcd\0fgh" });
  const tornToNothing = disk.afterPowerLoss(({ id }) => id === second!.id, () => 0);
  assertEquals(tornToNothing.snapshot(), { "/log/a": "abc" });
});

Deno.test("SimulatedDisk.afterPowerLoss() can restore the bytes that an unsynced truncation removed", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "update");
  handle.truncateSync(1);
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
  assertEquals(disk.afterPowerLoss(everything).snapshot(), { "/log/a": "a" });
  handle.syncDataSync();
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "a" });
});

Deno.test("SimulatedDisk.afterPowerLoss() writes a surviving append over the bytes that it restores after a lost truncation", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "update");
  handle.truncateSync(1);
  handle.appendSync(bytes("X"));
  assertEquals(disk.afterPowerLoss(without("truncate")).snapshot(), { "/log/a": "aXc" });
  assertEquals(disk.afterPowerLoss(without("append")).snapshot(), { "/log/a": "a" });
});

Deno.test("FileHandle.syncData() makes the appends before the call durable, but not later ones", async () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "append");
  handle.appendSync(bytes("d"));
  const synced = handle.syncData();
  handle.appendSync(bytes("e"));
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
  await synced;
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abcd" });
  handle.syncDataSync();
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abcde" });
  assertEquals(disk.pending, []);
});

Deno.test("FileHandle.syncData() makes the content of a file durable, and syncDirectory() makes its name durable", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/b", "create");
  handle.appendSync(bytes("b"));
  handle.syncDataSync();
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
  assertEquals(disk.afterPowerLoss(everything).snapshot(), { "/log/a": "abc", "/log/b": "b" });
  process.syncDirectorySync("/log");
  handle.appendSync(bytes("!"));
  process.syncDirectorySync("/log");
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc", "/log/b": "b" });
});

Deno.test("FileHandle.syncData() that fails leaves its bytes out of all later syncs", async () => {
  for (const sync of [(handle: FileHandle) => handle.syncData(), syncDataSync]) {
    const { disk, process } = simulation();
    process.failOn(({ name }) => name === "syncData", ioError);
    const handle = process.open("/log/a", "append");
    handle.appendSync(bytes("d"));
    await assertRejects(async () => await sync(handle), Error, "Input/output error");
    handle.appendSync(bytes("e"));
    await sync(handle);
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc\0e" });
    assertEquals(disk.afterPowerLoss(everything).snapshot(), { "/log/a": "abcde" });
  }
});

Deno.test("FileHandle.syncData() reports a failed sync once on every other open handle", async () => {
  for (const sync of [(handle: FileHandle) => handle.syncData(), syncDataSync]) {
    const { disk, process } = simulation();
    const other = disk.process().open("/log/a", "append");
    other.appendSync(bytes("d"));
    const handle = process.open("/log/a", "append");
    process.failOn(({ name }) => name === "syncData", ioError);
    await assertRejects(async () => await sync(handle), Error, "Input/output error");
    const later = disk.process().open("/log/a", "append");
    await sync(later);
    await sync(handle);
    await assertRejects(async () => await sync(other), Error, "Input/output error");
    other.appendSync(bytes("e"));
    await sync(other);
    await sync(later);
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc\0e" });
  }
});

Deno.test("FileHandle.syncData() fails if a sync by another handle of the file fails in the meantime", async () => {
  const { disk, process } = simulation();
  const other = disk.process().open("/log/a", "append");
  other.appendSync(bytes("d"));
  const running = other.syncData();
  process.failOn(({ name }) => name === "syncData", ioError);
  assertThrows(() => process.open("/log/a", "append").syncDataSync(), Error, "Input/output error");
  await assertRejects(() => running, Error, "Input/output error");
});

Deno.test("FileHandle.syncData() that fails because the handle is closed leaves no bytes out of later syncs", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "append");
  handle.appendSync(bytes("d"));
  handle.close();
  assertThrows(() => handle.syncDataSync(), Deno.errors.BadResource);
  process.open("/log/a", "append").syncDataSync();
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abcd" });
});

function syncDataSync(handle: FileHandle): void {
  handle.syncDataSync();
}

for (
  const { name, change, after } of [
    {
      name: "create",
      change: (process: FileSystem) => process.open("/log/b", "create"),
      after: { "/log/a": "abc", "/log/b": "" },
    },
    {
      name: "rename",
      change: (process: FileSystem) => process.rename("/log/a", "/log/b"),
      after: { "/log/b": "abc" },
    },
    {
      name: "link",
      change: (process: FileSystem) => process.link("/log/a", "/log/b"),
      after: { "/log/a": "abc", "/log/b": "abc" },
    },
    { name: "remove", change: (process: FileSystem) => process.remove("/log/a"), after: {} },
  ]
) {
  Deno.test(`FileSystem.syncDirectory() makes a ${name} durable; until then, a power loss may undo it`, async () => {
    const { disk, process } = simulation();
    change(process);
    assertEquals(disk.snapshot(), after);
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
    assertEquals(disk.afterPowerLoss(everything).snapshot(), after);
    process.syncDirectorySync("/");
    const synced = process.syncDirectory("/log");
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
    await synced;
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), after);
  });
}

Deno.test("FileSystem.syncDirectory() of the parent makes a new directory durable, but not the names in it", () => {
  const { disk, process } = simulation();
  process.makeDirectory("/log/old");
  process.link("/log/a", "/log/old/b");
  process.syncDirectorySync("/log/old");
  const lost = disk.afterPowerLoss(nothing).process();
  assertEquals([lost.status("/log/old"), lost.status("/log/a")?.links], [null, 1]);
  process.syncDirectorySync("/log");
  process.link("/log/a", "/log/old/c");
  assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc", "/log/old/b": "abc" });
});

Deno.test("FileSystem.syncDirectory() of either directory makes a rename between the two durable", () => {
  for (const synced of ["/log", "/old"]) {
    const { disk, process } = simulation();
    disk.plant("/old", "directory");
    process.open("/old/a", "create");
    process.rename("/log/a", "/old/a");
    process.syncDirectorySync(synced);
    assertEquals(disk.pending, []);
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/old/a": "abc" });
  }
});

Deno.test("SimulatedDisk.afterPowerLoss() that loses a change of a name also loses all later changes of that name", () => {
  const { disk, process } = simulation();
  process.rename("/log/a", "/log/a.1");
  process.open("/log/a", "create").appendSync(bytes("new"));
  process.link("/log/a.1", "/log/a.2");
  process.remove("/log/a.1");
  const after = (...lost: PendingOperation["kind"][]) => {
    return disk.afterPowerLoss(without(...lost)).snapshot();
  };
  assertEquals(after(), { "/log/a": "new", "/log/a.2": "abc" });
  assertEquals(after("create"), { "/log/a.2": "abc" });
  assertEquals(after("rename"), { "/log/a": "abc", "/log/a.2": "abc" });
  assertEquals(after("remove", "append"), { "/log/a": "", "/log/a.1": "abc", "/log/a.2": "abc" });
});

Deno.test("SimulatedDisk.afterPowerLoss() drops a rename if the renamed file was lost", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/tmp", "create");
  handle.appendSync(bytes("new"));
  handle.syncDataSync();
  process.rename("/log/tmp", "/log/a");
  assertEquals(disk.afterPowerLoss(without("create")).snapshot(), { "/log/a": "abc" });
  assertEquals(disk.afterPowerLoss(everything).snapshot(), { "/log/a": "new" });
});

// The following tests check kills of simulated processes, hooks before their calls, and full simulated disks.

Deno.test("SimulatedProcess.calls records every call that touches the disk", async () => {
  const { process } = simulation();
  const handle = process.open("/log/a", "update");
  handle.status();
  handle.tryLock();
  handle.appendSync(bytes("d"));
  handle.readSync(new Uint8Array(1), 0);
  await handle.read(new Uint8Array(1), 0);
  handle.truncateSync(0);
  handle.syncDataSync();
  await handle.syncData();
  handle.unlock();
  process.link("/log/a", "/log/b");
  process.rename("/log/b", "/log/c");
  process.remove("/log/c");
  process.makeDirectory("/log/d");
  process.syncDirectorySync("/log");
  await process.syncDirectory("/log");
  process.list("/log");
  process.status("/log/b");
  assertThrows(() => process.open("/log/a", "create"), Deno.errors.AlreadyExists);
  handle.close();
  assertThrows(() => handle.status(), Deno.errors.BadResource);
  const path = "/log/a";
  const expected = [
    ...["open", "status", "tryLock", "append", "read", "read", "truncate", "syncData", "syncData"]
      .map((name) => ({ name, path })),
    { name: "unlock", path },
    { name: "link", path, to: "/log/b" },
    { name: "rename", path: "/log/b", to: "/log/c" },
    { name: "remove", path: "/log/c" },
    { name: "makeDirectory", path: "/log/d" },
    { name: "syncDirectory", path: "/log" },
    { name: "syncDirectory", path: "/log" },
    { name: "list", path: "/log" },
    { name: "status", path: "/log/b" },
    { name: "open", path },
  ].map((call, index) => ({ index, ...call }));
  assertEquals<unknown>(process.calls, expected);
});

Deno.test("SimulatedProcess.onCall runs before the call takes effect, and can make the call fail", async () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "append");
  process.onCall = ({ index, name }) => {
    assertEquals(disk.snapshot(), { "/log/a": "abc" });
    throw new Error(`${index} ${name}`);
  };
  assertThrows(() => handle.appendSync(bytes("d")), Error, "1 append");
  assertThrows(() => process.remove("/log/a"), Error, "2 remove");
  await assertRejects(() => process.syncDirectory("/log"), Error, "3 syncDirectory");
  process.onCall = undefined;
  handle.appendSync(bytes("d"));
  assertEquals(disk.snapshot(), { "/log/a": "abcd" });
});

Deno.test("SimulatedProcess.failOn() makes the given number of matching calls fail", () => {
  const { process } = simulation();
  process.failOn(({ name }) => name === "append", noSpace, 2);
  process.failOn(({ path }) => path === "/log", ioError, Infinity);
  const handle = process.open("/log/a", "append");
  for (let i = 0; i < 2; i++) {
    assertThrows(() => handle.appendSync(bytes("d")), Error, "No space left on device");
  }
  assertEquals(handle.appendSync(bytes("d")), 1);
  for (let i = 0; i < 5; i++) assertThrows(() => process.list("/log"), Error, "Input/output error");
  assertEquals(process.calls.length, 9);
});

for (
  const { when, content } of [{ when: "before", content: "abc" }, {
    when: "after",
    content: "abcd",
  }] as const
) {
  Deno.test(`SimulatedProcess.killAt() kills the process ${when} the call`, async () => {
    const { disk, process } = simulation();
    process.killAt(2, when);
    const handle = process.open("/log/a", "append");
    handle.tryLock();
    assertThrows(() => handle.appendSync(bytes("d")), Killed);
    assertThrows(() => handle.status(), Killed);
    assertThrows(() => process.list("/log"), Killed);
    await assertRejects(() => handle.syncData(), Killed);
    await assertRejects(() => process.syncDirectory("/log"), Killed);
    handle.close();
    assertEquals([process.isKilled, process.openHandles, process.calls.length], [true, 0, 3]);
    assertEquals(disk.snapshot(), { "/log/a": content });
  });

  Deno.test(`SimulatedProcess.killAt() kills the process ${when} an asynchronous sync`, async () => {
    const { disk, process } = simulation();
    process.killAt(2, when);
    const handle = process.open("/log/a", "append");
    handle.appendSync(bytes("d"));
    await assertRejects(() => handle.syncData(), Killed);
    assertEquals(disk.afterPowerLoss(nothing).snapshot(), { "/log/a": content });
  });
}

Deno.test("SimulatedProcess.killAt() also kills the process after a failing call", () => {
  const { disk } = simulation();
  const fails = [
    (process: SimulatedProcess) => process.remove("/log/none"),
    (process: SimulatedProcess) => {
      process.failOn(() => true, ioError);
      process.list("/log");
    },
  ];
  for (const fail of fails) {
    const process = disk.process();
    process.killAt(0, "after");
    assertThrows(() => fail(process), Killed);
  }
});

Deno.test("SimulatedProcess.onCall may kill the process", () => {
  const { disk, process } = simulation();
  process.onCall = () => process.kill();
  assertThrows(() => process.remove("/log/a"), Killed);
  assertEquals(disk.snapshot(), { "/log/a": "abc" });
});

Deno.test("SimulatedProcess.kill() releases its locks and does not affect other processes", async () => {
  const { disk, process } = simulation();
  const other = disk.process();
  const survivor = other.open("/log/a", "append");
  const handle = process.open("/log/a", "append");
  handle.appendSync(bytes("d"));
  assert(handle.tryLock());
  assert(!survivor.tryLock());
  const synced = handle.syncData();
  process.kill();
  await assertRejects(() => synced, Killed);
  assertEquals(disk.pending.length, 1);
  assert(survivor.tryLock());
  assertEquals([process.openHandles, other.openHandles], [0, 1]);
  survivor.appendSync(bytes("e"));
  assertEquals(disk.snapshot(), { "/log/a": "abcde" });
});

Deno.test("SimulatedDisk.afterKill() returns a copy of the disk without open handles and locks", () => {
  const { disk, process } = simulation();
  const handle = process.open("/log/a", "append");
  handle.tryLock();
  handle.appendSync(bytes("d"));
  const copy = disk.afterKill();
  handle.appendSync(bytes("e"));
  process.remove("/log/a");
  assertEquals(copy.snapshot(), { "/log/a": "abcd" });
  assertEquals(copy.pending, disk.pending.slice(0, 1));
  assertEquals(copy.afterPowerLoss(nothing).snapshot(), { "/log/a": "abc" });
  const reopened = copy.process().open("/log/a", "append");
  assert(reopened.tryLock());
  reopened.appendSync(bytes("f"));
  assertEquals([copy.snapshot(), disk.snapshot()], [{ "/log/a": "abcdf" }, {}]);
});

Deno.test("SimulatedDisk.bytesLeft cuts off an append that does not fit, and makes the next append fail", () => {
  const { disk, process } = simulation();
  assertEquals(disk.bytesLeft, Infinity);
  disk.bytesLeft = 3;
  const handle = process.open("/log/a", "append");
  assertEquals(handle.appendSync(bytes("de")), 2);
  assertEquals(handle.appendSync(bytes("fg")), 1);
  assertThrows(() => handle.appendSync(bytes("g")), Error, "No space left on device (os error 28)");
  assertEquals([disk.bytesLeft, disk.snapshot()], [0, { "/log/a": "abcdef" }]);
  assertEquals(disk.afterPowerLoss(nothing).bytesLeft, 3);
});

Deno.test("SimulatedDisk.bytesLeft grows when a file is truncated, or when its last name and handle are gone", () => {
  const { disk, process } = simulation();
  disk.bytesLeft = 0;
  const handle = process.open("/log/a", "update");
  handle.truncateSync(1);
  assertEquals(disk.bytesLeft, 2);
  process.link("/log/a", "/log/b");
  process.remove("/log/a");
  process.remove("/log/b");
  assertEquals(disk.bytesLeft, 2);
  handle.close();
  assertEquals(disk.bytesLeft, 3);
});
