/**
 * The kernel of a simulated machine: paths, inodes, handles and file locks, with the results and errors of a real
 * system. Processes and injected faults are simulated in simulated_disk.ts.
 *
 * Under the rules of Windows, a lock keeps all other handles from reading and writing, a handle that appends cannot
 * truncate, a handle that reads cannot sync, the case of letters in names does not matter, and files have no owner.
 *
 * @module
 */
import { basename, dirname } from "@std/path";
import type { FileAccess, FileStatus, Ownership } from "../../src/platform/file_system.ts";
import { accessDenied, findName, lockViolation, notLocked, type Rules } from "../rules.ts";
import { type Inode, inodeOf, Journal, type Kind, newInode, type Place, ROOT } from "./journal.ts";

/** Returns the error of a full disk, as Deno raises it. */
export function noSpace(): Error {
  return new Error("No space left on device (os error 28)");
}

/** Returns the error of a broken disk, as Deno raises it. */
export function ioError(): Error {
  return new Error("Input/output error (os error 5)");
}

/**
 * Errors that a system may raise, as Deno reports them. EINTR is missing, because Deno itself repeats the interrupted
 * call.
 */
export const systemErrors = {
  EACCES: () => new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
  EAGAIN: () => new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)"),
  EDQUOT: () => new Error("Disk quota exceeded (os error 122)"),
  EIO: ioError,
  EMFILE: () => new Error("Too many open files (os error 24)"),
  ENOSPC: noSpace,
  EROFS: () => new Error("Read-only file system (os error 30)"),
} as const satisfies Record<string, () => Error>;

/** Returns the error of a call that only root may make, which Windows does not have. */
export function notPermitted(): Error {
  return new Deno.errors.PermissionDenied("Operation not permitted (os error 1)");
}

const invalidFunction = () => new Error("Incorrect function. (os error 1)");
const notSupported = () => new Error("The request is not supported. (os error 50)");

/** Errors with which a system reports that a file system lacks a feature, as Deno raises them. */
export const missingFeatures: Readonly<
  Record<"EINVAL" | "ENOLCK" | "ENOTSUP" | "EPERM", () => Error>
> = Deno.build.os === "windows"
  ? {
    EINVAL: invalidFunction,
    ENOLCK: notSupported,
    ENOTSUP: notSupported,
    EPERM: invalidFunction,
  }
  : {
    EINVAL: () => new TypeError("Invalid argument (os error 22)"),
    ENOLCK: () => new Error("No locks available (os error 37)"),
    ENOTSUP: () => new Error("Operation not supported (os error 95)"),
    EPERM: notPermitted,
  };

/** The user that a process runs as. */
export type User = Omit<Ownership, "mode">;

/** The user that runs a process by default. */
export const SERVICE: User = { uid: 1000, gid: 1000 };
/** The user root, which has every permission. */
export const ROOT_USER: User = { uid: 0, gid: 0 };

export interface OpenFile {
  readonly inode: number;
  readonly path: string;
  readonly access: FileAccess;
  /** The process that opened the file. */
  readonly owner: { readonly user: User };
}

/** The state that all processes share: the disk, the open handles and the flocks. */
export class Kernel {
  readonly journal: Journal;
  readonly openFiles = new Set<OpenFile>();
  readonly #locks = new Map<number, OpenFile>();
  /** Sync errors that a handle has yet to report, as on Linux (`errseq_t`). */
  readonly #unreported = new Map<OpenFile, Error>();
  readonly #syncErrors = new WeakSet<Error>();
  readonly #isWindows: boolean;
  #capacity: number;

  constructor(journal: Journal, { capacity, rules }: { capacity: number; rules: Rules }) {
    this.journal = journal;
    this.#capacity = capacity;
    this.#isWindows = rules === "Windows";
  }

  /** Returns a kernel that starts with the journal on a disk of the same capacity. */
  restartedWith(journal: Journal): Kernel {
    return new Kernel(journal, {
      capacity: this.#capacity,
      rules: this.#isWindows ? "Windows" : "POSIX",
    });
  }

  get bytesLeft(): number {
    if (this.#capacity === Infinity) return Infinity;
    return Math.max(0, this.#capacity - this.#bytesUsed());
  }

  set bytesLeft(bytesLeft: number) {
    this.#capacity = this.#bytesUsed() + bytesLeft;
  }

  inode(number: number): Inode {
    return inodeOf(this.journal.cache, number);
  }

  /** Returns the inode at the path, or `undefined` if the path does not exist. */
  find(path: string, what: string): number | undefined {
    let number = ROOT;
    for (const name of path.split("/").filter((name) => name !== "")) {
      const { kind, entries } = this.inode(number);
      if (kind !== "directory") throw notDirectory(what);
      const next = entries.get(this.#entryName(name, entries));
      if (next === undefined) return undefined;
      number = next;
    }
    return number;
  }

  /** Returns the inode at the path, like {@linkcode find}, but throws if the path does not exist. */
  get(path: string, what: string): number {
    const number = this.find(path, what);
    if (number === undefined) throw notFound(what);
    return number;
  }

  /**
   * Returns the inode at the path, like {@linkcode get}. Throws for symlinks, because the symlinks in tests lead to
   * nothing.
   */
  follow(path: string, what: string): number {
    const number = this.get(path, what);
    const { kind } = this.inode(number);
    if (kind === "symlink") throw notFound(what);
    if (kind === "other") throw new Error(`Would block for ever: ${what}`);
    return number;
  }

  status(number: number): FileStatus {
    const { kind, bytes: { byteLength }, ownership } = this.inode(number);
    const links = this.#linksOf(number);
    return {
      kind,
      byteLength,
      device: 1,
      inode: number,
      links,
      createdMs: null,
      modifiedMs: null,
      ownership: this.#isWindows ? null : ownership,
    };
  }

  list(path: string): string[] {
    const what = `readdir '${path}'`;
    const { kind, entries } = this.inode(this.get(path, what));
    if (kind !== "directory") throw notDirectory(what);
    return [...entries.keys()];
  }

  open(path: string, access: FileAccess, owner: OpenFile["owner"]): OpenFile {
    const what = `open '${path}'`;
    const { user } = owner;
    const isNew = access === "create";
    const inode = isNew ? this.make(path, "file", what, user) : this.follow(path, what);
    if (!isNew) this.#assertMay(access === "read" ? 0o4 : 0o6, inode, { user, what });
    if (access !== "read" && this.inode(inode).kind === "directory") throw isDirectory(what);
    const file = { inode, path, access, owner };
    this.openFiles.add(file);
    return file;
  }

  close(file: OpenFile): void {
    if (this.#locks.get(file.inode) === file) this.#locks.delete(file.inode);
    this.#unreported.delete(file);
    this.openFiles.delete(file);
  }

  make(path: string, kind: Kind, what: string, user: User): number {
    const place = this.#freePlace(path, what);
    this.#assertMay(0o3, place.directory, { user, what });
    const mode = kind === "directory" ? 0o700 : 0o600;
    // Files on Windows have no owner. So every file gets the same one, which is never looked at.
    const owner = this.#isWindows ? SERVICE : user;
    const inode = this.journal.addInode(kind, { ...owner, mode });
    const call = kind === "directory" ? "makeDirectory" : "create";
    this.journal.perform({ kind: call, path, entries: [{ place, inode }] });
    return inode;
  }

  rename(path: string, to: string, user: User): void {
    const what = `rename '${path}' -> '${to}'`;
    const inode = this.#getMovable(path, what);
    const replaced = this.find(to, what);
    const entries = [
      { place: this.#placeOf(path, what), inode: null },
      { place: this.#placeOf(to, what), inode },
    ];
    this.#assertMayChange([path, to], { user, what });
    if (inode === replaced) return;
    if (replaced !== undefined && this.inode(replaced).kind === "directory") {
      throw isDirectory(what);
    }
    this.journal.perform({ kind: "rename", path, to, entries });
  }

  link(path: string, to: string, user: User): void {
    const what = `link '${path}' -> '${to}'`;
    const inode = this.get(path, what);
    const place = this.#freePlace(to, what);
    if (this.inode(inode).kind === "directory") {
      throw new Deno.errors.PermissionDenied(`Operation not permitted (os error 1): ${what}`);
    }
    this.#assertMayChange([to], { user, what });
    this.journal.perform({ kind: "link", path, to, entries: [{ place, inode }] });
  }

  remove(path: string, user: User): void {
    const what = `remove '${path}'`;
    this.#getMovable(path, what);
    const place = this.#placeOf(path, what);
    this.#assertMayChange([path], { user, what });
    this.journal.perform({ kind: "remove", path, entries: [{ place, inode: null }] });
  }

  read(file: OpenFile, buffer: Uint8Array, position: number): number {
    const { kind, bytes } = this.inode(file.inode);
    this.#assertUnlocked(file);
    if (position < 0) throw invalidArgument();
    if (kind === "directory") throw isDirectory("read");
    const found = bytes.subarray(position, position + buffer.byteLength);
    buffer.set(found);
    return found.byteLength;
  }

  append(file: Omit<OpenFile, "owner">, bytes: Uint8Array): number {
    const { inode, path, access } = file;
    this.#assertUnlocked(file);
    if (access === "read") throw new Error("Bad file descriptor (os error 9)");
    if (bytes.byteLength === 0) return 0;
    const fitting = bytes.slice(0, this.bytesLeft);
    if (fitting.byteLength === 0) throw noSpace();
    const offset = this.inode(inode).bytes.byteLength;
    this.journal.perform({ kind: "append", path, inode, offset, bytes: fitting });
    return fitting.byteLength;
  }

  truncate(file: Omit<OpenFile, "owner">, byteLength: number): void {
    const { inode, path, access } = file;
    if (this.#isWindows && access !== "update") throw accessDenied();
    if (access === "read" || byteLength < 0) throw invalidArgument();
    this.journal.perform({ kind: "truncate", path, inode, byteLength });
  }

  /** Changes the ownership of a file, as an administrator does. The change is durable at once. */
  assign(path: string, ownership: Ownership): void {
    if (this.#isWindows) return;
    const inode = this.get(path, path);
    this.journal.durably(() =>
      this.journal.perform({ kind: "setOwnership", path, inode, ownership })
    );
  }

  setOwnership({ inode, path, owner: { user } }: OpenFile, ownership: Ownership): void {
    const isGift = ownership.uid !== user.uid || ownership.gid !== user.gid;
    if (this.find(path, path) !== inode) throw new Deno.errors.Busy(`Another file: ${path}`);
    if (isGift && user.uid !== ROOT_USER.uid) {
      throw new Deno.errors.PermissionDenied("Operation not permitted (os error 1): fchown");
    }
    this.journal.perform({ kind: "setOwnership", path, inode, ownership });
    this.journal.beginSync(inode)();
  }

  tryLock(file: OpenFile): boolean {
    // On Windows, even the handle that holds a lock cannot lock the same range again.
    if (this.#isWindows && this.#locks.has(file.inode)) return false;
    const holder = this.#locks.get(file.inode) ?? file;
    this.#locks.set(file.inode, holder);
    return holder === file;
  }

  unlock(file: OpenFile): void {
    if (this.#locks.get(file.inode) === file) this.#locks.delete(file.inode);
    else if (this.#isWindows) throw notLocked();
  }

  /**
   * Begins the sync of the handle's file. Returns a function that ends the sync.
   *
   * @throws {Error} If another handle's sync of the file failed while this handle was open. Each handle reports the
   * error once. The returned function throws the error of a sync that failed in the meantime.
   */
  beginSync(file: OpenFile): () => void {
    if (this.#isWindows && file.access === "read") throw accessDenied();
    this.#reportSyncError(file);
    const end = this.journal.beginSync(file.inode);
    return () => {
      this.#reportSyncError(file);
      end();
    };
  }

  #reportSyncError(file: OpenFile): void {
    const error = this.#unreported.get(file);
    this.#unreported.delete(file);
    if (error !== undefined) throw error;
  }

  /**
   * Excludes the bytes of the failed sync from later syncs, and lets every other handle of the file report the error
   * once.
   */
  syncFailed(file: OpenFile, error: Error): void {
    if (this.#syncErrors.has(error)) return;
    this.#syncErrors.add(error);
    this.journal.writeOff(file.inode);
    for (const other of this.openFiles) {
      if (other !== file && other.inode === file.inode) this.#unreported.set(other, error);
    }
  }

  #entryName(name: string, entries: ReadonlyMap<string, number>): string {
    return this.#isWindows ? findName(name, entries.keys()) ?? name : name;
  }

  #assertUnlocked(file: Omit<OpenFile, "owner">): void {
    const holder = this.#locks.get(file.inode);
    if (this.#isWindows && holder !== undefined && holder !== file) throw lockViolation();
  }

  /**
   * Throws unless the user has the permissions on the file or directory. `bits` are the sum of 4 (read), 2 (write) and
   * 1 (execute).
   */
  #assertMay(bits: number, inode: number, { user, what }: { user: User; what: string }): void {
    const { uid, gid, mode } = this.inode(inode).ownership;
    if (this.#isWindows) return;
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    if (user.uid === ROOT_USER.uid || (mode >> shift & bits) === bits) return;
    throw new Deno.errors.PermissionDenied(`Permission denied (os error 13): ${what}`);
  }

  #assertMayChange(paths: readonly string[], by: { user: User; what: string }): void {
    for (const path of paths) this.#assertMay(0o3, this.get(dirname(path), by.what), by);
  }

  #getMovable(path: string, what: string): number {
    const number = this.get(path, what);
    if (this.inode(number).kind !== "directory") return number;
    throw new Error(`Directories stay where they are: ${what}`);
  }

  #placeOf(path: string, what: string): Place {
    const directory = this.get(dirname(path), what);
    const name = this.#entryName(basename(path), this.inode(directory).entries);
    return { directory, name };
  }

  #freePlace(path: string, what: string): Place {
    if (this.find(path, what) === undefined) return this.#placeOf(path, what);
    throw new Deno.errors.AlreadyExists(`File exists (os error 17): ${what}`);
  }

  #linksOf(number: number): number {
    return this.journal.cache.values()
      .flatMap(({ entries }) => entries.values())
      .reduce((links, entry) => links + Number(entry === number), 0);
  }

  #bytesUsed(): number {
    const open = new Set(this.openFiles.values().map(({ inode }) => inode));
    return this.journal.cache.entries()
      .filter(([number]) => open.has(number) || this.#linksOf(number) > 0)
      .reduce((used, [, { bytes }]) => used + bytes.byteLength, 0);
  }
}

/** Every user may create files in the root directory. */
const ROOT_OWNERSHIP: Ownership = { ...ROOT_USER, mode: 0o777 };

export function emptyKernel(rules: Rules): Kernel {
  const journal = Journal.of(new Map([[ROOT, newInode("directory", ROOT_OWNERSHIP)]]));
  return new Kernel(journal, { capacity: Infinity, rules });
}

function notFound(what: string): Error {
  return new Deno.errors.NotFound(`No such file or directory (os error 2): ${what}`);
}

function notDirectory(what: string): Error {
  return new Deno.errors.NotADirectory(`Not a directory (os error 20): ${what}`);
}

function isDirectory(what: string): Error {
  return new Deno.errors.IsADirectory(`Is a directory (os error 21): ${what}`);
}

function invalidArgument(): Error {
  return new TypeError("Invalid argument (os error 22)");
}
