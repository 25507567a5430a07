/**
 * The real disk, on which a test can replace reads, appends, truncations and syncs.
 *
 * @module
 */
import { basename } from "@std/path";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
  Watcher,
} from "../../src/platform/file_system.ts";

/** A sync that has begun. The test ends it. */
export interface BegunSync {
  /** Name of the file. */
  readonly name: string;
  succeed(): void;
  fail(error: Error): void;
}

/** The real disk with hooks. Each hook calls the real disk until a test replaces it. */
export class ScriptedFileSystem implements FileSystem {
  /** Number of open handles. */
  openHandles = 0;
  /** Names of the files whose syncs have begun, in order. */
  readonly synced: string[] = [];
  /** Number of syncs of directories that have begun. */
  directorySyncs = 0;
  /** Replaces the asynchronous read of a handle. */
  read: (handle: FileHandle, buffer: Uint8Array, position: number) => Promise<number> = (
    handle,
    buffer,
    position,
  ) => handle.read(buffer, position);
  /** Replaces the append of a handle. */
  append: (handle: FileHandle, bytes: Uint8Array) => number = (handle, bytes) =>
    handle.appendSync(bytes);
  /** Replaces the truncation of a handle. */
  truncate: (handle: FileHandle, byteLength: number) => void = (handle, byteLength) =>
    handle.truncateSync(byteLength);
  /** Replaces the asynchronous sync of a file. */
  syncFile: (handle: FileHandle, name: string) => Promise<void> = (handle) => handle.syncData();
  /** Replaces the synchronous sync of a file. */
  syncFileSync: (handle: FileHandle) => void = (handle) => handle.syncDataSync();
  /** Called at the end of each asynchronous sync of a directory. */
  afterDirectorySync: () => Promise<void> = () => Promise.resolve();

  #begun: BegunSync[] = [];
  #asked: PromiseWithResolvers<BegunSync> | undefined;

  /** Makes each later asynchronous sync of a file wait until the test ends it. */
  holdSyncs(): void {
    this.syncFile = (_handle, name) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const sync = { name, succeed: resolve, fail: reject };
      if (this.#asked === undefined) this.#begun.push(sync);
      else this.#asked.resolve(sync);
      this.#asked = undefined;
      return promise;
    };
  }

  /** Resolves with the next sync, as soon as that sync has begun. Call {@linkcode holdSyncs} first. */
  nextSync(): Promise<BegunSync> {
    const begun = this.#begun.shift();
    if (begun !== undefined) return Promise.resolve(begun);
    return (this.#asked ??= Promise.withResolvers<BegunSync>()).promise;
  }

  status(path: string): FileStatus | null {
    return denoFileSystem.status(path);
  }

  directoryStatus(path: string): FileStatus | null {
    return denoFileSystem.directoryStatus(path);
  }

  open(path: string, access: FileAccess): FileHandle {
    const handle = denoFileSystem.open(path, access);
    const name = basename(path);
    this.openHandles++;
    return {
      status: () => handle.status(),
      read: (buffer, position) => this.read(handle, buffer, position),
      readSync: (buffer, position) => handle.readSync(buffer, position),
      appendSync: (bytes) => this.append(handle, bytes),
      truncateSync: (byteLength) => this.truncate(handle, byteLength),
      setOwnership: (ownership) => handle.setOwnership(ownership),
      syncData: () => {
        this.synced.push(name);
        return this.syncFile(handle, name);
      },
      syncDataSync: () => {
        this.synced.push(name);
        this.syncFileSync(handle);
      },
      tryLock: () => handle.tryLock(),
      unlock: () => handle.unlock(),
      close: () => {
        handle.close();
        this.openHandles--;
      },
    };
  }

  list(path: string): string[] {
    return denoFileSystem.list(path);
  }

  listLater(path: string): Promise<string[]> {
    return denoFileSystem.listLater(path);
  }

  rename(from: string, to: string): void {
    denoFileSystem.rename(from, to);
  }

  link(path: string, newPath: string): void {
    denoFileSystem.link(path, newPath);
  }

  remove(path: string): void {
    denoFileSystem.remove(path);
  }

  removeAsync(path: string): Promise<void> {
    return denoFileSystem.removeAsync(path);
  }

  makeDirectory(path: string): void {
    denoFileSystem.makeDirectory(path);
  }

  syncDirectorySync(path: string): void {
    this.directorySyncs++;
    denoFileSystem.syncDirectorySync(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.directorySyncs++;
    await denoFileSystem.syncDirectory(path);
    await this.afterDirectorySync();
  }

  watch(path: string, onChange: () => void): Watcher | null {
    return denoFileSystem.watch(path, onChange);
  }
}

/** Resolves with `true` if the promise is settled after one turn of the event loop. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return settled;
}

/** Returns the UTF-8 bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
