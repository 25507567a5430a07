/**
 * From the bytes of a file to blocks of whole lines, forwards and backwards, in bounded memory.
 *
 * Lines come many at a time, so that what has to be done for each of them is done in one go.
 *
 * @module
 */
import { joined, readFully, startOfLine } from "../platform/chunks.ts";
import { messageOf } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";

const LINE_BREAK = 0x0a;

/** Whole lines in one piece; only the last line of a file may be without its line break. */
export interface Block {
  /** Where it begins in the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
  /** The lines; null for one line of more than `maxLineBytes`. */
  readonly bytes: Uint8Array | null;
  /** Whether it is the beginning of a line whose rest cannot be read, unless that is all of it. */
  readonly isCut?: true;
}

/** Thrown where nothing more of a file can be read; `cause` says why. */
export class UnreadableRestError extends Error {
  /** The name of the class. */
  override readonly name = "UnreadableRestError";
  /** Where what is lost begins: behind the last whole line. */
  readonly byteOffset: number;

  /** Makes the error of what was thrown. */
  constructor(byteOffset: number, cause: unknown) {
    super(messageOf(cause), { cause });
    this.byteOffset = byteOffset;
  }
}

/**
 * Gives the blocks of the chunks, which must not change afterwards, in their order. The first chunk
 * lies at `from` in the file, where a line begins.
 *
 * @throws {UnreadableRestError} when the chunks end in an error.
 */
export async function* blocksOf(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
  from = 0,
): AsyncGenerator<Block> {
  let line = new UnfinishedLine(from, maxLineBytes);
  try {
    for await (const chunk of chunks) {
      const first = line.byteLength > 0 ? chunk.indexOf(LINE_BREAK) + 1 : 0;
      const end = chunk.lastIndexOf(LINE_BREAK) + 1;
      if (end === 0) {
        line.add(chunk);
        continue;
      }
      const chunkOffset = line.byteOffset + line.byteLength;
      if (first > 0) {
        line.add(chunk.subarray(0, first));
        yield line.block();
      }
      if (end > first) yield blockAt(chunkOffset + first, chunk.subarray(first, end));
      line = new UnfinishedLine(chunkOffset + end, maxLineBytes);
      line.add(chunk.subarray(end));
    }
  } catch (cause) {
    if (line.byteLength > 0) yield { ...line.block(), isCut: true };
    throw new UnreadableRestError(line.byteOffset, cause);
  }
  if (line.byteLength > 0) yield line.block();
}

/** What is read backwards at a time: little at first, as the answer may lie in the last lines. */
const TAIL_BYTES_MIN = 32 * 1024;
const TAIL_BYTES_MAX = 256 * 1024;

/**
 * Gives the blocks of the first `byteLength` bytes of a file, the last one first, back to `from`, where
 * a line begins.
 *
 * @throws {UnreadableRestError} when a read fails.
 */
export async function* tailBlocksOf(
  handle: FileHandle,
  byteLength: number,
  maxLineBytes: number,
  from = 0,
): AsyncGenerator<Block> {
  let size = TAIL_BYTES_MIN;
  for (let end = byteLength; end > from;) {
    const start = Math.max(from, end - size);
    const bytes = await orUnreadable(readFully(handle, start, end));
    // The block ends with a line break; the first one before it is where whole lines begin.
    const lineBreak = bytes.subarray(0, -1).indexOf(LINE_BREAK);
    if (lineBreak >= 0 || start === from) {
      const lines = bytes.subarray(start === from ? 0 : lineBreak + 1);
      yield blockAt(end - lines.byteLength, lines);
      end -= lines.byteLength;
      size = Math.min(2 * size, TAIL_BYTES_MAX);
    } else if (size <= maxLineBytes) {
      size *= 2;
    } else {
      const lineStart = await orUnreadable(startOfLine(handle, start));
      yield { byteOffset: lineStart, byteLength: end - lineStart, bytes: null };
      end = lineStart;
      size = TAIL_BYTES_MAX;
    }
  }
}

/** How much of a decoded file is kept at a time to be given backwards. */
const WINDOW_BYTES = 32 * 1024 * 1024;

/**
 * Gives the blocks of a file backwards that can be read forwards only, as an archive can. A file of
 * more than a window is read once for each.
 *
 * @throws {UnreadableRestError} at the end, when the file could not be read to its end.
 */
export async function* reversedBlocksOf(
  read: () => AsyncIterable<Uint8Array>,
  maxLineBytes: number,
  windowBytes = WINDOW_BYTES,
): AsyncGenerator<Block> {
  let failure: UnreadableRestError | undefined;
  for (let end = Infinity; end > 0;) {
    const blocks: Block[] = [];
    try {
      await fillWindow(blocks, { end, windowBytes, from: blocksOf(read(), maxLineBytes) });
    } catch (error) {
      if (!(error instanceof UnreadableRestError)) throw error;
      failure = error;
    }
    yield* blocks.toReversed();
    end = blocks[0]?.byteOffset ?? 0;
  }
  // Everything that could be read has been given by now.
  if (failure !== undefined) throw failure;
}

/** Keeps the last blocks that begin before `end`, as many as a window holds. */
async function fillWindow(
  window: Block[],
  { end, windowBytes, from }: { end: number; windowBytes: number; from: AsyncIterable<Block> },
): Promise<void> {
  let byteLength = 0;
  for await (const block of from) {
    if (block.byteOffset >= end) break;
    window.push(block);
    byteLength += block.bytes?.byteLength ?? 0;
    while (byteLength > windowBytes && window.length > 1) {
      byteLength -= window.shift()!.bytes?.byteLength ?? 0;
    }
  }
}

async function orUnreadable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new UnreadableRestError(0, cause);
  }
}

function blockAt(byteOffset: number, bytes: Uint8Array): Block {
  return { byteOffset, byteLength: bytes.byteLength, bytes };
}

/** A line that comes in pieces, which are forgotten once they are too many bytes. */
class UnfinishedLine {
  readonly #byteOffset: number;
  readonly #maxLineBytes: number;
  #parts: Uint8Array[] = [];
  #byteLength = 0;

  constructor(byteOffset: number, maxLineBytes: number) {
    this.#byteOffset = byteOffset;
    this.#maxLineBytes = maxLineBytes;
  }

  get byteOffset(): number {
    return this.#byteOffset;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  add(part: Uint8Array): void {
    this.#byteLength += part.byteLength;
    // The line break counts, also where it is still to come.
    const missing = part.at(-1) === LINE_BREAK ? 0 : 1;
    if (this.#byteLength + missing > this.#maxLineBytes) this.#parts = [];
    else if (part.byteLength > 0) this.#parts.push(part);
  }

  block(): Block {
    const kept = this.#parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const isWhole = kept === this.#byteLength;
    return {
      byteOffset: this.#byteOffset,
      byteLength: this.#byteLength,
      bytes: isWhole ? joined(this.#parts, kept) : null,
    };
  }
}
