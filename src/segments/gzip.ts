/**
 * The gzip form of a segment, made and read by the platform's streams.
 *
 * @module
 */

/** Inflating gives up to a thousand times its input at once, so it is fed little by little. */
const INFLATE_BYTES = 4 * 1024;

/** Gives the gzip form of the chunks. */
export function compressed(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks).pipeThrough(new CompressionStream("gzip"));
}

/** Gives what the chunks of a gzip file hold; errors where the file is damaged. */
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
