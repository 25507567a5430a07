/**
 * Decodes an archive that may be damaged: yields everything that can be decoded, then throws the damage.
 *
 * The stream of the platform is fast, and decodes every archive that this library writes. But it stops at a second
 * gzip member, and before damage it loses the last bytes that it decoded. If it fails, the file is decoded again
 * with node:zlib, and the bytes that were already yielded are skipped.
 *
 * @module
 */
import { createGunzip, type Gunzip } from "node:zlib";
import { messageOf } from "../errors.ts";
import { decompressed } from "../segments/gzip.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Input of one step. It is small, because the output can be a thousand times as long. */
const PIECE_BYTES = 4 * 1024;

/** Length of the shortest possible gzip file: a header, an empty block and a trailer. */
const MEMBER_BYTES_MIN = 10 + 2 + 8;

/** Thrown after the readable part of a damaged gzip file. The message is the reason, such as "it is truncated". */
export class GzipDamageError extends TypeError {
  /** The name of the class. */
  override readonly name = "GzipDamageError";
}

/**
 * Yields the content of a gzip file with any number of members. Memory does not grow with the file. All bytes that
 * can be decoded are yielded before an error is thrown, even if their checksum does not match.
 *
 * Each call of `read` has to return the file from its beginning; it is called up to three times if the file is
 * damaged. Errors that `read` throws are thrown unchanged. Every iteration of `read` ends before this one does.
 *
 * @throws {GzipDamageError} If the file is damaged; thrown after the readable part.
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
      // The caller has ended the iteration early. The decoder may then throw, which is not damage.
      if (isGiving) return;
      // If a read failed, the decoder reports a truncated file. Throw the read error instead.
      source.throwIfFailed();
      const bytewiseFrom = error instanceof FailedPiece ? error.byteOffset : Infinity;
      if (bytewiseFrom === Infinity && decode !== decompressed) throw error;
      decode = (bytes) => inflated(bytes, bytewiseFrom);
    } finally {
      // A cancelled stream does not wait for its pending read, so wait for it here.
      await source.bytes.return(undefined);
    }
  }
}

/** One reading of the file. A read error ends it silently, so that all bytes before the error are decoded. */
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

/** Thrown if a piece cannot be decoded. Its readable part is lost, because node:zlib drops the output of the piece. */
class FailedPiece extends Error {
  constructor(readonly byteOffset: number) {
    super();
  }
}

/** Decodes with node:zlib. From byte `bytewiseFrom` on it decodes byte by byte, which is slow but loses nothing. */
async function* inflated(
  bytes: AsyncIterable<Bytes>,
  bytewiseFrom: number,
): AsyncGenerator<Bytes> {
  const gunzip = createGunzip();
  const output: Bytes[] = [];
  gunzip.on("data", (chunk: Bytes) => output.push(chunk));
  // `errored` is checked after each step. The listener is needed because an unhandled error event ends the process.
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
      // node:zlib ignores everything after a member that is followed by a NUL byte.
      if (gunzip.bytesWritten < byteOffset) throw new GzipDamageError("bytes follow its end");
    }
    if (byteOffset === 0) throw new GzipDamageError("it is empty, not a gzip file");
    if (!(await isAtEnd(gunzip))) throw new GzipDamageError("it is truncated");
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

/** Ends the input, which was decoded completely before. Resolves with whether the input ends where a member ends. */
async function isAtEnd(gunzip: Gunzip): Promise<boolean> {
  await new Promise<void>((resolve) => gunzip.once("close", resolve).end());
  return gunzip.errored === null;
}

/** Returns the damage for an error that zlib reported at a byte of the file. */
function damageOf(cause: Error, byteOffset: number): GzipDamageError {
  const reason = messageOf(cause);
  if (/incorrect (data|length) check/.test(reason)) {
    return new GzipDamageError("its checksum does not match", { cause });
  }
  if (/incorrect header check|unknown compression method|unknown header flags/.test(reason)) {
    const isFirst = byteOffset < MEMBER_BYTES_MIN;
    return new GzipDamageError(isFirst ? "it is not a gzip file" : "bytes follow its end", {
      cause,
    });
  }
  return new GzipDamageError(`it cannot be decoded (${reason})`, { cause });
}
