/**
 * A log as one row of bytes, each with its position, whatever files they are in.
 *
 * - What is shipped is durable first: the active file is synced up to where it is read to, by its open
 *   file, never by its name, which may stand for another one by then.
 * - The files are listed under the append lock, as a batch that failed is cut back under it, and a file
 *   that is sealed is renamed under it: so each byte is there once, and none goes again.
 * - How long a segment was, its line in the manifest tells also when it is gone. So the positions of all
 *   others stay as they are, and what is missing is a gap of a known size.
 *
 * @module
 */
import { readChunks, startOfLine } from "../platform/chunks.ts";
import type { FileHandle, FileStatus, FileSystem } from "../platform/file_system.ts";
import { gunzipped } from "../read/gunzip.ts";
import { isSameFile, openForRead } from "../platform/regular_file.ts";
import { listSegments } from "../segments/list_segments.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { LogFiles, Stamp } from "../segments/segment_name.ts";
import type { Clock } from "../platform/clock.ts";

/** Where a log lies. */
export interface LogSite {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly files: LogFiles;
}

/** A file of a log, or what is known of one that is gone. */
interface Part {
  /** Null for the active file. */
  readonly stamp: Stamp | null;
  /** The position of its first byte. */
  readonly from: number;
  readonly byteLength: number;
  readonly isThere: boolean;
}

/** Bytes that follow one another in one file. */
export interface PositionedBytes {
  readonly from: number;
  readonly bytes: Uint8Array;
  /** Whether they are the last of their file, so that a line ends with them. */
  readonly isEnd: boolean;
}

/** Thrown where bytes that were listed cannot be read. */
export class UnreadablePartError extends Error {
  /** The name of the class. */
  override readonly name = "UnreadablePartError";
  /** The position behind what cannot be read. */
  readonly end: number;

  /** Makes the error. */
  constructor(path: string, facts: { end: number; cause: unknown }) {
    super(`Cannot ship a part of the log: it cannot be read: ${path}`, { cause: facts.cause });
    this.end = facts.end;
  }
}

/** How long the append lock may be held by others, in milliseconds. */
const LOCK_PATIENCE_MS = 10_000;
const LOCK_DELAY_MAX_MS = 16;
/** How much is read at a time: blocks are longer than what others read. */
const CHUNK_BYTES = 1024 * 1024;

/** A log; it remembers how long its segments are, which does not change. */
export class PositionedLog {
  readonly #site: LogSite;
  readonly #manifest: ManifestReader;
  readonly #lengths = new Map<Stamp, number>();
  /** The active file when it was looked at last. */
  #lookedAt: FileStatus | null = null;

  /** Opens nothing. */
  constructor(site: LogSite) {
    this.#site = site;
    this.#manifest = new ManifestReader(site.fileSystem, site.files.manifest);
  }

  /**
   * Whether nothing seems to have been written since the last snapshot, which is asked without a lock: who
   * appends makes the active file longer, and who rotates puts another one in its place.
   */
  isUnchanged(): boolean {
    const { fileSystem, files } = this.#site;
    const now = fileSystem.status(files.active);
    const then = this.#lookedAt;
    if (now === null || then === null) return now === then;
    return now.inode !== null && isSameFile(now, then) && now.byteLength === then.byteLength;
  }

  /** The log as it is now, up to the last line that is whole, all of which is durable. */
  async snapshot(signal: AbortSignal): Promise<LogSnapshot> {
    const { active, activeStatus, sealed } = await this.#underLock(signal, () => this.#list());
    this.#lookedAt = activeStatus;
    const activeBytes = activeStatus?.byteLength ?? 0;
    try {
      const parts = await this.#parts(sealed, signal);
      const from = parts.at(-1) === undefined
        ? this.#manifest.lastRead.prunedBytes
        : endOf(parts.at(-1)!);
      if (active !== null) {
        await active.syncData();
        const byteLength = await startOfLine(active, activeBytes);
        parts.push({ stamp: null, from, byteLength, isThere: true });
      }
      return new LogSnapshot(this.#site, { parts, active, from });
    } catch (error) {
      active?.close();
      throw error;
    }
  }

  /** What there is, for who holds the lock: a moment later a batch may be there that is cut back. */
  #list(): {
    active: FileHandle | null;
    activeStatus: FileStatus | null;
    sealed: ReadonlyMap<Stamp, number>;
  } {
    const { fileSystem, files } = this.#site;
    const sealed = new Map<Stamp, number>();
    for (const { stamp, forms } of listSegments(fileSystem, files)) {
      const status = forms.has("sealed") ? fileSystem.status(files.sealed(stamp)) : null;
      const isArchived = forms.has("archive");
      // An empty file at the path of a segment is nothing, or what stands before its archive.
      if (status?.kind === "file" && status.byteLength > 0 && !isArchived) {
        sealed.set(stamp, status.byteLength);
      } else if (isArchived) sealed.set(stamp, NaN);
    }
    const active = openForRead(fileSystem, files.active);
    return { active, activeStatus: active?.status() ?? null, sealed };
  }

  async #parts(onDisk: ReadonlyMap<Stamp, number>, signal: AbortSignal): Promise<Part[]> {
    const { files } = this.#site;
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
      const byteLength = listed !== undefined && !Number.isNaN(listed)
        ? listed
        : known ?? await this.#readableLength(stamp, signal);
      this.#lengths.set(stamp, byteLength);
      parts.push({ stamp, from, byteLength, isThere: listed !== undefined });
      from += byteLength;
    }
    return parts;
  }

  /** How much an archive holds that no line tells of; of a damaged one, how much can be read. */
  async #readableLength(stamp: Stamp, signal: AbortSignal): Promise<number> {
    const { fileSystem, files } = this.#site;
    const archive = openForRead(fileSystem, files.archive(stamp));
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
      // What is wrong with it is told when it is read; its rest is lost to everybody.
    } finally {
      archive.close();
    }
    return byteLength;
  }

  /** Runs the section under the append lock, which a log that nobody has written has not. */
  async #underLock<T>(signal: AbortSignal, section: () => T): Promise<T> {
    const { fileSystem, clock, files } = this.#site;
    const deadlineMs = clock.monotonicMs() + LOCK_PATIENCE_MS;
    for (let delayMs = 1;; delayMs = Math.min(2 * delayMs, LOCK_DELAY_MAX_MS)) {
      signal.throwIfAborted();
      const lock = openForRead(fileSystem, files.lock);
      if (lock === null) return section();
      try {
        if (lock.tryLock()) {
          const atPath = fileSystem.status(files.lock);
          // A lock counts only while its file is the one at the path.
          if (atPath !== null && isSameFile(atPath, lock.status())) return section();
        }
      } finally {
        lock.close();
      }
      if (clock.monotonicMs() > deadlineMs) {
        throw new Error(`Cannot ship: another process holds the append lock: ${files.lock}`);
      }
      await clock.wait(delayMs);
    }
  }
}

/** A log as it was at one moment; disposing of it closes the active file. */
export class LogSnapshot implements Disposable {
  /** The position of the oldest byte that is there. */
  readonly oldest: number;
  /** The position behind the last whole line. */
  readonly end: number;
  readonly #site: LogSite;
  readonly #parts: readonly Part[];
  readonly #active: FileHandle | null;

  /** Takes the handle over. */
  constructor(
    site: LogSite,
    { parts, active, from }: {
      parts: readonly Part[];
      active: FileHandle | null;
      from: number;
    },
  ) {
    this.#site = site;
    this.#parts = parts;
    this.#active = active;
    this.oldest = parts.find(({ isThere }) => isThere)?.from ?? from;
    this.end = parts.at(-1) === undefined ? from : endOf(parts.at(-1)!);
  }

  /**
   * The bytes from a position on, file by file; those of files that are gone are left out.
   *
   * @throws {UnreadablePartError} for a file that cannot be read; what comes before it was given.
   */
  async *bytes(from: number): AsyncGenerator<PositionedBytes> {
    for (const part of this.#parts) {
      if (part.isThere && part.byteLength > 0 && endOf(part) > from) {
        yield* this.#bytesOf(part, Math.max(0, from - part.from));
      }
    }
  }

  /** The bytes from one position to another, if all of them are there. */
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

  /** Closes the active file. */
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
    const cause = new Error(`it holds ${position} bytes and not ${byteLength}`);
    throw new UnreadablePartError(this.#pathOf(part), { end: endOf(part), cause });
  }

  #pathOf({ stamp }: Part): string {
    const { files } = this.#site;
    return stamp === null ? files.active : files.archive(stamp);
  }

  async *#chunks(
    { stamp, byteLength }: Part,
    offset: number,
  ): AsyncGenerator<{ position: number; bytes: Uint8Array }> {
    const { fileSystem, files } = this.#site;
    using stack = new DisposableStack();
    const opened = (path: string) => {
      const handle = openForRead(fileSystem, path);
      return handle === null ? null : stack.adopt(handle, (handle) => handle.close());
    };
    const plain = stamp === null ? this.#active : opened(files.sealed(stamp));
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
    const archive = opened(files.archive(stamp!));
    if (archive === null) throw new Error("it is gone");
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
