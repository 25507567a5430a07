/**
 * Faults to be planted between a log and its disk: what a harness does not find here, it would not find
 * in the log either.
 *
 * @module
 */
import type { FileAccess, FileHandle, FileSystem } from "../../src/platform/file_system.ts";

/** The object with other methods in the places of some of its own. */
export function overriding<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(methods, name) ? methods : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The disk with other handles of the file at the path. */
function withHandles(
  fileSystem: FileSystem,
  path: string,
  change: (handle: FileHandle) => FileHandle,
): FileSystem {
  return overriding(fileSystem, {
    open(at: string, access: FileAccess) {
      const handle = fileSystem.open(at, access);
      return at === path ? change(handle) : handle;
    },
  });
}

/** One sync of the file is left out, and said to be done. */
export function dropsOneSync(fileSystem: FileSystem, path: string): FileSystem {
  let isDropped = false;
  const drop = () => !isDropped && (isDropped = true);
  return withHandles(fileSystem, path, (handle) =>
    overriding(handle, {
      syncData: () => drop() ? Promise.resolve() : handle.syncData(),
      syncDataSync: () => drop() ? undefined : handle.syncDataSync(),
    }));
}

/** Directories are never synced. */
export function skipsDirectorySyncs(fileSystem: FileSystem): FileSystem {
  return overriding(fileSystem, {
    syncDirectory: () => Promise.resolve(),
    syncDirectorySync() {},
  });
}

/** What is appended to the file gets to the kernel at the next append, so it is told of too early. */
export function writesBehind(fileSystem: FileSystem, path: string): FileSystem {
  let held = new Uint8Array();
  return withHandles(fileSystem, path, (handle) =>
    overriding(handle, {
      appendSync(bytes: Uint8Array) {
        const late = held;
        held = bytes.slice();
        if (late.byteLength > 0) handle.appendSync(late);
        return bytes.byteLength;
      },
    }));
}

/** Errors of appends to the file are kept from the log. */
export function hidesAppendErrors(fileSystem: FileSystem, path: string): FileSystem {
  return withHandles(fileSystem, path, (handle) =>
    overriding(handle, {
      appendSync(bytes: Uint8Array) {
        try {
          return handle.appendSync(bytes);
        } catch {
          // This is the fault.
          return bytes.byteLength;
        }
      },
    }));
}

/** The segment is taken away before its archive has a name. */
export function removesTooEarly(fileSystem: FileSystem): FileSystem {
  return overriding(fileSystem, {
    link(path: string, archive: string) {
      fileSystem.remove(archive.slice(0, -".gz".length));
      fileSystem.link(path, archive);
    },
  });
}

/** The directory does not show archives whose names are older than the stamp, whatever is in them. */
export function hidesOlderArchives(fileSystem: FileSystem, stamp: string): FileSystem {
  const isOlder = (name: string) =>
    name.endsWith(".gz") && (/\d{8}_\d{6}/.exec(name)?.[0] ?? "") < stamp;
  return overriding(fileSystem, {
    list: (path: string) => fileSystem.list(path).filter((name) => !isOlder(name)),
  });
}
