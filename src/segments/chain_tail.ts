/**
 * Finds the last chained line of a file: a line with a number and a hash. The search starts at the end of the file.
 *
 * @module
 */
import { type ChainLink, LINK_BYTES_MAX, linkOf } from "../line/chain.ts";
import type { FileHandle } from "../platform/file_system.ts";
import type { Turns } from "../platform/turns.ts";

const LINE_BREAK = 0x0a;
const WINDOW_BYTES = 16 * 1024;
/**
 * Maximum length in bytes of the end of a chained line, which has the number and the hash of the line:
 * `,"seq":12,"hash":"..."}` and the line break.
 */
const END_BYTES = LINK_BYTES_MAX + 2;

/** The last chained line of a file. */
export interface ChainTail {
  readonly link: ChainLink;
  /** The offset of the end of the line in the file, in bytes, after the line break. */
  readonly byteOffset: number;
}

/**
 * Returns the last chained line between the offsets `from` and `end` of a file; null if no line there is chained. The
 * offset `from` must be the start of a line.
 */
export function chainTail(handle: FileHandle, end: number, from = 0): ChainTail | null {
  for (const found of searched(handle, end, from)) if (found !== null) return found;
  return null;
}

/** Finds the last chained line before the offset `end`, in steps between which other tasks can run. */
export async function chainTailInTurns(
  handle: FileHandle,
  end: number,
  turns: Turns,
): Promise<ChainTail | null> {
  for (const found of searched(handle, end, 0)) {
    if (found !== null) return found;
    if (turns.isDue) await turns.take();
  }
  return null;
}

/** Searches a file backwards. Yields the last chained line that each window has, or null. */
function* searched(handle: FileHandle, end: number, from: number): Generator<ChainTail | null> {
  for (let stop = end; stop > from;) {
    const start = Math.max(from, stop - WINDOW_BYTES);
    const bytes = new Uint8Array(stop - start);
    const read = handle.readSync(bytes, start);
    const found = lastIn(bytes.subarray(0, read), { isAtEnd: stop === end });
    yield found === null ? null : { link: found.link, byteOffset: start + found.end };
    if (start === from) break;
    // The file is read backwards in windows of WINDOW_BYTES. Adjacent windows overlap, because the number and the hash
    // at the end of a line may begin in one window and end in the next.
    stop = start + END_BYTES;
  }
}

function lastIn(
  bytes: Uint8Array,
  { isAtEnd }: { isAtEnd: boolean },
): { link: ChainLink; end: number } | null {
  // The last line of a file may lack its line break.
  let lineEnd = isAtEnd ? bytes.byteLength : bytes.lastIndexOf(LINE_BREAK);
  while (lineEnd > 0) {
    const lineBreak = bytes.lastIndexOf(LINE_BREAK, lineEnd - 1);
    const link = linkOf(bytes.subarray(lineBreak + 1, lineEnd));
    if (link !== null) return { link, end: Math.min(lineEnd + 1, bytes.byteLength) };
    lineEnd = lineBreak;
  }
  return null;
}
