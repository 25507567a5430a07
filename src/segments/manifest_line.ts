/**
 * The lines of a manifest: one for each archive that was created, and one for each archive that retention has deleted.
 * Pure.
 *
 * Each line carries the SHA-256 of the previous line, computed without the line break. If a line is modified, removed
 * or inserted, the digest in the next line does not match.
 *
 * @module
 */
import { SHA256 } from "../line/digest.ts";
import { isObject } from "../line/parse_line.ts";
import { eventEpochMs } from "../time.ts";
import type { SegmentSummary } from "./segment_summary.ts";
import type { SpanSummary } from "./span_summary.ts";

/** The length and the digest of the gzip file of an archive. */
export interface GzipFacts {
  gzip_bytes: number;
  /** SHA-256 of the gzip file, hexadecimal. */
  gzip_sha256: string;
}

/** The figures of an archive in its manifest line. */
export interface ArchiveFacts extends Omit<SegmentSummary, "spans">, GzipFacts {
  /** File name of the archive. */
  archive: string;
  /**
   * The spans (calls that are logged with a begin event and an end event) of which only one of the two events is in the
   * archive; null if there are too many. Lines that earlier versions of this library wrote do not have this member.
   */
  spans?: SpanSummary | null | undefined;
  /**
   * SHA-256 of the first line of the archive's rollup, the file with its sums, hexadecimal; null if the archive has no
   * rollup, because it has too many groups. Lines that earlier versions of this library wrote do not have this member.
   */
  rollup_sha256?: string | null | undefined;
  /**
   * Whether recovery has derived the line from an existing archive. Such a line does not prove that this library
   * created the archive.
   */
  rebuilt: boolean;
}

/** The limit that caused the removal of an archive: the number of archives, their total size, or their age. */
export type PruneReason = "archives" | "bytes" | "age";

/** The facts about an archive that retention has deleted, in the manifest line that records the deletion. */
export interface PruneFacts {
  /** File name of the archive. */
  pruned: string;
  /** SHA-256 of the gzip file, hexadecimal. */
  gzip_sha256: string;
  reason: PruneReason;
  /** Time of the decision to delete the archive, ISO 8601 in UTC. */
  pruned_ts: string;
}

/** The number of a line in the manifest, and the digest of the previous line, which links the two lines. */
export interface LinePlace {
  /** Version of the manifest format. */
  v: 1;
  /** Number of the line in the manifest, from 0. */
  seq: number;
  /** SHA-256 of the previous line, hexadecimal; null for the first line. */
  prev_sha256: string | null;
}

/** The manifest line that describes an archive. */
export interface ArchiveLine extends ArchiveFacts, LinePlace {}

/** The manifest line that records the removal of an archive. */
export interface PruneLine extends PruneFacts, LinePlace {}

/** A line of the manifest. */
export type ManifestLine = ArchiveLine | PruneLine;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// The names of the members of each kind of object, in the order in which this library writes them.
const ARCHIVE_MEMBERS = [
  "v",
  "seq",
  "archive",
  "lines",
  "malformed",
  "oversized",
  "untimed",
  "raw_bytes",
  "gzip_bytes",
  "first_ts",
  "last_ts",
  "min_ts",
  "max_ts",
  "events",
  "spans",
  "rollup_sha256",
  "last_seq",
  "last_hash",
  "sha256",
  "gzip_sha256",
  "rebuilt",
  "prev_sha256",
];
/** The members of the line of an archive that lines of earlier versions of this library may lack. */
const LATER_MEMBERS = ["spans", "rollup_sha256"];
const PRUNE_MEMBERS = ["v", "seq", "pruned", "gzip_sha256", "reason", "pruned_ts", "prev_sha256"];
const COUNTS = ["lines", "malformed", "oversized", "untimed", "raw_bytes", "gzip_bytes"];
const TIMES = ["first_ts", "last_ts", "min_ts", "max_ts"];
const SPAN_MEMBERS = ["ended", "unlisted", "begun", "cut", "seen"];

const REASONS: readonly unknown[] = ["archives", "bytes", "age"] satisfies PruneReason[];

/**
 * Checks whether a value is the line of an archive. A manifest can have tens of thousands of lines, so the check takes
 * less than 10 microseconds.
 */
function isArchiveLine(value: unknown): value is ArchiveLine {
  if (!isObject(value)) return false;
  const expected = ARCHIVE_MEMBERS.filter((name) =>
    !LATER_MEMBERS.includes(name) || Object.hasOwn(value, name)
  );
  return hasMembers(value, expected) && isPlace(value) && isName(value.archive) &&
    COUNTS.every((name) => isCount(value[name])) &&
    TIMES.every((name) => value[name] === null || isTime(value[name])) &&
    (value.events === null || areFigures(value.events)) &&
    (value.spans === undefined || value.spans === null || areSpans(value.spans)) &&
    (value.rollup_sha256 === undefined || isDigestOrNull(value.rollup_sha256)) &&
    (value.last_seq === null || isCount(value.last_seq)) && isDigestOrNull(value.last_hash) &&
    isDigest(value.sha256) && isDigest(value.gzip_sha256) && typeof value.rebuilt === "boolean" &&
    isPossible(value as unknown as ArchiveLine);
}

function isPruneLine(value: unknown): value is PruneLine {
  return isObject(value) && hasMembers(value, PRUNE_MEMBERS) && isPlace(value) &&
    isName(value.pruned) && isDigest(value.gzip_sha256) && REASONS.includes(value.reason) &&
    isTime(value.pruned_ts);
}

/**
 * Maximum number of raw bytes per gzip byte; a line that states more is invalid. In deflate (RFC 1951), 2 bits can
 * encode at most 258 bytes, so 8 bits can encode at most 1,032 bytes.
 */
const INFLATION_MAX = 1_032;

/**
 * Checks whether the figures of a line are consistent. Without this check, a modified line could state any number of
 * events. A reader that counts events by means of the manifest would then return this wrong number.
 */
function isPossible(
  { lines, malformed, untimed, raw_bytes, gzip_bytes, events, spans }: Counts,
): boolean {
  const timed = Object.values(events ?? {}).reduce((sum, { count }) => sum + count, 0);
  const spanEvents = (spans?.ended.length ?? 0) + (spans?.begun.length ?? 0);
  return timed + malformed + untimed <= lines && spanEvents <= lines && lines <= raw_bytes &&
    raw_bytes <= INFLATION_MAX * gzip_bytes;
}

type Counts = Pick<
  ArchiveLine,
  "lines" | "malformed" | "untimed" | "raw_bytes" | "gzip_bytes" | "events" | "spans"
>;

type Members = Readonly<Record<string, unknown>>;

/** Checks whether an object has exactly these members, in this order. */
function hasMembers(value: Members, expected: readonly string[]): boolean {
  const names = Object.keys(value);
  return names.length === expected.length && names.every((name, n) => name === expected[n]);
}

/** Checks the members of a {@linkcode LinePlace}. */
function isPlace({ v, seq, prev_sha256 }: Members): boolean {
  return v === 1 && isCount(seq) && isDigestOrNull(prev_sha256);
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && value as number >= 0;
}

function isDigest(value: unknown): boolean {
  return typeof value === "string" && SHA256.test(value);
}

function isDigestOrNull(value: unknown): boolean {
  return value === null || isDigest(value);
}

/**
 * The length in characters and the form of a time that this library writes. Only times of the years 0 to 9999 have this
 * form.
 */
const USUAL_TIME_LENGTH = "2026-02-13T14:30:22.123Z".length;
const USUAL_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function isTime(value: unknown): boolean {
  if (typeof value !== "string") return false;
  // eventEpochMs() is faster for the times that this library usually writes. Date.parse() reads all others, such as
  // those of years after 9999.
  const isUsual = value.length === USUAL_TIME_LENGTH && USUAL_TIME.test(value) &&
    !Number.isNaN(eventEpochMs(value));
  return isUsual || !Number.isNaN(Date.parse(value));
}

/** Checks whether a value is an object of {@linkcode TypeFigures}. These may have more members. */
function areFigures(value: unknown): boolean {
  return isObject(value) &&
    Object.values(value).every((each) =>
      isObject(each) && isCount(each.count) && Number.isFinite(each.cost)
    );
}

/** Checks whether a value is a {@linkcode SpanSummary}. */
function areSpans(value: unknown): boolean {
  return isObject(value) && hasMembers(value, SPAN_MEMBERS) && arePairs(value.ended) &&
    areTexts(value.unlisted) && areTexts(value.begun) && typeof value.cut === "boolean" &&
    (value.seen === null || arePairs(value.seen));
}

function arePairs(value: unknown): boolean {
  return Array.isArray(value) && value.every((pair) => areTexts(pair) && pair.length === 2);
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** Returns the number of events in an archive; null if its line does not state the figures by type. */
export function eventCount({ events, untimed }: ArchiveLine): number | null {
  return events === null
    ? null
    : Object.values(events).reduce((sum, { count }) => sum + count, untimed);
}

/** Returns the text of a manifest line, without the line break. */
export function manifestText(
  facts: ArchiveFacts | PruneFacts,
  { seq, prev_sha256 }: Omit<LinePlace, "v">,
): string {
  const members = "archive" in facts
    ? {
      archive: facts.archive,
      lines: facts.lines,
      malformed: facts.malformed,
      oversized: facts.oversized,
      untimed: facts.untimed,
      raw_bytes: facts.raw_bytes,
      gzip_bytes: facts.gzip_bytes,
      first_ts: facts.first_ts,
      last_ts: facts.last_ts,
      min_ts: facts.min_ts,
      max_ts: facts.max_ts,
      events: facts.events,
      spans: facts.spans,
      rollup_sha256: facts.rollup_sha256,
      last_seq: facts.last_seq,
      last_hash: facts.last_hash,
      sha256: facts.sha256,
      gzip_sha256: facts.gzip_sha256,
      rebuilt: facts.rebuilt,
    }
    : {
      pruned: facts.pruned,
      gzip_sha256: facts.gzip_sha256,
      reason: facts.reason,
      pruned_ts: facts.pruned_ts,
    };
  return JSON.stringify({ v: 1, seq, ...members, prev_sha256 });
}

/** Parses the bytes of a manifest line, without the line break. Returns null if this library never writes such a line. */
export function parseManifestLine(bytes: Uint8Array): ManifestLine | null {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(bytes);
    value = JSON.parse(text);
  } catch {
    // The line is torn or damaged. The error has no further details that a caller needs.
    return null;
  }
  // Reject a line with a duplicate member, or with a value in another notation, because this library never writes such a
  // line.
  return (isArchiveLine(value) || isPruneLine(value)) && JSON.stringify(value) === text
    ? value
    : null;
}
