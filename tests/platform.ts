/**
 * A file system and a clock that a test controls. The files are real. The test can delay, count and fail syncs, and can
 * fill the disk.
 *
 * @module
 */
import { denoFileSystem } from "../src/platform/deno_file_system.ts";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
  Watcher,
} from "../src/platform/file_system.ts";
import { type Clock, systemClock, type Timer } from "../src/platform/clock.ts";

/** The real file system, with counters and injected faults. */
export class WatchedFileSystem implements FileSystem {
  /** Number of file syncs that have begun. */
  syncCount = 0;
  /** Number of file syncs that blocked the thread. */
  blockingSyncCount = 0;
  /** Number of appends of lines since the last sync began. Appends to archives, which have another name, do not count. */
  unsyncedAppends = 0;
  /** Number of bytes that still fit on the disk. */
  bytesLeft = Infinity;
  /** The error that every sync throws, if set. */
  syncError: Error | undefined;
  /** Called after a successful sync with the file's length at the start of that sync. */
  onSynced: (byteLength: number) => void = () => {};
  #held: { begin: () => void; finished: Promise<void> } | undefined;

  /** Makes the next asynchronous sync wait for `finish()`. */
  holdNextSync(): { started: Promise<void>; finish: () => void } {
    const started = Promise.withResolvers<void>();
    const finished = Promise.withResolvers<void>();
    this.#held = { begin: started.resolve, finished: finished.promise };
    return { started: started.promise, finish: finished.resolve };
  }

  status(path: string): FileStatus | null {
    return denoFileSystem.status(path);
  }

  directoryStatus(path: string): FileStatus | null {
    return denoFileSystem.directoryStatus(path);
  }

  open(path: string, access: FileAccess): FileHandle {
    const handle = denoFileSystem.open(path, access);
    return {
      status: () => handle.status(),
      read: (buffer, position) => handle.read(buffer, position),
      readSync: (buffer, position) => handle.readSync(buffer, position),
      appendSync: (bytes) => this.#append(handle, bytes, path),
      truncateSync: (byteLength) => handle.truncateSync(byteLength),
      setOwnership: (ownership) => handle.setOwnership(ownership),
      syncData: () => this.#sync(handle),
      syncDataSync: () => {
        this.blockingSyncCount++;
        this.#beginSync();
        const { byteLength } = handle.status();
        handle.syncDataSync();
        this.onSynced(byteLength);
      },
      tryLock: () => handle.tryLock(),
      unlock: () => handle.unlock(),
      close: () => handle.close(),
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

  syncDirectory(path: string): Promise<void> {
    return denoFileSystem.syncDirectory(path);
  }

  syncDirectorySync(path: string): void {
    denoFileSystem.syncDirectorySync(path);
  }

  watch(path: string, onChange: () => void): Watcher | null {
    return denoFileSystem.watch(path, onChange);
  }

  #append(handle: FileHandle, bytes: Uint8Array, path: string): number {
    if (this.bytesLeft === 0) throw new Error("No space left on device (os error 28)");
    const written = handle.appendSync(bytes.subarray(0, Math.min(bytes.length, this.bytesLeft)));
    this.bytesLeft -= written;
    if (path.endsWith(".jsonl")) this.unsyncedAppends++;
    return written;
  }

  #beginSync(): void {
    this.syncCount++;
    this.unsyncedAppends = 0;
    if (this.syncError !== undefined) throw this.syncError;
  }

  async #sync(handle: FileHandle): Promise<void> {
    this.#beginSync();
    const { byteLength } = handle.status();
    const held = this.#held;
    this.#held = undefined;
    held?.begin();
    await held?.finished;
    await handle.syncData();
    this.onSynced(byteLength);
  }
}

/** A clock whose time advances only in `wait()`, and whose timers fire only in `fireTimers()`. */
export class SimulatedClock implements Clock {
  #nowMs = 0;
  #timers: { delayMs: number; callback: () => void }[] = [];

  /** Delays of the running timers. */
  get timerDelaysMs(): number[] {
    return this.#timers.map(({ delayMs }) => delayMs);
  }

  /** Fires every running timer. */
  fireTimers(): void {
    for (const { callback } of this.#timers.splice(0)) callback();
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  turn(): Promise<void> {
    return systemClock.turn();
  }

  /** Advances the simulated time. Yields one real turn, so that the runtime's own events can run. */
  async wait(delayMs: number): Promise<void> {
    this.#nowMs += delayMs;
    await this.turn();
  }

  waitSync(delayMs: number): void {
    this.#nowMs += delayMs;
  }

  startTimer(delayMs: number, callback: () => void): Timer {
    const timer = { delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((running) => running !== timer);
      },
    };
  }
}
