/**
 * Encodes and decodes the stored bytes of a block, which may be compressed.
 *
 * @module
 */
import { promisify } from "node:util";
import { gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";

/** The encoding of stored bytes: uncompressed or gzip. */
export type Encoding = "identity" | "gzip";

/** The fastest level, because even it finds the text that is repeated in each line. */
const GZIP_LEVEL = 1;
/** Maximum size for synchronous compression and decompression; below it, another thread would take longer. */
const ON_THE_SPOT_BYTES = 16 * 1024;
/** Minimum chunk size for the output of zlib. Chunks are large, because they have to be joined. */
const CHUNK_BYTES_MIN = 64;

const compressed = promisify(gzip);
const inflated = promisify(gunzip);

/** Returns the bytes to store. Bytes that compression does not make shorter stay uncompressed. */
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

/** Returns the decoded bytes, or null if the data is damaged or decodes to more than `byteLength` bytes. */
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
    // The data does not match the headers; the caller reports it as missing.
    return null;
  }
}
