/**
 * Encodes and decodes the bytes of a block (a range of bytes of a log) for the NATS stream, which may be compressed.
 *
 * @module
 */
import { promisify } from "node:util";
import { gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";

/** The encoding of the stored bytes of a block: uncompressed or gzip. */
export type Encoding = "identity" | "gzip";

/** Compression level of gzip: the fastest level, because even the fastest finds the text that every line repeats. */
const GZIP_LEVEL = 1;
/**
 * Maximum number of bytes to compress or decompress synchronously. For so few bytes, the hand-over to a thread takes
 * longer than the work.
 */
const ON_THE_SPOT_BYTES = 16 * 1024;
/**
 * Minimum size of zlib's output chunks, in bytes. The chunk size grows with the size of the data, so that few chunks
 * have to be joined.
 */
const CHUNK_BYTES_MIN = 64;

const compressed = promisify(gzip);
const inflated = promisify(gunzip);

/** Encodes the bytes of a block. If compression does not make the bytes shorter, they stay uncompressed. */
export async function encoded(
  bytes: Uint8Array,
  encoding: Encoding,
): Promise<{ encoding: Encoding; data: Uint8Array }> {
  if (encoding === "identity") return { encoding, data: bytes };
  const options = { level: GZIP_LEVEL, chunkSize: CHUNK_BYTES_MIN + (bytes.byteLength >> 2) };
  const isShort = bytes.byteLength <= ON_THE_SPOT_BYTES;
  const data = isShort ? gzipSync(bytes, options) : await compressed(bytes, options);
  return data.byteLength < bytes.byteLength
    ? { encoding, data }
    : { encoding: "identity", data: bytes };
}

/**
 * Decodes the data of a block. Resolves with null if the data is damaged or decodes to more than `byteLength` bytes.
 * The limit protects the reader's memory from data that expands to far more than the headers state.
 */
export async function decoded(
  data: Uint8Array,
  { encoding, byteLength }: { encoding: Encoding; byteLength: number },
): Promise<Uint8Array | null> {
  if (encoding === "identity") return data;
  const options = { maxOutputLength: byteLength, chunkSize: byteLength + CHUNK_BYTES_MIN };
  try {
    return byteLength <= ON_THE_SPOT_BYTES
      ? gunzipSync(data, options)
      : await inflated(data, options);
  } catch {
    // The data is damaged or longer than the headers state. The caller reports the block as missing.
    return null;
  }
}
