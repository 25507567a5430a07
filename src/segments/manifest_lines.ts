/**
 * The lines of a manifest from its start, and their faults. Pure.
 *
 * A line is trusted if it is valid, has the next number after the previous line, and carries the digest of the previous
 * line. If there is a next line, that line must carry the digest of this line. Therefore a damaged or modified line
 * makes at most itself and its two neighbors untrusted. Untrusted lines stay in the manifest as evidence.
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
import type { SpanSummary } from "./span_summary.ts";

/** A fault of a line of the manifest. */
export interface ManifestFault {
  /** Number of the line, from 1. */
  readonly line: number;
  /** The offset of the line in bytes. */
  readonly byteOffset: number;
  readonly reason: string;
}

/** A function that is called with each line that is read; `line` is null if the line has a fault. */
export type OnManifestLine = (
  line: ManifestLine | null,
  place: { readonly byteOffset: number; readonly sha256: string },
) => void;

/** The spans of an archive that retention has deleted, and the length of its gzip file. */
export interface PrunedSpans {
  readonly spans: SpanSummary;
  readonly gzip_bytes: number;
}

const LINE_BREAK = 0x0a;
/**
 * Maximum number of faults to store. Later faults are dropped, because a file that is not a manifest may have very
 * many.
 */
const FAULTS_MAX = 1_000;
/**
 * Maximum `seq` that is accepted in a line. If the `seq` of a line is larger, the expected number counts instead. Only
 * a modified line has such a number, and the numbers after it might not be safe integers.
 */
const SEQ_MAX = 2 ** 50;

/** The complete lines of a manifest. Each call of {@linkcode take} adds lines. */
export class ManifestLines {
  readonly #byArchive = new Map<string, ArchiveLine>();
  readonly #pruned = new Map<string, PruneLine>();
  readonly #prunedSpans = new Map<string, PrunedSpans>();
  readonly #faults: ManifestFault[] = [];
  #count = 0;
  #nextSeq = 0;
  #byteLength = 0;
  #lastByteLength = 0;
  #headSha256: string | null = null;
  /** The last line of the manifest, if it describes an archive and has no fault; otherwise undefined. */
  #lastArchive: ArchiveLine | undefined;
  #lastLink: ChainLink | null = null;
  #prunedUntilMs = -Infinity;
  #prunedBytes = 0;

  /**
   * The last line of each archive, by archive name. Lines that are invalid, or that a digest shows to be modified, are
   * not included, and neither are archives that retention has deleted.
   */
  get byArchive(): ReadonlyMap<string, ArchiveLine> {
    return this.#byArchive;
  }

  /** The line that records the removal of an archive by retention, by archive name. */
  get pruned(): ReadonlyMap<string, PruneLine> {
    return this.#pruned;
  }

  /**
   * The spans of each archive that retention has deleted, by archive name. Archives whose manifest lines have no spans
   * are not included.
   */
  get prunedSpans(): ReadonlyMap<string, PrunedSpans> {
    return this.#prunedSpans;
  }

  /**
   * The number and the hash of the last chained line in the archives that the manifest describes, including archives
   * that retention has deleted; null if no archive has a chained line.
   */
  get lastLink(): ChainLink | null {
    return this.#lastLink;
  }

  /**
   * Time of the newest event in the archives that retention has deleted, epoch milliseconds; -Infinity if they had no
   * event with a time.
   */
  get prunedUntilMs(): number {
    return this.#prunedUntilMs;
  }

  /** Total length of the decompressed content of the archives that retention has deleted, in bytes. */
  get prunedBytes(): number {
    return this.#prunedBytes;
  }

  /** The faults of the manifest, at most the first 1,000. */
  get faults(): readonly ManifestFault[] {
    return this.#faults;
  }

  /** Number of complete lines in the manifest. */
  get count(): number {
    return this.#count;
  }

  /** Total length of the complete lines in bytes. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The offset of the last line in bytes; 0 in an empty manifest. */
  get lastByteOffset(): number {
    return this.#byteLength - this.#lastByteLength;
  }

  /** SHA-256 of the last line, hexadecimal; null in an empty manifest. */
  get headSha256(): string | null {
    return this.#headSha256;
  }

  /** Checks whether the bytes are the last line, including its line break. */
  endsWith(bytes: Uint8Array): boolean {
    return bytes.byteLength === this.#lastByteLength &&
      (this.#count === 0 || sha256(bytes.subarray(0, -1)) === this.#headSha256);
  }

  /**
   * Adds the complete lines in the bytes, and ignores a torn line at the end of the bytes. In the manifest, the bytes
   * must follow the lines that were added before.
   */
  take(bytes: Uint8Array, onLine?: OnManifestLine): void {
    for (let start = 0;;) {
      const end = bytes.indexOf(LINE_BREAK, start);
      if (end < 0) return;
      this.#takeLine(bytes.subarray(start, end), onLine);
      start = end + 1;
    }
  }

  /** Returns the bytes of a new line to append, including the line break; does not add the line. */
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
    if (line === null) return "not a valid manifest line: the line was damaged or modified";
    if (line.seq !== this.#nextSeq) {
      return `the field "seq" is ${line.seq}, expected ${this.#nextSeq}: lines were inserted, removed or moved`;
    }
    if (line.prev_sha256 !== this.#headSha256) {
      return "digest mismatch: this line or the line before it was modified";
    }
    return undefined;
  }

  /**
   * Forgets what the previous line states, because the current line does not have the digest of the previous line. So
   * one of the two lines was modified.
   */
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
      const archive = this.#byArchive.get(line.pruned);
      const { max_ts: newest, raw_bytes: rawBytes = 0 } = archive ?? {};
      this.#prunedBytes += rawBytes;
      if (newest) this.#prunedUntilMs = Math.max(this.#prunedUntilMs, Date.parse(newest));
      if (archive?.spans) {
        const { spans, gzip_bytes } = archive;
        this.#prunedSpans.set(line.pruned, { spans, gzip_bytes });
      }
      this.#byArchive.delete(line.pruned);
      this.#pruned.set(line.pruned, line);
    }
  }
}
