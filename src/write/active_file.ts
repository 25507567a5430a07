/**
 * The active file of a log. Appends and seals happen under the append lock, syncs outside it.
 *
 * Invariants:
 * - A batch is in the file completely or not at all, as far as the kernel allows: after a failed or short write the
 *   file is truncated to its length before the write, under the same lock.
 * - No line is joined to a torn tail: if a killed writer left a line without a line break, the break is added first.
 * - In a chained log, a line follows the line that is last in the file when it is written.
 * - Durable means content *and* name. The directory of a file is synced before a line of this writer in it is
 *   reported as durable, even if another process created the file. A file that was moved away is synced before it is
 *   closed.
 * - No line is appended to a file whose sync failed.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle, FileStatus } from "../platform/file_system.ts";
import { readLockText } from "../lock_text.ts";
import { isSameFile } from "../platform/regular_file.ts";
import { addMark, lastMark } from "../segments/active_marks.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import { NewestEvent } from "../segments/newest_event.ts";
import { partLength } from "../segments/rotation_policy.ts";
import { sealActive } from "../segments/rotate.ts";
import type { Stamp } from "../segments/segment_name.ts";
import type { LineChain } from "./line_chain.ts";

const LINE_BREAK = 0x0a;

/** Options of {@linkcode ActiveFile}. */
export interface ActiveFileOptions {
  readonly log: LogDirectory;
  /** Growth of the file in bytes from one mark to the next. */
  readonly markEveryBytes: number;
  /** Whether every appended line was encoded by this library. */
  readonly isOwnText: boolean;
  /** The chain of the lines; undefined in a log without a chain. */
  readonly chain?: LineChain | undefined;
}

/**
 * Back-off factor while another writer is placing marks. So one of many writers keeps placing them, and the rest need
 * not read the lines of all.
 */
const PATIENCE = 3;

/** Maximum of unread bytes of other writers that are read under the lock; this takes a few milliseconds. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** An open file that is or was the active file. */
interface OpenFile {
  readonly handle: FileHandle;
  /** Its status when it was opened, by which it is recognized later. */
  readonly identity: FileStatus;
  readonly newestEvent: NewestEvent;
  /** Length after this writer's last append. As long as it does not change, the file ends in a line break. */
  byteLengthLeft: number;
  /** Length of the file from which a mark is due. */
  nextMarkAt: number;
  /** Position of the last mark of this writer. */
  ownMarkAt: number;
}

/** The active file of a log. */
export class ActiveFile {
  readonly path: string;
  readonly #log: LogDirectory;
  readonly #options: ActiveFileOptions;
  /** Undefined from a seal to the next append. */
  #open: OpenFile | undefined;
  #hasFailed = false;
  /** Files that another process moved away from the path before this writer's lines in them were synced. */
  #replaced: FileHandle[] = [];
  /** Number of files that this object has opened. */
  #namesOpened = 0;
  /** Number of those files whose names are known to be durable. */
  #namesSynced = 0;

  /**
   * Opens the file, and creates it if it does not exist.
   *
   * @throws {TypeError} If the path is not a regular file with one name.
   */
  constructor(options: ActiveFileOptions) {
    this.#options = options;
    this.#log = options.log;
    this.path = options.log.files.active;
    this.#openAtPath();
  }

  /** Whether a sync of the file failed. If so, the file must be sealed before the next append. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /**
   * Makes the file at the path ready for an append: afterwards it is open, and it is empty or ends in a line break.
   * Call it only under the append lock.
   *
   * @throws {AuditWriteError} If the file cannot be opened or written; the phase is "write".
   */
  readySync(): { byteLength: number; closedTornTail: boolean } {
    return this.#writing(() => {
      const { file, byteLength } = this.#openUnlessReplaced();
      const closedTornTail = this.#closeTornTail(file, byteLength);
      return { byteLength: byteLength + (closedTornTail ? 1 : 0), closedTornTail };
    });
  }

  /**
   * Appends whole lines with one write, and returns the number of bytes that it took from `lines`. It takes all lines,
   * or those up to the first line with which the file reaches the limit. The file must be ready and `byteLength` long.
   * Call it only under the append lock.
   *
   * @throws {AuditWriteError} If the write fails; the phase is "write", and the file holds no part of the lines.
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
   * Reads the chain up to the end of the file, with at most `maxBytes` of unchained lines, and returns whether it
   * reached the end. Call it only under the append lock.
   *
   * @throws {AuditWriteError} If the file cannot be read; the phase is "write".
   */
  followChain(maxBytes: number): boolean {
    return this.#writing(() => {
      const { file, byteLength } = this.#openUnlessReplaced();
      return this.#options.chain?.follow(file.handle, byteLength, maxBytes) ?? true;
    });
  }

  /** Checks whether this writer made the last append. The file must be ready and `byteLength` long. */
  endsInOurs(byteLength: number): boolean {
    return byteLength === this.#open!.byteLengthLeft;
  }

  /** Checks whether the file has grown so much that a mark is due. The file must be ready. */
  isMarkDue(byteLength: number): boolean {
    return byteLength >= this.#open!.nextMarkAt;
  }

  /**
   * Places a mark that shows readers how new the events before it are, unless another writer places the marks. The
   * file must be ready. Returns false, without a mark, if {@linkcode catchUp} must run first; no append has to wait
   * for it. Call it only under the append lock.
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
      // The writer of the last mark also reads up to the next one, unless it has ended.
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

  /** Checks whether so much of the file is unread that {@linkcode catchUp} must run first. The file must be ready. */
  isBehind(byteLength: number): boolean {
    return byteLength - this.#open!.newestEvent.byteLength > UNREAD_BYTES_MAX;
  }

  /** Reads the lines of other writers outside the lock, so that a seal or a mark need not read them under it. */
  async catchUp(): Promise<void> {
    const file = this.#open;
    if (file === undefined) return;
    // A second handle, because appends and syncs use the first one meanwhile.
    using stack = new DisposableStack();
    const handle = this.#log.openActive(stack);
    if (handle === null) return;
    const status = handle.status();
    if (!isSameFile(status, file.identity)) return;
    file.newestEvent.forgetUnlessIn(handle);
    await file.newestEvent.catchUp(handle, status.byteLength);
  }

  /**
   * Seals the file and returns the stamp of the segment, or undefined if another process has moved the file away. The
   * file must be ready and synced, or its sync must have failed. If this throws, the file stays the active file. Call
   * it only under the append lock.
   */
  sealSync(nowMs: number): Stamp | undefined {
    const { handle, newestEvent } = this.#open!;
    newestEvent.forgetUnlessIn(handle);
    const newestEventMs = newestEvent.readUpTo(handle, handle.status().byteLength);
    let stamp: Stamp;
    try {
      stamp = sealActive(this.#log, { nowMs, newestEventMs });
    } catch (error) {
      // A program such as logrotate can move the file away without taking the append lock.
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    handle.close();
    this.#open = undefined;
    this.#hasFailed = false;
    return stamp;
  }

  /** Resolves when everything appended before the call is durable. Rejects if a sync fails. */
  async sync(): Promise<void> {
    const replaced = this.#replaced;
    const namesOpened = this.#namesOpened;
    await Promise.all(this.#unsyncedHandles().map((handle) => handle.syncData()));
    if (namesOpened > this.#namesSynced) await this.#log.sync();
    this.#settleSynced(replaced, namesOpened);
  }

  /** Syncs as {@linkcode sync} does, blocking the thread. */
  syncSync(): void {
    const replaced = this.#replaced;
    const namesOpened = this.#namesOpened;
    for (const handle of this.#unsyncedHandles()) handle.syncDataSync();
    if (namesOpened > this.#namesSynced) this.#log.syncSync();
    this.#settleSynced(replaced, namesOpened);
  }

  /** Abandons the lines appended so far, after a failed sync: they are never synced again. */
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
      const atPath = this.#log.fileSystem.status(this.path);
      if (atPath !== null && isSameFile(atPath, open.identity)) {
        // Without inodes the file at the path may be another one, so the open file is asked for its length.
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
    const { handle, identity } = this.#log.openForAppend(this.path);
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

  /** Closes off a torn tail with a line break, and returns whether there was one. The torn line stays as evidence. */
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
    // A concurrent sync may have closed some of them already.
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
  // The kernel reports the reason of a short write only to a second write, which is not tried.
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
      `${messageOf(writeError)}, and the partial write could not be cut off: ${
        messageOf(truncateError)
      }`,
    );
  }
}
