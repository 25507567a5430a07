/**
 * A log whose writer, watcher and clock a test holds in its hands, and one who follows it. Events are
 * called by letters, each by its own.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { gzipSync } from "node:zlib";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { followLog, type FollowOptions, type FollowSource } from "../../src/read/follow.ts";
import { LogFiles, type Stamp, stampOf } from "../../src/segments/segment_name.ts";
import type { Timer } from "../../src/platform/clock.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import { tempDir } from "../temp_dir.ts";

/** A line of an event that is called by a letter. */
export function lineOf(letter: string): string {
  return `{"ts":"2026-02-13T14:30:22.123Z","event":"${letter}"}\n`;
}

/** Where a log lies. */
export interface Place extends Disposable {
  readonly name: string;
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
}

/** A simulated disk. */
export function simulatedPlace(): Place {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  return {
    name: "simulated disk",
    fileSystem: disk.process(),
    files: new LogFiles("/log/audit.jsonl"),
    [Symbol.dispose]() {},
  };
}

/** A directory of the real disk. */
export function realPlace(): Place {
  const dir = tempDir();
  return {
    name: "real disk",
    fileSystem: denoFileSystem,
    files: new LogFiles(dir.path("audit.jsonl")),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** Another process that does to the log whatever a process may do, each at once. */
export class Writer {
  /** The letters of all events, in the order of appending. */
  written = "";
  /** Those of events that went with their file, which one who comes too late does not see. */
  takenAway = "";
  readonly #fileSystem: FileSystem;
  readonly #files: LogFiles;
  readonly #inFile = new Map<string, string>();
  #seals = 0;
  #moves = 0;

  constructor({ fileSystem, files }: Place) {
    this.#fileSystem = fileSystem;
    this.#files = files;
  }

  /** Appends an event of the next letter. */
  append(path: string = this.#files.active): void {
    const letter = String.fromCharCode("a".charCodeAt(0) + this.written.length);
    this.appendText(lineOf(letter), path);
    this.written += letter;
    this.#inFile.set(path, `${this.#inFile.get(path) ?? ""}${letter}`);
  }

  /** Appends any bytes. */
  appendText(text: string, path: string = this.#files.active): void {
    const isThere = this.#fileSystem.status(path) !== null;
    const handle = this.#fileSystem.open(path, isThere ? "append" : "create");
    handle.appendSync(new TextEncoder().encode(text));
    handle.close();
  }

  /** Cuts the active file. */
  truncate(byteLength: number): void {
    const handle = this.#fileSystem.open(this.#files.active, "append");
    handle.truncateSync(byteLength);
    handle.close();
  }

  /** Seals the active file, if it holds anything. */
  seal(): void {
    if (!this.#isThere()) return;
    const path = this.#files.sealed(this.#nextStamp());
    this.#fileSystem.rename(this.#files.active, path);
    this.#rename(path);
  }

  /** Takes the last sealing back, as a sealer does that cannot bring the directory to the disk. */
  unseal(): void {
    const path = this.#files.sealed(stamp(this.#seals--));
    this.#fileSystem.rename(path, this.#files.active);
    this.#inFile.set(this.#files.active, this.#inFile.get(path) ?? "");
  }

  /** Archives the sealed segments, and removes them. */
  archive({ removes = true }: { removes?: boolean } = {}): void {
    for (let seal = 1; seal <= this.#seals; seal++) {
      const sealed = this.#files.sealed(stamp(seal));
      const bytes = this.#contentOf(sealed);
      if (bytes === null || bytes.byteLength === 0) continue;
      this.#writeWhole(this.#files.archive(stamp(seal)), gzipSync(bytes));
      if (removes) this.#fileSystem.remove(sealed);
    }
  }

  /** Leaves an empty segment, as a sealer that is killed. */
  sealInVain(): void {
    this.#writeWhole(this.#files.sealed(this.#nextStamp()), new Uint8Array());
  }

  /** Moves the active file to a name that is no segment's, as logrotate does; gives it. */
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

/** The disk as one process calls it: counted, and with the step of another before each call. */
export class CalledFileSystem {
  /** What was called: "open audit.jsonl", or "handle.read" for a call on a handle. */
  readonly calls: string[] = [];
  /** The call that is about to be made. */
  upcoming = "";
  /** Runs before each call. */
  before: () => void = () => {};
  /** Whether there is a watcher to be had. */
  canWatch = false;
  openHandles = 0;
  openWatchers = 0;
  /** Tells all watchers of a change. */
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

/** A clock that tells when somebody has begun to wait. */
export class AwaitedClock extends SimulatedClock {
  #started: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Resolves when a timer runs. */
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

/** What is followed: the log as it is called, by a clock. */
export function sourceOf(
  { files }: Place,
  { called, clock, maxLineBytes = 1_000, told = [] }: {
    called: CalledFileSystem;
    clock: AwaitedClock;
    maxLineBytes?: number;
    told?: string[];
  },
): FollowSource {
  const warn = (...data: unknown[]) => void told.push(data.join(" "));
  return {
    fileSystem: called.fileSystem,
    clock,
    path: files.active,
    maxLineBytes,
    logger: { debug() {}, info() {}, warn, error: warn },
  };
}

/** One who follows the log and takes down what comes. */
export class Follower implements AsyncDisposable {
  /** The letters of the events that came. */
  seen = "";
  /** What the logger was told. */
  readonly told: string[] = [];
  readonly clock: AwaitedClock = new AwaitedClock();
  readonly called: CalledFileSystem;
  readonly #abort = new AbortController();
  readonly #following: Promise<unknown>;

  /** Begins to follow within the call. */
  constructor(
    place: Place,
    options: FollowOptions = {},
    { maxLineBytes = 1_000, called = new CalledFileSystem(place.fileSystem) } = {},
  ) {
    this.called = called;
    const { clock, told } = this;
    const source = sourceOf(place, { called, clock, maxLineBytes, told });
    this.#following = this.#follow(followLog(source, { ...options, signal: this.#abort.signal }));
  }

  /** Resolves when it waits for more. */
  async idle(): Promise<void> {
    const failed = this.#following.then((error) => {
      throw error;
    });
    do {
      await Promise.race([this.clock.untilTimer(), failed]);
      // With a watcher there is a timer from each event to the next next(), over with this turn.
      if (this.called.canWatch) await new Promise((resolve) => setTimeout(resolve, 0));
    } while (this.clock.timerDelaysMs.length === 0);
  }

  /** Tells it of a change, and resolves when what it finds is taken down. */
  async change(): Promise<void> {
    await this.idle();
    this.called.change();
    await this.idle();
  }

  /** Lets a poll interval pass, and resolves when what it finds is taken down. */
  async poll(): Promise<void> {
    await this.idle();
    this.clock.fireTimers();
    await this.idle();
  }

  /** Ends it, which leaves nothing behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error("enough");
    this.#abort.abort(reason);
    const error = await this.#following;
    if (error !== reason) throw error;
    const { openHandles, openWatchers } = this.called;
    const left = [openHandles, openWatchers, this.clock.timerDelaysMs.length];
    if (left.some((count) => count > 0)) throw new Error(`Left behind: ${left}`);
  }

  /** Resolves with what it ends with. */
  async #follow(events: AsyncIterable<{ event?: unknown }>): Promise<unknown> {
    try {
      for await (const { event } of events) this.seen += event;
    } catch (error) {
      return error;
    }
    return new Error("It has come to an end");
  }
}
