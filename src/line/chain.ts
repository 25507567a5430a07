/**
 * The chain through the lines of a log: each carries its number and a hash over the one before it, so
 * none can be changed, taken out, put in or moved without the next one showing it. Pure.
 *
 *     {"ts":"...","event":"nav",...,"seq":12,"hash":"5f2c..."}
 *
 *     hash = SHA-256(hash of the chained line before, or 64 zeros for the first
 *                    + what stands between the two in the file, if something does
 *                    + the line without its hash: {"ts":"...","event":"nav",...,"seq":12})
 *
 * Between two chained lines there is nothing, but for what writers without a chain append and what a
 * crash tears; that belongs to the line behind it, with its line breaks. A file begins with nothing in
 * between: what stands at the end of the one before it is not part of the chain.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";

/** A line's place in the chain. */
export interface ChainLink {
  /** Number of the line, from 0. */
  readonly seq: number;
  /** Its hash, hexadecimal. */
  readonly hash: string;
}

/** Names of the members that place a line in the chain. */
export const CHAIN_NAMES: readonly string[] = Object.freeze(["seq", "hash"]);

/** What the first line follows. */
export const CHAIN_START: ChainLink = Object.freeze({ seq: -1, hash: "0".repeat(64) });

const BRACE = 0x7d;
const ZERO = 0x30;
const LOWER_A = 0x61;
const HASH_LENGTH = CHAIN_START.hash.length;

/** The member that numbers a line, behind all others. */
export function seqMember(seq: number | ""): string {
  return `,"seq":${seq}`;
}

/** The member behind the number. */
export function hashMember(hash: string): string {
  return `,"hash":"${hash}"`;
}

const HASH_MEMBER_LENGTH = hashMember(CHAIN_START.hash).length;
/** How much longer a line gets in the chain, in bytes. */
export const LINK_BYTES_MAX: number = seqMember(Number.MAX_SAFE_INTEGER).length +
  HASH_MEMBER_LENGTH;

const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();
const SEQ_NAME = encoder.encode(seqMember(""));
const HASH_NAME = encoder.encode(hashMember("").slice(0, -1));
const END = encoder.encode('"}');

/** The place of a line, which is given without its line break; null for one that is not in the chain. */
export function linkOf(line: Uint8Array): ChainLink | null {
  const seq = seqOf(line);
  if (seq === null) return null;
  const hash = latin1.decode(line.subarray(-END.length - HASH_LENGTH, -END.length));
  return { seq, hash };
}

/** As {@linkcode linkOf}, but only whether there is one, which takes a fraction of the time. */
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

/** Whether the text ends at the place. */
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

/** A line that is in the chain without its hash, to be used before the next one is made. */
export function bareLine(line: Uint8Array): Uint8Array {
  const byteLength = line.byteLength - HASH_MEMBER_LENGTH;
  if (bare.byteLength < byteLength) bare = new Uint8Array(2 * byteLength);
  bare.set(line.subarray(0, byteLength));
  bare[byteLength - 1] = BRACE;
  return bare.subarray(0, byteLength);
}

/** The one that comes later in the chain. */
export function later(a: ChainLink | null, b: ChainLink | null): ChainLink | null {
  if (a === null || b === null) return a ?? b;
  return b.seq > a.seq ? b : a;
}

/** The hash of the line that follows a link, once what stands between the two is taken in. */
export class NextHash {
  readonly #before: string;
  /** Holds the hash before and what stands between; undefined while nothing does. */
  #between: Hash | undefined;

  /** Takes in the hash of the line before. */
  constructor({ hash }: ChainLink) {
    this.#before = hash;
  }

  /** Whether something stands between the two. */
  get hasBetween(): boolean {
    return this.#between !== undefined;
  }

  /** Takes in what stands between the two, piece by piece. */
  addBetween(bytes: Uint8Array): void {
    this.#between ??= this.#begun();
    this.#between.update(bytes);
  }

  /** The hash of the line, which is given without one. */
  of(bare: Uint8Array): string {
    const hash = this.#between?.copy() ?? this.#begun();
    return hash.update(bare).digest("hex");
  }

  #begun(): Hash {
    return createHash("sha256").update(this.#before);
  }
}
