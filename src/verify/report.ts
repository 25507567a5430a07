/**
 * The options and the report of a check of a log.
 *
 * @module
 */

/** A line or file of a log that was modified, removed or inserted, or that cannot be checked. */
export interface VerifyFault {
  /** Absolute path of the file. */
  readonly path: string;
  /** Number of the line in the file, from 1. Not set if the fault concerns the whole file. */
  readonly line?: number;
  /** Offset of the line in bytes, from 0. In an archive, it is the offset in the decompressed content. */
  readonly byteOffset?: number;
  /** The reason, as a sentence for people: "hash mismatch: this line or an earlier one was modified". */
  readonly reason: string;
}

/** The result of {@linkcode AuditReader.verify}. */
export interface VerifyReport {
  /** `true` if no fault was found. Even then, the log may have changes of the kinds in `notShown`. */
  readonly ok: boolean;
  /** Number of archives that were read. */
  readonly archives: number;
  /** Number of lines that were read, in all files. */
  readonly lines: number;
  /** Number of bytes that were read. For an archive, the decompressed bytes are counted. */
  readonly bytes: number;
  /**
   * The faults of the manifest, then the other faults in the order of the log. At most 1,000 faults are listed; if
   * there are more, an additional last entry contains the number of the faults that are not listed.
   */
  readonly faults: readonly VerifyFault[];
  /** The kinds of changes that the check could not detect, one sentence each. */
  readonly notShown: readonly string[];
}

/**
 * The chain head of a log: the hashes of its last lines at one time. Store it outside the log, for example as JSON, and
 * pass it to {@linkcode AuditReader.verify} later as an anchor. The check then detects whether lines of that time were
 * removed.
 */
export interface ChainHead {
  /** Number of archives in the manifest, including archives that were removed later. */
  readonly archives: number;
  /** SHA-256 of the last line of the manifest, hexadecimal; `null` if the manifest has no lines. */
  readonly manifestSha256: string | null;
  /** Sequence number of the last chained line, counted from 0; `null` if no line is chained. */
  readonly seq: number | null;
  /** Hash of the last chained line, hexadecimal; `null` if no line is chained. */
  readonly hash: string | null;
}

/** The progress of {@linkcode AuditReader.verify}, which checks the files of a log. */
export interface VerifyProgress {
  /** Number of bytes read from the disk so far. */
  readonly bytes: number;
  /** Number of bytes on the disk to read in total. */
  readonly totalBytes: number;
}

/** Options of {@linkcode AuditReader.verify}. */
export interface VerifyOptions {
  /**
   * A chain head that {@linkcode AuditReader.head} returned earlier. Everything that the log contained at that time
   * must still be in the log, except archives that retention has deleted. Without an anchor, the check cannot detect
   * that the newest events were removed or that the whole log was rewritten.
   *
   * @default {undefined}
   */
  anchor?: ChainHead;
  /**
   * Signal that aborts the check: `verify()` then rejects with the reason of the signal. Without a signal, the check
   * runs to its end.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * Called with the progress of the check, about 400 times at most, and once more at the end. Without this function, no
   * progress is reported.
   *
   * @default {undefined}
   */
  onProgress?: (progress: VerifyProgress) => void;
}

/** Maximum number of faults that a report lists. Further faults are only counted. */
const FAULTS_MAX = 1_000;

/** The faults that a check found. The first 1,000 are stored; the others are only counted. */
export class Faults {
  readonly #faults: VerifyFault[] = [];
  #more = 0;

  /** Adds a fault. */
  add(fault: VerifyFault): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
    else this.#more++;
  }

  /**
   * Returns the stored faults. If some faults were not stored, the last entry states their number and has the given
   * `path`.
   */
  list(path: string): VerifyFault[] {
    if (this.#more === 0) return this.#faults;
    return [...this.#faults, { path, reason: `${this.#more} more faults are not listed` }];
  }
}
