/**
 * Splits the bytes of a file, which arrive in chunks, into lines with their offsets. Keeps only one line in memory at a
 * time.
 *
 * @module
 */

import { joined } from "../platform/chunks.ts";

const LINE_BREAK = 0x0a;

/** A line and its offset in the file. */
export interface RawLine {
  /** Offset of the first byte of the line. */
  readonly byteOffset: number;
  /** Length of the line in bytes, including the line break. */
  readonly byteLength: number;
  /** Bytes of the line without the line break; null if the line is longer than `maxLineBytes`. */
  readonly bytes: Uint8Array | null;
  /**
   * Whether the line ends with a line break. Only the last line of a file can lack a line break: its writer may have
   * crashed.
   */
  readonly hasLineBreak: boolean;
}

/** Returns the number of line breaks in the bytes. */
export function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_BREAK); at >= 0; at = bytes.indexOf(LINE_BREAK, at + 1)) count++;
  return count;
}

/**
 * Splits chunks into lines. Collects the parts of one line at a time, and drops these parts if the line is too long.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #byteOffset = 0;
  #byteLength = 0;
  #parts: Uint8Array[] = [];

  /**
   * Creates a splitter. If a line and its line break are together longer than `maxLineBytes`, the line is yielded with
   * `bytes` null.
   */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Yields the lines that end in the chunk. The caller must not modify the chunk afterwards. */
  *split(chunk: Uint8Array): Generator<RawLine> {
    let start = 0;
    for (
      let end = chunk.indexOf(LINE_BREAK);
      end >= 0;
      end = chunk.indexOf(LINE_BREAK, start)
    ) {
      this.#add(chunk.subarray(start, end));
      yield this.#finish(true);
      start = end + 1;
    }
    this.#add(chunk.subarray(start));
  }

  /** Yields the last line of the file if this line has no line break. */
  *end(): Generator<RawLine> {
    if (this.#byteLength > 0) yield this.#finish(false);
  }

  #add(part: Uint8Array): void {
    this.#byteLength += part.byteLength;
    if (this.#isTooLong()) this.#parts = [];
    else if (part.byteLength > 0) this.#parts.push(part);
  }

  #finish(hasLineBreak: boolean): RawLine {
    const byteOffset = this.#byteOffset;
    const bytes = this.#isTooLong() ? null : joined(this.#parts, this.#byteLength);
    const byteLength = this.#byteLength + (hasLineBreak ? 1 : 0);
    this.#byteOffset += byteLength;
    this.#parts = [];
    this.#byteLength = 0;
    return { byteOffset, byteLength, bytes, hasLineBreak };
  }

  #isTooLong(): boolean {
    // `maxLineBytes` includes the line break, for readers and for writers. So one byte is added even if the last line
    // has no line break.
    return this.#byteLength + 1 > this.#maxLineBytes;
  }
}
