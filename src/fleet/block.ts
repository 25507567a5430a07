/**
 * A block: bytes of one log as they are in its files, and what its headers say of them.
 *
 * Its position counts the bytes of a log from its first one on, whatever files they are in, as an offset
 * does in Kafka. It never depends on the names of files or on how they are compressed.
 *
 * @module
 */
import { SHA256, sha256 } from "../line/digest.ts";
import { decoded, type Encoding } from "./block_encoding.ts";
import { type BlockFigures, figuresIn } from "./block_figures.ts";

/** A part of a log. */
export interface Block {
  /** The position of its first byte. */
  readonly from: number;
  /** Behind its last byte. */
  readonly to: number;
  readonly bytes: Uint8Array;
  /** Whether its first line began in the block before. */
  readonly isContinued: boolean;
  /** Whether its last line goes on in the next block, as it is longer than a block may be. */
  readonly isCut: boolean;
}

/** What the headers of a block say. */
export interface BlockFacts {
  readonly from: number;
  readonly to: number;
  readonly isContinued: boolean;
  readonly isCut: boolean;
  /** Where the log ended when the block was sent; `to` where they do not say. */
  readonly logEnd: number;
  /** How it is stored. */
  readonly encoding: Encoding;
  /** SHA-256 of its bytes, hexadecimal. */
  readonly sha256: string;
  /** Who has sent it: another name each time that a shipper starts. */
  readonly shipper: string;
  /** What its lines come to; null where the headers do not say, or it ends within a line. */
  readonly figures: BlockFigures | null;
}

/** The names of the headers. */
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

/** How many bytes of a log a block may hold, whatever it is compressed to: a reader has all of it in memory. */
export const BLOCK_BYTES_MAX: number = 64 * 1024 * 1024;

/** Reads the headers of a block; null for those of anything else. */
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

/** The bytes that the headers tell of; null where what is stored is something else. */
export async function contentOf(
  stored: Uint8Array,
  facts: BlockFacts,
): Promise<Uint8Array | null> {
  const { encoding, from, to } = facts;
  const bytes = await decoded(stored, { encoding, byteLength: to - from });
  return bytes !== null && isContentOf(bytes, facts) ? bytes : null;
}

/** Whether the bytes are those that the headers tell of. */
export function isContentOf(bytes: Uint8Array, { from, to, sha256: digest }: BlockFacts): boolean {
  return bytes.byteLength === to - from && sha256(bytes) === digest;
}

/** NaN for what is no position. */
function positionOf(text: string): number {
  const position = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(position) ? position : NaN;
}
