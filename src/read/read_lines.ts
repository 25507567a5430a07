/**
 * From a file to its lines, in bytes, with the place of each; in memory that one line bounds.
 *
 * @module
 */
import type { FileHandle } from "../file_system.ts";

const LINE_BREAK = 0x0a;
const CHUNK_BYTES = 256 * 1024;

/** A line as it lies in the file. */
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

/** Reads the lines of the first `byteLength` bytes, or of what is left of them. */
export async function* readLines(
  handle: FileHandle,
  options: { byteLength: number; maxLineBytes: number },
): AsyncGenerator<RawLine> {
  const line = new LineInProgress(options.maxLineBytes);
  for (let position = 0; position < options.byteLength;) {
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, options.byteLength - position));
    const read = await handle.read(buffer, position);
    if (read === 0) break;
    let start = 0;
    for (
      let end = buffer.indexOf(LINE_BREAK);
      end >= 0 && end < read;
      end = buffer.indexOf(LINE_BREAK, start)
    ) {
      line.add(buffer.subarray(start, end));
      yield line.finish(true);
      start = end + 1;
    }
    line.add(buffer.subarray(start, read));
    position += read;
  }
  if (line.byteLength > 0) yield line.finish(false);
}

/** Gathers the parts of one line and forgets them once they are too long. */
class LineInProgress {
  readonly #maxLineBytes: number;
  #byteOffset = 0;
  #parts: Uint8Array[] = [];
  byteLength = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  add(part: Uint8Array): void {
    this.byteLength += part.byteLength;
    if (this.#isTooLong()) this.#parts = [];
    else if (part.byteLength > 0) this.#parts.push(part);
  }

  finish(hasLineBreak: boolean): RawLine {
    const byteOffset = this.#byteOffset;
    const bytes = this.#isTooLong() ? null : joined(this.#parts, this.byteLength);
    const byteLength = this.byteLength + (hasLineBreak ? 1 : 0);
    this.#byteOffset += byteLength;
    this.#parts = [];
    this.byteLength = 0;
    return { byteOffset, byteLength, bytes, hasLineBreak };
  }

  #isTooLong(): boolean {
    // The line break counts, as it does when a line is written.
    return this.byteLength + 1 > this.#maxLineBytes;
  }
}

function joined(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
