/**
 * Compresses and decompresses segments with the gzip streams of the platform.
 *
 * @module
 */

/** Length in bytes of a slice to decompress. One slice may expand to a thousand times its length at once. */
const INFLATE_BYTES = 4 * 1024;

/** Returns a stream of the chunks in gzip form. */
export function compressed(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks).pipeThrough(new CompressionStream("gzip"));
}

/** Returns a stream of the content of a gzip file. The stream fails where the file is damaged. */
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
