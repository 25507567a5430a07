/**
 * Puts lines into the chain of a log as they are appended, whoever appended the line before.
 *
 * The invariant: a line is given its number and its hash under the append lock, from the last line that
 * is in the file then. What another writer appended since is read before, and so is what a failed write
 * of this one has left; of a file that has become shorter, everything.
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

/** Lines as they are to be appended. */
export interface LinkedLines {
  readonly bytes: Uint8Array;
  /** How many of the bytes that were given are in them. */
  readonly takenBytes: number;
  /** The last of them. */
  readonly link: ChainLink;
}

/** The end of a chain, as one writer follows it. */
export class LineChain {
  readonly #lastBefore: () => ChainLink | null;
  #last = CHAIN_START;
  #next = new NextHash(CHAIN_START);
  /** The file that is followed, and how far; undefined where that has to be found out anew. */
  #followed: { readonly handle: FileHandle; byteLength: number } | undefined;

  /** `lastBefore` tells the last place in the chain before the active file. */
  constructor(lastBefore: () => ChainLink | null) {
    this.#lastBefore = lastBefore;
  }

  /**
   * Takes in what the file holds up to the length, at most `maxBytes` of what is in no chain; tells
   * whether that is all. Call it under the append lock only.
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
      // What this writer appended to a file that somebody has moved away counts too: the gap shows.
      this.#setLast(later(this.#last, this.#lastBefore()) ?? CHAIN_START);
    }
    this.#followed = followed;
    const end = Math.min(byteLength, followed.byteLength + maxBytes);
    while (followed.byteLength < end) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - followed.byteLength));
      const read = handle.readSync(chunk, followed.byteLength);
      if (read === 0) throw new Error("The audit log has become shorter while it was read");
      this.#next.addBetween(chunk.subarray(0, read));
      followed.byteLength += read;
    }
    return end === byteLength;
  }

  /**
   * Gives whole lines their places, up to the first with which the file, which is followed to its
   * length, reaches the limit; a file that is over it takes them all. Nothing has changed until
   * {@linkcode appended}.
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
      // Without the brace, which comes behind the new members.
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

  /** The lines are in the file, which has the length now. */
  appended({ link }: LinkedLines, byteLength: number): void {
    this.#setLast(link);
    this.#followed!.byteLength = byteLength;
  }

  #setLast(link: ChainLink): void {
    this.#last = link;
    this.#next = new NextHash(link);
  }
}
