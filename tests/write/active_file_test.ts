import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { AuditWriteError } from "../../src/errors.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { ActiveFile } from "../../src/write/active_file.ts";
import { testNeeding } from "../requirements.ts";
import { tempDir } from "../temp_dir.ts";
import { bytes, ScriptedFileSystem } from "./scripted_file_system.ts";

function openFile(fileSystem: FileSystem, path: string): ActiveFile {
  return new ActiveFile({
    log: new LogDirectory(fileSystem, path),
    markEveryBytes: 1024,
    isOwnText: true,
  });
}

/** Opens the active file at the path. Also returns its file system, and a function that appends a batch. */
function setUp(path: string) {
  const fileSystem = new ScriptedFileSystem();
  const file = openFile(fileSystem, path);
  file.openSync();
  const append = (batch: Uint8Array) => file.appendSync(batch, file.readySync().byteLength);
  return { fileSystem, file, append, [Symbol.dispose]: () => file.close() };
}

for (const tail of ['{"torn', "\0".repeat(4096), "x"]) {
  Deno.test(`ActiveFile.appendSync() adds a line break after an incomplete last line of ${tail.length} bytes`, () => {
    using dir = tempDir();
    const path = dir.path("a.jsonl");
    Deno.writeTextFileSync(path, `{"a":1}\n${tail}`);
    using system = setUp(path);
    system.append(bytes('{"b":2}\n'));
    system.append(bytes('{"c":3}\n'));
    assertEquals(Deno.readTextFileSync(path), `{"a":1}\n${tail}\n{"b":2}\n{"c":3}\n`);
  });
}

Deno.test("ActiveFile.appendSync() adds a line break after an incomplete line that another writer left between two appends", () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("a\n"));
  Deno.writeTextFileSync(path, "torn", { append: true });
  system.append(bytes("b\n"));
  Deno.writeTextFileSync(path, "whole\n", { append: true });
  system.append(bytes("c\n"));
  assertEquals(Deno.readTextFileSync(path), "a\ntorn\nb\nwhole\nc\n");
});

for (const kept of [0, 1, 4, 7]) {
  Deno.test(`ActiveFile.appendSync() truncates the file after a short write of ${kept} of 8 bytes`, () => {
    using dir = tempDir();
    const path = dir.path("a.jsonl");
    using system = setUp(path);
    system.append(bytes('{"a":1}\n'));
    const real = system.fileSystem.append;
    system.fileSystem.append = (handle, batch) => handle.appendSync(batch.subarray(0, kept));
    const error = assertThrows(
      () => system.append(bytes('{"b":2}\n')),
      AuditWriteError,
      `only ${kept} of 8 bytes were written`,
    );
    assertEquals([error.phase, error.path], ["write", path]);
    assertEquals(Deno.readTextFileSync(path), '{"a":1}\n');
    system.fileSystem.append = real;
    system.append(bytes('{"c":3}\n'));
    assertEquals(Deno.readTextFileSync(path), '{"a":1}\n{"c":3}\n');
  });
}

Deno.test("ActiveFile.appendSync() leaves the file unchanged if the write fails", () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("a\n"));
  const cause = new Error("No space left on device");
  system.fileSystem.append = (handle, batch) => {
    handle.appendSync(batch.subarray(0, 3));
    throw cause;
  };
  const error = assertThrows(() => system.append(bytes("bbbb\n")), AuditWriteError);
  assertEquals([error.phase, error.cause], ["write", cause]);
  assertEquals(Deno.readTextFileSync(path), "a\n");
});

Deno.test("ActiveFile.appendSync() reports both errors if the write and the truncation fail, and can append later", () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("a\n"));
  const { append, truncate } = system.fileSystem;
  system.fileSystem.append = (handle, batch) => handle.appendSync(batch.subarray(0, 3));
  system.fileSystem.truncate = () => {
    throw new Error("EIO");
  };
  const error = assertThrows(() => system.append(bytes("bbbb\n")), AuditWriteError, "EIO");
  assertInstanceOf(error.cause, AggregateError);
  assertEquals(error.cause.errors.length, 2);
  Object.assign(system.fileSystem, { append, truncate });
  system.append(bytes("c\n"));
  assertEquals(Deno.readTextFileSync(path), "a\nbbb\nc\n");
});

Deno.test("ActiveFile creates a new file after its file was renamed away, and syncs both files", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("old\n"));
  Deno.renameSync(path, dir.path("a.jsonl.1"));
  system.append(bytes("new\n"));
  assertEquals(Deno.readTextFileSync(dir.path("a.jsonl.1")), "old\n");
  assertEquals(Deno.readTextFileSync(path), "new\n");
  assertEquals(system.fileSystem.openHandles, 2);
  await system.file.sync();
  assertEquals(system.fileSystem.synced.length, 2);
  assertEquals(system.fileSystem.directorySyncs, 1);
  assertEquals(system.fileSystem.openHandles, 1, "the old file is closed after its sync");
  await system.file.sync();
  assertEquals(system.fileSystem.synced.length, 3);
  assertEquals(system.fileSystem.directorySyncs, 1);
});

Deno.test("ActiveFile.syncSync() also syncs a file that was removed from its path", () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("old\n"));
  Deno.removeSync(path);
  system.append(bytes("new\n"));
  system.file.syncSync();
  assertEquals(system.fileSystem.synced.length, 2);
  assertEquals(system.fileSystem.directorySyncs, 1);
  assertEquals(system.fileSystem.openHandles, 1);
});

Deno.test("ActiveFile keeps a file that was renamed away open until its sync succeeds", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("old\n"));
  Deno.renameSync(path, dir.path("old"));
  system.append(bytes("new\n"));
  const real = system.fileSystem.syncFile;
  system.fileSystem.syncFile = () => Promise.reject(new Error("EIO"));
  await assertRejects(() => system.file.sync(), Error, "EIO");
  assertEquals(system.fileSystem.openHandles, 2);
  system.fileSystem.syncFile = real;
  await system.file.sync();
  assertEquals(system.fileSystem.openHandles, 1);
});

Deno.test("ActiveFile.sync() syncs the directory once for each opened file, even if another writer created the file", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  // Another writer may have created the file and may then have been killed before it synced the directory, so
  // ActiveFile cannot rely on that writer's sync.
  for (const maker of ["this object", "another writer"]) {
    using system = setUp(path);
    system.append(bytes("a\n"));
    await system.file.sync();
    system.append(bytes("b\n"));
    await system.file.sync();
    assertEquals(system.fileSystem.directorySyncs, 1, maker);
  }
});

Deno.test("ActiveFile.sync() syncs the directory again for a file that is created during its sync", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  system.append(bytes("old\n"));
  const { promise: directorySynced, resolve: begun } = Promise.withResolvers<void>();
  const { promise: held, resolve: finish } = Promise.withResolvers<void>();
  system.fileSystem.afterDirectorySync = () => {
    begun();
    return held;
  };
  const first = system.file.sync();
  await directorySynced;
  Deno.renameSync(path, dir.path("old"));
  system.append(bytes("new\n"));
  finish();
  await first;
  await system.file.sync();
  assertEquals(system.fileSystem.directorySyncs, 2, "the new name was never synced");
});

/** Functions that put something other than a regular file at a path. */
const ODDITIES: [what: string, make: (path: string) => void][] = [
  ["a symlink", (path) => {
    Deno.writeTextFileSync(`${path}.target`, "theirs\n");
    Deno.symlinkSync(`${path}.target`, path);
  }],
  ["a dangling symlink", (path) => Deno.symlinkSync(`${path}.target`, path)],
  ["a hard link", (path) => {
    Deno.writeTextFileSync(`${path}.target`, "theirs\n");
    Deno.linkSync(`${path}.target`, path);
  }],
  ["a FIFO", (path) => {
    assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
  }],
  ["a directory", (path) => Deno.mkdirSync(path)],
];
const REASONS: Readonly<Record<string, string>> = {
  "a symlink": "a symlink",
  "a dangling symlink": "a symlink",
  "a hard link": "2 hard links",
  "a FIFO": "a FIFO",
  "a directory": "a directory",
};
for (const [what, make] of ODDITIES) {
  await testNeeding(
    what === "a FIFO" ? "mkfifo" : "POSIX",
    `ActiveFile rejects ${what} at its path, at open and at a later append`,
    () => {
      using dir = tempDir();
      const odd = dir.path("odd.jsonl");
      make(odd);
      const error = assertThrows(
        () => openFile(denoFileSystem, odd),
        TypeError,
        REASONS[what]!,
      );
      assert(error.message.endsWith(odd), error.message);

      const path = dir.path("a.jsonl");
      using system = setUp(path);
      Deno.removeSync(path);
      make(path);
      const later = assertThrows(
        () => system.append(bytes("mine\n")),
        AuditWriteError,
        REASONS[what]!,
      );
      assertEquals(later.phase, "write");
      for (const target of [`${odd}.target`, `${path}.target`]) {
        if (denoFileSystem.status(target) === null) continue;
        assertEquals(Deno.readTextFileSync(target), "theirs\n");
      }
      assertEquals(system.fileSystem.openHandles, 1);
    },
  );
}
