/**
 * The bytes of a file, in chunks.
 *
 * @module
 */
import type { FileHandle } from "./file_system.ts";

const LINE_BREAK = 0x0a;

/** How much of a file is in memory at a time, for a reader in a hurry. */
const CHUNK_BYTES = 256 * 1024;

/** Which part of a file to read, and how. */
export interface ReadRange {
  /** Where to begin; default 0. */
  readonly from?: number;
  /** Between two chunks the event loop turns, so this bounds how long a reader holds it up. */
  readonly chunkBytes?: number;
}

/** Reads up to `byteLength`, or to the end of the file, each chunk into a buffer of its own. */
export async function* readChunks(
  handle: FileHandle,
  byteLength: number,
  { from = 0, chunkBytes = CHUNK_BYTES }: ReadRange = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let position = from; position < byteLength;) {
    const buffer = new Uint8Array(Math.min(chunkBytes, byteLength - position));
    const read = await handle.read(buffer, position);
    if (read === 0) return;
    position += read;
    yield buffer.subarray(0, read);
  }
}

/** Reads all of a range; what a file has lost meanwhile reads as NULs, which are no events. */
export async function readFully(
  handle: FileHandle,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  for (let length = 0; length < bytes.byteLength;) {
    const read = await handle.read(bytes.subarray(length), start + length);
    if (read === 0) break;
    length += read;
  }
  return bytes;
}

/** Where the line begins that the byte before `end` belongs to, or that begins there. */
export async function startOfLine(handle: FileHandle, end: number): Promise<number> {
  for (let stop = end; stop > 0;) {
    const start = Math.max(0, stop - CHUNK_BYTES);
    const lineBreak = (await readFully(handle, start, stop)).lastIndexOf(LINE_BREAK);
    if (lineBreak >= 0) return start + lineBreak + 1;
    stop = start;
  }
  return 0;
}

/** The parts in one piece of `byteLength` bytes; a single one as it is. */
export function joined(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
