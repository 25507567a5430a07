/**
 * Reads a log as one sequence of bytes, across all of its files. The position of a byte is its offset in this sequence.
 *
 * - Bytes are durable before they are shipped, because the active file is synced before it is read. So the fleet never
 *   has a byte that the log loses at a power loss. The sync and the read use the same open handle, because the path may
 *   already name a new file.
 * - The files are listed under the append lock, because writers hold this lock while they remove a failed batch, or
 *   rename the active file to a segment. So each byte is listed exactly once, and no listed byte is removed by a
 *   failed append.
 * - The manifest still states the length of a segment after the segment was deleted. So the positions of all other
 *   bytes stay the same, and the missing bytes are a gap of known size.
 *
 * @module
 */
import { pathFlag, withFlags } from "../errors.ts";
import { readChunks, startOfLine } from "../platform/chunks.ts";
import { type FileHandle, type FileStatus, isSameFile } from "../platform/file_system.ts";
import { syncData } from "../platform/regular_file.ts";
import { gunzipped } from "../read/gunzip.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { Stamp } from "../segments/segment_name.ts";
import type { Clock } from "../platform/clock.ts";

/** A file of a log, which may have been deleted. */
interface Part {
  /** Time stamp in the name of a segment, which is a former active file; null for the active file. */
  readonly stamp: Stamp | null;
  /** Position in the log of the first byte of the file. */
  readonly from: number;
  readonly byteLength: number;
  /** Whether the file still exists. Retention deletes old archives. */
  readonly isThere: boolean;
}

/**
 * The files of a segment that exist on disk: the sealed file, which is the renamed active file, its archive, or both.
 */
interface SegmentOnDisk {
  /** Length of the sealed segment; undefined if it does not exist or is empty. */
  readonly sealedBytes: number | undefined;
  readonly isArchived: boolean;
}

/** Consecutive bytes of one file, and the position of the first byte. */
export interface PositionedBytes {
  readonly from: number;
  readonly bytes: Uint8Array;
  /**
   * Whether `bytes` contains the last byte of the file. No line continues in the next file, so a block can end there.
   */
  readonly isEnd: boolean;
}

/** Thrown when a file of the log cannot be read completely, for example because an archive is damaged. */
export class UnreadablePartError extends Error {
  /** The name of the class. */
  override readonly name = "UnreadablePartError";
  /** Position in the log after the bytes that cannot be read, from which shipping continues. */
  readonly end: number;

  /** Creates the error. `path` is the file, `end` is the position after its last byte, and `cause` is the reason. */
  constructor(path: string, facts: { end: number; cause: unknown }) {
    super(`Cannot read a file of the log; shipping skips its remaining bytes: ${path}`, {
      cause: facts.cause,
    });
    this.end = facts.end;
  }
}

/** Maximum time in milliseconds to wait while other processes hold the append lock. After this time, shipping fails. */
const LOCK_PATIENCE_MS = 10_000;
const LOCK_DELAY_MAX_MS = 16;
/**
 * Size of the chunks to read, in bytes. The size is larger than the default, because a block consists of many bytes.
 */
const CHUNK_BYTES = 1024 * 1024;

/**
 * A log whose bytes have positions. Caches the lengths of segments (files that are no longer appended to), because
 * these lengths do not change.
 */
export class PositionedLog {
  readonly #log: LogDirectory;
  readonly #clock: Clock;
  readonly #manifest: ManifestReader;
  readonly #lengths = new Map<Stamp, number>();
  /** Status of the active file when the last snapshot was taken; null if the file did not exist. */
  #lookedAt: FileStatus | null = null;

  /** Creates the view of the positions in a log, without opening a file. */
  constructor(log: LogDirectory, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#manifest = new ManifestReader(log);
  }

  /**
   * Checks whether the log seems unchanged since the last snapshot. The check needs no lock, because an append makes
   * the active file longer, and a rotation replaces the file.
   */
  isUnchanged(): boolean {
    const now = this.#log.fileSystem.status(this.#log.files.active);
    const then = this.#lookedAt;
    if (now === null || then === null) return now === then;
    return now.inode !== null && isSameFile(now, then) && now.byteLength === then.byteLength;
  }

  /** Takes a snapshot of the log up to its last whole line, and makes all bytes of the snapshot durable. */
  async snapshot(signal: AbortSignal): Promise<LogSnapshot> {
    const { active, activeStatus, segments } = await this.#underLock(signal, () => this.#list());
    this.#lookedAt = activeStatus;
    const activeBytes = activeStatus?.byteLength ?? 0;
    try {
      const parts = await this.#parts(segments, signal);
      const from = parts.at(-1) === undefined
        ? this.#manifest.lastRead.prunedBytes
        : endOf(parts.at(-1)!);
      if (active !== null) {
        await this.#sync(active);
        const byteLength = await startOfLine(active, activeBytes);
        parts.push({ stamp: null, from, byteLength, isThere: true });
      }
      return new LogSnapshot(this.#log, { parts, active, from });
    } catch (error) {
      active?.close();
      throw error;
    }
  }

  /**
   * Syncs the active file.
   *
   * @throws {Deno.errors.NotCapable} If the permission to write is missing, and the system syncs only a file that is
   *   open for writing. The message names the flag of the permission.
   */
  async #sync(active: FileHandle): Promise<void> {
    const { fileSystem, files } = this.#log;
    try {
      // If syncData() resolves with `false`, a writer has renamed the active file to a segment. The bytes are durable
      // then too, because the writer synced the file before it renamed the file.
      await syncData(fileSystem, files.active, active);
    } catch (error) {
      throw withFlags(error, [pathFlag("write", files.directory)], { action: "Cannot ship log" });
    }
  }

  /**
   * Lists the files of the log and their lengths. The caller must hold the append lock. Without the lock, the active
   * file could include lines that their writer removes again after a failed write.
   */
  #list(): {
    active: FileHandle | null;
    activeStatus: FileStatus | null;
    segments: ReadonlyMap<Stamp, SegmentOnDisk>;
  } {
    const { fileSystem, files } = this.#log;
    const segments = new Map<Stamp, SegmentOnDisk>();
    for (const { stamp, forms } of this.#log.segments()) {
      const status = forms.has("sealed") ? fileSystem.status(files.sealed(stamp)) : null;
      const isArchived = forms.has("archive");
      // An empty file only reserves the name of a sealed segment, so it is ignored. The segment may nevertheless have
      // an archive.
      const hasContent = status?.kind === "file" && status.byteLength > 0;
      const sealedBytes = hasContent ? status.byteLength : undefined;
      if (hasContent || isArchived) segments.set(stamp, { sealedBytes, isArchived });
    }
    const active = this.#log.openActive();
    return { active, activeStatus: active?.status() ?? null, segments };
  }

  async #parts(onDisk: ReadonlyMap<Stamp, SegmentOnDisk>, signal: AbortSignal): Promise<Part[]> {
    const { files } = this.#log;
    const { byArchive, prunedBytes } = this.#manifest.read();
    const told = new Map<Stamp, number>();
    for (const [name, { raw_bytes }] of byArchive) {
      const stamp = files.parse(name)?.stamp;
      if (stamp !== undefined) told.set(stamp, raw_bytes);
    }
    const parts: Part[] = [];
    let from = prunedBytes;
    for (const stamp of [...new Set([...told.keys(), ...onDisk.keys()])].sort()) {
      const known = this.#lengths.get(stamp) ?? told.get(stamp);
      const listed = onDisk.get(stamp);
      const byteLength = listed?.isArchived === false
        ? listed.sealedBytes!
        // While a writer publishes an archive, the archive cannot be opened yet. The sealed segment still exists then,
        // so its length is used.
        : known ?? listed?.sealedBytes ?? await this.#readableLength(stamp, signal);
      this.#lengths.set(stamp, byteLength);
      parts.push({ stamp, from, byteLength, isThere: listed !== undefined });
      from += byteLength;
    }
    return parts;
  }

  /** Counts the uncompressed bytes of an archive that the manifest does not list. Unreadable bytes do not count. */
  async #readableLength(stamp: Stamp, signal: AbortSignal): Promise<number> {
    using stack = new DisposableStack();
    const archive = this.#log.openArchive(stamp, stack);
    if (archive === null) return 0;
    let byteLength = 0;
    try {
      for await (
        const bytes of gunzipped(() => readChunks(archive, archive.status().byteLength))
      ) {
        signal.throwIfAborted();
        byteLength += bytes.byteLength;
      }
    } catch {
      signal.throwIfAborted();
      // The error is ignored here, because the damage is reported when the archive is shipped. The bytes after the
      // damage cannot be read, so they do not count.
    }
    return byteLength;
  }

  /**
   * Runs a function while this process holds the append lock. If the log has no lock file, it has no writer, so the
   * function runs without a lock.
   *
   * @throws {Error} If other processes hold the lock for 10 seconds.
   */
  async #underLock<T>(signal: AbortSignal, section: () => T): Promise<T> {
    const clock = this.#clock;
    const { lock: path } = this.#log.files;
    const deadlineMs = clock.monotonicMs() + LOCK_PATIENCE_MS;
    for (let delayMs = 1;; delayMs = Math.min(2 * delayMs, LOCK_DELAY_MAX_MS)) {
      signal.throwIfAborted();
      const lock = this.#log.openLock();
      if (lock === null) return section();
      try {
        // The lock is valid only if the locked file is still at its path: another process may replace the file.
        if (lock.tryLock() && this.#log.isAt(path, lock)) return section();
      } finally {
        lock.close();
      }
      if (clock.monotonicMs() > deadlineMs) {
        throw new Error(
          `Cannot ship log: another process has held the append lock for ${
            LOCK_PATIENCE_MS / 1000
          } s: ${path}`,
        );
      }
      await clock.wait(delayMs);
    }
  }
}

/**
 * The files of a log at one moment, with their lengths. New lines are not part of the snapshot. Its disposal closes the
 * active file.
 */
export class LogSnapshot implements Disposable {
  /** Position of the oldest byte of the log that still exists. */
  readonly oldest: number;
  /** Position after the last whole line of the log. */
  readonly end: number;
  readonly #log: LogDirectory;
  readonly #parts: readonly Part[];
  readonly #active: FileHandle | null;

  /** Creates a snapshot, which takes over the handle of the active file. */
  constructor(
    log: LogDirectory,
    { parts, active, from }: {
      parts: readonly Part[];
      active: FileHandle | null;
      from: number;
    },
  ) {
    this.#log = log;
    this.#parts = parts;
    this.#active = active;
    this.oldest = parts.find(({ isThere }) => isThere)?.from ?? from;
    this.end = parts.at(-1) === undefined ? from : endOf(parts.at(-1)!);
  }

  /**
   * Yields the bytes of the log from a position on, file by file. Deleted files are skipped; the caller sees the jump
   * in the positions.
   *
   * @throws {UnreadablePartError} If a file cannot be read; all earlier bytes were yielded before.
   */
  async *bytes(from: number): AsyncGenerator<PositionedBytes> {
    for (const part of this.#parts) {
      if (part.isThere && part.byteLength > 0 && endOf(part) > from) {
        yield* this.#bytesOf(part, Math.max(0, from - part.from));
      }
    }
  }

  /** Reads the bytes of the log between two positions. Resolves with null if any of these bytes was deleted. */
  async range(from: number, to: number): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(to - from);
    let position = from;
    for await (const part of this.bytes(from)) {
      if (part.from !== position || position >= to) break;
      const taken = part.bytes.subarray(0, to - position);
      bytes.set(taken, position - from);
      position += taken.byteLength;
    }
    return position === to ? bytes : null;
  }

  /**
   * Returns the stamp (the time in the file name) of the newest segment that ends at or before the position. Returns
   * null if there is no such segment.
   */
  lastSegmentUpTo(position: number): Stamp | null {
    return this.#parts.findLast((part) => part.stamp !== null && endOf(part) <= position)?.stamp ??
      null;
  }

  /** Closes the active file, which the snapshot holds open. */
  [Symbol.dispose](): void {
    this.#active?.close();
  }

  async *#bytesOf(part: Part, offset: number): AsyncGenerator<PositionedBytes> {
    const { from, byteLength } = part;
    let position = 0;
    try {
      for await (const chunk of this.#chunks(part, offset)) {
        position = chunk.position + chunk.bytes.byteLength;
        yield { from: from + chunk.position, bytes: chunk.bytes, isEnd: position === byteLength };
      }
    } catch (cause) {
      throw new UnreadablePartError(this.#pathOf(part), { end: endOf(part), cause });
    }
    if (position === byteLength) return;
    const cause = new Error(`the file has ${position} bytes, but must have ${byteLength}`);
    throw new UnreadablePartError(this.#pathOf(part), { end: endOf(part), cause });
  }

  #pathOf({ stamp }: Part): string {
    const { files } = this.#log;
    return stamp === null ? files.active : files.archive(stamp);
  }

  async *#chunks(
    { stamp, byteLength }: Part,
    offset: number,
  ): AsyncGenerator<{ position: number; bytes: Uint8Array }> {
    using stack = new DisposableStack();
    const plain = stamp === null ? this.#active : this.#log.openSealed(stamp, stack);
    let position = offset;
    if (plain !== null && (stamp === null || plain.status().byteLength === byteLength)) {
      for await (
        const bytes of readChunks(plain, byteLength, { from: offset, chunkBytes: CHUNK_BYTES })
      ) {
        yield { position, bytes };
        position += bytes.byteLength;
      }
      return;
    }
    const archive = this.#log.openArchive(stamp!, stack);
    if (archive === null) throw new Error("the archive does not exist");
    position = 0;
    for await (
      const bytes of gunzipped(() => readChunks(archive, archive.status().byteLength))
    ) {
      const skipped = Math.max(0, offset - position);
      if (skipped < bytes.byteLength) {
        yield { position: position + skipped, bytes: bytes.subarray(skipped) };
      }
      position += bytes.byteLength;
    }
  }
}

function endOf({ from, byteLength }: Part): number {
  return from + byteLength;
}
