/**
 * Sees that the promise is kept while it is timed: of the acknowledged lines of a writer, at most 9 are
 * not durable, or none with a sync for every line.
 *
 * What it notes during the work is two numbers now and then; it looks at the file when the clock has
 * stopped.
 *
 * @module
 */
import type { FileAccess, FileHandle } from "../../src/platform/file_system.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { WatchedFileSystem } from "../platform.ts";

const LINE_BREAK = 0x0a;

/** What was durable when so many lines had been acknowledged. */
interface Testimony {
  readonly acknowledgedLines: number;
  readonly durableBytes: number;
}

/** A disk that counts the syncs of one active file. */
class CountedFileSystem extends WatchedFileSystem {
  /** Whether an archive is being made. */
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

/** Watches one writer of one log. */
export class Witness {
  readonly #fileSystem = new CountedFileSystem();
  readonly #testimonies: Testimony[] = [];
  #durableBytes = 0;

  /** Sees nothing yet. */
  constructor() {
    this.#fileSystem.onSynced = (byteLength) => {
      this.#durableBytes = Math.max(this.#durableBytes, byteLength);
    };
  }

  /** What the log has to be opened on. */
  get platform(): Platform {
    return { fileSystem: this.#fileSystem, clock: systemClock };
  }

  /** Syncs that were begun. */
  get syncs(): number {
    return this.#fileSystem.syncCount;
  }

  /** Whether an archive is being made. */
  get isArchiving(): boolean {
    return this.#fileSystem.isArchiving;
  }

  /** So many lines, counted from the first, have been acknowledged now. */
  acknowledged(lines: number): void {
    this.#testimonies.push({ acknowledgedLines: lines, durableBytes: this.#durableBytes });
  }

  /**
   * Compares what was noted with the file, which was not rotated. Lines that do not hold `mark` are
   * another writer's.
   *
   * @throws {Error} when more was acknowledged than was promised to be durable.
   */
  verify(path: string, { everyNLines = 10, mark }: { everyNLines?: number; mark: string }): void {
    if (this.#testimonies.length === 0) throw new Error("Nothing was acknowledged");
    const ends = lineEnds(Deno.readFileSync(path), mark);
    for (const { acknowledgedLines, durableBytes } of this.#testimonies) {
      const promised = acknowledgedLines - everyNLines + 1;
      if (promised <= 0 || ends[promised - 1]! <= durableBytes) continue;
      throw new Error(
        `${acknowledgedLines} lines were acknowledged when ${durableBytes} bytes were durable`,
      );
    }
  }
}

/** Where each line ends that holds the mark. */
function lineEnds(bytes: Uint8Array, mark: string): number[] {
  // One character for each byte, so that places in the text are places in the bytes.
  const text = new TextDecoder("latin1").decode(bytes);
  const ends: number[] = [];
  for (let start = 0; start < bytes.byteLength;) {
    const end = bytes.indexOf(LINE_BREAK, start) + 1;
    if (text.slice(start, end).includes(mark)) ends.push(end);
    start = end;
  }
  return ends;
}
