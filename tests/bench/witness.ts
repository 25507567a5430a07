/**
 * Checks that a log syncs as often as it promises while the benchmark times it: at most 9 of the acknowledged lines are
 * not durable, or none if the log syncs every line. Without this check, a log that skips syncs would seem fast.
 *
 * While the clock runs, the witness only notes two numbers now and then, so that it hardly slows down the log. It reads
 * the file after the clock has stopped.
 *
 * @module
 */
import type { FileAccess, FileHandle } from "../../src/platform/file_system.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { WatchedFileSystem } from "../platform.ts";

const LINE_BREAK = 0x0a;

/** The number of acknowledged lines at some moment, and the length of the durable part of the file at that moment. */
interface Testimony {
  readonly acknowledgedLines: number;
  readonly durableBytes: number;
}

/** A file system that counts the syncs of one active file, and notices while an archive is being written. */
class CountedFileSystem extends WatchedFileSystem {
  /** `true` while an archive is being written. */
  isArchiving = false;

  override open(path: string, access: FileAccess): FileHandle {
    if (access === "create" && path.endsWith(UNFINISHED)) this.isArchiving = true;
    return super.open(path, access);
  }

  override remove(path: string): void {
    if (path.endsWith(UNFINISHED)) this.isArchiving = false;
    super.remove(path);
  }
}

const UNFINISHED = ".gz.tmp";

/** Checks, for one process that writes to a log, that acknowledged lines were durable as early as promised. */
export class Witness {
  readonly #fileSystem = new CountedFileSystem();
  readonly #testimonies: Testimony[] = [];
  #durableBytes = 0;

  /** Creates a witness that has seen nothing yet. */
  constructor() {
    this.#fileSystem.onSynced = (byteLength) => {
      this.#durableBytes = Math.max(this.#durableBytes, byteLength);
    };
  }

  /** The platform with which the log must be opened, so that the witness sees its syncs. */
  get platform(): Platform {
    return { fileSystem: this.#fileSystem, clock: systemClock };
  }

  /** Number of file syncs that have begun. */
  get syncs(): number {
    return this.#fileSystem.syncCount;
  }

  /** `true` while an archive is being written. */
  get isArchiving(): boolean {
    return this.#fileSystem.isArchiving;
  }

  /** Notes that the first `lines` lines have been acknowledged, and how much of the file is durable now. */
  acknowledged(lines: number): void {
    this.#testimonies.push({ acknowledgedLines: lines, durableBytes: this.#durableBytes });
  }

  /**
   * Compares the notes with the file, which must not have been rotated. Lines that do not contain the text `mark`
   * belong to another writer and are ignored.
   *
   * @throws {Error} If more lines were acknowledged than the promise allows.
   */
  verify(path: string, { everyNLines = 10, mark }: { everyNLines?: number; mark: string }): void {
    if (this.#testimonies.length === 0) throw new Error("Cannot verify: no line was acknowledged");
    const ends = lineEnds(Deno.readFileSync(path), mark);
    for (const { acknowledgedLines, durableBytes } of this.#testimonies) {
      const promised = acknowledgedLines - everyNLines + 1;
      if (promised <= 0 || ends[promised - 1]! <= durableBytes) continue;
      throw new Error(
        `The log broke its promise: ${acknowledgedLines} lines were acknowledged when only ${durableBytes} bytes were durable`,
      );
    }
  }
}

/** Returns the byte offset at the end of each line that contains the text `mark`. */
function lineEnds(bytes: Uint8Array, mark: string): number[] {
  // latin1 maps each byte to one character, so offsets in the text are offsets in the bytes.
  const text = new TextDecoder("latin1").decode(bytes);
  const ends: number[] = [];
  for (let start = 0; start < bytes.byteLength;) {
    const end = bytes.indexOf(LINE_BREAK, start) + 1;
    if (text.slice(start, end).includes(mark)) ends.push(end);
    start = end;
  }
  return ends;
}
