/**
 * The lines of a manifest: one for each archive, and one for each that retention has removed. Pure.
 *
 * Each line carries the SHA-256 of the line before it, without its line break, so none can be
 * changed, taken out or put in without the one behind it showing it.
 *
 * @module
 */
import { z } from "zod";
import { SHA256 } from "../line/digest.ts";
import type { SegmentSummary } from "./segment_summary.ts";

/** The compressed form of an archive. */
export interface GzipFacts {
  gzip_bytes: number;
  /** SHA-256 of the file, hexadecimal. */
  gzip_sha256: string;
}

/** What a line says of its archive. */
export interface ArchiveFacts extends SegmentSummary, GzipFacts {
  /** Name of the archive. */
  archive: string;
  /** Whether the archive was there before the line, which then vouches for less. */
  rebuilt: boolean;
}

/** Why an archive was removed: there were too many, or too large ones, or it was too old. */
export type PruneReason = "archives" | "bytes" | "age";

/** What a line says of an archive that was removed. */
export interface PruneFacts {
  /** Name of the archive. */
  pruned: string;
  /** SHA-256 of its file, hexadecimal. */
  gzip_sha256: string;
  reason: PruneReason;
  /** When that was decided. */
  pruned_ts: string;
}

/** Where a line stands. */
export interface LinePlace {
  /** Version of the format. */
  v: 1;
  /** Number of the line, from 0. */
  seq: number;
  /** SHA-256 of the line before this one, hexadecimal; null for the first. */
  prev_sha256: string | null;
}

/** A line of an archive. */
export interface ArchiveLine extends ArchiveFacts, LinePlace {}

/** A line of an archive that was removed. */
export interface PruneLine extends PruneFacts, LinePlace {}

/** A line of the manifest. */
export type ManifestLine = ArchiveLine | PruneLine;

const count = z.int().nonnegative();
// Not z.iso.datetime(), which knows no year beyond 9999; a line may hold any.
const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)));
const digest = z.string().regex(SHA256);
const version = z.literal(1);

// The members are in the order in which a line carries them.
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
  // Not z.record(), which drops a type called "__proto__".
  events: z.custom<SegmentSummary["events"]>((value) => value === null || areFigures(value)),
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

/** No byte that deflate makes stands for more: RFC 1951, whose longest match has 258 bytes in 2 bits. */
const INFLATION_MAX = 1_032;

/** Whether an archive can hold what its line says; readers count as far as that. */
function isPossible({ lines, malformed, untimed, raw_bytes, gzip_bytes, events }: Counts): boolean {
  const timed = Object.values(events ?? {}).reduce((sum, { count }) => sum + count, 0);
  return timed + malformed + untimed <= lines && lines <= raw_bytes &&
    raw_bytes <= INFLATION_MAX * gzip_bytes;
}

type Counts = Pick<
  ArchiveLine,
  "lines" | "malformed" | "untimed" | "raw_bytes" | "gzip_bytes" | "events"
>;

const figures = z.object({ count, cost: z.number() });

function areFigures(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((each) => figures.safeParse(each).success);
}

/** The text of a line, its line break not included. */
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

/** Reads a line, which is given without its line break; null for one that this library never writes. */
export function parseManifestLine(bytes: Uint8Array): ManifestLine | null {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    // A torn or damaged line; that it is none is all that counts.
    return null;
  }
  const line = archiveSchema.safeParse(value).data ?? pruneSchema.safeParse(value).data;
  // A member that is not known, or twice there, or written otherwise, is somebody else's.
  return line !== undefined && JSON.stringify(line) === text ? line : null;
}
