/**
 * Splits the bytes of a file into blocks of whole lines, forwards or backwards, in bounded memory.
 *
 * A block contains many lines, because one operation on a whole block is faster than one operation per line.
 *
 * @module
 */
import { joined, readFully, startOfLine } from "../platform/chunks.ts";
import { messageOf } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";

const LINE_BREAK = 0x0a;

/** Adjacent whole lines of a file. Only the last line of the file may lack its line break. */
export interface Block {
  /** Byte offset of the block in the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
  /** The bytes of the lines; null if the block is one line that is longer than `maxLineBytes` bytes. */
  readonly bytes: Uint8Array | null;
  /** Whether the block is one line that lacks its line break because the remainder of the file cannot be read. */
  readonly isCut?: true;
}

/** Thrown if the remainder of a file cannot be read; `cause` is the read error. */
export class UnreadableRestError extends Error {
  /** The name of the class. */
  override readonly name = "UnreadableRestError";
  /**
   * Byte offset of the unreadable remainder: the end of the last whole line. If the file cannot be opened, or if
   * {@linkcode tailBlocksOf} fails, the offset is 0.
   */
  readonly byteOffset: number;

  /** Creates the error from `cause`, the error of the failed read. */
  constructor(byteOffset: number, cause: unknown) {
    super(messageOf(cause), { cause });
    this.byteOffset = byteOffset;
  }
}

/**
 * Splits the chunks of a file into blocks, and yields the blocks in order. The blocks share the memory of the chunks,
 * so the chunks must not change afterwards. The first chunk starts at byte `from` of the file; a line must start at
 * that byte.
 *
 * @throws {UnreadableRestError} If reading a chunk fails.
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

/**
 * Minimum and maximum number of bytes of one read while a file is read backwards. The first read is small, because the
 * caller often needs only the last lines. To read a line that is longer than the maximum, one read may be longer too.
 */
const TAIL_BYTES_MIN = 32 * 1024;
const TAIL_BYTES_MAX = 256 * 1024;

/**
 * Yields the blocks between byte `from` and byte `byteLength` of a file, the last block first. A line must start at
 * byte `from`.
 *
 * @throws {UnreadableRestError} If a read fails.
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
    // The search leaves out the last byte, because that byte may be the line break of the last line. If the search
    // finds a line break, the bytes after this line break are whole lines.
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

/**
 * Maximum number of decoded bytes in memory while an archive is read backwards. If the decoded content is longer, the
 * archive is decoded several times.
 */
const WINDOW_BYTES = 32 * 1024 * 1024;

/**
 * Yields the blocks of a file that can only be read forwards (an archive), the last block first. The file is decoded
 * again for each further `windowBytes` bytes of its content.
 *
 * @throws {UnreadableRestError} If the file cannot be read to its end. The error is thrown after all readable blocks
 *   were yielded.
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
  // The error is thrown only now, because all readable blocks had to be yielded first.
  if (failure !== undefined) throw failure;
}

/** Fills the array `window` with the last blocks before byte `end` of the file, up to `windowBytes` bytes in total. */
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

/**
 * A line that is read in parts. Once the line is longer than `maxLineBytes`, its parts are dropped, so that memory
 * stays bounded.
 */
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
    // The limit `maxLineBytes` includes the line break. If the line break has not been read yet, one byte is added for
    // it.
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
