/**
 * What a check of a log found.
 *
 * @module
 */

/** Something that is not as this library left it. */
export interface VerifyFault {
  /** The file. */
  readonly path: string;
  /** Number of the line in it, from 1. */
  readonly line?: number;
  /** Where the line begins; in an archive, counted in what it holds. */
  readonly byteOffset?: number;
  /** What is wrong. */
  readonly reason: string;
}

/** What {@linkcode AuditReader.verify} found. */
export interface VerifyReport {
  /** Whether nothing is wrong, of what can be shown. */
  readonly ok: boolean;
  /** Archives that were read. */
  readonly archives: number;
  /** Lines that were read, in all files. */
  readonly lines: number;
  /** Bytes that were read, those of archives decoded. */
  readonly bytes: number;
  /** What is wrong: of the manifest first, then in the order of the log; at most 1,000 and a last one that counts the others. */
  readonly faults: readonly VerifyFault[];
  /** What the check could not show, a sentence each. */
  readonly notShown: readonly string[];
}

/** What to publish elsewhere, so that a later check can be held against it. Plain JSON. */
export interface ChainHead {
  /** How many archives the manifest has told of, those that were removed since included. */
  readonly archives: number;
  /** SHA-256 of the last line of the manifest, hexadecimal; null without one. */
  readonly manifestSha256: string | null;
  /** Number of the last line that is in the chain; null if none is. */
  readonly seq: number | null;
  /** Its hash, hexadecimal. */
  readonly hash: string | null;
}

/** How far a check is. */
export interface VerifyProgress {
  /** Bytes on the disk that were read. */
  readonly bytes: number;
  /** Bytes on the disk that are to be read in all. */
  readonly totalBytes: number;
}

/** How to check. */
export interface VerifyOptions {
  /** A head that {@linkcode AuditReader.head} gave earlier: what it saw has to be there still. */
  anchor?: ChainHead;
  /** Ends the check with its reason. */
  signal?: AbortSignal;
  /** Is told how far the check is, some hundred times in all. */
  onProgress?: (progress: VerifyProgress) => void;
}

const FAULTS_MAX = 1_000;

/** Gathers faults; of very many, only their number. */
export class Faults {
  readonly #faults: VerifyFault[] = [];
  #more = 0;

  /** One was found. */
  add(fault: VerifyFault): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
    else this.#more++;
  }

  /** All of them, the number of those that are not listed last. */
  list(path: string): VerifyFault[] {
    if (this.#more === 0) return this.#faults;
    return [...this.#faults, { path, reason: `${this.#more} more faults are not listed` }];
  }
}
