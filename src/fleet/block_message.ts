/**
 * Turns blocks (ranges of bytes of a log) into NATS messages, each with headers and data.
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";
import { type Block, BLOCK_HEADERS } from "./block.ts";
import { encoded, type Encoding } from "./block_encoding.ts";
import { figuresOf, headersOfFigures } from "./block_figures.ts";
import { halves } from "./cut_blocks.ts";

/** A block with the headers and the data of the NATS message in which it is sent. */
export interface BlockMessage {
  readonly block: Block;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly data: Uint8Array;
}

/** The settings with which blocks are sent. */
export interface Sending {
  /** ID of the shipper: the call of `ship()` that sends the blocks. */
  readonly shipper: string;
  /** Position of the end of the log when the shipper last read it. */
  readonly logEnd: number;
  readonly encoding: Encoding;
  /** Maximum size of the data of a NATS message, in bytes. Longer blocks are split. */
  readonly dataBytesMax: number;
}

/** Yields a message for each block. A block that is too long for one message is split into several blocks. */
export async function* messagesOf(
  blocks: AsyncIterable<Block>,
  sending: Sending,
): AsyncGenerator<BlockMessage, void> {
  for await (const block of blocks) yield* fitted(block, sending);
}

async function* fitted(block: Block, sending: Sending): AsyncGenerator<BlockMessage, void> {
  const { encoding, data } = await encoded(block.bytes, sending.encoding);
  if (data.byteLength > sending.dataBytesMax) {
    for (const half of halves(block)) yield* fitted(half, sending);
    return;
  }
  const headers: [string, string][] = [
    [BLOCK_HEADERS.from, `${block.from}`],
    [BLOCK_HEADERS.to, `${block.to}`],
    [BLOCK_HEADERS.isContinued, block.isContinued ? "1" : "0"],
    [BLOCK_HEADERS.isCut, block.isCut ? "1" : "0"],
    [BLOCK_HEADERS.logEnd, `${sending.logEnd}`],
    [BLOCK_HEADERS.encoding, encoding],
    [BLOCK_HEADERS.sha256, sha256(block.bytes)],
    [BLOCK_HEADERS.shipper, sending.shipper],
  ];
  if (!block.isCut) headers.push(...headersOfFigures(figuresOf(block.bytes)));
  yield { block, headers, data };
}
