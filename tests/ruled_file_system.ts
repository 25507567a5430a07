/**
 * Applies the rules of Windows to the file system of any machine. The rules only know the handles and locks of this
 * process, not those of other processes.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
  Ownership,
  Watcher,
} from "../src/platform/file_system.ts";
import { accessDenied, findName, lockViolation, notLocked } from "./rules.ts";

/** A file system under the rules of Windows. */
export class RuledFileSystem implements FileSystem {
  readonly #fileSystem: FileSystem;
  /** The handle that holds the lock of a file, by device and inode. */
  readonly #locks = new Map<string, FileHandle>();

  /** Applies the rules of Windows to a file system. */
  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  status(path: string): FileStatus | null {
    const status = this.#fileSystem.status(this.#named(path));
    return status === null ? null : ruled(status);
  }

  directoryStatus(path: string): FileStatus | null {
    const status = this.#fileSystem.directoryStatus(this.#named(path));
    return status === null ? null : ruled(status);
  }

  open(path: string, access: FileAccess): FileHandle {
    const handle = this.#fileSystem.open(this.#named(path), access);
    return new RuledHandle(handle, { access, locks: this.#locks });
  }

  list(path: string): string[] {
    return this.#fileSystem.list(path);
  }

  listLater(path: string): Promise<string[]> {
    return this.#fileSystem.listLater(path);
  }

  rename(from: string, to: string): void {
    this.#fileSystem.rename(this.#named(from), this.#named(to));
  }

  link(path: string, newPath: string): void {
    this.#fileSystem.link(this.#named(path), this.#named(newPath));
  }

  remove(path: string): void {
    this.#fileSystem.remove(this.#named(path));
  }

  removeAsync(path: string): Promise<void> {
    return this.#fileSystem.removeAsync(this.#named(path));
  }

  makeDirectory(path: string, withParents?: boolean): void {
    this.#fileSystem.makeDirectory(this.#named(path), withParents);
  }

  syncDirectorySync(path: string): void {
    this.#fileSystem.syncDirectorySync(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#fileSystem.syncDirectory(path);
  }

  watch(path: string, onChange: () => void): Watcher | null {
    return this.#fileSystem.watch(path, onChange);
  }

  /** Returns the path spelled as the directory spells its name, which may differ in the case of letters. */
  #named(path: string): string {
    if (dirname(path) === path || this.#fileSystem.status(path) !== null) return path;
    const directory = dirname(path);
    if (this.#fileSystem.directoryStatus(directory)?.kind !== "directory") return path;
    return join(
      directory,
      findName(basename(path), this.#fileSystem.list(directory)) ?? basename(path),
    );
  }
}

class RuledHandle implements FileHandle {
  readonly #handle: FileHandle;
  readonly #access: FileAccess;
  readonly #locks: Map<string, FileHandle>;
  /** Device and inode of the open file. */
  readonly #file: string;

  constructor(
    handle: FileHandle,
    { access, locks }: { access: FileAccess; locks: Map<string, FileHandle> },
  ) {
    this.#handle = handle;
    this.#access = access;
    this.#locks = locks;
    const { device, inode } = handle.status();
    this.#file = `${device} ${inode}`;
  }

  status(): FileStatus {
    return ruled(this.#handle.status());
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#assertUnlocked();
    return await this.#handle.read(buffer, position);
  }

  readSync(buffer: Uint8Array, position: number): number {
    this.#assertUnlocked();
    return this.#handle.readSync(buffer, position);
  }

  appendSync(bytes: Uint8Array): number {
    this.#assertUnlocked();
    return this.#handle.appendSync(bytes);
  }

  truncateSync(byteLength: number): void {
    if (this.#access !== "update") throw accessDenied();
    this.#handle.truncateSync(byteLength);
  }

  setOwnership(_: Ownership): void {
    throw accessDenied();
  }

  async syncData(): Promise<void> {
    this.#assertMaySync();
    await this.#handle.syncData();
  }

  syncDataSync(): void {
    this.#assertMaySync();
    this.#handle.syncDataSync();
  }

  tryLock(): boolean {
    // Even the handle that holds a lock cannot lock the same range again.
    if (this.#locks.has(this.#file) || !this.#handle.tryLock()) return false;
    this.#locks.set(this.#file, this);
    return true;
  }

  unlock(): void {
    this.#handle.unlock();
    if (!this.#forgetLock()) throw notLocked();
  }

  close(): void {
    this.#forgetLock();
    this.#handle.close();
  }

  #forgetLock(): boolean {
    return this.#locks.get(this.#file) === this && this.#locks.delete(this.#file);
  }

  #assertUnlocked(): void {
    const holder = this.#locks.get(this.#file);
    if (holder !== undefined && holder !== this) throw lockViolation();
  }

  #assertMaySync(): void {
    if (this.#access === "read") throw accessDenied();
  }
}

/**
 * Returns the status as Windows reports it: without an owner, and without a modification time, because Windows updates
 * that of a directory late.
 */
function ruled(status: FileStatus): FileStatus {
  return { ...status, ownership: null, modifiedMs: null };
}
