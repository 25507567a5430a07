/**
 * The file that takes the lines. Appends happen under the append lock, syncs outside it.
 *
 * Invariants kept here:
 * - A batch is in the file whole or not at all, as far as the system lets us: a failed or short
 *   write is cut back to the length before it, under the same lock.
 * - No line is glued to a torn one: what a killed writer left without a line break is closed off.
 * - Durable means content *and* name: a new file's directory is synced before its first line is
 *   called durable, and a file that was moved away is synced before it is let go.
 *
 * @module
 */
import { dirname } from "@std/path";
import { AuditWriteError, messageOf } from "../errors.ts";
import type { FileHandle, FileStatus, FileSystem } from "../file_system.ts";
import { isSameFile, openForAppend } from "../regular_file.ts";

const LINE_BREAK = 0x0a;

/** The active file of a log. */
export class ActiveFile {
  readonly path: string;
  readonly #fileSystem: FileSystem;
  #handle: FileHandle;
  /** Files that were moved away from the path while they held lines of ours not yet synced. */
  #replaced: FileHandle[] = [];
  /** How many files this object has made, and how many of their names are on the disk. */
  #namesMade = 0;
  #namesSynced = 0;
  /** Length after our last append; while it stands, the file ends in a line break of ours. */
  #byteLengthLeft = -1;

  /** Opens the file, and makes it when there is none. */
  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.path = path;
    const { handle, created } = openForAppend(fileSystem, path);
    this.#handle = handle;
    if (created) this.#namesMade++;
  }

  /**
   * Appends a batch of whole lines with one write. Call it under the append lock only.
   *
   * @throws {AuditWriteError} with phase "write"; then nothing of the batch is in the file.
   */
  appendSync(batch: Uint8Array): void {
    try {
      const { byteLength } = this.#reopenIfReplaced();
      const start = this.#closeTornTail(byteLength);
      this.#writeWhole(batch, start);
      this.#byteLengthLeft = start + batch.byteLength;
    } catch (cause) {
      this.#byteLengthLeft = -1;
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      throw new AuditWriteError(
        `Cannot append to audit log: ${messageOf(cause)}: ${this.path}`,
        { phase: "write", path: this.path, cause },
      );
    }
  }

  /** Brings everything appended so far to the disk. */
  async sync(): Promise<void> {
    const replaced = this.#replaced;
    const namesMade = this.#namesMade;
    await Promise.all([this.#handle, ...replaced].map((handle) => handle.syncData()));
    if (namesMade > this.#namesSynced) await this.#fileSystem.syncDirectory(dirname(this.path));
    this.#settleSynced(replaced, namesMade);
  }

  /** As {@linkcode sync}, at once. */
  syncSync(): void {
    const replaced = this.#replaced;
    const namesMade = this.#namesMade;
    for (const handle of [this.#handle, ...replaced]) handle.syncDataSync();
    if (namesMade > this.#namesSynced) this.#fileSystem.syncDirectorySync(dirname(this.path));
    this.#settleSynced(replaced, namesMade);
  }

  /** Closes the file. */
  close(): void {
    for (const handle of [this.#handle, ...this.#replaced]) handle.close();
    this.#replaced = [];
  }

  #reopenIfReplaced(): FileStatus {
    const status = this.#handle.status();
    const atPath = this.#fileSystem.status(this.path);
    if (atPath !== null && isSameFile(atPath, status)) return status;
    const { handle, created } = openForAppend(this.#fileSystem, this.path);
    this.#replaced = [...this.#replaced, this.#handle];
    this.#handle = handle;
    if (created) this.#namesMade++;
    this.#byteLengthLeft = -1;
    return handle.status();
  }

  /** Ends an unfinished last line, which stays as evidence; gives the length of the file then. */
  #closeTornTail(byteLength: number): number {
    if (byteLength === 0 || byteLength === this.#byteLengthLeft) return byteLength;
    const last = new Uint8Array(1);
    this.#handle.readSync(last, byteLength - 1);
    if (last[0] === LINE_BREAK) return byteLength;
    this.#writeWhole(Uint8Array.of(LINE_BREAK), byteLength);
    return byteLength + 1;
  }

  #writeWhole(bytes: Uint8Array, start: number): void {
    let written = 0;
    try {
      written = this.#handle.appendSync(bytes);
    } catch (cause) {
      this.#cutBack(start, cause);
      throw cause;
    }
    if (written === bytes.byteLength) return;
    // The system tells the reason of a short write only to the next write, which we do not make.
    const error = new Error(`${written} of ${bytes.byteLength} bytes written (disk full?)`);
    this.#cutBack(start, error);
    throw error;
  }

  #cutBack(byteLength: number, writeError: unknown): void {
    try {
      this.#handle.truncateSync(byteLength);
    } catch (truncateError) {
      throw new AggregateError(
        [writeError, truncateError],
        `${messageOf(writeError)}, and what was written could not be cut off: ${
          messageOf(truncateError)
        }`,
      );
    }
  }

  #settleSynced(replaced: readonly FileHandle[], namesMade: number): void {
    this.#namesSynced = Math.max(this.#namesSynced, namesMade);
    // A sync that ran beside this one may have let some of them go already.
    const settled = this.#replaced.filter((handle) => replaced.includes(handle));
    this.#replaced = this.#replaced.filter((handle) => !replaced.includes(handle));
    for (const handle of settled) handle.close();
  }
}
