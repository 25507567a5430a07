import { AuditLog } from "@vivarium/scout";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join, resolve } from "@std/path";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { ensureDirectory, openForAppend, openForRead } from "../../src/platform/regular_file.ts";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

/** A file system on which reading the status of an open file fails. Counts the open handles. */
class SilentFileSystem {
  openHandles = 0;

  get fileSystem(): FileSystem {
    return {
      ...denoFileSystem,
      open: (path, access) => {
        const handle = denoFileSystem.open(path, access);
        this.openHandles++;
        const close = () => {
          this.openHandles--;
          handle.close();
        };
        const status = () => {
          throw new Error("EIO");
        };
        return { status, close } as Partial<FileHandle> as FileHandle;
      },
    };
  }
}

Deno.test("openForAppend() and openForRead() close the file if its status cannot be read", () => {
  using dir = tempDir();
  const silent = new SilentFileSystem();
  const path = dir.path("a.jsonl");
  for (const what of ["a new file", "an existing file"]) {
    assertThrows(() => openForAppend(silent.fileSystem, path), Error, "EIO", what);
    assertEquals(silent.openHandles, 0, what);
  }
  assertThrows(() => openForRead(silent.fileSystem, path), Error, "EIO");
  assertEquals(silent.openHandles, 0);
});

Deno.test("ensureDirectory() does not access a parent directory without permission, because Deno would prompt for it", () => {
  using dir = tempDir();
  const path = dir.path("a/b");
  const seen: string[] = [];
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    status: (path) => (seen.push(path), denoFileSystem.status(path)),
    syncDirectorySync: (path) => void seen.push(path),
  };
  const { querySync } = Deno.permissions;
  Deno.permissions.querySync = (descriptor) => {
    const isAllowed = descriptor.name === "read" && `${descriptor.path}`.startsWith(path);
    return {
      ...querySync.call(Deno.permissions, descriptor),
      state: isAllowed ? "granted" : "prompt",
    } as Deno.PermissionStatus;
  };
  try {
    ensureDirectory(fileSystem, path);
  } finally {
    Deno.permissions.querySync = querySync;
  }
  assertEquals(seen, [path]);
  assertEquals(Deno.statSync(path).isDirectory, true);
});

Deno.test("AuditLog.open() rejects if the drive or network share does not exist, instead of searching forever", async () => {
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    status: () => null,
    makeDirectory(path) {
      throw new Error(`The root directory was created: ${path}`);
    },
  };
  const path = resolve("/drive/logs/a.jsonl");
  const error = await assertRejects(
    () => openLogOn({ fileSystem, clock: systemClock }, { path, logger: silent }),
    Deno.errors.NotFound,
  );
  assertEquals(
    error.message,
    `Cannot open audit log: the drive or network share ${resolve("/")} does not exist: ${path}`,
  );
});

Deno.test("AuditLog.open() and AuditReader.open() reject a path with the name of a Windows device, such as nul", async () => {
  const device = resolve("/logs/nul.jsonl");
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    status() {
      throw new TypeError(`The parameter is incorrect. (os error 87): lstat '${device}'`);
    },
  };
  for (const open of [openLogOn, openReaderOn]) {
    const options = { path: device, logger: silent };
    const error = await assertRejects(
      () => open({ fileSystem, clock: systemClock }, options),
      TypeError,
    );
    assertEquals(
      error.message,
      "Cannot open audit log: the path contains the name of a device or an invalid character, " +
        `got ${device}`,
    );
  }
});

Deno.test("AuditLog.open() rejects if a file has the path of the log's directory or of one of its parents", async () => {
  using dir = tempDir();
  Deno.writeTextFileSync(dir.path("file"), "");
  for (const path of [dir.path("file/a.jsonl"), dir.path("file/logs/a.jsonl")]) {
    await assertRejects(
      () => AuditLog.open({ path, logger: silent }),
      Deno.errors.NotADirectory,
      "Cannot open audit log: ",
    );
  }
  const path = join(dir.path("file"), "logs");
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    status: (at) => at === path ? null : denoFileSystem.status(at),
  };
  assertThrows(
    () => ensureDirectory(fileSystem, path),
    Deno.errors.NotADirectory,
    `${dir.path("file")} is not a directory`,
  );
});
