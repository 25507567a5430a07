/**
 * A block: bytes of one log as they are in its files, and what its headers say of them. Pure.
 *
 * Its position counts the bytes of a log from its first one on, whatever files they are in, as an offset
 * does in Kafka. It never depends on the names of files or on how they are compressed.
 *
 * @module
 */
import { SHA256, sha256 } from "../digest.ts";

/** A part of a log. */
export interface Block {
  /** The position of its first byte. */
  readonly from: number;
  /** Behind its last byte. */
  readonly to: number;
  readonly bytes: Uint8Array;
  /** Whether its last line goes on in the next block, as it is longer than a block may be. */
  readonly isCut: boolean;
}

/** What the headers of a block say. */
export interface BlockFacts {
  readonly from: number;
  readonly to: number;
  readonly isCut: boolean;
  /** SHA-256 of its bytes, hexadecimal. */
  readonly sha256: string;
  /** Who has sent it: another name each time that a shipper starts. */
  readonly shipper: string;
}

/** The names of the headers. */
export const BLOCK_HEADERS = {
  from: "Scout-From",
  to: "Scout-To",
  isCut: "Scout-Cut",
  sha256: "Scout-Sha256",
  shipper: "Scout-Shipper",
} as const;

/** The values of the headers of a block, by their names. */
export function headersOf(block: Block, shipper: string): ReadonlyMap<string, string> {
  return new Map([
    [BLOCK_HEADERS.from, `${block.from}`],
    [BLOCK_HEADERS.to, `${block.to}`],
    [BLOCK_HEADERS.isCut, block.isCut ? "1" : "0"],
    [BLOCK_HEADERS.sha256, sha256(block.bytes)],
    [BLOCK_HEADERS.shipper, shipper],
  ]);
}

/** Reads the headers of a block; null for those of anything else. */
export function factsOf(get: (name: string) => string): BlockFacts | null {
  const [from, to] = [positionOf(get(BLOCK_HEADERS.from)), positionOf(get(BLOCK_HEADERS.to))];
  const digest = get(BLOCK_HEADERS.sha256);
  if (!(from < to) || !SHA256.test(digest)) return null;
  return {
    from,
    to,
    isCut: get(BLOCK_HEADERS.isCut) === "1",
    sha256: digest,
    shipper: get(BLOCK_HEADERS.shipper),
  };
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
