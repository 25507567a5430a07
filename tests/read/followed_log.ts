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

/** Returns the line of an event whose type is the letter. */
export function lineOf(letter: string): string {
  return `{"ts":"2026-02-13T14:30:22.123Z","event":"${letter}"}\n`;
}

/** The directory of a log that a test owns. Disposing of it removes the directory. */
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

/** Another process that changes the log. Each step is complete when its call returns. */
export class Writer {
  /** The letters of all events, in the order of appending. */
  written = "";
  /** The letters of the events whose file was moved away. A follower that starts later does not find these events. */
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

  /** Appends an event with the next letter. */
  append(path: string = this.#files.active): void {
    const letter = String.fromCharCode("a".charCodeAt(0) + this.written.length);
    this.appendText(lineOf(letter), path);
    this.written += letter;
    this.#inFile.set(path, `${this.#inFile.get(path) ?? ""}${letter}`);
  }

  /** Appends any text. */
  appendText(text: string, path: string = this.#files.active): void {
    const isThere = this.#fileSystem.status(path) !== null;
    const handle = this.#fileSystem.open(path, isThere ? "append" : "create");
    handle.appendSync(new TextEncoder().encode(text));
    handle.close();
  }

  /** Truncates the active file. */
  truncate(byteLength: number): void {
    const handle = this.#fileSystem.open(this.#files.active, "update");
    handle.truncateSync(byteLength);
    handle.close();
  }

  /** Seals the active file, which means renaming it to a segment, if it is not empty. */
  seal(): void {
    if (!this.#isThere()) return;
    const path = this.#files.sealed(this.#nextStamp());
    this.#fileSystem.rename(this.#files.active, path);
    this.#rename(path);
  }

  /** Undoes the last sealing, as a writer does if it cannot sync the directory. */
  unseal(): void {
    const path = this.#files.sealed(stamp(this.#seals--));
    this.#fileSystem.rename(path, this.#files.active);
    this.#inFile.set(this.#files.active, this.#inFile.get(path) ?? "");
  }

  /** Archives the sealed segments and, by default, removes them. */
  archive({ removes = true }: { removes?: boolean } = {}): void {
    for (let seal = 1; seal <= this.#seals; seal++) {
      const sealed = this.#files.sealed(stamp(seal));
      const bytes = this.#contentOf(sealed);
      if (bytes === null || bytes.byteLength === 0) continue;
      this.#writeWhole(this.#files.archive(stamp(seal)), gzipSync(bytes));
      if (removes) this.#fileSystem.remove(sealed);
    }
  }

  /** Leaves an empty segment, as a process does that is killed while sealing. */
  dieWhileSealing(): void {
    this.#writeWhole(this.#files.sealed(this.#nextStamp()), new Uint8Array());
  }

  /** Moves the active file, as logrotate does, to a name that is not a segment name. Returns its path. */
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
  /** The recorded calls, such as "open audit.jsonl", or "handle.read" for a call on a handle. */
  readonly calls: string[] = [];
  /** The call that is about to run, for {@linkcode before}. */
  upcoming = "";
  /** A function that runs before each call. */
  before: () => void = () => {};
  /** Whether the file system can watch directories. */
  canWatch = false;
  openHandles = 0;
  openWatchers = 0;
  /** Reports a change to the last watcher. */
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

/** A clock that reports when a timer has been started. */
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

/** Returns the source of a follower that uses the recorded file system and the clock. */
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

/** A follower that records the events of the log. */
export class Follower implements AsyncDisposable {
  /** The letters of the events that were yielded so far. */
  seen = "";
  /** The warnings and errors that were logged. */
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

  /** Resolves when the follower waits for more events. */
  async idle(): Promise<void> {
    const failed = this.#following.then((error) => {
      throw error;
    });
    do {
      await Promise.race([this.clock.untilTimer(), failed]);
      // With a watcher, a timer also runs between an event and the next call of next(). That timer ends within this
      // turn of the event loop.
      if (this.called.canWatch) await new Promise((resolve) => setTimeout(resolve, 0));
    } while (this.clock.timerDelaysMs.length === 0);
  }

  /** Reports a change to the watcher. Resolves when the follower has recorded the new events. */
  async change(): Promise<void> {
    await this.idle();
    this.called.change();
    await this.idle();
  }

  /** Lets one poll interval pass. Resolves when the follower has recorded the new events. */
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
      throw new Error(`Handles, watchers and timers left open: ${left}`);
    }
  }

  /** Resolves with the error that ends the iteration. */
  async #follow(events: AsyncIterable<{ event?: unknown }>): Promise<unknown> {
    try {
      for await (const { event } of events) this.seen += event;
    } catch (error) {
      return error;
    }
    return new Error("The iteration ended without an error");
  }
}
