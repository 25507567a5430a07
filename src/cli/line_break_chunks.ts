/**
 * Determines the line break of an imported file.
 *
 * @module
 */
import type { Bytes } from "./source_content.ts";

const LF = 0x0a;
const CR = 0x0d;

/** The chunks of a file, and the line break that ends its lines. */
export class LineBreakChunks {
  /** The line break: LF, also in a file with CR LF, or CR alone, as old spreadsheets write it. */
  readonly lineBreak: "\n" | "\r";
  readonly #first: Bytes;
  readonly #rest: AsyncIterator<Bytes>;

  private constructor(lineBreak: "\n" | "\r", first: Bytes, rest: AsyncIterator<Bytes>) {
    this.lineBreak = lineBreak;
    this.#first = first;
    this.#rest = rest;
  }

  /** Reads the first chunk, and determines the line break from it. */
  static async of(chunks: AsyncIterable<Bytes>): Promise<LineBreakChunks> {
    const rest = chunks[Symbol.asyncIterator]();
    const { value: first = new Uint8Array() } = await rest.next();
    // The last byte may be the first half of a CR LF.
    const isOld = first.subarray(0, -1).includes(CR) && !first.includes(LF);
    return new LineBreakChunks(isOld ? "\r" : "\n", first, rest);
  }

  /** Yields the chunks unchanged. */
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

  /** Returns a chunk in which every line ends in LF. */
  withLf(chunk: Bytes): Bytes {
    return this.lineBreak === "\n" ? chunk : chunk.map((byte) => byte === CR ? LF : byte);
  }
}
