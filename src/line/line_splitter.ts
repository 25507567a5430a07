/**
 * From bytes, cut anywhere, to lines with the place of each; in memory that one line bounds.
 *
 * @module
 */

import { joined } from "../platform/chunks.ts";

const LINE_BREAK = 0x0a;

/** A line as it lies in its file. */
export interface RawLine {
  /** Where it begins. */
  readonly byteOffset: number;
  /** Its length, line break included. */
  readonly byteLength: number;
  /** Its bytes without the line break; null when there are more than `maxLineBytes`. */
  readonly bytes: Uint8Array | null;
  /** Whether it ends in a line break; only the last line of a file may not. */
  readonly hasLineBreak: boolean;
}

/** How many lines end in the bytes. */
export function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_BREAK); at >= 0; at = bytes.indexOf(LINE_BREAK, at + 1)) count++;
  return count;
}

/** Gathers the parts of one line at a time, and forgets them once they are too long. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #byteOffset = 0;
  #byteLength = 0;
  #parts: Uint8Array[] = [];

  /** Lines of more than `maxLineBytes`, their line break included, come without their bytes. */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Gives the lines that end in the chunk, which must not change afterwards. */
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

  /** Gives what is left at the end without a line break. */
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
    // The line break counts, as it does when a line is written.
    return this.#byteLength + 1 > this.#maxLineBytes;
  }
}
