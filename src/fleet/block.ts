/**
 * A block: a range of bytes of one log, which is sent as one NATS message with headers that describe the range.
 *
 * A position counts the bytes of a log from its first byte, across all of its files, like an offset in Kafka. A
 * position does not depend on the names of files or on their compression.
 *
 * @module
 */
import { SHA256, sha256 } from "../line/digest.ts";
import { decoded, type Encoding } from "./block_encoding.ts";
import { type BlockFigures, figuresIn } from "./block_figures.ts";

/** A range of bytes of a log, which is sent as one NATS message. */
export interface Block {
  /** Position in the log of the first byte of the block. */
  readonly from: number;
  /** Position in the log after the last byte of the block. */
  readonly to: number;
  readonly bytes: Uint8Array;
  /** Whether the first line of the block began in the previous block. */
  readonly isContinued: boolean;
  /** Whether the last line of the block continues in the next block, because the line is longer than a block may be. */
  readonly isCut: boolean;
}

/** The facts about a block that the headers of its message state. */
export interface BlockFacts {
  readonly from: number;
  readonly to: number;
  readonly isContinued: boolean;
  readonly isCut: boolean;
  /**
   * Position of the end of the log when the block was sent. If the block has no header for this position, the position
   * is `to`.
   */
  readonly logEnd: number;
  /** Encoding in which the bytes of the block are stored. */
  readonly encoding: Encoding;
  /** SHA-256 of the uncompressed bytes of the block, hexadecimal. */
  readonly sha256: string;
  /** ID of the shipper that sent the block. Each call of `ship()` is a shipper with a new ID. */
  readonly shipper: string;
  /**
   * Figures about the lines of the block, such as their number and cost. Null if the headers lack figures or the block
   * ends within a line.
   */
  readonly figures: BlockFigures | null;
}

/** The names of the headers of the NATS message of a block. */
export const BLOCK_HEADERS = {
  from: "Scout-From",
  to: "Scout-To",
  isContinued: "Scout-Continued",
  isCut: "Scout-Cut",
  logEnd: "Scout-End",
  encoding: "Scout-Encoding",
  sha256: "Scout-Sha256",
  shipper: "Scout-Shipper",
} as const;

/**
 * Maximum number of uncompressed bytes in a block. Blocks are limited because a reader needs a whole block in memory.
 */
export const BLOCK_BYTES_MAX: number = 64 * 1024 * 1024;

/** Returns the facts that the headers of a message state, or null if the message is not a valid block. */
export function factsOf(get: (name: string) => string): BlockFacts | null {
  const [from, to] = [positionOf(get(BLOCK_HEADERS.from)), positionOf(get(BLOCK_HEADERS.to))];
  const digest = get(BLOCK_HEADERS.sha256);
  if (!(from < to && to - from <= BLOCK_BYTES_MAX) || !SHA256.test(digest)) return null;
  const isCut = get(BLOCK_HEADERS.isCut) === "1";
  const logEnd = positionOf(get(BLOCK_HEADERS.logEnd));
  return {
    from,
    to,
    isContinued: get(BLOCK_HEADERS.isContinued) === "1",
    isCut,
    logEnd: logEnd > to ? logEnd : to,
    encoding: get(BLOCK_HEADERS.encoding) === "gzip" ? "gzip" : "identity",
    sha256: digest,
    shipper: get(BLOCK_HEADERS.shipper),
    figures: isCut ? null : figuresIn(get),
  };
}

/**
 * Decodes the stored bytes of a block, which may be compressed. Resolves with null if the decoded bytes do not have the
 * length and the digest that the headers state.
 */
export async function contentOf(
  stored: Uint8Array,
  facts: BlockFacts,
): Promise<Uint8Array | null> {
  const { encoding, from, to } = facts;
  const bytes = await decoded(stored, { encoding, byteLength: to - from });
  return bytes !== null && isContentOf(bytes, facts) ? bytes : null;
}

/** Checks whether bytes have the length and the digest that the headers of a block state. */
export function isContentOf(bytes: Uint8Array, { from, to, sha256: digest }: BlockFacts): boolean {
  return bytes.byteLength === to - from && sha256(bytes) === digest;
}

/** Returns the position that the text of a header states, or NaN if the text is not a valid position. */
function positionOf(text: string): number {
  const position = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(position) ? position : NaN;
}
