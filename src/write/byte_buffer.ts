/**
 * A buffer that collects bytes and encodes text in place, so that its bytes are taken out without a copy.
 *
 * Allocating memory for a line takes longer than writing the line. Therefore the bytes are collected in a large block
 * of memory, the slab, and `take()` returns a view of the slab. No part of a slab is used twice, so a view stays valid.
 *
 * @module
 */
import { UTF8_BYTES_MAX } from "../line/utf8.ts";

/** Minimum length in bytes of a slab, the block of memory in which a buffer collects its bytes. */
const SLAB_BYTES = 256 * 1024;

/**
 * Number of UTF-16 code units of added text that are encoded at once. One call that encodes a hundred lines takes a third
 * of the time of a call for each line.
 */
const TEXT_LENGTH = 16 * 1024;

const encoder = new TextEncoder();

/** A growing buffer of bytes. */
export class ByteBuffer {
  #slab = new Uint8Array();
  /** Offsets in the slab: the start and the end of the bytes that were not taken out yet. */
  #start = 0;
  #end = 0;

  /** Text that was added after the bytes in the slab, and is not encoded yet. */
  #text = "";

  /** Number of bytes in the buffer. */
  get byteLength(): number {
    this.#encodeText();
    return this.#end - this.#start;
  }

  /** Checks whether the buffer has more than `bytes` bytes. Takes less time than reading {@linkcode byteLength}. */
  exceeds(bytes: number): boolean {
    const mostBytes = this.#end - this.#start + UTF8_BYTES_MAX * this.#text.length;
    return mostBytes > bytes && this.byteLength > bytes;
  }

  /** Adds bytes at the end of the buffer. */
  add(bytes: Uint8Array): void {
    this.#encodeText();
    if (bytes.byteLength > this.#slab.byteLength - this.#end) this.#replaceSlab(bytes.byteLength);
    this.#slab.set(bytes, this.#end);
    this.#end += bytes.byteLength;
  }

  /** Adds text at the end of the buffer, as UTF-8. The text must not begin or end within a character. */
  addText(text: string): void {
    this.#text += text;
    if (this.#text.length >= TEXT_LENGTH) this.#encodeText();
  }

  /** Returns all bytes as a view of the slab, and empties the buffer. */
  take(): Uint8Array<ArrayBuffer> {
    this.#encodeText();
    const taken = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  #encodeText(): void {
    if (this.#text === "") return;
    let rest = this.#text;
    this.#text = "";
    for (;;) {
      const { read, written } = encoder.encodeInto(rest, this.#slab.subarray(this.#end));
      this.#end += written;
      if (read === rest.length) return;
      rest = rest.slice(read);
      this.#replaceSlab(rest.length);
    }
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
