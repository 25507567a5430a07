/**
 * The bytes of a file, in chunks.
 *
 * @module
 */
import type { FileHandle } from "./file_system.ts";

/** How much of a file is in memory at a time, for a reader in a hurry. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Reads the first `byteLength` bytes, or what is left of them, each chunk into a buffer of its own.
 * Between two chunks the event loop turns, so `chunkBytes` bounds how long a reader holds it up.
 */
export async function* readChunks(
  handle: FileHandle,
  byteLength: number,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let position = 0; position < byteLength;) {
    const buffer = new Uint8Array(Math.min(chunkBytes, byteLength - position));
    const read = await handle.read(buffer, position);
    if (read === 0) return;
    position += read;
    yield buffer.subarray(0, read);
  }
}
