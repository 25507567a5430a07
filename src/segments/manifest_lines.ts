/**
 * The lines of a manifest from its beginning on, and what is wrong with them. Pure.
 *
 * A line counts when it is whole, has the number behind that of the line before it, and carries the
 * digest of that line, whatever became of it; and when the line behind it, if there is one, does so too.
 * So a line that is damaged or changed is distrusted, with those next to it, and no other; and what shows
 * it stays for whoever looks.
 *
 * @module
 */
import { type ChainLink, later } from "../line/chain.ts";
import { sha256 } from "../line/digest.ts";
import {
  type ArchiveFacts,
  type ArchiveLine,
  type ManifestLine,
  manifestText,
  parseManifestLine,
  type PruneFacts,
  type PruneLine,
} from "./manifest_line.ts";
import { lastLinkOf } from "./segment_summary.ts";

/** What is wrong with a line. */
export interface ManifestFault {
  /** Number of the line, from 1. */
  readonly line: number;
  /** Where it begins. */
  readonly byteOffset: number;
  readonly reason: string;
}

/** A line that is told of as it is taken in; null for one that does not count. */
export type OnManifestLine = (
  line: ManifestLine | null,
  place: { readonly byteOffset: number; readonly sha256: string },
) => void;

const LINE_BREAK = 0x0a;
/** Of a manifest that is not one, not every line need be told. */
const FAULTS_MAX = 1_000;
/** Whoever writes a larger number in a line wants to use all numbers up. */
const SEQ_MAX = 2 ** 50;

/** The whole lines of a manifest; they grow as bytes are taken in. */
export class ManifestLines {
  readonly #byArchive = new Map<string, ArchiveLine>();
  readonly #pruned = new Map<string, PruneLine>();
  readonly #faults: ManifestFault[] = [];
  #count = 0;
  #nextSeq = 0;
  #byteLength = 0;
  #lastByteLength = 0;
  #headSha256: string | null = null;
  /** The archive of the last line, if that counts. */
  #lastArchive: ArchiveLine | undefined;
  #lastLink: ChainLink | null = null;
  #prunedUntilMs = -Infinity;
  #prunedBytes = 0;

  /** The line of each archive by its name: the last one, if there are several; none of those removed. */
  get byArchive(): ReadonlyMap<string, ArchiveLine> {
    return this.#byArchive;
  }

  /** The archives that were removed, by their names. */
  get pruned(): ReadonlyMap<string, PruneLine> {
    return this.#pruned;
  }

  /** The last place in the chain of the log that any line tells of. */
  get lastLink(): ChainLink | null {
    return this.#lastLink;
  }

  /** Time of the newest event in the archives that were removed, epoch milliseconds; -Infinity for none. */
  get prunedUntilMs(): number {
    return this.#prunedUntilMs;
  }

  /** How many raw bytes the archives held that were removed. */
  get prunedBytes(): number {
    return this.#prunedBytes;
  }

  /** What is wrong with which lines, at most a thousand of them. */
  get faults(): readonly ManifestFault[] {
    return this.#faults;
  }

  /** How many lines there are. */
  get count(): number {
    return this.#count;
  }

  /** How many bytes they take. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Where the last line begins; 0 if there is none. */
  get lastByteOffset(): number {
    return this.#byteLength - this.#lastByteLength;
  }

  /** SHA-256 of the last line, hexadecimal; null if there is none. */
  get headSha256(): string | null {
    return this.#headSha256;
  }

  /** Whether the bytes, line break included, are the last line. */
  endsWith(bytes: Uint8Array): boolean {
    return bytes.byteLength === this.#lastByteLength &&
      (this.#count === 0 || sha256(bytes.subarray(0, -1)) === this.#headSha256);
  }

  /** Takes the whole lines that follow out of the bytes. */
  take(bytes: Uint8Array, onLine?: OnManifestLine): void {
    for (let start = 0;;) {
      const end = bytes.indexOf(LINE_BREAK, start);
      if (end < 0) return;
      this.#takeLine(bytes.subarray(start, end), onLine);
      start = end + 1;
    }
  }

  /** The bytes of the line that comes next. */
  next(facts: ArchiveFacts | PruneFacts): Uint8Array<ArrayBuffer> {
    const text = manifestText(facts, { seq: this.#nextSeq, prev_sha256: this.#headSha256 });
    return new TextEncoder().encode(`${text}\n`);
  }

  #takeLine(bytes: Uint8Array, onLine: OnManifestLine | undefined): void {
    const line = parseManifestLine(bytes);
    const reason = this.#reasonAgainst(line);
    if (reason !== undefined && this.#faults.length < FAULTS_MAX) {
      this.#faults.push({ line: this.#count + 1, byteOffset: this.#byteLength, reason });
    }
    if (line !== null && line.prev_sha256 !== this.#headSha256) this.#disown();
    this.#lastArchive = undefined;
    if (reason === undefined) this.#apply(line!);
    const seq = line === null || line.seq > SEQ_MAX ? this.#nextSeq : line.seq;
    this.#nextSeq = seq + 1;
    this.#headSha256 = sha256(bytes);
    const place = { byteOffset: this.#byteLength, sha256: this.#headSha256 };
    this.#count++;
    this.#lastByteLength = bytes.byteLength + 1;
    this.#byteLength += this.#lastByteLength;
    onLine?.(reason === undefined ? line : null, place);
  }

  #reasonAgainst(line: ManifestLine | null): string | undefined {
    if (line === null) return "it is no line that this library writes: it was damaged or changed";
    if (line.seq !== this.#nextSeq) {
      return `its seq is ${line.seq} at the place of ${this.#nextSeq}: lines were put in, taken out or moved`;
    }
    if (line.prev_sha256 !== this.#headSha256) {
      return "it does not follow the line before it, one of the two was changed";
    }
    return undefined;
  }

  /** Nobody vouches for a line that the one behind it does not follow. */
  #disown(): void {
    const last = this.#lastArchive;
    if (last !== undefined && this.#byArchive.get(last.archive) === last) {
      this.#byArchive.delete(last.archive);
    }
  }

  #apply(line: ManifestLine): void {
    if ("archive" in line) {
      this.#byArchive.set(line.archive, line);
      this.#lastArchive = line;
      this.#lastLink = later(this.#lastLink, lastLinkOf(line));
    } else {
      const { max_ts: newest, raw_bytes: rawBytes = 0 } = this.#byArchive.get(line.pruned) ?? {};
      this.#prunedBytes += rawBytes;
      if (newest) this.#prunedUntilMs = Math.max(this.#prunedUntilMs, Date.parse(newest));
      this.#byArchive.delete(line.pruned);
      this.#pruned.set(line.pruned, line);
    }
  }
}
