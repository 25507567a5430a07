/**
 * Reads the bytes of a file in chunks.
 *
 * @module
 */
import type { FileHandle } from "./file_system.ts";

const LINE_BREAK = 0x0a;

/** Default size of a chunk in bytes. Only one chunk of a file is in memory at a time. */
const CHUNK_BYTES = 256 * 1024;

/** The start of a read and the size of its chunks. */
export interface ReadRange {
  /** Offset of the first byte to read; default 0. */
  readonly from?: number;
  /** Size of a chunk in bytes. Other tasks run between two chunks, so small chunks block these tasks for less time. */
  readonly chunkBytes?: number;
}

/** Yields the bytes of a file up to the offset `byteLength` or the end of the file. Each chunk is in a new buffer. */
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

/**
 * Reads the bytes of a file from `start` to `end`. If another program truncated the file meanwhile, the missing bytes
 * are NULs, which readers do not parse as events.
 */
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

/**
 * Finds the last line that starts at or before the offset `end` of a file. Resolves with the offset of its first byte.
 */
export async function startOfLine(handle: FileHandle, end: number): Promise<number> {
  for (let stop = end; stop > 0;) {
    const start = Math.max(0, stop - CHUNK_BYTES);
    const lineBreak = (await readFully(handle, start, stop)).lastIndexOf(LINE_BREAK);
    if (lineBreak >= 0) return start + lineBreak + 1;
    stop = start;
  }
  return 0;
}

/**
 * Frees the memory of a chunk at once; the chunk is empty afterwards. The garbage collector would free it much later,
 * because it sees a chunk as a small object, so tens of megabytes would pile up. The caller must own the whole buffer.
 */
export function releaseChunk(chunk: Uint8Array<ArrayBuffer>): void {
  chunk.buffer.transfer(0);
}

/** Concatenates parts with a total length of `byteLength`. A single part is returned without a copy. */
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

/** Reads the bytes of a file from `start` to `end`, or to the end of the file. */
export function readWhole(
  handle: FileHandle,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(0, end - start));
  let length = 0;
  while (length < bytes.byteLength) {
    const read = handle.readSync(bytes.subarray(length), start + length);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}
