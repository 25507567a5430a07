/**
 * Compresses and decompresses segments with the gzip streams of the platform.
 *
 * @module
 */

import { releaseChunk } from "../platform/chunks.ts";

/**
 * Maximum number of gzip bytes to decompress at once. It is small, because the output may be a thousand times as long.
 */
const INFLATE_BYTES = 4 * 1024;

/**
 * Compresses the chunks with gzip into the stream `archive`, and closes it. Each chunk is released as soon as it is
 * compressed, so the caller must own it and must not use it afterwards.
 *
 * @throws If the chunks or `archive` fail; the error is theirs.
 */
export async function compressInto(
  archive: WritableStream<Uint8Array<ArrayBuffer>>,
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<void> {
  const { readable, writable } = new CompressionStream("gzip");
  const writer = writable.getWriter();
  async function compress(): Promise<void> {
    try {
      for await (const chunk of chunks) {
        await writer.write(chunk);
        releaseChunk(chunk);
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error);
      throw error;
    }
  }
  // Wait for both, because the caller closes its files afterwards.
  const outcomes = await Promise.allSettled([readable.pipeTo(archive), compress()]);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/**
 * Returns a stream of the decompressed content of a gzip file. If the file is damaged, the stream errors when it
 * reaches the damaged bytes.
 */
export function decompressed(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(slices(chunks)).pipeThrough(new DecompressionStream("gzip"));
}

async function* slices(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.byteLength; start += INFLATE_BYTES) {
      yield chunk.subarray(start, start + INFLATE_BYTES);
    }
  }
}
