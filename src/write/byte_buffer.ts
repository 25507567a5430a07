/**
 * Bytes that gather in one piece: text is encoded where it will leave from, and nothing is copied
 * then.
 *
 * Allocating memory for a line takes longer than writing it, so what leaves is a view of a slab that is
 * used from its beginning to its end, once, and then left to whoever still has a view of it.
 *
 * @module
 */

const SLAB_BYTES = 256 * 1024;

const encoder = new TextEncoder();

/** A buffer that grows. */
export class ByteBuffer {
  #slab = new Uint8Array();
  /** Where in the slab the bytes are that have not left. */
  #start = 0;
  #end = 0;

  /** Bytes in it. */
  get byteLength(): number {
    return this.#end - this.#start;
  }

  /** Puts bytes behind those that are there. */
  add(bytes: Uint8Array): void {
    if (bytes.byteLength > this.#slab.byteLength - this.#end) this.#replaceSlab(bytes.byteLength);
    this.#slab.set(bytes, this.#end);
    this.#end += bytes.byteLength;
  }

  /** Puts text behind them, as UTF-8. */
  addText(text: string): void {
    for (let rest = text;;) {
      const { read, written } = encoder.encodeInto(rest, this.#slab.subarray(this.#end));
      this.#end += written;
      if (read === rest.length) return;
      rest = rest.slice(read);
      this.#replaceSlab(rest.length);
    }
  }

  /** Gives what is in it, as a view of a larger buffer, and is empty. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  /** Goes on in a new slab with room for so many more bytes at least. */
  #replaceSlab(moreBytes: number): void {
    const bytes = this.#slab.subarray(this.#start, this.#end);
    const slab = new Uint8Array(Math.max(SLAB_BYTES, 2 * bytes.byteLength + moreBytes));
    slab.set(bytes);
    this.#slab = slab;
    this.#start = 0;
    this.#end = bytes.byteLength;
  }
}
