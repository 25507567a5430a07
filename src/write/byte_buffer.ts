/**
 * A buffer that collects bytes and encodes text in place, so that its bytes are taken out without a copy.
 *
 * Allocating memory for a line takes longer than writing the line. Therefore the bytes are collected in a large block
 * of memory, the slab, and `take()` returns a view of the slab. No part of a slab is used twice, so a view stays valid.
 *
 * @module
 */

/** Minimum length in bytes of a slab, the block of memory in which a buffer collects its bytes. */
const SLAB_BYTES = 256 * 1024;

const encoder = new TextEncoder();

/** A growing buffer of bytes. */
export class ByteBuffer {
  #slab = new Uint8Array();
  /** Offsets in the slab: the start and the end of the bytes that were not taken out yet. */
  #start = 0;
  #end = 0;

  /** Number of bytes in the buffer. */
  get byteLength(): number {
    return this.#end - this.#start;
  }

  /** Adds bytes at the end of the buffer. */
  add(bytes: Uint8Array): void {
    if (bytes.byteLength > this.#slab.byteLength - this.#end) this.#replaceSlab(bytes.byteLength);
    this.#slab.set(bytes, this.#end);
    this.#end += bytes.byteLength;
  }

  /** Adds text at the end of the buffer, as UTF-8. */
  addText(text: string): void {
    for (let rest = text;;) {
      const { read, written } = encoder.encodeInto(rest, this.#slab.subarray(this.#end));
      this.#end += written;
      if (read === rest.length) return;
      rest = rest.slice(read);
      this.#replaceSlab(rest.length);
    }
  }

  /** Returns all bytes as a view of the slab, and empties the buffer. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  /** Moves the bytes to a new slab with room for at least `moreBytes` more. */
  #replaceSlab(moreBytes: number): void {
    const bytes = this.#slab.subarray(this.#start, this.#end);
    const slab = new Uint8Array(Math.max(SLAB_BYTES, 2 * bytes.byteLength + moreBytes));
    slab.set(bytes);
    this.#slab = slab;
    this.#start = 0;
    this.#end = bytes.byteLength;
  }
}
