/**
 * Finds out which line break an imported file has, because files of old spreadsheets have CR alone.
 *
 * @module
 */
import type { Bytes } from "./source_content.ts";

const LF = 0x0a;
const CR = 0x0d;

/** The chunks of an imported file, and the line break that ends its lines. */
export class LineBreakChunks {
  /** LF if the lines of the file end in LF or CR LF; CR if they end in CR alone, as in files of old spreadsheets. */
  readonly lineBreak: "\n" | "\r";
  readonly #first: Bytes;
  readonly #rest: AsyncIterator<Bytes>;

  private constructor(lineBreak: "\n" | "\r", first: Bytes, rest: AsyncIterator<Bytes>) {
    this.lineBreak = lineBreak;
    this.#first = first;
    this.#rest = rest;
  }

  /** Reads the first chunk of a file, and finds out from it which line break the file has. */
  static async of(chunks: AsyncIterable<Bytes>): Promise<LineBreakChunks> {
    const rest = chunks[Symbol.asyncIterator]();
    const { value: first = new Uint8Array() } = await rest.next();
    // A CR in the last byte is ignored, because it may belong to a CR LF whose LF is in the next chunk.
    const isOld = first.subarray(0, -1).includes(CR) && !first.includes(LF);
    return new LineBreakChunks(isOld ? "\r" : "\n", first, rest);
  }

  /** Yields all chunks of the file unchanged, including the first. */
  async *chunks(): AsyncGenerator<Bytes> {
    try {
      yield this.#first;
      for (let next = await this.#rest.next(); !next.done; next = await this.#rest.next()) {
        yield next.value;
      }
    } finally {
      await this.#rest.return?.();
    }
  }

  /**
   * Returns the chunk with LF at the end of every line. If the lines of the file end in CR alone, replaces each CR by
   * LF.
   */
  withLf(chunk: Bytes): Bytes {
    return this.lineBreak === "\n" ? chunk : chunk.map((byte) => byte === CR ? LF : byte);
  }
}
