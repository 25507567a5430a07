/**
 * The real disk with calls that a test takes over: reads, appends, syncs of files and of directories.
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

/** A sync that was begun and ends when the test says so. */
export interface BegunSync {
  /** Name of the file. */
  readonly name: string;
  succeed(): void;
  fail(error: Error): void;
}

/** The real disk; each hook does the real thing until a test replaces it. */
export class ScriptedFileSystem implements FileSystem {
  /** Handles that are open now. */
  openHandles = 0;
  /** Names of the files whose syncs were begun, in order. */
  readonly synced: string[] = [];
  /** How many syncs of directories were begun. */
  directorySyncs = 0;
  /** Stands in for the asynchronous read of a handle. */
  read: (handle: FileHandle, buffer: Uint8Array, position: number) => Promise<number> = (
    handle,
    buffer,
    position,
  ) => handle.read(buffer, position);
  /** Stands in for the append of a handle. */
  append: (handle: FileHandle, bytes: Uint8Array) => number = (handle, bytes) =>
    handle.appendSync(bytes);
  /** Stands in for the truncation of a handle. */
  truncate: (handle: FileHandle, byteLength: number) => void = (handle, byteLength) =>
    handle.truncateSync(byteLength);
  /** Stands in for the asynchronous sync of a file. */
  syncFile: (handle: FileHandle, name: string) => Promise<void> = (handle) => handle.syncData();
  /** Stands in for the synchronous sync of a file. */
  syncFileSync: (handle: FileHandle) => void = (handle) => handle.syncDataSync();
  /** Runs at the end of each asynchronous sync of a directory. */
  afterDirectorySync: () => Promise<void> = () => Promise.resolve();

  #begun: BegunSync[] = [];
  #asked: PromiseWithResolvers<BegunSync> | undefined;

  /** From now on each asynchronous sync of a file waits for the test. */
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

  /** The next sync that was begun or will be, with {@linkcode holdSyncs}. */
  nextSync(): Promise<BegunSync> {
    const begun = this.#begun.shift();
    if (begun !== undefined) return Promise.resolve(begun);
    return (this.#asked ??= Promise.withResolvers<BegunSync>()).promise;
  }

  status(path: string): FileStatus | null {
    return denoFileSystem.status(path);
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

/** Whether the promise is settled once everything that can run now has run. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return settled;
}

/** The bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
