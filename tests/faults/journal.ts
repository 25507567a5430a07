/**
 * What was done to a simulated disk, and what of it outlives a power loss.
 *
 * The crash model:
 * - Power loss keeps what was synced and *any subset* of the operations that were not. A sync of a
 *   file covers its appends and truncations, never its name; a sync of a directory covers the
 *   names in it, never what the files hold.
 * - An append is a write at an offset: it may be torn, and where one is lost and a later append or
 *   truncation of the file survives, NULs fill the hole.
 * - A name keeps a prefix of its history: an operation goes with any earlier one on the same name,
 *   so a rename or removal never survives the loss of the entry that it took. A rename is atomic,
 *   and the sync of either of its directories covers it.
 * - A failed sync of a file writes its bytes off: a later sync succeeds and does not cover them, as
 *   Linux marks pages clean after an error. Every other handle that has the file open is told of it by
 *   its next sync, as Linux has done since 4.13.
 *
 * @module
 */
import type { FileStatus } from "../../src/platform/file_system.ts";

/** An append that no sync has covered. */
export type PendingAppend = Append & Identified;

/** Anything that no sync has covered. */
export type PendingOperation = (Append | Truncation | EntryChange) & Identified;

/** What an operation has of its own on one disk and on its copies. */
export interface Identified {
  readonly id: number;
}

/** Bytes written at the end of a file, which was at the offset then. */
export interface Append {
  readonly kind: "append";
  readonly path: string;
  readonly inode: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A new length of a file. */
export interface Truncation {
  readonly kind: "truncate";
  readonly path: string;
  readonly inode: number;
  readonly byteLength: number;
}

/** A change of directory entries, all at once. */
export interface EntryChange {
  readonly kind: "create" | "rename" | "link" | "remove" | "makeDirectory";
  readonly path: string;
  readonly to?: string;
  /** The names and what they mean from now on; null for nothing. */
  readonly entries: readonly { readonly place: Place; readonly inode: number | null }[];
}

/** A name in a directory, whether or not something stands there. */
export interface Place {
  /** The inode of the directory. */
  readonly directory: number;
  readonly name: string;
}

export type Kind = FileStatus["kind"];

export interface Inode {
  readonly kind: Kind;
  /** Never written into, only replaced, so that copies can share it. */
  bytes: Uint8Array;
  readonly entries: Map<string, number>;
}

export type Image = Map<number, Inode>;

interface LoggedOperation {
  readonly operation: PendingOperation;
  readonly isDurable: boolean;
  /** A sync of it has failed, so no later one covers it. */
  readonly isWrittenOff: boolean;
}

interface JournalState {
  /** What the disk held before the first operation of the log. */
  readonly base: Image;
  /** What the processes see. */
  readonly cache: Image;
  log: readonly LoggedOperation[];
  operationsMade: number;
}

/** What was done to the disk, and how much of it is durable. */
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

  /** The journal after a power loss; `survive` says what is left of an operation, if anything. */
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

  /** Adds an inode; until an operation gives it a name, nobody will find it. */
  addInode(kind: Kind): number {
    const { base, cache } = this.#state;
    const number = Math.max(...cache.keys()) + 1;
    for (const image of [base, cache]) image.set(number, newInode(kind));
    return number;
  }

  perform(change: Append | Truncation | EntryChange): void {
    const operation = { ...change, id: this.#state.operationsMade++ };
    perform(this.#state.cache, operation);
    const logged = { operation, isDurable: false, isWrittenOff: false };
    this.#state.log = [...this.#state.log, logged];
  }

  /** Begins the sync of a file or directory and gives its end; what comes between is left out. */
  beginSync(inode: number): () => void {
    const { operationsMade } = this.#state;
    return () =>
      this.#settle((operation) => operation.id < operationsMade && isIn(operation, inode));
  }

  /** Makes all durable that the effect does. */
  durably(effect: () => void): void {
    const { operationsMade } = this.#state;
    effect();
    this.#settle(({ id }) => id >= operationsMade);
  }

  /** Keeps later syncs from covering what the file holds now. */
  writeOff(inode: number): void {
    this.#state.log = this.#state.log.map((logged) =>
      !logged.isDurable && isContentOf(logged.operation, inode)
        ? { ...logged, isWrittenOff: true }
        : logged
    );
  }

  /** Makes operations durable, and with them the earlier ones on the same names. */
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

export function newInode(kind: Kind): Inode {
  return { kind, bytes: new Uint8Array(0), entries: new Map() };
}

export function inodeOf(image: Image, number: number): Inode {
  const inode = image.get(number);
  if (inode === undefined) throw new Error(`No inode ${number}`);
  return inode;
}

function copyOf(image: Image): Image {
  return new Map(
    image.entries().map(([number, { kind, bytes, entries }]) => {
      return [number, { kind, bytes, entries: new Map(entries) }];
    }),
  );
}

/** What is left once nobody has a nameless file open; a directory may have lost its name too. */
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

/** Whether a sync of the file or directory covers the operation. */
function isIn(operation: PendingOperation, inode: number): boolean {
  return "entries" in operation
    ? operation.entries.some(({ place }) => place.directory === inode)
    : operation.inode === inode;
}

/** The names that an operation touches, each unique on the disk. */
function namesOf(operation: PendingOperation): string[] {
  if (!("entries" in operation)) return [];
  return operation.entries.map(({ place: { directory, name } }) => `${directory}/${name}`);
}
