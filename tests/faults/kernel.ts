/**
 * The kernel of a simulated machine: paths, inodes, handles and flocks, as the system answers for
 * them. It knows no processes and no faults.
 *
 * @module
 */
import { basename, dirname } from "@std/path";
import type { FileAccess, FileStatus } from "../../src/platform/file_system.ts";
import { type Inode, inodeOf, Journal, type Kind, newInode, type Place, ROOT } from "./journal.ts";

/** The error of a full disk, as Deno raises it. */
export function noSpace(): Error {
  return new Error("No space left on device (os error 28)");
}

/** The error of a broken disk, as Deno raises it. */
export function ioError(): Error {
  return new Error("Input/output error (os error 5)");
}

/** Errors of the system as Deno raises them; it repeats a call that ends with EINTR by itself. */
export const systemErrors = {
  EACCES: () => new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
  EAGAIN: () => new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)"),
  EDQUOT: () => new Error("Disk quota exceeded (os error 122)"),
  EIO: ioError,
  EMFILE: () => new Error("Too many open files (os error 24)"),
  ENOSPC: noSpace,
  EROFS: () => new Error("Read-only file system (os error 30)"),
} as const satisfies Record<string, () => Error>;

export interface OpenFile {
  readonly inode: number;
  readonly path: string;
  readonly access: FileAccess;
  /** The process that has it open. */
  readonly owner: unknown;
}

/** What the processes share: the calls as the system answers them, handles and flocks. */
export class Kernel {
  readonly journal: Journal;
  readonly openFiles = new Set<OpenFile>();
  readonly #locks = new Map<number, OpenFile>();
  /** Errors of syncs that a handle has not been told of yet, as Linux keeps them (`errseq_t`). */
  readonly #untold = new Map<OpenFile, Error>();
  readonly #syncErrors = new WeakSet<Error>();
  #capacity: number;

  constructor(journal: Journal, capacity: number) {
    this.journal = journal;
    this.#capacity = capacity;
  }

  /** Another kernel on the disk of this one. */
  restartedWith(journal: Journal): Kernel {
    return new Kernel(journal, this.#capacity);
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

  /** What stands at the path; undefined if nothing does. */
  find(path: string, what: string): number | undefined {
    let number = ROOT;
    for (const name of path.split("/").filter((name) => name !== "")) {
      const { kind, entries } = this.inode(number);
      if (kind !== "directory") throw notDirectory(what);
      const next = entries.get(name);
      if (next === undefined) return undefined;
      number = next;
    }
    return number;
  }

  /** As {@linkcode find}, but something must be there. */
  get(path: string, what: string): number {
    const number = this.find(path, what);
    if (number === undefined) throw notFound(what);
    return number;
  }

  /** As {@linkcode get}, through symlinks; those that tests plant lead nowhere. */
  follow(path: string, what: string): number {
    const number = this.get(path, what);
    const { kind } = this.inode(number);
    if (kind === "symlink") throw notFound(what);
    if (kind === "other") throw new Error(`Would block for ever: ${what}`);
    return number;
  }

  status(number: number): FileStatus {
    const { kind, bytes: { byteLength } } = this.inode(number);
    return { kind, byteLength, device: 1, inode: number, links: this.#linksOf(number) };
  }

  list(path: string): string[] {
    const what = `readdir '${path}'`;
    const { kind, entries } = this.inode(this.get(path, what));
    if (kind !== "directory") throw notDirectory(what);
    return [...entries.keys()];
  }

  open(path: string, access: FileAccess, owner: unknown): OpenFile {
    const what = `open '${path}'`;
    const inode = access === "create" ? this.make(path, "file", what) : this.follow(path, what);
    if (access === "append" && this.inode(inode).kind === "directory") throw isDirectory(what);
    const file = { inode, path, access, owner };
    this.openFiles.add(file);
    return file;
  }

  close(file: OpenFile): void {
    this.unlock(file);
    this.#untold.delete(file);
    this.openFiles.delete(file);
  }

  make(path: string, kind: Kind, what: string): number {
    const place = this.#freePlace(path, what);
    const inode = this.journal.addInode(kind);
    const call = kind === "directory" ? "makeDirectory" : "create";
    this.journal.perform({ kind: call, path, entries: [{ place, inode }] });
    return inode;
  }

  rename(path: string, to: string): void {
    const what = `rename '${path}' -> '${to}'`;
    const inode = this.#getMovable(path, what);
    const replaced = this.find(to, what);
    const entries = [
      { place: this.#placeOf(path, what), inode: null },
      { place: this.#placeOf(to, what), inode },
    ];
    if (inode === replaced) return;
    if (replaced !== undefined && this.inode(replaced).kind === "directory") {
      throw isDirectory(what);
    }
    this.journal.perform({ kind: "rename", path, to, entries });
  }

  link(path: string, to: string): void {
    const what = `link '${path}' -> '${to}'`;
    const inode = this.get(path, what);
    const place = this.#freePlace(to, what);
    if (this.inode(inode).kind === "directory") {
      throw new Deno.errors.PermissionDenied(`Operation not permitted (os error 1): ${what}`);
    }
    this.journal.perform({ kind: "link", path, to, entries: [{ place, inode }] });
  }

  remove(path: string): void {
    const what = `remove '${path}'`;
    this.#getMovable(path, what);
    const place = this.#placeOf(path, what);
    this.journal.perform({ kind: "remove", path, entries: [{ place, inode: null }] });
  }

  read({ inode }: OpenFile, buffer: Uint8Array, position: number): number {
    const { kind, bytes } = this.inode(inode);
    if (position < 0) throw invalidArgument();
    if (kind === "directory") throw isDirectory("read");
    const found = bytes.subarray(position, position + buffer.byteLength);
    buffer.set(found);
    return found.byteLength;
  }

  append({ inode, path, access }: Omit<OpenFile, "owner">, bytes: Uint8Array): number {
    if (access === "read") throw new Error("Bad file descriptor (os error 9)");
    if (bytes.byteLength === 0) return 0;
    const fitting = bytes.slice(0, this.bytesLeft);
    if (fitting.byteLength === 0) throw noSpace();
    const offset = this.inode(inode).bytes.byteLength;
    this.journal.perform({ kind: "append", path, inode, offset, bytes: fitting });
    return fitting.byteLength;
  }

  truncate({ inode, path, access }: Omit<OpenFile, "owner">, byteLength: number): void {
    if (access === "read" || byteLength < 0) throw invalidArgument();
    this.journal.perform({ kind: "truncate", path, inode, byteLength });
  }

  tryLock(file: OpenFile): boolean {
    const holder = this.#locks.get(file.inode) ?? file;
    this.#locks.set(file.inode, holder);
    return holder === file;
  }

  unlock(file: OpenFile): void {
    if (this.#locks.get(file.inode) === file) this.#locks.delete(file.inode);
  }

  /**
   * Begins the sync of what is behind the handle and gives its end.
   *
   * @throws the error of another handle's sync that failed while this one was open; once. Its end
   * throws that of one that failed meanwhile.
   */
  beginSync(file: OpenFile): () => void {
    this.#tellSyncError(file);
    const end = this.journal.beginSync(file.inode);
    return () => {
      this.#tellSyncError(file);
      end();
    };
  }

  #tellSyncError(file: OpenFile): void {
    const error = this.#untold.get(file);
    this.#untold.delete(file);
    if (error !== undefined) throw error;
  }

  /** A sync failed: what it was to cover is written off, and every other handle of the file is told. */
  syncFailed(file: OpenFile, error: Error): void {
    if (this.#syncErrors.has(error)) return;
    this.#syncErrors.add(error);
    this.journal.writeOff(file.inode);
    for (const other of this.openFiles) {
      if (other !== file && other.inode === file.inode) this.#untold.set(other, error);
    }
  }

  #getMovable(path: string, what: string): number {
    const number = this.get(path, what);
    if (this.inode(number).kind !== "directory") return number;
    throw new Error(`Directories stay where they are: ${what}`);
  }

  #placeOf(path: string, what: string): Place {
    return { directory: this.get(dirname(path), what), name: basename(path) };
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

export function emptyKernel(): Kernel {
  return new Kernel(Journal.of(new Map([[ROOT, newInode("directory")]])), Infinity);
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
