/**
 * How the bytes of a block are stored: as they are, or compressed.
 *
 * @module
 */
import { promisify } from "node:util";
import { gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";

/** As they are, or compressed. */
export type Encoding = "identity" | "gzip";

/** The fastest: what is repeated in each line is found by any level. */
const GZIP_LEVEL = 1;
/** Less is compressed, or inflated, sooner than another thread is asked to. */
const ON_THE_SPOT_BYTES = 16 * 1024;
/** The shortest piece that zlib gives; it gives few, as pieces have to be joined. */
const CHUNK_BYTES_MIN = 64;

const compressed = promisify(gzip);
const inflated = promisify(gunzip);

/** The bytes as they are to be stored; what does not become shorter stays as it is. */
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

/** The bytes that were stored, at most so many; null for what is damaged, or longer. */
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
    // It is not what the headers tell of, and reported as missing.
    return null;
  }
}
