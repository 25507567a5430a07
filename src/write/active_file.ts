/**
 * The active file of a log, to which lines are appended. Appends and seals (renames of the file to a segment) happen
 * under the append lock, syncs outside the lock.
 *
 * Invariants:
 * - A batch is in the file completely or not at all, as far as the kernel allows: after a failed or short write the
 *   file is truncated to its length before the write, under the same lock.
 * - No line is joined to a torn tail: if a killed writer left a line without a line break, the break is added first.
 * - In a chained log, each appended line continues the chain from the last line of the file, even if another writer
 *   appended that line.
 * - Durable means the content of the file *and* its name. Before a line of this writer is reported as durable, the
 *   directory of its file is synced, even if another process created the file. A file that was moved away is synced
 *   before it is closed.
 * - No line is appended to a file whose sync failed.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";
import {
  type FileHandle,
  type FileStatus,
  isSameFile,
  type Ownership,
} from "../platform/file_system.ts";
import { statusIfAt, truncate } from "../platform/regular_file.ts";
import { beganMs } from "../segments/active_age.ts";
import { addMark, lastMark } from "../segments/active_marks.ts";
import type { ActiveEnd, LogDirectory } from "../segments/log_directory.ts";
import { NewestEvent } from "../segments/newest_event.ts";
import { partLength } from "../segments/rotation_policy.ts";
import { sealActive } from "../segments/rotate.ts";
import type { Stamp } from "../segments/segment_name.ts";
import type { LineChain } from "./line_chain.ts";

const LINE_BREAK = 0x0a;

/** Options of {@linkcode ActiveFile}. */
export interface ActiveFileOptions {
  readonly log: LogDirectory;
  /**
   * Minimum number of bytes between the offsets of two marks. A mark lets readers skip the part of the file before it.
   */
  readonly markEveryBytes: number;
  /**
   * Whether this library encoded every line that this object appends. If so, the times of the lines are taken from the
   * appended bytes, not read from the file.
   */
  readonly isOwnText: boolean;
  /** The hash chain to which the appended lines are added; undefined in a log without a chain. */
  readonly chain?: LineChain | undefined;
}

/**
 * A mark is a place in the file where a query may start. If another writer placed the last mark, this writer places a
 * mark only after this multiple of `markEveryBytes`. So usually only one of many writers places marks, and only that
 * writer has to read the lines of all writers.
 */
const PATIENCE = 3;

/**
 * Maximum number of bytes of other writers' lines that are read while this writer holds the append lock, which takes a
 * few milliseconds. If more bytes are unread, they are first read without the lock, so that other writers need not
 * wait.
 */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** An open file that is or was the active file. */
interface OpenFile {
  readonly handle: FileHandle;
  /**
   * Status of the file when it was opened. It is compared with the file at the path, to detect that the path leads to
   * another file.
   */
  readonly identity: FileStatus;
  readonly newestEvent: NewestEvent;
  /**
   * Length of the file in bytes after this writer's last append; -1 if this writer has appended nothing, or if an
   * operation on the file failed after the append. If the file still has this length, it ends in a line break.
   */
  byteLengthLeft: number;
  /** Length of the file in bytes at which the next mark (a place where a query may start) is due. */
  nextMarkAt: number;
  /** Time at which the first line was written to the file, epoch milliseconds; undefined if it is not known yet. */
  beganMs: number | undefined;
  /**
   * Length of the file in bytes when its age was last determined. If the file is shorter now, another program has
   * truncated it, and its age starts anew.
   */
  agedBytes: number;
  /**
   * Offset in bytes of the last mark (a place where a query may start) that this writer has placed; -1 if it has placed
   * none.
   */
  ownMarkAt: number;
}

/** The active file of a log. */
export class ActiveFile {
  readonly path: string;
  readonly #log: LogDirectory;
  readonly #options: ActiveFileOptions;
  /** The open active file; undefined after it was sealed (renamed to a segment) and before the next append. */
  #open: OpenFile | undefined;
  /**
   * Owner, group and mode of the last active file that was renamed to a segment or moved away. The next active file
   * gets the same. Undefined before the first such file.
   */
  #continued: Ownership | null | undefined;
  #hasFailed = false;
  /** Files that another process moved away from the path before this writer's lines in them were synced. */
  #replaced: FileHandle[] = [];
  /** Number of times that this object has opened a file at the path of the active file. */
  #namesOpened = 0;
  /**
   * The value of `#namesOpened` up to which the names of the opened files are known to be durable, because the
   * directory has been synced.
   */
  #namesSynced = 0;

  /**
   * Opens the active file for appending if it exists. Does not create it: while another process seals the file, no file
   * exists at the path. Only a process that holds the append lock may create the next active file; {@linkcode openSync}
   * does this.
   *
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   */
  constructor(options: ActiveFileOptions) {
    this.#options = options;
    this.#log = options.log;
    this.path = options.log.files.active;
    if (this.#log.fileSystem.status(this.path) !== null) this.#openAtPath();
  }

  /**
   * Whether a sync of the file failed. If so, no line may be appended to the file: it must be sealed (renamed to a
   * segment), so that the next append creates a new file.
   */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /**
   * Opens the active file for appending unless it is open, and creates the file if it does not exist. Call this method
   * only under the append lock.
   *
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   */
  openSync(): void {
    if (this.#open === undefined) this.#openAtPath();
  }

  /**
   * Makes the file at the path ready for an append: opens the file, and adds a line break after a torn tail, which is a
   * line that a killed writer left incomplete. Afterwards the file is empty or ends in a line break. Returns the length
   * of the file in bytes, and whether it had a torn tail. Call this method only under the append lock.
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
   * Appends whole lines with one write, and returns the number of bytes of `lines` that were appended. Stops after the
   * first line with which the file reaches `limitBytes`. The file must be ready, see {@linkcode readySync}, and
   * `byteLength` bytes long. Call this method only under the append lock.
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
      this.#writeWhole(file.handle, bytes, byteLength);
      file.byteLengthLeft = byteLength + bytes.byteLength;
      if (linked !== undefined) chain!.appended(linked, file.byteLengthLeft);
      if (isOwnText) file.newestEvent.appended(byteLength, bytes);
      return takenBytes;
    });
  }

  /**
   * Reads the lines of a chained log up to the end of the file, to find the last number and hash. Returns whether the
   * end of the file was reached. Stops after `maxBytes` bytes of lines that have no hash. Call this method only under
   * the append lock.
   *
   * @throws {AuditWriteError} If the file cannot be read; the phase is "write".
   */
  followChain(maxBytes: number): boolean {
    return this.#writing(() => {
      const { file, byteLength } = this.#openUnlessReplaced();
      return this.#options.chain?.follow(file.handle, byteLength, maxBytes) ?? true;
    });
  }

  /**
   * Checks whether this writer made the last append to the file. The file must be ready, see {@linkcode readySync}, and
   * `byteLength` bytes long.
   */
  endsInOurs(byteLength: number): boolean {
    return byteLength === this.#open!.byteLengthLeft;
  }

  /**
   * The status that identifies the open file, and its length in bytes after this writer's last append. The file must be
   * open.
   */
  get ourEnd(): ActiveEnd {
    const { identity, byteLengthLeft } = this.#open!;
    return { file: identity, byteLength: byteLengthLeft };
  }

  /** The status of the open file when it was opened, which identifies the file. */
  get identity(): FileStatus {
    return this.#open!.identity;
  }

  /**
   * Returns the time since the file took its first line, in milliseconds; 0 for an empty file. The file must be ready,
   * see {@linkcode readySync}.
   */
  ageMs(byteLength: number, nowMs: number): number {
    const file = this.#open!;
    // If the file has become shorter, another program has truncated it, so its first line may be a new one.
    if (byteLength < file.agedBytes) file.beganMs = undefined;
    file.agedBytes = byteLength;
    if (byteLength === 0) return 0;
    if (file.beganMs === undefined) {
      const began = beganMs(file.handle, nowMs);
      // If neither the first line nor the file system states a time, the age counts from now.
      file.beganMs = Number.isNaN(began) ? nowMs : began;
    }
    return nowMs - file.beganMs;
  }

  /**
   * Checks whether the file has grown so much since the last mark that a new mark is due. A mark is a byte offset with
   * a time, stored in the lock file. The file must be ready, see {@linkcode readySync}.
   */
  isMarkDue(byteLength: number): boolean {
    return byteLength >= this.#open!.nextMarkAt;
  }

  /**
   * Places a mark: stores a byte offset of the active file and a time in the lock file. No event before the offset is
   * newer than this time. If another writer placed the last mark, this writer places none until the file has grown by
   * several times `markEveryBytes`.
   *
   * If {@linkcode catchUp} must run before the mark can be placed, returns false, and true otherwise. Appends can
   * continue while {@linkcode catchUp} runs. The file must be ready, see {@linkcode readySync}. Call this method only
   * under the append lock.
   */
  markSync(lockFile: FileHandle, byteLength: number): boolean {
    const file = this.#open!;
    const { handle, newestEvent } = file;
    const { markEveryBytes } = this.#options;
    const last = lastMark(lockFile, handle);
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
      // If another writer placed the last mark, it also reads the lines up to the next mark. This writer reads them
      // only if the file has grown so much that the other writer has probably ended.
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

  /**
   * Checks whether more than 1 MiB of the file (`UNREAD_BYTES_MAX`), lines of other writers, has not been read yet. If
   * so, {@linkcode catchUp} must run before the file is sealed or marked. (A mark is a byte offset with a time, stored
   * in the lock file.) The file must be ready, see {@linkcode readySync}.
   */
  isBehind(byteLength: number): boolean {
    return byteLength - this.#open!.newestEvent.byteLength > UNREAD_BYTES_MAX;
  }

  /**
   * Reads the lines of other writers outside the append lock, so that {@linkcode sealSync} and {@linkcode markSync}
   * need not read them while other writers wait for the lock.
   */
  async catchUp(): Promise<void> {
    const file = this.#open;
    if (file === undefined) return;
    // The lines are read through a second handle, because appends and syncs use the handle of the open file meanwhile.
    using stack = new DisposableStack();
    const handle = this.#log.openActive(stack);
    if (handle === null) return;
    const status = handle.status();
    if (!isSameFile(status, file.identity)) return;
    file.newestEvent.forgetUnlessIn(handle);
    await file.newestEvent.catchUp(handle, status.byteLength);
  }

  /**
   * Seals the file: renames it to a segment, to which no more lines are appended. Returns the stamp of the segment,
   * which is the time in its file name; undefined if another process has moved the file away. The file must be ready,
   * see {@linkcode readySync}. It must be synced, or its sync must have failed. If this method throws, the file stays
   * the active file. Call this method only under the append lock.
   */
  sealSync(nowMs: number): Stamp | undefined {
    const { handle, newestEvent } = this.#open!;
    newestEvent.forgetUnlessIn(handle);
    const { byteLength, ownership } = handle.status();
    const newestEventMs = newestEvent.readUpTo(handle, byteLength);
    let stamp: Stamp;
    try {
      stamp = sealActive(this.#log, { nowMs, newestEventMs, ownership });
    } catch (error) {
      // A program such as logrotate can move the file away without taking the append lock.
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    this.#continued = ownership;
    handle.close();
    this.#open = undefined;
    this.#hasFailed = false;
    if (!this.#log.isOwn(ownership)) this.#createNext();
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

  /** Makes everything appended before the call durable, like {@linkcode sync}, but blocks the thread. */
  syncSync(): void {
    const replaced = this.#replaced;
    const namesOpened = this.#namesOpened;
    for (const handle of this.#unsyncedHandles()) handle.syncDataSync();
    if (namesOpened > this.#namesSynced) this.#log.syncSync();
    this.#settleSynced(replaced, namesOpened);
  }

  /** Abandons the lines appended so far, after a failed sync: these lines are never synced again. */
  abandon(): void {
    for (const handle of this.#replaced) handle.close();
    this.#replaced = [];
    this.#hasFailed = this.#open !== undefined;
  }

  /** Closes every open file, without a sync. */
  close(): void {
    for (const handle of this.#replaced) handle.close();
    this.#replaced = [];
    this.#open?.handle.close();
    this.#open = undefined;
  }

  #openUnlessReplaced(): { file: OpenFile; byteLength: number } {
    const open = this.#open;
    if (open !== undefined) {
      const atPath = statusIfAt(this.#log.fileSystem, this.path, open);
      if (atPath !== null) {
        // Without inode numbers, statusIfAt() cannot detect that another file is at the path. So the length is read
        // from the open handle.
        const { byteLength } = atPath.inode === null ? open.handle.status() : atPath;
        return { file: open, byteLength };
      }
      this.#letGoReplaced(open.handle);
    }
    const file = this.#openAtPath();
    return { file, byteLength: file.identity.byteLength };
  }

  /**
   * Creates the next active file at once, with the owner and group of the file that was just sealed (renamed to a
   * segment). Otherwise the process of the next append would have to create the file. Even if that process runs as this
   * owner, it is possibly not allowed to assign files to this group.
   */
  #createNext(): void {
    try {
      this.#openAtPath();
    } catch {
      // The active file was sealed successfully, so no error is thrown. The next append tries to create the next active
      // file again, and reports the error.
    }
  }

  #letGoReplaced(handle: FileHandle): void {
    this.#continued = handle.status().ownership;
    if (this.#hasFailed) handle.close();
    else this.#replaced = [...this.#replaced, handle];
    this.#open = undefined;
    this.#hasFailed = false;
  }

  #openAtPath(): OpenFile {
    const { handle, identity } = this.#log.openActiveForAppend(this.#continued);
    this.#namesOpened++;
    return this.#open = {
      handle,
      identity,
      newestEvent: new NewestEvent(),
      byteLengthLeft: -1,
      nextMarkAt: this.#options.markEveryBytes,
      beganMs: undefined,
      agedBytes: 0,
      ownMarkAt: -1,
    };
  }

  /**
   * If a crash left the last line of the file incomplete, adds a line break and returns true. The incomplete line stays
   * in the file as evidence.
   */
  #closeTornTail(file: OpenFile, byteLength: number): boolean {
    if (byteLength === 0 || byteLength === file.byteLengthLeft) return false;
    const last = new Uint8Array(1);
    file.handle.readSync(last, byteLength - 1);
    if (last[0] === LINE_BREAK) return false;
    this.#writeWhole(file.handle, Uint8Array.of(LINE_BREAK), byteLength);
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
    // A concurrent sync may have closed some of the handles in `replaced` already.
    const settled = this.#replaced.filter((handle) => replaced.includes(handle));
    this.#replaced = this.#replaced.filter((handle) => !replaced.includes(handle));
    for (const handle of settled) handle.close();
  }

  #writeWhole(handle: FileHandle, bytes: Uint8Array, start: number): void {
    let written = 0;
    try {
      written = handle.appendSync(bytes);
    } catch (cause) {
      this.#cutBack(handle, start, cause);
      throw cause;
    }
    if (written === bytes.byteLength) return;
    // After a short write, the kernel reports the reason only to a second write. No second write is tried, so the
    // message can only name the most likely reason.
    const error = new Error(
      `only ${written} of ${bytes.byteLength} bytes were written, the disk may be full`,
    );
    this.#cutBack(handle, start, error);
    throw error;
  }

  #cutBack(handle: FileHandle, byteLength: number, writeError: unknown): void {
    try {
      truncate(this.#log.fileSystem, this.path, { handle, byteLength });
    } catch (truncateError) {
      throw new AggregateError(
        [writeError, truncateError],
        `${messageOf(writeError)}, and the partial write could not be cut off: ${
          messageOf(truncateError)
        }`,
      );
    }
  }
}
