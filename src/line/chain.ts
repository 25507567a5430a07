/**
 * The hash chain through the lines of a log. Each line has a number and a hash that covers the line before it, so that
 * a changed, removed, inserted or moved line breaks the chain. Pure.
 *
 *     {"ts":"...","event":"nav",...,"seq":12,"hash":"5f2c..."}
 *
 *     hash = SHA-256(hash of the previous chained line, or 64 zeros for the first line
 *                    + the bytes between the two lines in the file, if there are any
 *                    + the line without its hash: {"ts":"...","event":"nav",...,"seq":12})
 *
 * The bytes between two chained lines come from writers without a chain and from lines torn by a crash. The hash of the
 * next chained line covers these bytes, including their line breaks. The first chained line of a file covers only bytes
 * of its file: unchained bytes at the end of the previous file are not part of the chain.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { startSha256 } from "./digest.ts";

/** The place of a line in the hash chain of a log: the number and the hash of the line. */
export interface ChainLink {
  /** Number of the line, from 0. */
  readonly seq: number;
  /** Hash of the line, hexadecimal. */
  readonly hash: string;
}

/** Names of the JSON members with the number and the hash of a line. */
export const CHAIN_NAMES: readonly string[] = Object.freeze(["seq", "hash"]);

/** The number and the hash that the first line of a chain uses as those of its previous line. */
export const CHAIN_START: ChainLink = Object.freeze({ seq: -1, hash: "0".repeat(64) });

const BRACE = 0x7d;
const ZERO = 0x30;
const LOWER_A = 0x61;
const HASH_LENGTH = CHAIN_START.hash.length;

/** Returns the JSON member with the number of a line, the last member before the hash. */
export function seqMember(seq: number | ""): string {
  return `,"seq":${seq}`;
}

/** Returns the JSON member with the hash of a line, the last member of the line. */
export function hashMember(hash: string): string {
  return `,"hash":"${hash}"`;
}

const HASH_MEMBER_LENGTH = hashMember(CHAIN_START.hash).length;
/** Maximum number of bytes that the members with the number and the hash add to a line. */
export const LINK_BYTES_MAX: number = seqMember(Number.MAX_SAFE_INTEGER).length +
  HASH_MEMBER_LENGTH;

const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();
const SEQ_NAME = encoder.encode(seqMember(""));
const HASH_NAME = encoder.encode(hashMember("").slice(0, -1));
const END = encoder.encode('"}');

/**
 * Returns the number and the hash in a line; null if the line is not chained, so that it has neither. The caller passes
 * the line without its line break.
 */
export function linkOf(line: Uint8Array): ChainLink | null {
  const seq = seqOf(line);
  if (seq === null) return null;
  const hash = latin1.decode(line.subarray(-END.length - HASH_LENGTH, -END.length));
  return { seq, hash };
}

/**
 * Checks whether a line is chained, which means that it ends with a number and a hash. Faster than {@linkcode linkOf}.
 * The caller passes the line without its line break.
 */
export function isChained(line: Uint8Array): boolean {
  return seqOf(line) !== null;
}

function seqOf(line: Uint8Array): number | null {
  const hashAt = line.byteLength - END.length - HASH_LENGTH;
  const isHashed = endsAt(line, line.byteLength, END) && endsAt(line, hashAt, HASH_NAME);
  if (!isHashed) return null;
  for (let at = hashAt; at < hashAt + HASH_LENGTH; at++) if (!isHexDigit(line[at]!)) return null;
  const digitsEnd = hashAt - HASH_NAME.length;
  let digitsAt = digitsEnd;
  let seq = 0;
  for (let unit = 1; digitsAt > 0 && isDigit(line[digitsAt - 1]!); unit *= 10) {
    seq += (line[--digitsAt]! - ZERO) * unit;
  }
  const isNumber = digitsAt < digitsEnd && (line[digitsAt] !== ZERO || digitsEnd - digitsAt === 1);
  return isNumber && Number.isSafeInteger(seq) && endsAt(line, digitsAt, SEQ_NAME) ? seq : null;
}

/** Checks whether the bytes of a line before the offset `end` end with `text`. */
function endsAt(line: Uint8Array, end: number, text: Uint8Array): boolean {
  const start = end - text.length;
  if (start < 0) return false;
  for (let index = 0; index < text.length; index++) {
    if (line[start + index] !== text[index]) return false;
  }
  return true;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || byte >= LOWER_A && byte < LOWER_A + 6;
}

let bare = new Uint8Array(1024);

/**
 * Returns a chained line without its hash member, in a buffer that all calls share. So the next call overwrites the
 * result.
 */
export function bareLine(line: Uint8Array): Uint8Array {
  const byteLength = line.byteLength - HASH_MEMBER_LENGTH;
  if (bare.byteLength < byteLength) bare = new Uint8Array(2 * byteLength);
  bare.set(line.subarray(0, byteLength));
  bare[byteLength - 1] = BRACE;
  return bare.subarray(0, byteLength);
}

/**
 * Returns the later of two links (number and hash of a line) in the chain of a log. If one of them is null, returns the
 * other one; if both are null, returns null.
 */
export function later(a: ChainLink | null, b: ChainLink | null): ChainLink | null {
  if (a === null || b === null) return a ?? b;
  return b.seq > a.seq ? b : a;
}

/**
 * Computes the hash of the next chained line. The hash also covers the bytes between the previous chained line and the
 * next.
 */
export class NextHash {
  readonly #before: string;
  /**
   * The hash computation so far, over the hash of the previous chained line and the bytes between the two chained
   * lines. Undefined until bytes between the two lines are added.
   */
  #between: Hash | undefined;

  /** Starts from the hash of the previous chained line. */
  constructor({ hash }: ChainLink) {
    this.#before = hash;
  }

  /** Whether {@linkcode addBetween} has added bytes that lie between the previous and the next chained line. */
  get hasBetween(): boolean {
    return this.#between !== undefined;
  }

  /**
   * Adds bytes that lie between the previous and the next chained line, because the hash of the next chained line
   * covers them.
   */
  addBetween(bytes: Uint8Array): void {
    this.#between ??= this.#begun();
    this.#between.update(bytes);
  }

  /**
   * Returns the hash of the next chained line. `bare` is the next chained line without its hash member, because a hash
   * cannot cover itself.
   */
  of(bare: Uint8Array): string {
    const hash = this.#between?.copy() ?? this.#begun();
    return hash.update(bare).digest("hex");
  }

  #begun(): Hash {
    return startSha256().update(this.#before);
  }
}
