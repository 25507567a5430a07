/**
 * Faults that can be planted between a log and its disk. If a harness misses a planted fault, it would also miss the
 * same fault in the log itself.
 *
 * @module
 */
import { gunzipSync } from "node:zlib";
import type { FileAccess, FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { rollupDigest } from "./rollup_bytes.ts";

/** Returns a proxy of the object in which some methods are replaced. */
export function overriding<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(methods, name) ? methods : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Returns the file system with `change` applied to each handle of the file at the path. */
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

/** Plants a fault: one sync of the file is skipped, although the log is told that it succeeded. */
export function dropsOneSync(fileSystem: FileSystem, path: string): FileSystem {
  let isDropped = false;
  const drop = () => !isDropped && (isDropped = true);
  return withHandles(fileSystem, path, (handle) =>
    overriding(handle, {
      syncData: () => drop() ? Promise.resolve() : handle.syncData(),
      syncDataSync: () => drop() ? undefined : handle.syncDataSync(),
    }));
}

/** Plants a fault: directories are never synced. */
export function skipsDirectorySyncs(fileSystem: FileSystem): FileSystem {
  return overriding(fileSystem, {
    syncDirectory: () => Promise.resolve(),
    syncDirectorySync() {},
  });
}

/**
 * Plants a fault: each append reaches the disk only with the next append, so events are acknowledged before they are
 * written.
 */
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

/** Plants a fault: the log does not learn of errors of appends to the file. */
export function hidesAppendErrors(fileSystem: FileSystem, path: string): FileSystem {
  return withHandles(fileSystem, path, (handle) =>
    overriding(handle, {
      appendSync(bytes: Uint8Array) {
        try {
          return handle.appendSync(bytes);
        } catch {
          // The planted fault: the error is dropped, and the append seems to have succeeded.
          return bytes.byteLength;
        }
      },
    }));
}

/** Plants a fault: the lines of the manifest (list of archives) do not state which spans began in an archive. */
export function forgetsSpans(fileSystem: FileSystem, manifest: string): FileSystem {
  return withHandles(fileSystem, manifest, (handle) =>
    overriding(handle, {
      appendSync(bytes: Uint8Array) {
        const text = new TextDecoder().decode(bytes);
        handle.appendSync(
          new TextEncoder().encode(text.replaceAll(/"begun":\[.+?\],"cut"/g, '"begun":[],"cut"')),
        );
        return bytes.byteLength;
      },
    }));
}

/**
 * A function that returns a forged rollup (sums of an archive) in place of the true one. `raw` is the content of the
 * archive.
 */
export type RollupForger = (rollup: Uint8Array, raw: Uint8Array) => Uint8Array;

/**
 * Plants a fault: the rollups (sums) of archives are forged, and the lines of the manifest state the digests of the
 * forged rollups.
 */
export function forgesRollups(
  fileSystem: FileSystem,
  manifest: string,
  forge: RollupForger,
): FileSystem {
  const forgedDigests = new Map<string, string>();
  const forgedRollup = (rollup: Uint8Array, archive: string) => {
    const forged = forge(rollup, contentOf(fileSystem, archive));
    forgedDigests.set(rollupDigest(rollup), rollupDigest(forged));
    return forged;
  };
  return overriding(fileSystem, {
    open(at: string, access: FileAccess) {
      const handle = fileSystem.open(at, access);
      return overriding(handle, {
        appendSync(bytes: Uint8Array) {
          if (at.endsWith(".rollup.tmp")) {
            handle.appendSync(forgedRollup(bytes, archiveOf(at)));
            return bytes.byteLength;
          }
          if (at !== manifest) return handle.appendSync(bytes);
          const forged = decoder.decode(bytes).replaceAll(
            /(?<="rollup_sha256":")\w+/g,
            (digest) => forgedDigests.get(digest) ?? digest,
          );
          return handle.appendSync(encoder.encode(forged));
        },
      });
    },
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Returns the path of the archive whose unfinished rollup (file with its sums) is written at the path. */
function archiveOf(path: string): string {
  return path.replace(/\.rollup\.tmp$/, ".gz");
}

function contentOf(fileSystem: FileSystem, archive: string): Uint8Array {
  const handle = fileSystem.open(archive, "read");
  try {
    const bytes = new Uint8Array(handle.status().byteLength);
    handle.readSync(bytes, 0);
    return gunzipSync(bytes);
  } finally {
    handle.close();
  }
}

/** Returns a function that forges rollups (sums): it returns the rollup of the previous archive for each archive. */
export function stale(): RollupForger {
  let previous: Uint8Array | undefined;
  return (rollup) => {
    const forged = previous ?? rollup;
    previous = rollup.slice();
    return forged;
  };
}

/** Plants a fault: a process that creates a file for another user does not make that user its owner. */
export function keepsFiles(fileSystem: FileSystem): FileSystem {
  return overriding(fileSystem, {
    open: (path: string, access: FileAccess) =>
      overriding(fileSystem.open(path, access), { setOwnership() {} }),
  });
}

/** Plants a fault: a segment (closed part of the log) is removed before its archive has its final name. */
export function removesTooEarly(fileSystem: FileSystem): FileSystem {
  return overriding(fileSystem, {
    link(path: string, archive: string) {
      fileSystem.remove(archive.slice(0, -".gz".length));
      fileSystem.link(path, archive);
    },
  });
}

/** Plants a fault: directory listings leave out the archives whose names contain a time before `stamp`. */
export function hidesOlderArchives(fileSystem: FileSystem, stamp: string): FileSystem {
  const isOlder = (name: string) =>
    name.endsWith(".gz") && (/\d{8}_\d{6}/.exec(name)?.[0] ?? "") < stamp;
  return overriding(fileSystem, {
    list: (path: string) => fileSystem.list(path).filter((name) => !isOlder(name)),
  });
}
