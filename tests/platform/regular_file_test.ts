import { assertEquals, assertThrows } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { ensureDirectory, openForAppend, openForRead } from "../../src/platform/regular_file.ts";
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

Deno.test("ensureDirectory() does not touch a parent that it has no permission to read, because Deno would prompt", () => {
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
