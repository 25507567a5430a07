/**
 * Records the operations on a simulated disk, and decides which of them survive a power loss.
 *
 * The rules for a power loss:
 * - A power loss keeps all synced operations and *any subset* of the others. A sync of a file covers its appends, its
 * truncations and its owner, but not its name. A sync of a directory covers the names in it, but not the contents of
 * files.
 * - An append is a write at an offset, and a part of it may survive. If an append is lost and a later append or
 * truncation of the file survives, NUL bytes fill the gap.
 * - If an operation on a name is lost, all later operations on the same name are lost too. So a rename or removal never
 * survives if the creation of the name is lost. A rename is atomic, and the sync of either of its directories covers
 * it.
 * - If a sync of a file fails, no later sync covers the bytes that were not synced, although it succeeds, because Linux
 * marks the pages as clean after an error. The next sync of every other handle of the file reports the error, as on
 * Linux since 4.13.
 *
 * @module
 */
import type { FileStatus, Ownership } from "../../src/platform/file_system.ts";

/** An append that no sync has covered yet. */
export type PendingAppend = Append & Identified;

/** An operation that no sync has covered yet. */
export type PendingOperation = (Append | Truncation | OwnerChange | EntryChange) & Identified;

/** The ID of an operation, unique on one disk and its copies. */
export interface Identified {
  readonly id: number;
}

/** Bytes written at the end of a file. `offset` is the file's length before the append. */
export interface Append {
  readonly kind: "append";
  readonly path: string;
  readonly inode: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A change of a file's length. */
export interface Truncation {
  readonly kind: "truncate";
  readonly path: string;
  readonly inode: number;
  readonly byteLength: number;
}

/** A change of a file's owner, group and mode. */
export interface OwnerChange {
  readonly kind: "setOwnership";
  readonly path: string;
  readonly inode: number;
  readonly ownership: Ownership;
}

/** An atomic change of directory entries. */
export interface EntryChange {
  readonly kind: "create" | "rename" | "link" | "remove" | "makeDirectory";
  readonly path: string;
  readonly to?: string;
  /** The changed names with their new inodes; `null` if the name is removed. */
  readonly entries: readonly { readonly place: Place; readonly inode: number | null }[];
}

/** A name in a directory, whether or not a file has this name. */
export interface Place {
  /** The inode of the directory. */
  readonly directory: number;
  readonly name: string;
}

export type Kind = FileStatus["kind"];

export interface Inode {
  readonly kind: Kind;
  /**
   * The content. A change replaces the array and does not modify it, so that copies of the inode can share the array.
   */
  bytes: Uint8Array;
  ownership: Ownership;
  readonly entries: Map<string, number>;
}

export type Image = Map<number, Inode>;

interface LoggedOperation {
  readonly operation: PendingOperation;
  readonly isDurable: boolean;
  /** Is true if a sync of the operation has failed. No later sync covers the operation then. */
  readonly isWrittenOff: boolean;
}

interface JournalState {
  /** The disk before the first operation in the log. */
  readonly base: Image;
  /** The disk as the processes see it. */
  readonly cache: Image;
  log: readonly LoggedOperation[];
  operationsMade: number;
}

/** The operations on a disk, and which of them are durable. */
export class Journal {
  readonly #state: JournalState;

  constructor(state: JournalState) {
    this.#state = state;
  }

  static of(base: Image): Journal {
    return new Journal({ base, cache: copyOf(base), log: [], operationsMade: 0 });
  }

  copy(): Journal {
    const { base, cache } = this.#state;
    return new Journal({ ...this.#state, base: copyOf(base), cache: copyOf(cache) });
  }

  /**
   * Returns the journal after a power loss. `survive` returns the part of an operation that survives, or `null` if the
   * operation is lost.
   */
  afterPowerLoss(survive: (operation: PendingOperation) => PendingOperation | null): Journal {
    const image = copyOf(this.#state.base);
    const lostNames = new Set<string>();
    for (const { operation, isDurable } of this.#state.log) {
      const survivor = isDurable ? operation : survive(operation);
      const names = namesOf(operation);
      if (survivor !== null && !names.some((name) => lostNames.has(name))) {
        perform(image, survivor);
      } else {
        for (const name of names) lostNames.add(name);
      }
    }
    return Journal.of(reachableIn(image));
  }

  get cache(): Image {
    return this.#state.cache;
  }

  get pending(): PendingOperation[] {
    return this.#state.log.filter(({ isDurable }) => !isDurable).map(({ operation }) => operation);
  }

  /** Adds an inode. It is unreachable until an operation links it to a name. */
  addInode(kind: Kind, ownership: Ownership): number {
    const { base, cache } = this.#state;
    const number = Math.max(...cache.keys()) + 1;
    for (const image of [base, cache]) image.set(number, newInode(kind, ownership));
    return number;
  }

  perform(change: Append | Truncation | OwnerChange | EntryChange): void {
    const operation = { ...change, id: this.#state.operationsMade++ };
    perform(this.#state.cache, operation);
    const logged = { operation, isDurable: false, isWrittenOff: false };
    this.#state.log = [...this.#state.log, logged];
  }

  /**
   * Begins the sync of a file or directory. Returns a function that ends the sync. The sync does not cover operations
   * that are made after its beginning.
   */
  beginSync(inode: number): () => void {
    const { operationsMade } = this.#state;
    return () =>
      this.#settle((operation) => operation.id < operationsMade && isIn(operation, inode));
  }

  /** Runs `effect`, and makes the operations durable that `effect` performs. */
  durably(effect: () => void): void {
    const { operationsMade } = this.#state;
    effect();
    this.#settle(({ id }) => id >= operationsMade);
  }

  /** Excludes the unsynced contents of the file from later syncs, because a sync of them has failed, as on Linux. */
  writeOff(inode: number): void {
    this.#state.log = this.#state.log.map((logged) =>
      !logged.isDurable && isContentOf(logged.operation, inode)
        ? { ...logged, isWrittenOff: true }
        : logged
    );
  }

  /** Makes the covered operations durable. All earlier operations on the same names become durable too. */
  #settle(isCovered: (operation: PendingOperation) => boolean): void {
    const names = new Set<string>();
    this.#state.log = this.#state.log.toReversed().map((logged) => {
      const touched = namesOf(logged.operation);
      const isSettled = isCovered(logged.operation) || touched.some((name) => names.has(name));
      if (!isSettled || logged.isWrittenOff) return logged;
      for (const name of touched) names.add(name);
      return { ...logged, isDurable: true };
    }).reverse();
  }
}

export const ROOT = 0;

export function newInode(kind: Kind, ownership: Ownership): Inode {
  return { kind, bytes: new Uint8Array(0), ownership, entries: new Map() };
}

export function inodeOf(image: Image, number: number): Inode {
  const inode = image.get(number);
  if (inode === undefined) throw new Error(`No inode ${number}`);
  return inode;
}

function copyOf(image: Image): Image {
  return new Map(
    image.entries().map(([number, inode]) => {
      return [number, { ...inode, entries: new Map(inode.entries) }];
    }),
  );
}

/** Returns the inodes that a name leads to. After a power loss, no open handle keeps other inodes alive. */
function reachableIn(image: Image, from: number = ROOT, reached: Image = new Map()): Image {
  if (reached.has(from)) return reached;
  const inode = inodeOf(image, from);
  reached.set(from, inode);
  for (const number of inode.entries.values()) reachableIn(image, number, reached);
  return reached;
}

function perform(image: Image, operation: PendingOperation): void {
  if (operation.kind === "append") {
    const inode = inodeOf(image, operation.inode);
    const { offset, bytes } = operation;
    if (bytes.byteLength === 0) return;
    const end = offset + bytes.byteLength;
    inode.bytes = resized(inode.bytes, Math.max(inode.bytes.byteLength, end));
    inode.bytes.set(bytes, offset);
  } else if (operation.kind === "truncate") {
    const inode = inodeOf(image, operation.inode);
    inode.bytes = resized(inode.bytes, operation.byteLength);
  } else if (operation.kind === "setOwnership") {
    inodeOf(image, operation.inode).ownership = operation.ownership;
  } else {
    for (const { place, inode } of operation.entries) {
      const { entries } = inodeOf(image, place.directory);
      if (inode === null) entries.delete(place.name);
      else entries.set(place.name, inode);
    }
  }
}

function resized(bytes: Uint8Array, byteLength: number): Uint8Array {
  const result = new Uint8Array(byteLength);
  result.set(bytes.subarray(0, byteLength));
  return result;
}

function isContentOf(operation: PendingOperation, inode: number): boolean {
  return "inode" in operation && operation.inode === inode;
}

/** Checks whether a sync of the file or directory covers the operation. */
function isIn(operation: PendingOperation, inode: number): boolean {
  return "entries" in operation
    ? operation.entries.some(({ place }) => place.directory === inode)
    : operation.inode === inode;
}

/** Returns the names that an operation changes, each with its directory, so that it is unique on the disk. */
function namesOf(operation: PendingOperation): string[] {
  if (!("entries" in operation)) return [];
  return operation.entries.map(({ place: { directory, name } }) => `${directory}/${name}`);
}
