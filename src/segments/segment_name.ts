/**
 * The names of a log's files: the format in which writers and readers meet. Pure.
 *
 * What was once `audit.jsonl` is sealed as `audit_20260213_143022.jsonl` and archived as
 * `audit_20260213_143022.jsonl.gz`. The stamp is a UTC time in seconds; the order of the stamps is
 * the order of the content, whatever the clock or the file system says.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";

/** A UTC time as it stands in a name: `20260213_143022`. */
export type Stamp = string;

/** What a name in the directory of a log says. */
export interface SegmentName {
  readonly stamp: Stamp;
  /** A sealed segment, its archive, or an archive that is being written. */
  readonly form: "sealed" | "archive" | "unfinished";
}

const STAMP = /^\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])_(?:[01]\d|2[0-3])[0-5]\d[0-5]\d$/;
// Gregorian dates come again after as many years, and Date.UTC() takes the first hundred for others.
const ERA_YEARS = 400;
const ERA_MS = 146_097 * 86_400_000;
const STAMP_LENGTH = "20260213_143022".length;
const ARCHIVE_SUFFIX = ".gz";
const UNFINISHED_SUFFIX = ".gz.tmp";

/** The paths of the files of one log. */
export class LogFiles {
  /** The directory that holds them. */
  readonly directory: string;
  /** The active file, which takes the lines. */
  readonly active: string;
  /** The manifest, which tells what the archives hold. */
  readonly manifest: string;
  /** The lock file, whose lock every append takes. */
  readonly lock: string;
  readonly #stem: string;
  readonly #extension: string;

  /** The files of the log whose active file is at the absolute path. */
  constructor(path: string) {
    const name = basename(path);
    const dot = name.lastIndexOf(".");
    // A leading dot hides a file; it begins no extension.
    const stemLength = dot > 0 ? dot : name.length;
    this.#stem = name.slice(0, stemLength);
    this.#extension = name.slice(stemLength);
    this.directory = dirname(path);
    this.active = path;
    this.lock = `${path}.lock`;
    this.manifest = join(this.directory, `${this.#stem}.manifest${this.#extension}`);
  }

  /** Path of the sealed segment. */
  sealed(stamp: Stamp): string {
    return join(this.directory, `${this.#stem}_${stamp}${this.#extension}`);
  }

  /** Path of the archive of the segment. */
  archive(stamp: Stamp): string {
    return `${this.sealed(stamp)}${ARCHIVE_SUFFIX}`;
  }

  /** Path of the archive of the segment while it is being written. */
  unfinished(stamp: Stamp): string {
    return `${this.sealed(stamp)}${UNFINISHED_SUFFIX}`;
  }

  /** Reads a name in the directory; null if it is not one of a segment of this log. */
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
  [ARCHIVE_SUFFIX, "archive"],
  [UNFINISHED_SUFFIX, "unfinished"],
]);

/** The stamp of an instant, given in epoch milliseconds; its second, that is. */
export function stampOf(epochMs: number): Stamp {
  const [, ...digits] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)/.exec(
    new Date(epochMs).toISOString(),
  ) ?? [];
  return `${digits.slice(0, 3).join("")}_${digits.slice(3).join("")}`;
}

/** The instant of a stamp in epoch milliseconds, or NaN if there is no such time. */
export function stampEpochMs(stamp: string): number {
  if (!STAMP.test(stamp)) return NaN;
  const number = (start: number, length: number) => Number(stamp.slice(start, start + length));
  const year = ERA_YEARS + number(0, 4);
  const month = number(4, 2);
  const eraMs = Date.UTC(year, month - 1, number(6, 2), number(9, 2), number(11, 2), number(13, 2));
  // 30 February would be 2 March.
  return eraMs < Date.UTC(year, month) ? eraMs - ERA_MS : NaN;
}
