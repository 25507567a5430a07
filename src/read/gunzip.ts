/**
 * Decodes an archive that may be damaged: yields everything that can be decoded, then throws an error for the damage.
 *
 * The platform's gzip stream is fast, and decodes every archive that this library writes. But it fails at a second gzip
 * member, and if the file is damaged, it loses the last decoded bytes. If the stream fails, the file is decoded again
 * with node:zlib, and the bytes that were already yielded are skipped.
 *
 * @module
 */
import type { Gunzip } from "node:zlib";
import { messageOf } from "../errors.ts";
import { decompressed } from "../segments/gzip.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Maximum number of gzip bytes to decode in one step. The number is small, because the decoder may turn these bytes
 * into a thousand times as many bytes in memory.
 */
const PIECE_BYTES = 4 * 1024;

/** Minimum length of a gzip file in bytes: a header, an empty block and a trailer. */
const MEMBER_BYTES_MIN = 10 + 2 + 8;

/**
 * Thrown for a damaged gzip file after its readable part was yielded. The message is the reason, such as "the gzip file
 * is truncated".
 */
export class GzipDamageError extends TypeError {
  /** The name of the class. */
  override readonly name = "GzipDamageError";
}

/**
 * Yields the content of a gzip file with any number of members. Memory does not grow with the file. All bytes that
 * can be decoded are yielded before an error is thrown, even if their checksum does not match.
 *
 * Each call of `read` must return the bytes of the file from the start. If the file is damaged, `read` is called up to
 * three times. Errors of `read` are thrown unchanged. Every iteration that `read` returns ends before this iteration
 * ends.
 *
 * @throws {GzipDamageError} If the file is damaged. The error is thrown after the readable part was yielded.
 */
export async function* gunzipped(read: () => AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  let given = 0;
  let decode: (bytes: AsyncIterable<Bytes>) => AsyncIterable<Bytes> = decompressed;
  for (;;) {
    const source = new Source(read);
    let isGiving = false;
    try {
      let decoded = 0;
      for await (const chunk of decode(source.bytes)) {
        const known = given - decoded;
        decoded += chunk.byteLength;
        if (decoded <= given) continue;
        given = decoded;
        isGiving = true;
        yield known > 0 ? chunk.subarray(known) : chunk;
        isGiving = false;
      }
      source.throwIfFailed();
      return;
    } catch (error) {
      // The caller has ended the iteration early. If the decoder then throws, the error does not mean damage.
      if (isGiving) return;
      // If a read failed, the decoder reports a truncated file. Throw the read error instead.
      source.throwIfFailed();
      const bytewiseFrom = error instanceof FailedPiece ? error.byteOffset : Infinity;
      if (bytewiseFrom === Infinity && decode !== decompressed) throw error;
      decode = (bytes) => inflated(bytes, bytewiseFrom);
    } finally {
      // If a stream is cancelled, it does not wait for its pending read of the file. So this code waits for that read,
      // because the caller may close the file as soon as the iteration ends.
      await source.bytes.return(undefined);
    }
  }
}

/**
 * One reading of a gzip file. A read error only ends `bytes`, so that all bytes before the error are decoded.
 * Afterwards, `throwIfFailed()` throws the error.
 */
class Source {
  readonly bytes: AsyncGenerator<Bytes, void>;
  #failure: { readonly error: unknown } | null = null;

  constructor(read: () => AsyncIterable<Bytes>) {
    this.bytes = this.#guarded(read);
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  async *#guarded(read: () => AsyncIterable<Bytes>): AsyncGenerator<Bytes, void> {
    try {
      yield* read();
    } catch (error) {
      this.#failure = { error };
    }
  }
}

/**
 * Thrown if a piece of gzip data cannot be decoded. node:zlib drops the output of the whole piece, so
 * {@linkcode gunzipped} decodes the file again, byte by byte from this piece on.
 */
class FailedPiece extends Error {
  constructor(readonly byteOffset: number) {
    super();
  }
}

/**
 * Decodes gzip data with node:zlib. From byte `bytewiseFrom` on, decodes byte by byte, which is slow but loses no
 * output.
 */
async function* inflated(
  bytes: AsyncIterable<Bytes>,
  bytewiseFrom: number,
): AsyncGenerator<Bytes> {
  // The module is loaded only here, because most programs never read a damaged archive.
  const { createGunzip } = await import("node:zlib");
  const gunzip = createGunzip();
  const output: Bytes[] = [];
  gunzip.on("data", (chunk: Bytes) => output.push(chunk));
  // `errored` is checked after each step. The listener does nothing, but is needed because an error event without a
  // listener ends the process.
  gunzip.on("error", () => {});
  try {
    let byteOffset = 0;
    for await (const piece of pieces(bytes, bytewiseFrom)) {
      await new Promise<void>((resolve) => gunzip.write(piece, () => resolve()));
      yield* output.splice(0);
      if (gunzip.errored !== null) {
        if (piece.byteLength > 1) throw new FailedPiece(byteOffset);
        throw damageOf(gunzip.errored, byteOffset);
      }
      byteOffset += piece.byteLength;
      // If a NUL byte follows a gzip member, node:zlib ignores this byte and all bytes after it.
      if (gunzip.bytesWritten < byteOffset) {
        throw new GzipDamageError("bytes follow the end of the gzip file");
      }
    }
    if (byteOffset === 0) throw new GzipDamageError("the file is empty, not a gzip file");
    if (!(await isAtEnd(gunzip))) throw new GzipDamageError("the gzip file is truncated");
  } finally {
    gunzip.destroy();
  }
}

async function* pieces(
  chunks: AsyncIterable<Bytes>,
  bytewiseFrom: number,
): AsyncGenerator<Bytes> {
  let byteOffset = 0;
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.byteLength;) {
      const byteLength = Math.max(1, Math.min(PIECE_BYTES, bytewiseFrom - byteOffset));
      const piece = chunk.subarray(start, start + byteLength);
      yield piece;
      start += piece.byteLength;
      byteOffset += piece.byteLength;
    }
  }
}

/**
 * Ends the input of the decoder. Resolves with true if the input ends exactly at the end of a gzip member. Must be
 * called after all input was decoded.
 */
async function isAtEnd(gunzip: Gunzip): Promise<boolean> {
  await new Promise<void>((resolve) => gunzip.once("close", resolve).end());
  return gunzip.errored === null;
}

/** Returns the error to throw for an error that zlib reported at byte `byteOffset` of the file. */
function damageOf(cause: Error, byteOffset: number): GzipDamageError {
  const reason = messageOf(cause);
  if (/incorrect (data|length) check/.test(reason)) {
    return new GzipDamageError("the checksum of the gzip file does not match", { cause });
  }
  if (/incorrect header check|unknown compression method|unknown header flags/.test(reason)) {
    const isFirst = byteOffset < MEMBER_BYTES_MIN;
    return new GzipDamageError(
      isFirst ? "the file is not a gzip file" : "bytes follow the end of the gzip file",
      { cause },
    );
  }
  return new GzipDamageError(`the gzip file cannot be decoded (${reason})`, { cause });
}
