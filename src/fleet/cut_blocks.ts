/**
 * Cuts the bytes of a log into blocks of whole lines. Each block becomes one NATS message. Pure.
 *
 * @module
 */
import { joined } from "../platform/chunks.ts";
import type { Block } from "./block.ts";
import type { PositionedBytes } from "./log_position.ts";

const LINE_BREAK = 0x0a;

/**
 * Yields blocks of whole lines, each from one file and at most `blockBytesNow()` bytes long. A line that is longer than
 * a block may be is cut into several blocks. `begins` states the position of the first block, and whether this block
 * continues a line. If reading fails, the whole lines read so far are yielded before the error is thrown.
 */
export async function* cutBlocks(
  parts: AsyncIterable<PositionedBytes>,
  blockBytesNow: () => number,
  begins: { readonly position: number; readonly isContinued: boolean },
): AsyncGenerator<Block> {
  let pending: Uint8Array[] = [];
  let length = 0;
  let from = begins.position;
  let { isContinued } = begins;
  try {
    for await (const { from: position, bytes, isEnd } of parts) {
      // If bytes of the log are missing before `bytes`, the next block begins after the missing bytes.
      if (length === 0 && position !== from) [from, isContinued] = [position, false];
      pending.push(bytes);
      length += bytes.byteLength;
      const blockBytesMax = blockBytesNow();
      while (length >= blockBytesMax || (isEnd && length > 0)) {
        const all = joined(pending, length);
        const size = blockLength(all, { blockBytesMax, isEnd });
        const isCut = all[size - 1] !== LINE_BREAK && !(isEnd && size === length);
        yield { from, to: from + size, bytes: all.subarray(0, size), isContinued, isCut };
        pending = [all.subarray(size)];
        length -= size;
        from += size;
        isContinued = isCut;
      }
    }
  } catch (error) {
    const all = joined(pending, length);
    const size = all.lastIndexOf(LINE_BREAK) + 1;
    const bytes = all.subarray(0, size);
    if (size > 0) yield { from, to: from + size, bytes, isContinued, isCut: false };
    throw error;
  }
}

/**
 * Splits a block that is too long for a message in two. If the block has several lines, the split is between two lines.
 */
export function halves({ from, to, bytes, isContinued, isCut }: Block): [Block, Block] {
  const middle = Math.ceil(bytes.byteLength / 2);
  const behind = bytes.indexOf(LINE_BREAK, middle) + 1;
  const before = bytes.lastIndexOf(LINE_BREAK, middle - 1) + 1;
  const isBetween = behind > 0 && behind < bytes.byteLength;
  const size = before || (isBetween ? behind : middle);
  const isWithin = bytes[size - 1] !== LINE_BREAK;
  return [
    { from, to: from + size, bytes: bytes.subarray(0, size), isContinued, isCut: isWithin },
    { from: from + size, to, bytes: bytes.subarray(size), isContinued: isWithin, isCut },
  ];
}

function blockLength(
  bytes: Uint8Array,
  { blockBytesMax, isEnd }: { blockBytesMax: number; isEnd: boolean },
): number {
  if (isEnd && bytes.byteLength <= blockBytesMax) return bytes.byteLength;
  const lineBreak = bytes.lastIndexOf(LINE_BREAK, blockBytesMax - 1);
  return lineBreak < 0 ? blockBytesMax : lineBreak + 1;
}
