/**
 * Compresses and decompresses segments with the gzip streams of the platform.
 *
 * @module
 */

/**
 * Maximum number of gzip bytes to decompress at once. It is small, because the output may be a thousand times as long.
 */
const INFLATE_BYTES = 4 * 1024;

/** Returns a stream that compresses the chunks with gzip. */
export function compressed(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks).pipeThrough(new CompressionStream("gzip"));
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
