/**
 * The file that takes the lines. Appending and sealing happen under the append lock, syncs outside it.
 *
 * Invariants kept here:
 * - A batch is in the file whole or not at all, as far as the system lets us: a failed or short
 *   write is cut back to the length before it, under the same lock.
 * - No line is glued to a torn one: what a killed writer left without a line break is closed off.
 * - In a chained log, a line follows the one that is last in the file when it is written.
 * - Durable means content *and* name: whoever made a file, its directory is synced before a line of
 *   ours in it is called durable, and a file that was moved away is synced before it is let go.
 * - A file whose sync failed takes no line more.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle, FileStatus, FileSystem } from "../platform/file_system.ts";
import { readLockText } from "../lock_text.ts";
import { isSameFile, openForAppend, openForRead } from "../platform/regular_file.ts";
import { addMark, lastMark } from "../segments/active_marks.ts";
import { NewestEvent } from "../segments/newest_event.ts";
import { partLength } from "../segments/rotation_policy.ts";
import { sealActive } from "../segments/rotate.ts";
import type { LogFiles, Stamp } from "../segments/segment_name.ts";
import type { LineChain } from "./line_chain.ts";

const LINE_BREAK = 0x0a;

/** What an {@linkcode ActiveFile} is made of. */
export interface ActiveFileOptions {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
  /** How much the file grows from one mark to the next. */
  readonly markEveryBytes: number;
  /** Whether all that is appended was made by this library. */
  readonly isOwnText: boolean;
  /** The chain that the lines are put into, if there is one. */
  readonly chain?: LineChain | undefined;
}

/**
 * How many times as far a writer waits for the next mark where another one makes them: so one of many
 * goes on with it, and the rest read nothing of what they all write.
 */
const PATIENCE = 3;

/** What others wrote and sealing may still have to read: some milliseconds' work under the lock. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** A file that is or was the active one. */
interface OpenFile {
  readonly handle: FileHandle;
  /** What it was when it was opened, to know it again by. */
  readonly identity: FileStatus;
  readonly newestEvent: NewestEvent;
  /** Length after our last append; while it stands, the file ends in a line break of ours. */
  byteLengthLeft: number;
  /** From which length on a mark is due. */
  nextMarkAt: number;
  /** Where the last mark of this writer is. */
  ownMarkAt: number;
}

/** The active file of a log. */
export class ActiveFile {
  readonly path: string;
  readonly #options: ActiveFileOptions;
  /** Undefined from a sealing to the next append. */
  #open: OpenFile | undefined;
  #hasFailed = false;
  /** Files that were moved away from the path while they held lines of ours not yet synced. */
  #replaced: FileHandle[] = [];
  /** How many files this object has opened, and how many of their names are on the disk for sure. */
  #namesOpened = 0;
  #namesSynced = 0;

  /** Opens the file, and makes it when there is none. */
  constructor(options: ActiveFileOptions) {
    this.#options = options;
    this.path = options.files.active;
    this.#openAtPath();
  }

  /** Whether a sync of the file failed, so that it has to be sealed before the next append. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /**
   * Gets the file at the path ready for an append: it is open and ends in a line break, or is empty.
   * Call it under the append lock only.
   *
   * @throws {AuditWriteError} with phase "write".
   */
  readySync(): { byteLength: number; closedTornTail: boolean } {
    return this.#writing(() => {
      const { file, byteLength } = this.#openUnlessReplaced();
      const closedTornTail = this.#closeTornTail(file, byteLength);
      return { byteLength: byteLength + (closedTornTail ? 1 : 0), closedTornTail };
    });
  }

  /**
   * Appends whole lines with one write to the file, which is ready and has the length: all of them, or up
   * to the first with which the file reaches the limit. Gives how many of the bytes that was. Call it
   * under the append lock only.
   *
   * @throws {AuditWriteError} with phase "write"; then nothing of the lines is in the file.
   */
  appendSync(lines: Uint8Array, byteLength: number, limitBytes = Infinity): number {
    return this.#writing(() => {
      const file = this.#open!;
      const { chain, isOwnText } = this.#options;
      chain?.follow(file.handle, byteLength);
      const linked = chain?.link(lines, { byteLength, limitBytes });
      const takenBytes = linked?.takenBytes ?? partLength(lines, byteLength, limitBytes);
      const bytes = linked?.bytes ?? lines.subarray(0, takenBytes);
      writeWhole(file.handle, bytes, byteLength);
      file.byteLengthLeft = byteLength + bytes.byteLength;
      if (linked !== undefined) chain!.appended(linked, file.byteLengthLeft);
      if (isOwnText) file.newestEvent.appended(byteLength, bytes);
      return takenBytes;
    });
  }

  /**
   * Takes in where the chain has come to in the file, at most `maxBytes` of what is in no chain; tells
   * whether that is all. Call it under the append lock only.
   *
   * @throws {AuditWriteError} with phase "write".
   */
  followChain(maxBytes: number): boolean {
    return this.#writing(() => {
      const { file, byteLength } = this.#openUnlessReplaced();
      return this.#options.chain?.follow(file.handle, byteLength, maxBytes) ?? true;
    });
  }

  /** Whether this writer made the last append to the file, which is ready and has the length. */
  endsInOurs(byteLength: number): boolean {
    return byteLength === this.#open!.byteLengthLeft;
  }

  /** Whether the file, which is ready, has grown by so much that a mark is due. */
  isMarkDue(byteLength: number): boolean {
    return byteLength >= this.#open!.nextMarkAt;
  }

  /**
   * Marks for readers how new the events are up to the length of the file, which is ready, unless
   * another writer does so. False, and no mark, when {@linkcode catchUp} should come first, for which
   * nothing has to wait. Call it under the append lock only.
   */
  markSync(lockFile: FileHandle, byteLength: number): boolean {
    const file = this.#open!;
    const { handle, newestEvent } = file;
    const { markEveryBytes } = this.#options;
    const last = lastMark(readLockText(lockFile), handle);
    newestEvent.forgetUnlessIn(handle);
    if (last !== undefined) newestEvent.resume(handle, last);
    const grownBytes = byteLength - (last?.byteLength ?? 0);
    const isOurTurn = last === undefined || last.byteLength === file.ownMarkAt;
    const patienceBytes = (isOurTurn ? 1 : PATIENCE) * markEveryBytes;
    if (grownBytes < patienceBytes) {
      file.nextMarkAt = byteLength - grownBytes + patienceBytes;
      return true;
    }
    file.nextMarkAt = byteLength + patienceBytes;
    if (this.isBehind(byteLength)) {
      // Who made the last mark reads on to the next, unless it has gone.
      const isOthersTurn = !isOurTurn && grownBytes < PATIENCE * patienceBytes;
      return isOthersTurn;
    }
    newestEvent.readUpTo(handle, byteLength);
    const { boundMs } = newestEvent;
    if (boundMs !== undefined) {
      addMark(lockFile, handle, { byteLength: newestEvent.byteLength, boundMs });
      file.ownMarkAt = newestEvent.byteLength;
    }
    return true;
  }

  /** Whether so much of the file, which is ready, is unknown that {@linkcode catchUp} should come first. */
  isBehind(byteLength: number): boolean {
    return byteLength - this.#open!.newestEvent.byteLength > UNREAD_BYTES_MAX;
  }

  /** Reads what others wrote, outside the lock, so that sealing and marking have not to. */
  async catchUp(): Promise<void> {
    const file = this.#open;
    if (file === undefined) return;
    // A handle of its own: this one is written to and synced meanwhile.
    const handle = openForRead(this.#options.fileSystem, this.path);
    if (handle === null) return;
    try {
      const status = handle.status();
      if (!isSameFile(status, file.identity)) return;
      file.newestEvent.forgetUnlessIn(handle);
      await file.newestEvent.catchUp(handle, status.byteLength);
    } finally {
      handle.close();
    }
  }

  /**
   * Seals the file, which is ready and synced, or has failed; gives undefined for one that somebody
   * has moved away meanwhile. Call it under the append lock only. When it throws, the file stays the
   * active one.
   */
  sealSync(nowMs: number): Stamp | undefined {
    const { fileSystem, files } = this.#options;
    const { handle, newestEvent } = this.#open!;
    newestEvent.forgetUnlessIn(handle);
    const newestEventMs = newestEvent.readUpTo(handle, handle.status().byteLength);
    let stamp: Stamp;
    try {
      stamp = sealActive(fileSystem, files, { nowMs, newestEventMs });
    } catch (error) {
      // Not everybody who moves a log away, logrotate for one, does so under our lock.
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    handle.close();
    this.#open = undefined;
    this.#hasFailed = false;
    return stamp;
  }

  /** Brings everything appended so far to the disk. */
  async sync(): Promise<void> {
    const { fileSystem, files } = this.#options;
    const replaced = this.#replaced;
    const namesOpened = this.#namesOpened;
    await Promise.all(this.#unsyncedHandles().map((handle) => handle.syncData()));
    if (namesOpened > this.#namesSynced) await fileSystem.syncDirectory(files.directory);
    this.#settleSynced(replaced, namesOpened);
  }

  /** As {@linkcode sync}, at once. */
  syncSync(): void {
    const { fileSystem, files } = this.#options;
    const replaced = this.#replaced;
    const namesOpened = this.#namesOpened;
    for (const handle of this.#unsyncedHandles()) handle.syncDataSync();
    if (namesOpened > this.#namesSynced) fileSystem.syncDirectorySync(files.directory);
    this.#settleSynced(replaced, namesOpened);
  }

  /** Gives up on bringing to the disk what was appended so far, after a failed sync. */
  abandon(): void {
    for (const handle of this.#replaced) handle.close();
    this.#replaced = [];
    this.#hasFailed = this.#open !== undefined;
  }

  /** Closes the file. */
  close(): void {
    for (const handle of this.#replaced) handle.close();
    this.#replaced = [];
    this.#open?.handle.close();
    this.#open = undefined;
  }

  #openUnlessReplaced(): { file: OpenFile; byteLength: number } {
    const open = this.#open;
    if (open !== undefined) {
      const atPath = this.#options.fileSystem.status(this.path);
      if (atPath !== null && isSameFile(atPath, open.identity)) {
        // What is known to be the same file, by its inode, need not be asked twice.
        const { byteLength } = atPath.inode === null ? open.handle.status() : atPath;
        return { file: open, byteLength };
      }
      this.#letGoReplaced(open.handle);
    }
    const file = this.#openAtPath();
    return { file, byteLength: file.identity.byteLength };
  }

  #letGoReplaced(handle: FileHandle): void {
    if (this.#hasFailed) handle.close();
    else this.#replaced = [...this.#replaced, handle];
    this.#open = undefined;
    this.#hasFailed = false;
  }

  #openAtPath(): OpenFile {
    const { handle, identity } = openForAppend(this.#options.fileSystem, this.path);
    this.#namesOpened++;
    return this.#open = {
      handle,
      identity,
      newestEvent: new NewestEvent(),
      byteLengthLeft: -1,
      nextMarkAt: this.#options.markEveryBytes,
      ownMarkAt: -1,
    };
  }

  /** Ends an unfinished last line, which stays as evidence; tells whether there was one. */
  #closeTornTail(file: OpenFile, byteLength: number): boolean {
    if (byteLength === 0 || byteLength === file.byteLengthLeft) return false;
    const last = new Uint8Array(1);
    file.handle.readSync(last, byteLength - 1);
    if (last[0] === LINE_BREAK) return false;
    writeWhole(file.handle, Uint8Array.of(LINE_BREAK), byteLength);
    return true;
  }

  #writing<T>(section: () => T): T {
    try {
      return section();
    } catch (cause) {
      if (this.#open !== undefined) this.#open.byteLengthLeft = -1;
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      throw new AuditWriteError(
        `Cannot append to audit log: ${messageOf(cause)}: ${this.path}`,
        { phase: "write", path: this.path, cause },
      );
    }
  }

  #unsyncedHandles(): FileHandle[] {
    if (this.#open === undefined || this.#hasFailed) return this.#replaced;
    return [this.#open.handle, ...this.#replaced];
  }

  #settleSynced(replaced: readonly FileHandle[], namesOpened: number): void {
    this.#namesSynced = Math.max(this.#namesSynced, namesOpened);
    // A sync that ran beside this one may have let some of them go already.
    const settled = this.#replaced.filter((handle) => replaced.includes(handle));
    this.#replaced = this.#replaced.filter((handle) => !replaced.includes(handle));
    for (const handle of settled) handle.close();
  }
}

function writeWhole(handle: FileHandle, bytes: Uint8Array, start: number): void {
  let written = 0;
  try {
    written = handle.appendSync(bytes);
  } catch (cause) {
    cutBack(handle, start, cause);
    throw cause;
  }
  if (written === bytes.byteLength) return;
  // The system tells the reason of a short write only to the next write, which we do not make.
  const error = new Error(`${written} of ${bytes.byteLength} bytes written (disk full?)`);
  cutBack(handle, start, error);
  throw error;
}

function cutBack(handle: FileHandle, byteLength: number, writeError: unknown): void {
  try {
    handle.truncateSync(byteLength);
  } catch (truncateError) {
    throw new AggregateError(
      [writeError, truncateError],
      `${messageOf(writeError)}, and what was written could not be cut off: ${
        messageOf(truncateError)
      }`,
    );
  }
}
