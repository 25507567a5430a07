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

const QUOTE = 0x22;
const BRACE = 0x7d;
const HASH_LENGTH = 64;
const HASH_MEMBER_LENGTH = ',"hash":""'.length + HASH_LENGTH;

/** How much longer a line gets in the chain, in bytes. */
export const LINK_BYTES_MAX: number = `,"seq":${Number.MAX_SAFE_INTEGER}`.length +
  HASH_MEMBER_LENGTH;

const latin1 = new TextDecoder("latin1");
const LINK = /,"seq":(0|[1-9]\d*),"hash":"([0-9a-f]{64})"\}$/;

/** The member that numbers a line, behind all others. */
export function seqMember(seq: number): string {
  return `,"seq":${seq}`;
}

/** The member behind the number. */
export function hashMember(hash: string): string {
  return `,"hash":"${hash}"`;
}

/** The place of a line, which is given without its line break; null for one that is not in the chain. */
export function linkOf(line: Uint8Array): ChainLink | null {
  const mayHaveHash = line.at(-1) === BRACE && line.at(-2) === QUOTE &&
    line.at(-2 - HASH_LENGTH - 1) === QUOTE;
  if (!mayHaveHash) return null;
  const end = latin1.decode(line.subarray(Math.max(0, line.byteLength - LINK_BYTES_MAX - 1)));
  const [, digits, hash] = LINK.exec(end) ?? [];
  if (digits === undefined || hash === undefined) return null;
  const seq = Number(digits);
  return Number.isSafeInteger(seq) ? { seq, hash } : null;
}

/** A line that is in the chain without its hash. */
export function bareLine(line: Uint8Array): Uint8Array {
  const bare = new Uint8Array(line.subarray(0, line.byteLength - HASH_MEMBER_LENGTH));
  bare[bare.byteLength - 1] = BRACE;
  return bare;
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
