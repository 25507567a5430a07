/**
 * A disk in memory that can be killed on, filled up and cut from its power, call by call. A killed
 * process loses its handles and flocks; what its calls did stays, as in the page cache.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
} from "../../src/platform/file_system.ts";
import type { PendingAppend, PendingOperation } from "./journal.ts";
import { emptyKernel, type Kernel, noSpace, type OpenFile } from "./kernel.ts";

export type { PendingAppend, PendingOperation } from "./journal.ts";
export { ioError, noSpace, systemErrors } from "./kernel.ts";

/** One call of a process that touches the disk; both variants of a call have one name. */
export interface Call {
  /** Its number among the calls of the process, from 0. */
  readonly index: number;
  readonly name: CallName;
  /** For a call on a handle, the path by which the file was opened. */
  readonly path: string;
  /** The new name, for "rename" and "link". */
  readonly to?: string;
}

/** What a {@linkcode Call} does. */
export type CallName =
  | Exclude<keyof FileSystem, "syncDirectorySync" | "watch">
  | "read"
  | "append"
  | "truncate"
  | "syncData"
  | "tryLock"
  | "unlock";

/** What every call of a killed process ends with. */
export class Killed extends Error {
  override readonly name = "Killed";

  /** Makes the error of one call. */
  constructor() {
    super("The process is dead");
  }
}

/** The disk as one process sees it. */
export class SimulatedProcess implements FileSystem {
  /** Every call so far, those that failed included. */
  readonly calls: Call[] = [];
  /** Runs before each call takes effect; what it throws is the result of the call. */
  onCall: ((call: Call) => void) | undefined;
  readonly #kernel: Kernel;
  readonly #faults: { match: (call: Call) => boolean; error: () => Error; times: number }[] = [];
  #killPoint: { index: number; when: "before" | "after" } | undefined;
  #isKilled = false;

  /** Starts a process; only a {@linkcode SimulatedDisk} can. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Whether it is dead. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** How many handles it has open. */
  get openHandles(): number {
    return this.#openFiles().length;
  }

  /** Lets the next call that matches fail, or the next few, or, with `Infinity`, all. */
  failOn(match: (call: Call) => boolean, error: () => Error, times = 1): void {
    this.#faults.push({ match, error, times });
  }

  /** Lets the process die at a call, an asynchronous one "after" its effect at the end. */
  killAt(index: number, when: "before" | "after"): void {
    this.#killPoint = { index, when };
  }

  /** Ends the process as SIGKILL does: its handles are closed, and every later call fails. */
  kill(): void {
    this.#isKilled = true;
    for (const file of this.#openFiles()) this.#kernel.close(file);
  }

  status(path: string): FileStatus | null {
    return this.run({ name: "status", path }, () => {
      const number = this.#kernel.find(path, `lstat '${path}'`);
      return number === undefined ? null : this.#kernel.status(number);
    });
  }

  open(path: string, access: FileAccess): FileHandle {
    return this.run({ name: "open", path }, () => {
      return new SimulatedHandle(this, this.#kernel, this.#kernel.open(path, access, this));
    });
  }

  list(path: string): string[] {
    return this.run({ name: "list", path }, () => this.#kernel.list(path));
  }

  rename(from: string, to: string): void {
    this.run({ name: "rename", path: from, to }, () => this.#kernel.rename(from, to));
  }

  link(path: string, newPath: string): void {
    this.run({ name: "link", path, to: newPath }, () => this.#kernel.link(path, newPath));
  }

  remove(path: string): void {
    this.run({ name: "remove", path }, () => this.#kernel.remove(path));
  }

  removeAsync(path: string): Promise<void> {
    return this.runLater({ name: "remove", path }, () => () => this.#kernel.remove(path));
  }

  makeDirectory(path: string): void {
    this.run({ name: "makeDirectory", path }, () => {
      this.#kernel.make(path, "directory", `mkdir '${path}'`);
    });
  }

  syncDirectorySync(path: string): void {
    this.run({ name: "syncDirectory", path }, () => this.#beginDirectorySync(path)());
  }

  syncDirectory(path: string): Promise<void> {
    return this.runLater({ name: "syncDirectory", path }, () => this.#beginDirectorySync(path));
  }

  /** A simulated directory cannot be watched. */
  watch(): null {
    return null;
  }

  /** Runs a call: recorded, shown to the hook, and failed or killed where a test says so. */
  run<T>(site: Omit<Call, "index">, effect: () => T): T {
    const call = this.#enter(site);
    try {
      this.#provoke(call);
      return effect();
    } finally {
      this.#leave(call);
    }
  }

  /** As {@linkcode run}; other code runs between the beginning and the end, which is the effect. */
  async runLater<T>(site: Omit<Call, "index">, begin: () => () => T): Promise<T> {
    const call = this.#enter(site);
    try {
      this.#provoke(call);
      const end = begin();
      await Promise.resolve();
      this.#assertAlive();
      return end();
    } finally {
      this.#leave(call);
    }
  }

  #enter(site: Omit<Call, "index">): Call {
    this.#assertAlive();
    const call = { index: this.calls.length, ...site };
    this.calls.push(call);
    if (this.#diesAt(call, "before")) this.kill();
    this.#assertAlive();
    return call;
  }

  #provoke(call: Call): void {
    this.onCall?.(call);
    this.#assertAlive();
    const fault = this.#faults.find(({ match, times }) => times > 0 && match(call));
    if (fault === undefined) return;
    fault.times--;
    throw fault.error();
  }

  #leave(call: Call): void {
    if (this.#diesAt(call, "after")) this.kill();
    this.#assertAlive();
  }

  #diesAt(call: Call, when: "before" | "after"): boolean {
    return this.#killPoint?.index === call.index && this.#killPoint.when === when;
  }

  #assertAlive(): void {
    if (this.#isKilled) throw new Killed();
  }

  #beginDirectorySync(path: string): () => void {
    return this.#kernel.journal.beginSync(this.#kernel.follow(path, `open '${path}'`));
  }

  #openFiles(): OpenFile[] {
    return [...this.#kernel.openFiles].filter(({ owner }) => owner === this);
  }
}

class SimulatedHandle implements FileHandle {
  readonly #process: SimulatedProcess;
  readonly #kernel: Kernel;
  readonly #file: OpenFile;

  constructor(process: SimulatedProcess, kernel: Kernel, file: OpenFile) {
    this.#process = process;
    this.#kernel = kernel;
    this.#file = file;
  }

  status(): FileStatus {
    return this.#run("status", () => this.#kernel.status(this.#file.inode));
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return this.#runLater("read", () => () => this.#kernel.read(this.#file, buffer, position));
  }

  readSync(buffer: Uint8Array, position: number): number {
    return this.#run("read", () => this.#kernel.read(this.#file, buffer, position));
  }

  appendSync(bytes: Uint8Array): number {
    return this.#run("append", () => this.#kernel.append(this.#file, bytes));
  }

  truncateSync(byteLength: number): void {
    this.#run("truncate", () => this.#kernel.truncate(this.#file, byteLength));
  }

  async syncData(): Promise<void> {
    try {
      await this.#runLater("syncData", () => this.#kernel.beginSync(this.#file));
    } catch (error) {
      this.#syncFailed(error);
      throw error;
    }
  }

  syncDataSync(): void {
    try {
      this.#run("syncData", () => this.#kernel.beginSync(this.#file)());
    } catch (error) {
      this.#syncFailed(error);
      throw error;
    }
  }

  tryLock(): boolean {
    return this.#run("tryLock", () => this.#kernel.tryLock(this.#file));
  }

  unlock(): void {
    this.#run("unlock", () => this.#kernel.unlock(this.#file));
  }

  /** Does nothing in a dead process, so that `using` does not hide the {@linkcode Killed}. */
  close(): void {
    if (this.#process.isKilled) return;
    this.#assertOpen();
    this.#kernel.close(this.#file);
  }

  #run<T>(name: CallName, effect: () => T): T {
    this.#assertOpen();
    return this.#process.run({ name, path: this.#file.path }, effect);
  }

  async #runLater<T>(name: CallName, begin: () => () => T): Promise<T> {
    this.#assertOpen();
    return await this.#process.runLater({ name, path: this.#file.path }, begin);
  }

  #assertOpen(): void {
    if (this.#process.isKilled) throw new Killed();
    if (!this.#isOpen) throw new Deno.errors.BadResource("Bad resource ID");
  }

  get #isOpen(): boolean {
    return this.#kernel.openFiles.has(this.#file);
  }

  /** A closed handle, or that of a dead process, has not begun the sync that failed. */
  #syncFailed(error: unknown): void {
    if (this.#isOpen) this.#kernel.syncFailed(this.#file, error as Error);
  }
}

/** A disk, empty but for its root; paths are absolute, POSIX, and without `.` and `..`. */
export class SimulatedDisk {
  readonly #kernel: Kernel;

  /** Makes a disk; the parameter is for copies. */
  constructor(kernel: Kernel = emptyKernel()) {
    this.#kernel = kernel;
  }

  /** Starts a process on the disk. */
  process(): SimulatedProcess {
    return new SimulatedProcess(this.#kernel);
  }

  /** What no sync has covered, oldest first. */
  get pending(): PendingOperation[] {
    return this.#kernel.journal.pending;
  }

  /** How many more bytes fit; truncating a file, or removing it for good, gives some back. */
  get bytesLeft(): number {
    return this.#kernel.bytesLeft;
  }

  set bytesLeft(bytesLeft: number) {
    this.#kernel.bytesLeft = bytesLeft;
  }

  /** The disk as the processes leave it when all are killed now. */
  afterKill(): SimulatedDisk {
    return new SimulatedDisk(this.#kernel.restartedWith(this.#kernel.journal.copy()));
  }

  /**
   * The disk after a power loss now, with the pending operations of the choice; of an append of the
   * choice, `tear` says how many bytes survive.
   */
  afterPowerLoss(
    choice: (operation: PendingOperation) => boolean,
    tear: (append: PendingAppend) => number = ({ bytes }) => bytes.byteLength,
  ): SimulatedDisk {
    const journal = this.#kernel.journal.afterPowerLoss((operation) => {
      if (!choice(operation)) return null;
      if (operation.kind !== "append") return operation;
      return { ...operation, bytes: operation.bytes.subarray(0, tear(operation)) };
    });
    return new SimulatedDisk(this.#kernel.restartedWith(journal));
  }

  /** Text of every file by its path; the bytes where they are no UTF-8. */
  snapshot(): Record<string, string | Uint8Array> {
    return Object.fromEntries(
      this.#filesUnder("/").map((path) => [path, textOf(this.readFile(path))]),
    );
  }

  /** Content of a file, past all processes. */
  readFile(path: string): Uint8Array {
    return this.#kernel.inode(this.#kernel.get(path, path)).bytes;
  }

  /** Writes a file, and the directories above it, past all processes; durable at once. */
  writeFile(path: string, content: string | Uint8Array): void {
    this.#durably(path, () => {
      const inode = this.#kernel.find(path, path) ?? this.#kernel.make(path, "file", path);
      const file = { path, inode, access: "append" } as const;
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      this.#kernel.truncate(file, 0);
      if (this.#kernel.append(file, bytes) < bytes.byteLength) throw noSpace();
    });
  }

  /** Puts something else at a path, with the directories above it; durable at once. */
  plant(path: string, kind: "directory" | "symlink" | "other"): void {
    this.#durably(path, () => this.#kernel.make(path, kind, path));
  }

  #durably(path: string, effect: () => void): void {
    this.#kernel.journal.durably(() => {
      this.#makeDirectories(dirname(path));
      effect();
    });
  }

  #makeDirectories(path: string): void {
    if (this.#kernel.find(path, path) !== undefined) return;
    this.#makeDirectories(dirname(path));
    this.#kernel.make(path, "directory", path);
  }

  #filesUnder(directory: string): string[] {
    return this.#kernel.list(directory).sort().map((name) => join(directory, name)).flatMap(
      (path) => {
        const { kind } = this.#kernel.inode(this.#kernel.get(path, path));
        return kind === "directory" ? this.#filesUnder(path) : kind === "file" ? [path] : [];
      },
    );
  }
}

function textOf(bytes: Uint8Array): string | Uint8Array {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Torn in the middle of a character, or never text.
    return bytes;
  }
}
