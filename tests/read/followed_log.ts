/**
 * A log whose writer, watcher and clock are controlled by a test, and a follower of the log. The type of each event is
 * one letter, and no two events have the same letter.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { gzipSync } from "node:zlib";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { followLog, type FollowOptions, type FollowSource } from "../../src/read/follow.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { type LogFiles, type Stamp, stampOf } from "../../src/segments/segment_name.ts";
import type { Timer } from "../../src/platform/clock.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import { tempDir } from "../temp_dir.ts";

/** Returns one line of a log: an event whose type is the given letter. */
export function lineOf(letter: string): string {
  return `{"ts":"2026-02-13T14:30:22.123Z","event":"${letter}"}\n`;
}

/**
 * The directory of a log that one test uses. At the end of the test, disposing of this object removes a directory on
 * the real disk.
 */
export class Place extends LogDirectory implements Disposable {
  readonly #dispose: () => void;

  constructor(fileSystem: FileSystem, path: string, dispose: () => void) {
    super(fileSystem, path);
    this.#dispose = dispose;
  }

  [Symbol.dispose](): void {
    this.#dispose();
  }
}

/** Creates a log directory on a simulated disk. */
export function simulatedPlace(): Place {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  return new Place(disk.process(), "/log/audit.jsonl", () => {});
}

/** Creates a log directory on the real disk. */
export function realPlace(): Place {
  const dir = tempDir();
  return new Place(denoFileSystem, dir.path("audit.jsonl"), () => dir[Symbol.dispose]());
}

/**
 * Changes a log as another process would while a test follows the log. When a method returns, its change is complete.
 */
export class Writer {
  /** The types (letters) of all events that `append()` has written, in the order of appending. */
  written = "";
  /**
   * The types (letters) of the events whose file was moved out of the log. A follower that starts after the move does
   * not find these events.
   */
  takenAway = "";
  readonly #fileSystem: FileSystem;
  readonly #files: LogFiles;
  readonly #inFile = new Map<string, string>();
  #seals = 0;
  #moves = 0;

  constructor({ fileSystem, files }: LogDirectory) {
    this.#fileSystem = fileSystem;
    this.#files = files;
  }

  /** Appends an event whose type is the next letter of the alphabet. */
  append(path: string = this.#files.active): void {
    const letter = String.fromCharCode("a".charCodeAt(0) + this.written.length);
    this.appendText(lineOf(letter), path);
    this.written += letter;
    this.#inFile.set(path, `${this.#inFile.get(path) ?? ""}${letter}`);
  }

  /** Appends any text to a file of the log, such as a part of a line. Creates the file if it does not exist. */
  appendText(text: string, path: string = this.#files.active): void {
    const isThere = this.#fileSystem.status(path) !== null;
    const handle = this.#fileSystem.open(path, isThere ? "append" : "create");
    handle.appendSync(new TextEncoder().encode(text));
    handle.close();
  }

  /** Truncates the active file to the given length. */
  truncate(byteLength: number): void {
    const handle = this.#fileSystem.open(this.#files.active, "update");
    handle.truncateSync(byteLength);
    handle.close();
  }

  /**
   * Seals the active file if it is not empty: renames the file to the name of a segment, to which no writer appends.
   */
  seal(): void {
    if (!this.#isThere()) return;
    const path = this.#files.sealed(this.#nextStamp());
    this.#fileSystem.rename(this.#files.active, path);
    this.#rename(path);
  }

  /**
   * Renames the newest segment back to the active file, as a writer does if it cannot sync the directory after it has
   * sealed the file.
   */
  unseal(): void {
    const path = this.#files.sealed(stamp(this.#seals--));
    this.#fileSystem.rename(path, this.#files.active);
    this.#inFile.set(this.#files.active, this.#inFile.get(path) ?? "");
  }

  /** Compresses each segment into an archive and, unless `removes` is false, removes the uncompressed segment. */
  archive({ removes = true }: { removes?: boolean } = {}): void {
    for (let seal = 1; seal <= this.#seals; seal++) {
      const sealed = this.#files.sealed(stamp(seal));
      const bytes = this.#contentOf(sealed);
      if (bytes === null || bytes.byteLength === 0) continue;
      this.#writeWhole(this.#files.archive(stamp(seal)), gzipSync(bytes));
      if (removes) this.#fileSystem.remove(sealed);
    }
  }

  /** Creates an empty segment. A process that is killed while it seals the active file leaves such a file behind. */
  dieWhileSealing(): void {
    this.#writeWhole(this.#files.sealed(this.#nextStamp()), new Uint8Array());
  }

  /**
   * If the active file is not empty, renames it, as logrotate does, to a name that readers of the log ignore. Returns
   * the new path.
   */
  moveAway(): string {
    const path = join(this.#files.directory, `audit.jsonl.${++this.#moves}`);
    if (!this.#isThere()) return path;
    this.#fileSystem.rename(this.#files.active, path);
    this.#rename(path);
    this.takenAway += this.#inFile.get(path) ?? "";
    return path;
  }

  /** Deletes the active file. */
  delete(): void {
    if (this.#isThere()) this.#fileSystem.remove(this.moveAway());
  }

  #isThere(): boolean {
    return (this.#fileSystem.status(this.#files.active)?.byteLength ?? 0) > 0;
  }

  #nextStamp(): Stamp {
    return stamp(++this.#seals);
  }

  #rename(path: string): void {
    this.#inFile.set(path, this.#inFile.get(this.#files.active) ?? "");
    this.#inFile.delete(this.#files.active);
  }

  #contentOf(path: string): Uint8Array | null {
    if (this.#fileSystem.status(path) === null) return null;
    const handle = this.#fileSystem.open(path, "read");
    const bytes = new Uint8Array(handle.status().byteLength);
    handle.readSync(bytes, 0);
    handle.close();
    return bytes;
  }

  #writeWhole(path: string, bytes: Uint8Array): void {
    if (this.#fileSystem.status(path) !== null) return;
    const handle = this.#fileSystem.open(path, "create");
    handle.appendSync(bytes);
    handle.close();
  }
}

function stamp(seal: number): Stamp {
  return stampOf(Date.UTC(2026, 1, 13) + 1000 * seal);
}

/** A file system that records the calls of one process and can run a step of another process before each call. */
export class CalledFileSystem {
  /** The names of the recorded calls, such as "open audit.jsonl", or "handle.read" for a call on an open file. */
  readonly calls: string[] = [];
  /** The name of the call that is about to run, so that {@linkcode before} can act before one kind of call only. */
  upcoming = "";
  /** Runs before each call of the file system. A test sets this function to change the log at an exact moment. */
  before: () => void = () => {};
  /** `true` if the file system can watch directories. */
  canWatch = false;
  openHandles = 0;
  openWatchers = 0;
  /** Reports a change of the directory to the watcher that was opened last. */
  change: () => void = () => {};
  readonly fileSystem: FileSystem;

  constructor(fileSystem: FileSystem) {
    const call = <T>(name: string, path: string, run: () => T) =>
      this.#call(`${name} ${basename(path)}`, run);
    this.fileSystem = {
      ...denoFileSystem,
      status: (path) => call("status", path, () => fileSystem.status(path)),
      open: (path, access) =>
        call("open", path, () => this.#watched(fileSystem.open(path, access))),
      list: (path) => call("list", path, () => fileSystem.list(path)),
      watch: (path, onChange) =>
        call("watch", path, () => this.canWatch ? this.#watch(onChange) : null),
    };
  }

  #call<T>(name: string, call: () => T): T {
    this.upcoming = name;
    this.before();
    this.calls.push(name);
    return call();
  }

  #watched(handle: FileHandle): FileHandle {
    this.openHandles++;
    const status = handle.status.bind(handle);
    const read = handle.read.bind(handle);
    const close = handle.close.bind(handle);
    handle.status = () => this.#call("handle.status", status);
    handle.read = (buffer, position) => this.#call("handle.read", () => read(buffer, position));
    handle.close = () => {
      this.openHandles--;
      close();
    };
    return handle;
  }

  #watch(onChange: () => void): { close(): void } {
    this.openWatchers++;
    this.change = onChange;
    return { close: () => void this.openWatchers-- };
  }
}

/** A simulated clock that lets a test wait until the code under test has started a timer. */
export class AwaitedClock extends SimulatedClock {
  #started: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Resolves when at least one timer is running. */
  async untilTimer(): Promise<void> {
    while (this.timerDelaysMs.length === 0) await this.#started.promise;
  }

  override startTimer(delayMs: number, callback: () => void): Timer {
    const timer = super.startTimer(delayMs, callback);
    this.#started.resolve();
    this.#started = Promise.withResolvers();
    return timer;
  }
}

/**
 * Returns the first argument of `followLog()`: the log to follow and the settings. The file system of `called` records
 * all file system calls, and the simulated `clock` runs all timers.
 */
export function sourceOf(
  { files }: LogDirectory,
  { called, clock, maxLineBytes = 1_000, warnings = [] }: {
    called: CalledFileSystem;
    clock: AwaitedClock;
    maxLineBytes?: number;
    warnings?: string[];
  },
): FollowSource {
  const warn = (...data: unknown[]) => void warnings.push(data.join(" "));
  return {
    log: new LogDirectory(called.fileSystem, files.active),
    clock,
    maxLineBytes,
    logger: { debug() {}, info() {}, warn, error: warn },
  };
}

/** Follows a log in the background and records the events that `followLog()` yields. */
export class Follower implements AsyncDisposable {
  /** The types (letters) of the events that `followLog()` has yielded so far. */
  seen = "";
  /** The warnings and errors that the follower has logged. */
  readonly warnings: string[] = [];
  readonly clock: AwaitedClock = new AwaitedClock();
  readonly called: CalledFileSystem;
  readonly #abort = new AbortController();
  readonly #following: Promise<unknown>;

  /** Starts to follow the log before the constructor returns. */
  constructor(
    log: LogDirectory,
    options: FollowOptions = {},
    { maxLineBytes = 1_000, called = new CalledFileSystem(log.fileSystem) } = {},
  ) {
    this.called = called;
    const { clock, warnings } = this;
    const source = sourceOf(log, { called, clock, maxLineBytes, warnings });
    this.#following = this.#follow(followLog(source, { ...options, signal: this.#abort.signal }));
  }

  /** Resolves when the follower has read all events and waits for more. */
  async idle(): Promise<void> {
    const failed = this.#following.then((error) => {
      throw error;
    });
    do {
      await Promise.race([this.clock.untilTimer(), failed]);
      // If the directory is watched, a timer also runs between an event and the next call of next(), so a timer alone
      // does not show that the follower waits. That timer ends within the current turn of the event loop.
      if (this.called.canWatch) await new Promise((resolve) => setTimeout(resolve, 0));
    } while (this.clock.timerDelaysMs.length === 0);
  }

  /**
   * Reports a change of the directory to the follower's watcher. Resolves when the follower has recorded the new
   * events.
   */
  async change(): Promise<void> {
    await this.idle();
    this.called.change();
    await this.idle();
  }

  /**
   * Lets the time pass until the follower checks the log again. Resolves when the follower has recorded the new events.
   */
  async poll(): Promise<void> {
    await this.idle();
    this.clock.fireTimers();
    await this.idle();
  }

  /** Ends the follower and checks that it leaves no handle, watcher or timer open. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error("enough");
    this.#abort.abort(reason);
    const error = await this.#following;
    if (error !== reason) throw error;
    const { openHandles, openWatchers } = this.called;
    const left = [openHandles, openWatchers, this.clock.timerDelaysMs.length];
    if (left.some((count) => count > 0)) {
      throw new Error(`The follower left handles, watchers and timers open: ${left}`);
    }
  }

  /** Records the events until the iteration throws. Resolves with the error that it throws. */
  async #follow(events: AsyncIterable<{ event?: unknown }>): Promise<unknown> {
    try {
      for await (const { event } of events) this.seen += event;
    } catch (error) {
      return error;
    }
    return new Error("The follower ended without an error");
  }
}
