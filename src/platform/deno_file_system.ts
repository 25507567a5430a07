/**
 * The {@linkcode FileSystem} of the real disk. No other file of this library calls Deno's file functions, so that tests
 * can replace the disk by a simulated one.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { systemClock } from "./clock.ts";
import { Turns } from "./turns.ts";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
  Ownership,
  Watcher,
} from "./file_system.ts";
import { isAccessDenied } from "./system_error.ts";

/** The real disk. */
export const denoFileSystem: FileSystem = {
  status(path) {
    return orNull(() => statusOf(Deno.lstatSync(path)));
  },
  directoryStatus(path) {
    return orNull(() => statusOf(Deno.statSync(path)));
  },
  open(path, access) {
    return new DenoFileHandle(Deno.openSync(path, OPEN_OPTIONS[access]), { path, access });
  },
  list(path) {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  },
  async listLater(path) {
    const names: string[] = [];
    const turns = new Turns(systemClock);
    for await (const { name } of Deno.readDir(path)) {
      if (turns.isDue) await turns.take();
      names.push(name);
    }
    return names;
  },
  rename(from, to) {
    Deno.renameSync(from, to);
  },
  link(path, newPath) {
    Deno.linkSync(path, newPath);
  },
  remove(path) {
    Deno.removeSync(path);
  },
  removeAsync(path) {
    return Deno.remove(path);
  },
  makeDirectory(path, withParents = false) {
    Deno.mkdirSync(path, { mode: 0o700, recursive: withParents });
  },
  syncDirectorySync(path) {
    using directory = Deno.openSync(path, { read: true });
    try {
      directory.syncSync();
    } catch (error) {
      if (!isAccessDenied(error)) throw error;
    }
  },
  async syncDirectory(path) {
    using directory = Deno.openSync(path, { read: true });
    try {
      await directory.sync();
    } catch (error) {
      // Windows syncs only files that are open for writing, so the sync of a directory fails there. The error is
      // ignored, because NTFS journals directory entries itself.
      if (!isAccessDenied(error)) throw error;
    }
  },
  watch(path, onChange) {
    try {
      return new DenoWatcher(Deno.watchFs(path, { recursive: false }), onChange);
    } catch {
      // The directory may be missing, or the system may have no watchers left. The caller then polls, and the
      // poll reports a missing directory.
      return null;
    }
  },
};

/** Returns the kind of the file at a path, and follows symlinks. */
export function kindBehind(path: string): "file" | "directory" | "other" {
  const { isFile, isDirectory } = Deno.statSync(path);
  return isFile ? "file" : isDirectory ? "directory" : "other";
}

/** Opens a pipe for reading. Resolves when another process has opened the pipe for writing. */
export async function openPipe(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  return (await Deno.open(path)).readable;
}

const OPEN_OPTIONS: Readonly<Record<FileAccess, Deno.OpenOptions>> = {
  read: { read: true },
  append: { read: true, append: true },
  update: { read: true, write: true },
  create: { read: true, append: true, createNew: true, mode: 0o600 },
};

class DenoFileHandle implements FileHandle {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #access: FileAccess;

  constructor(file: Deno.FsFile, { path, access }: { path: string; access: FileAccess }) {
    this.#file = file;
    this.#path = path;
    this.#access = access;
  }

  status(): FileStatus {
    return statusOf(this.#file.statSync());
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#file.seekSync(position, Deno.SeekMode.Start);
    return await this.#file.read(buffer) ?? 0;
  }

  readSync(buffer: Uint8Array, position: number): number {
    this.#file.seekSync(position, Deno.SeekMode.Start);
    return this.#file.readSync(buffer) ?? 0;
  }

  appendSync(bytes: Uint8Array): number {
    if (this.#access === "update") this.#file.seekSync(0, Deno.SeekMode.End);
    return this.#file.writeSync(bytes);
  }

  truncateSync(byteLength: number): void {
    this.#file.truncateSync(byteLength);
  }

  setOwnership({ uid, gid, mode }: Ownership): void {
    // node:fs is loaded only here, because loading it takes as long as starting an empty program.
    const fs = process.getBuiltinModule("node:fs");
    const created = this.#file.statSync();
    // Deno.FsFile cannot change the owner of an open file. Deno.chown() takes a path, and another user may have put
    // another file at this path. So the file is opened again with node:fs, which can change the owner of an open file.
    // The check of the inode number is reliable, because the created file is still open and so keeps its number.
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    let descriptor: number | undefined;
    try {
      descriptor = fs.openSync(this.#path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const { dev, ino } = fs.fstatSync(descriptor);
      if (dev !== created.dev || ino !== created.ino) {
        throw new Deno.errors.Busy(
          `Another file has replaced the new file at its path, so the owner of the new file cannot be set: ${this.#path}`,
        );
      }
      fs.fchownSync(descriptor, uid, gid);
      fs.fchmodSync(descriptor, mode);
      fs.fsyncSync(descriptor);
    } catch (error) {
      if (hasCode(error, "ENOENT")) throw new Deno.errors.Busy(messageOf(error));
      throw isNotPermitted(error) ? new Deno.errors.PermissionDenied(messageOf(error)) : error;
    } finally {
      if (descriptor !== undefined) fs.closeSync(descriptor);
    }
  }

  syncData(): Promise<void> {
    return this.#file.syncData();
  }

  syncDataSync(): void {
    this.#file.syncDataSync();
  }

  tryLock(): boolean {
    return this.#file.tryLockSync(true);
  }

  unlock(): void {
    this.#file.unlockSync();
  }

  close(): void {
    this.#file.close();
  }
}

class DenoWatcher implements Watcher {
  readonly #watcher: Deno.FsWatcher;
  #isClosed = false;

  constructor(watcher: Deno.FsWatcher, onChange: () => void) {
    this.#watcher = watcher;
    this.#tell(onChange);
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher.close();
  }

  async #tell(onChange: () => void): Promise<void> {
    try {
      for await (const { kind } of this.#watcher) {
        // Some systems also report reads. A reader that reads after each event would then trigger itself forever.
        if (kind !== "access" && !this.#isClosed) onChange();
      }
    } catch {
      // A failed watcher reports no further changes. Callers also poll the directory, because any watcher can miss
      // changes.
    }
  }
}

function orNull<T>(find: () => T): T | null {
  try {
    return find();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function isNotPermitted(error: unknown): boolean {
  // If the user namespace of the process does not contain the user or group, the system reports EINVAL, not EPERM.
  return hasCode(error, "EPERM") || hasCode(error, "EINVAL");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function statusOf(info: Deno.FileInfo): FileStatus {
  return {
    kind: info.isSymlink
      ? "symlink"
      : info.isFile
      ? "file"
      : info.isDirectory
      ? "directory"
      : "other",
    byteLength: info.size,
    device: info.dev,
    inode: info.ino,
    links: info.nlink,
    // Windows updates the modification time of a directory late, so the time is not reliable.
    modifiedMs: Deno.build.os === "windows" ? null : info.mtime?.getTime() ?? null,
    createdMs: info.birthtime?.getTime() ?? null,
    ownership: info.uid === null || info.gid === null || info.mode === null
      ? null
      : { uid: info.uid, gid: info.gid, mode: info.mode & 0o777 },
  };
}
