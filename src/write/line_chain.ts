/**
 * Adds lines to the hash chain of a log when they are appended, even if another writer appended the previous line. In a
 * chained log, each line has a number and a hash that covers the previous line.
 *
 * Invariant: a line gets its number and its hash under the append lock, from the last line of the file at that time.
 * Before that, everything appended since this writer's last append is read: lines of other writers, and the remainder
 * of a failed write. If the file has become shorter, the whole file is read.
 *
 * @module
 */
import {
  CHAIN_START,
  type ChainLink,
  hashMember,
  later,
  LINK_BYTES_MAX,
  NextHash,
  seqMember,
} from "../line/chain.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { countLines } from "../line/line_splitter.ts";
import { chainTail } from "../segments/chain_tail.ts";

const LINE_BREAK = 0x0a;
const CHUNK_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Lines with their numbers and hashes, ready to be appended. */
export interface LinkedLines {
  readonly bytes: Uint8Array;
  /** Length in bytes of the lines in `bytes` before they got numbers and hashes. */
  readonly takenBytes: number;
  /** Number and hash of the last line in `bytes`. */
  readonly link: ChainLink;
}

/** The end of a log's hash chain, as far as one writer has read the log. */
export class LineChain {
  readonly #lastBefore: () => ChainLink | null;
  #last = CHAIN_START;
  #next = new NextHash(CHAIN_START);
  /** The active file, and the offset up to which it was read; undefined before the first read. */
  #followed: { readonly handle: FileHandle; byteLength: number } | undefined;

  /**
   * Creates a chain whose end is not known yet. `lastBefore` returns the number and hash of the last chained line
   * before the active file; null if no line has a hash.
   */
  constructor(lastBefore: () => ChainLink | null) {
    this.#lastBefore = lastBefore;
  }

  /**
   * Reads the active file up to the offset `byteLength` to find the number and the hash of its last chained line.
   * Returns whether that offset was reached. Stops after `maxBytes` bytes of lines that have no hash. Call this method
   * only under the append lock.
   *
   * @throws {Error} If the file is truncated while it is read.
   */
  follow(handle: FileHandle, byteLength: number, maxBytes = Infinity): boolean {
    const isKnown = this.#followed?.handle === handle && this.#followed.byteLength <= byteLength;
    const followed = isKnown ? this.#followed! : { handle, byteLength: 0 };
    if (isKnown && followed.byteLength === byteLength) return true;
    const tail = chainTail(handle, byteLength, followed.byteLength);
    if (tail !== null) {
      this.#setLast(tail.link);
      followed.byteLength = tail.byteOffset;
    } else if (!isKnown) {
      // The chain continues from the later of two links: this writer's last link, and the last link in older files. So
      // if a file with lines of this writer was moved away, the next line does not reuse their numbers, and verify()
      // finds the gap.
      this.#setLast(later(this.#last, this.#lastBefore()) ?? CHAIN_START);
    }
    this.#followed = followed;
    const end = Math.min(byteLength, followed.byteLength + maxBytes);
    while (followed.byteLength < end) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - followed.byteLength));
      const read = handle.readSync(chunk, followed.byteLength);
      if (read === 0) throw new Error("another program truncated the file while it was read");
      this.#next.addBetween(chunk.subarray(0, read));
      followed.byteLength += read;
    }
    return end === byteLength;
  }

  /**
   * Adds numbers and hashes to whole lines, as many as may be appended to the file: up to and including the line with
   * which the file reaches `limitBytes`. If the file has already reached this limit, all lines are linked.
   *
   * Before the call, {@linkcode follow} must have read the whole file, which is `byteLength` bytes long. The call does
   * not change this object. When the caller has appended the linked lines, it must call {@linkcode appended}.
   */
  link(lines: Uint8Array, { byteLength, limitBytes }: {
    readonly byteLength: number;
    readonly limitBytes: number;
  }): LinkedLines {
    const bytes = new Uint8Array(lines.byteLength + countLines(lines) * LINK_BYTES_MAX);
    const room = byteLength >= limitBytes ? Infinity : limitBytes - byteLength;
    let link = this.#last;
    let next = this.#next;
    let takenBytes = 0;
    let end = 0;
    while (takenBytes < lines.byteLength && end < room) {
      const lineEnd = lines.indexOf(LINE_BREAK, takenBytes);
      const start = end;
      // The closing brace of the line is not copied here, because the number and the hash are added before it.
      bytes.set(lines.subarray(takenBytes, lineEnd - 1), start);
      end += lineEnd - 1 - takenBytes;
      const seq = link.seq + 1;
      end += encoder.encodeInto(`${seqMember(seq)}}`, bytes.subarray(end)).written;
      const hash = next.of(bytes.subarray(start, end));
      end--;
      end += encoder.encodeInto(`${hashMember(hash)}}\n`, bytes.subarray(end)).written;
      link = { seq, hash };
      next = new NextHash(link);
      takenBytes = lineEnd + 1;
    }
    return { bytes: bytes.subarray(0, end), takenBytes, link };
  }

  /**
   * Must be called when the lines that {@linkcode link} returned were appended and the file is `byteLength` bytes long.
   * The next lines then continue the chain from the last of these lines.
   */
  appended({ link }: LinkedLines, byteLength: number): void {
    this.#setLast(link);
    this.#followed!.byteLength = byteLength;
  }

  #setLast(link: ChainLink): void {
    this.#last = link;
    this.#next = new NextHash(link);
  }
}
