/**
 * A disk in memory, whose processes can be killed, whose space can run out and whose power can fail, at any call. A
 * killed process loses its handles and file locks. The effects of its calls stay, as in the page cache of a kernel.
 *
 * @module
 */
import { dirname } from "@std/path";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
  Ownership,
} from "../../src/platform/file_system.ts";
import type { PendingAppend, PendingOperation } from "./journal.ts";
import { emptyKernel, type Kernel, noSpace, type OpenFile, SERVICE, type User } from "./kernel.ts";
import { RULES, type Rules } from "../rules.ts";

export type { PendingAppend, PendingOperation } from "./journal.ts";
export {
  ioError,
  missingFeatures,
  noSpace,
  notPermitted,
  ROOT_USER,
  SERVICE,
  systemErrors,
  type User,
} from "./kernel.ts";

/** A call of a process on the disk. The synchronous and asynchronous variants have the same name. */
export interface Call {
  /** Number of the call among those of its process, from 0. */
  readonly index: number;
  readonly name: CallName;
  /** The path; for a call on a handle, the path by which the file was opened. */
  readonly path: string;
  /** For the calls "rename" and "link": the new name of the file. */
  readonly to?: string;
}

/** The kind of a {@linkcode Call}. */
export type CallName =
  | Exclude<keyof FileSystem, "listLater" | "syncDirectorySync" | "watch">
  | "read"
  | "append"
  | "truncate"
  | "setOwnership"
  | "syncData"
  | "tryLock"
  | "unlock";

/** The error that every call throws after its process was killed. */
export class Killed extends Error {
  override readonly name = "Killed";

  /** Creates the error. */
  constructor() {
    super("The process is dead");
  }
}

/** A process, with its view of the disk. */
export class SimulatedProcess implements FileSystem {
  /** The calls of this process so far, including failed ones. */
  readonly calls: Call[] = [];
  /** Called before each call takes effect. If this function throws, the call fails with the thrown error. */
  onCall: ((call: Call) => void) | undefined;
  readonly user: User;
  readonly #kernel: Kernel;
  readonly #faults: { match: (call: Call) => boolean; error: () => Error; times: number }[] = [];
  #killPoint: { index: number; when: "before" | "after" } | undefined;
  #isKilled = false;

  /** Starts a process. Only a {@linkcode SimulatedDisk} may do that. */
  constructor(kernel: Kernel, user: User) {
    this.#kernel = kernel;
    this.user = user;
  }

  /** Is true if the process has been killed. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** Number of open handles. */
  get openHandles(): number {
    return this.#openFiles().length;
  }

  /** Lets the next `times` matching calls fail; with `Infinity`, all matching calls. */
  failOn(match: (call: Call) => boolean, error: () => Error, times = 1): void {
    this.#faults.push({ match, error, times });
  }

  /**
   * Kills the process before or after a call. An asynchronous call has its effect when it ends, just before the kill.
   */
  killAt(index: number, when: "before" | "after"): void {
    this.#killPoint = { index, when };
  }

  /** Kills the process, as SIGKILL does: its handles are closed, and every later call fails. */
  kill(): void {
    this.#isKilled = true;
    for (const file of this.#openFiles()) this.#kernel.close(file);
  }

  status(path: string): FileStatus | null {
    path = onDisk(path);
    return this.run({ name: "status", path }, () => {
      const number = this.#kernel.find(path, `lstat '${path}'`);
      return number === undefined ? null : this.#kernel.status(number);
    });
  }

  directoryStatus(path: string): FileStatus | null {
    return this.status(path);
  }

  open(path: string, access: FileAccess): FileHandle {
    path = onDisk(path);
    return this.run({ name: "open", path }, () => {
      return new SimulatedHandle(this, this.#kernel, this.#kernel.open(path, access, this));
    });
  }

  list(path: string): string[] {
    path = onDisk(path);
    return this.run({ name: "list", path }, () => this.#kernel.list(path));
  }

  listLater(path: string): Promise<string[]> {
    path = onDisk(path);
    return this.runLater({ name: "list", path }, () => () => this.#kernel.list(path));
  }

  rename(from: string, to: string): void {
    [from, to] = [onDisk(from), onDisk(to)];
    this.run({ name: "rename", path: from, to }, () => this.#kernel.rename(from, to, this.user));
  }

  link(path: string, newPath: string): void {
    [path, newPath] = [onDisk(path), onDisk(newPath)];
    this.run(
      { name: "link", path, to: newPath },
      () => this.#kernel.link(path, newPath, this.user),
    );
  }

  remove(path: string): void {
    path = onDisk(path);
    this.run({ name: "remove", path }, () => this.#kernel.remove(path, this.user));
  }

  removeAsync(path: string): Promise<void> {
    path = onDisk(path);
    return this.runLater(
      { name: "remove", path },
      () => () => this.#kernel.remove(path, this.user),
    );
  }

  makeDirectory(path: string): void {
    path = onDisk(path);
    this.run({ name: "makeDirectory", path }, () => {
      this.#kernel.make(path, "directory", `mkdir '${path}'`, this.user);
    });
  }

  syncDirectorySync(path: string): void {
    path = onDisk(path);
    this.run({ name: "syncDirectory", path }, () => this.#beginDirectorySync(path)());
  }

  syncDirectory(path: string): Promise<void> {
    path = onDisk(path);
    return this.runLater({ name: "syncDirectory", path }, () => this.#beginDirectorySync(path));
  }

  /** Returns `null`, because a simulated directory cannot be watched. */
  watch(): null {
    return null;
  }

  /**
   * Runs a call: records the call, calls the hook `onCall`, and makes the call fail or the process die if the test has
   * requested it.
   */
  run<T>(site: Omit<Call, "index">, effect: () => T): T {
    const call = this.#enter(site);
    try {
      this.#provoke(call);
      return effect();
    } finally {
      this.#leave(call);
    }
  }

  /** Runs a call like {@linkcode run}, but asynchronously: other code can run before the call takes effect. */
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

  setOwnership(ownership: Ownership): void {
    this.#run("setOwnership", () => this.#kernel.setOwnership(this.#file, ownership));
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

  /**
   * Closes the handle. Does nothing in a killed process: if it threw, `using` would replace the first {@linkcode
   * Killed} error by a SuppressedError.
   */
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

  /** Reports a failed sync, unless the handle was closed or the process killed before the sync began. */
  #syncFailed(error: unknown): void {
    if (this.#isOpen) this.#kernel.syncFailed(this.#file, error as Error);
  }
}

/**
 * A disk that is empty except for its root. Paths are absolute POSIX paths without `.` and `..`. On Windows, the disk
 * also accepts the paths that @std/path returns, which have a drive and backslashes.
 */
export class SimulatedDisk {
  readonly #kernel: Kernel;

  /** Creates an empty disk with the rules of POSIX or Windows, or a disk with the content of the kernel `start`. */
  constructor(start: Rules | Kernel = RULES) {
    this.#kernel = typeof start === "string" ? emptyKernel(start) : start;
  }

  /** Starts a process on the disk. */
  process(user: User = SERVICE): SimulatedProcess {
    return new SimulatedProcess(this.#kernel, user);
  }

  /** The operations that no sync has covered, oldest first. */
  get pending(): PendingOperation[] {
    return this.#kernel.journal.pending;
  }

  /** Number of bytes that still fit. Truncating a file frees space, and so does removing its last name and handle. */
  get bytesLeft(): number {
    return this.#kernel.bytesLeft;
  }

  set bytesLeft(bytesLeft: number) {
    this.#kernel.bytesLeft = bytesLeft;
  }

  /** Returns a copy of the disk, as if all processes were killed now. */
  afterKill(): SimulatedDisk {
    return new SimulatedDisk(this.#kernel.restartedWith(this.#kernel.journal.copy()));
  }

  /**
   * Returns the disk as it may be after a power loss now. Operations that no sync has covered survive if `choice`
   * returns `true`. Of an append that survives, `tear` returns the number of bytes that survive.
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

  /** Returns the text of every file by its path, or the bytes if they are not UTF-8. */
  snapshot(): Record<string, string | Uint8Array> {
    return Object.fromEntries(
      this.#filesUnder("/").map((path) => [path, textOf(this.readFile(path))]),
    );
  }

  /** Returns the content of a file, without a call of a process. */
  readFile(path: string): Uint8Array {
    path = onDisk(path);
    return this.#kernel.inode(this.#kernel.get(path, path)).bytes;
  }

  /** Returns the ownership of a file, without a call of a process. */
  ownershipOf(path: string): Ownership {
    path = onDisk(path);
    return this.#kernel.inode(this.#kernel.get(path, path)).ownership;
  }

  /** Changes the ownership of a file, as an administrator does. Files on a disk of Windows have none. */
  setOwnership(path: string, ownership: Ownership): void {
    path = onDisk(path);
    this.#kernel.assign(path, ownership);
  }

  /** Writes a file and its parent directories, without a call of a process. All of it is durable at once. */
  writeFile(path: string, content: string | Uint8Array): void {
    path = onDisk(path);
    this.#durably(path, () => {
      const inode = this.#kernel.find(path, path) ?? this.#kernel.make(path, "file", path, SERVICE);
      const file = { path, inode, access: "update" } as const;
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      this.#kernel.truncate(file, 0);
      if (this.#kernel.append(file, bytes) < bytes.byteLength) throw noSpace();
    });
  }

  /** Creates a directory, a symlink or another kind of file, with its parent directories. It is durable at once. */
  plant(path: string, kind: "directory" | "symlink" | "other"): void {
    path = onDisk(path);
    this.#durably(path, () => this.#kernel.make(path, kind, path, SERVICE));
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
    this.#kernel.make(path, "directory", path, SERVICE);
  }

  #filesUnder(directory: string): string[] {
    return this.#kernel.list(directory).sort().map((name) =>
      `${directory === "/" ? "" : directory}/${name}`
    ).flatMap(
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
    // The bytes are not UTF-8: a character was cut in half, or the file is not text.
    return bytes;
  }
}

/** Returns the path as a POSIX path: without the drive and the backslashes that it has on Windows. */
function onDisk(path: string): string {
  return Deno.build.os === "windows"
    ? path.replace(/^[a-z]:/i, "").replaceAll("\\", "/") || "/"
    : path;
}
