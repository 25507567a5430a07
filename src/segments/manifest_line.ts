/**
 * The lines of a manifest: one for each archive that was created, and one for each archive that retention has deleted.
 * Pure.
 *
 * Each line carries the SHA-256 of the previous line, computed without the line break. If a line is modified, removed
 * or inserted, the digest in the next line does not match.
 *
 * @module
 */
import { z } from "zod";
import { SHA256 } from "../line/digest.ts";
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

const count = z.int().nonnegative();
// z.iso.datetime() rejects years after 9999, but a line may hold any year.
const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)));
const digest = z.string().regex(SHA256);
const version = z.literal(1);
const pairs = z.array(z.tuple([z.string(), z.string()]));
const spans = z.object({
  ended: pairs,
  unlisted: z.array(z.string()),
  begun: z.array(z.string()),
  cut: z.boolean(),
  seen: pairs.nullable(),
});

// The members must have the order in which manifestText() writes them, because parseManifestLine() converts the parsed
// value back to JSON and compares the result with the text of the line.
const archiveSchema = z.object({
  v: version,
  seq: count,
  archive: z.string().min(1),
  lines: count,
  malformed: count,
  oversized: count,
  untimed: count,
  raw_bytes: count,
  gzip_bytes: count,
  first_ts: time.nullable(),
  last_ts: time.nullable(),
  min_ts: time.nullable(),
  max_ts: time.nullable(),
  // A custom check, because z.record() drops an event type called "__proto__".
  events: z.custom<SegmentSummary["events"]>((value) => value === null || areFigures(value)),
  spans: spans.nullable().optional(),
  rollup_sha256: digest.nullable().optional(),
  last_seq: count.nullable(),
  last_hash: digest.nullable(),
  sha256: digest,
  gzip_sha256: digest,
  rebuilt: z.boolean(),
  prev_sha256: digest.nullable(),
}).refine(isPossible);

const pruneSchema = z.object({
  v: version,
  seq: count,
  pruned: z.string().min(1),
  gzip_sha256: digest,
  reason: z.enum(["archives", "bytes", "age"]),
  pruned_ts: time,
  prev_sha256: digest.nullable(),
});

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

const figures = z.object({ count, cost: z.number() });

function areFigures(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((each) => figures.safeParse(each).success);
}

const MEMBERS = Object.keys(archiveSchema.shape);
/**
 * The member names of an archive's line, as one text: in lines of this version of the library, and in lines of earlier
 * versions, which lack `rollup_sha256`, or both `rollup_sha256` and `spans`.
 */
const USUAL_MEMBERS = [[], ["rollup_sha256"], ["rollup_sha256", "spans"]]
  .map((missing) => MEMBERS.filter((name) => !missing.includes(name)).join());

/**
 * Checks whether a value is the line of an archive in the form in which this library usually writes it. The check is
 * faster than `archiveSchema`. Speed matters because a manifest can have tens of thousands of lines. The check never
 * returns true if the schema rejects the value. If it returns false, the schema decides.
 */
function isUsualLine(value: unknown): value is ArchiveLine {
  if (typeof value !== "object" || value === null) return false;
  if (!USUAL_MEMBERS.includes(Object.keys(value).join())) return false;
  const line = value as ArchiveLine;
  return line.v === 1 && typeof line.archive === "string" && line.archive !== "" &&
    isCount(line.seq) && isCount(line.lines) && isCount(line.malformed) &&
    isCount(line.oversized) && isCount(line.untimed) && isCount(line.raw_bytes) &&
    isCount(line.gzip_bytes) && isUsualTime(line.first_ts) && isUsualTime(line.last_ts) &&
    isUsualTime(line.min_ts) && isUsualTime(line.max_ts) && haveUsualFigures(line.events) &&
    areUsualSpans(line.spans) &&
    (line.rollup_sha256 === undefined || isDigestOrNull(line.rollup_sha256)) &&
    (line.last_seq === null || isCount(line.last_seq)) && isDigestOrNull(line.last_hash) &&
    SHA256.test(line.sha256) && SHA256.test(line.gzip_sha256) &&
    typeof line.rebuilt === "boolean" && isDigestOrNull(line.prev_sha256) && isPossible(line);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && value as number >= 0;
}

function isDigestOrNull(value: unknown): boolean {
  return value === null || typeof value === "string" && SHA256.test(value);
}

/**
 * The length in characters and the form of a time that this library writes. Only times of the years 0 to 9999 have this
 * form.
 */
const USUAL_TIME_LENGTH = "2026-02-13T14:30:22.123Z".length;
const USUAL_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function isUsualTime(value: unknown): boolean {
  return value === null || typeof value === "string" && value.length === USUAL_TIME_LENGTH &&
      USUAL_TIME.test(value) && !Number.isNaN(eventEpochMs(value));
}

function haveUsualFigures(events: ArchiveLine["events"]): boolean {
  if (typeof events !== "object" || events === null || Array.isArray(events)) return false;
  return Object.values(events).every((each) =>
    typeof each === "object" && each !== null && isCount(each.count) &&
    Number.isFinite(each.cost) && Object.keys(each).join() === "count,cost"
  );
}

function areUsualSpans(value: ArchiveLine["spans"]): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "object" &&
    Object.keys(value).join() === "ended,unlisted,begun,cut,seen" &&
    arePairs(value.ended) && areTexts(value.unlisted) && areTexts(value.begun) &&
    typeof value.cut === "boolean" &&
    (value.seen === null || arePairs(value.seen));
}

function arePairs(value: unknown): boolean {
  return Array.isArray(value) &&
    value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isText));
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
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

/**
 * Parses the bytes of a manifest line, without the line break. Returns null if this library never writes such a line.
 *
 * @param isUsual The quick check before the check with the schemas. Tests replace it to skip the quick check.
 */
export function parseManifestLine(
  bytes: Uint8Array,
  isUsual: (value: unknown) => value is ArchiveLine = isUsualLine,
): ManifestLine | null {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(bytes);
    value = JSON.parse(text);
  } catch {
    // The line is torn or damaged. The error has no further details that a caller needs.
    return null;
  }
  const line = isUsual(value)
    ? value
    : archiveSchema.safeParse(value).data ?? pruneSchema.safeParse(value).data;
  // Reject a line with an unknown or duplicate member, or with another notation of a value, because this library never
  // writes such a line.
  return line !== undefined && JSON.stringify(line) === text ? line : null;
}
