/**
 * The names of a log's files, a format that writers and readers share. Pure.
 *
 * When the active file `audit.jsonl` is full, it is sealed: renamed to the segment `audit_20260213_143022.jsonl`. Then
 * the segment is compressed into the archive `audit_20260213_143022.jsonl.gz`. The stamp `20260213_143022` is a UTC
 * time in seconds. The order of the stamps is the order of the content; times of the file system are not used.
 *
 * @module
 */
import { basename, dirname } from "../platform/path.ts";

/** The UTC time in the name of a segment: `20260213_143022`. */
export type Stamp = string;

/** The parts of a file name that belongs to a segment. */
export interface SegmentName {
  readonly stamp: Stamp;
  /**
   * The form of the file: a sealed segment, an archive, an archive that is being written, the rollup (the sums) of an
   * archive, or a rollup that is being written.
   */
  readonly form: "sealed" | "archive" | "unfinished" | "rollup" | "unfinishedRollup";
}

const STAMP = /^\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])_(?:[01]\d|2[0-3])[0-5]\d[0-5]\d$/;
// Date.UTC() reads a year from 0 to 99 as a year of the 20th century. So stampEpochMs() computes the time in a year
// that is 400 years later, and then subtracts the length of 400 years. The Gregorian calendar repeats after 400 years.
const ERA_YEARS = 400;
const ERA_MS = 146_097 * 86_400_000;
const STAMP_LENGTH = "20260213_143022".length;
const ARCHIVE_SUFFIX = ".gz";
const UNFINISHED_SUFFIX = ".gz.tmp";
const ROLLUP_SUFFIX = ".rollup";
const UNFINISHED_ROLLUP_SUFFIX = ".rollup.tmp";
/**
 * The suffix of a claim file, which a process locks while it archives a segment. The suffix follows the name of the
 * archive that is being written.
 */
const CLAIM_SUFFIX = ".lock";

/** The paths of the files of one log. */
export class LogFiles {
  /** The directory that holds the files. */
  readonly directory: string;
  /** The active file, to which lines are appended. */
  readonly active: string;
  /** The manifest, which lists the archives and the figures of their content. */
  readonly manifest: string;
  /** The lock file. A writer locks this file during every append. */
  readonly lock: string;
  /**
   * The temporary file of `scout import`. An import locks the file while it runs, so that no second import runs at the
   * same time.
   */
  readonly importing: string;
  /** The claim file of recovery: the process that locks it adds the missing lines to the manifest. */
  readonly completing: string;
  /**
   * The file that states how far the log is copied into each fleet, which is a group of logs on a server. See
   * {@linkcode readShipped}.
   */
  readonly shipped: string;
  /** The temporary file into which a process that ships the log writes the new content of {@linkcode shipped}. */
  readonly unfinishedShipped: string;
  /** The claim file for {@linkcode shipped}: the process that locks it may replace that file. */
  readonly recording: string;
  /** The path of the directory with a separator at its end, as the caller spelled it. */
  readonly #parent: string;
  readonly #stem: string;
  readonly #extension: string;

  /** Creates the paths of a log from the absolute path of its active file. */
  constructor(path: string) {
    const name = basename(path);
    const dot = name.lastIndexOf(".");
    // A dot at the start of a name marks a hidden file, and does not start an extension.
    const stemLength = dot > 0 ? dot : name.length;
    this.#stem = name.slice(0, stemLength);
    this.#extension = name.slice(stemLength);
    this.directory = dirname(path);
    this.#parent = path.slice(0, -name.length);
    this.active = path;
    this.lock = `${path}.lock`;
    this.importing = `${path}.import.tmp`;
    this.manifest = this.at(`${this.#stem}.manifest${this.#extension}`);
    this.completing = `${this.manifest}.tmp.lock`;
    this.shipped = this.at(`${this.#stem}.shipped${this.#extension}`);
    this.unfinishedShipped = `${this.shipped}.tmp`;
    this.recording = `${this.shipped}.tmp.lock`;
  }

  /** Returns the path of a file in the directory. */
  at(name: string): string {
    return `${this.#parent}${name}`;
  }

  /** Returns the path of the sealed segment with the stamp, which is the time in its name. */
  sealed(stamp: Stamp): string {
    return this.at(`${this.#stem}_${stamp}${this.#extension}`);
  }

  /** Returns the path of the archive with the stamp, which is the time in its name. */
  archive(stamp: Stamp): string {
    return `${this.sealed(stamp)}${ARCHIVE_SUFFIX}`;
  }

  /**
   * Returns the path of the rollup, the file with the sums, of the archive with the stamp. The stamp is the time in the
   * name of the archive.
   */
  rollup(stamp: Stamp): string {
    return `${this.sealed(stamp)}${ROLLUP_SUFFIX}`;
  }

  /**
   * Returns the path of an unfinished rollup with the stamp, which is the time in its name. A rollup has the sums of an
   * archive; it is unfinished while it is being written.
   */
  unfinishedRollup(stamp: Stamp): string {
    return `${this.sealed(stamp)}${UNFINISHED_ROLLUP_SUFFIX}`;
  }

  /**
   * Returns the path of the unfinished archive (one that is being written) with the stamp, which is the time in its
   * name.
   */
  unfinished(stamp: Stamp): string {
    return `${this.sealed(stamp)}${UNFINISHED_SUFFIX}`;
  }

  /**
   * Returns the path of the claim file for the segment with the stamp (the time in its name), see {@linkcode tryClaim}.
   */
  claim(stamp: Stamp): string {
    return `${this.unfinished(stamp)}${CLAIM_SUFFIX}`;
  }

  /**
   * Checks whether the name is that of a claim file of this log, other than {@linkcode recording}. A process locks a
   * claim file while it does a piece of work, so that no other process does it too.
   */
  isClaim(name: string): boolean {
    if (this.at(name) === this.importing || this.at(name) === this.completing) return true;
    if (!name.endsWith(CLAIM_SUFFIX)) return false;
    return this.parse(name.slice(0, -CLAIM_SUFFIX.length))?.form === "unfinished";
  }

  /** Checks whether the name is that of a file of this log. */
  has(name: string): boolean {
    const { active, lock, manifest, shipped, unfinishedShipped, recording } = this;
    return [active, lock, manifest, shipped, unfinishedShipped, recording]
      .includes(this.at(name)) || this.parse(name) !== null || this.isClaim(name);
  }

  /** Parses the name of a file in the directory. Returns null if the name does not belong to a segment of this log. */
  parse(name: string): SegmentName | null {
    const prefix = `${this.#stem}_`;
    if (!name.startsWith(prefix)) return null;
    const stamp = name.slice(prefix.length, prefix.length + STAMP_LENGTH);
    if (Number.isNaN(stampEpochMs(stamp))) return null;
    const rest = name.slice(prefix.length + STAMP_LENGTH);
    if (!rest.startsWith(this.#extension)) return null;
    const form = FORM_BY_SUFFIX.get(rest.slice(this.#extension.length));
    return form === undefined ? null : { stamp, form };
  }
}

const FORM_BY_SUFFIX: ReadonlyMap<string, SegmentName["form"]> = new Map([
  ["", "sealed"],
  [ROLLUP_SUFFIX, "rollup"],
  [UNFINISHED_ROLLUP_SUFFIX, "unfinishedRollup"],
  [ARCHIVE_SUFFIX, "archive"],
  [UNFINISHED_SUFFIX, "unfinished"],
]);

/**
 * Returns a time in epoch milliseconds as a stamp for the name of a segment: `20260213_143022`, rounded down to a
 * second.
 */
export function stampOf(epochMs: number): Stamp {
  const [, ...digits] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)/.exec(
    new Date(epochMs).toISOString(),
  ) ?? [];
  return `${digits.slice(0, 3).join("")}_${digits.slice(3).join("")}`;
}

/**
 * Returns the time of a stamp (`20260213_143022`, from the name of a segment) in epoch milliseconds, or NaN if the text
 * is not a valid stamp.
 */
export function stampEpochMs(stamp: string): number {
  if (!STAMP.test(stamp)) return NaN;
  const number = (start: number, length: number) => Number(stamp.slice(start, start + length));
  const year = ERA_YEARS + number(0, 4);
  const month = number(4, 2);
  const eraMs = Date.UTC(year, month - 1, number(6, 2), number(9, 2), number(11, 2), number(13, 2));
  // Date.UTC() turns 30 February into 2 March, so check that the month is the same.
  return eraMs < Date.UTC(year, month) ? eraMs - ERA_MS : NaN;
}
