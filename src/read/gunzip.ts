/**
 * The content of an archive in whatever state it is: all that can be decoded, then what is wrong.
 *
 * The platform's stream is the fast way, and enough for what this library writes. It stops at a
 * second member and loses what it decoded last before any damage, so where it fails the file is
 * decoded once more with node:zlib, and what was given already is passed over.
 *
 * @module
 */
import { createGunzip, type Gunzip } from "node:zlib";
import { messageOf } from "../errors.ts";
import { decompressed } from "../segments/gzip.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Inflating gives up to a thousand times its input at once, so it is fed little by little. */
const PIECE_BYTES = 4 * 1024;

/** The shortest gzip file that there can be: a header, an empty block and a trailer. */
const MEMBER_BYTES_MIN = 10 + 2 + 8;

/** Thrown behind the good part of a gzip file; the message says what is wrong: "it is truncated". */
export class GzipDamageError extends TypeError {
  /** The name of the class. */
  override readonly name = "GzipDamageError";
}

/**
 * Gives what a gzip file of any number of members holds, in memory that does not grow with it. What
 * could be decoded is given before the damage is told, even if its checksum does not match.
 *
 * `read` gives the file from its beginning, up to three times if it is damaged; its own errors are
 * passed on as they are. Each of its iterations has ended when this one has.
 *
 * @throws {GzipDamageError} behind what could be decoded, if that is not all.
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
      // Whoever reads has gone, and a decoder that is ended early may complain.
      if (isGiving) return;
      // A file that cannot be read to its end looks truncated.
      source.throwIfFailed();
      const bytewiseFrom = error instanceof FailedPiece ? error.byteOffset : Infinity;
      if (bytewiseFrom === Infinity && decode !== decompressed) throw error;
      decode = (bytes) => inflated(bytes, bytewiseFrom);
    } finally {
      // A stream that is cancelled does not wait for the read that it has begun.
      await source.bytes.return(undefined);
    }
  }
}

/** One reading of the file, which ends where an error ends it, so that all before it is decoded. */
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

/** Thrown for a piece whose good part is lost, as node:zlib gives nothing of one with an error. */
class FailedPiece extends Error {
  constructor(readonly byteOffset: number) {
    super();
  }
}

/** Decodes with node:zlib; from an offset on byte by byte, which is slow and loses nothing. */
async function* inflated(
  bytes: AsyncIterable<Bytes>,
  bytewiseFrom: number,
): AsyncGenerator<Bytes> {
  const gunzip = createGunzip();
  const output: Bytes[] = [];
  gunzip.on("data", (chunk: Bytes) => output.push(chunk));
  // It is asked for its error after each step, but one that nobody listens for ends the process.
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
      // It takes NULs behind a member for the end of the file, whatever follows them.
      if (gunzip.bytesWritten < byteOffset) throw new GzipDamageError("bytes follow its end");
    }
    if (byteOffset === 0) throw new GzipDamageError("it is empty, no gzip file");
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

/** Ends the input; whether that is where a member ends, as all of it was decoded before. */
async function isAtEnd(gunzip: Gunzip): Promise<boolean> {
  await new Promise<void>((resolve) => gunzip.once("close", resolve).end());
  return gunzip.errored === null;
}

/** What an error of zlib at the byte says about the file. */
function damageOf(cause: Error, byteOffset: number): GzipDamageError {
  const reason = messageOf(cause);
  if (/incorrect (data|length) check/.test(reason)) {
    return new GzipDamageError("its checksum does not match", { cause });
  }
  if (/incorrect header check|unknown compression method|unknown header flags/.test(reason)) {
    const isFirst = byteOffset < MEMBER_BYTES_MIN;
    return new GzipDamageError(isFirst ? "it is no gzip file" : "bytes follow its end", { cause });
  }
  return new GzipDamageError(`it cannot be decoded (${reason})`, { cause });
}
