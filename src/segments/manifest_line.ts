/**
 * The lines of a manifest and the chain between them. Pure.
 *
 * Each line carries the SHA-256 of the line before it, without its line break, so none can be
 * changed, taken out or put in without all that follow showing it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { SegmentSummary } from "./segment_summary.ts";

/** What a line says of its archive. */
export interface ArchiveFacts extends SegmentSummary {
  /** Name of the archive. */
  archive: string;
  gzip_bytes: number;
  /** Whether the archive was there before the line, which then vouches for less. */
  rebuilt: boolean;
}

/** A line of the manifest. */
export interface ManifestLine extends ArchiveFacts {
  /** Version of the format. */
  v: 1;
  /** Number of the line, from 0. */
  seq: number;
  /** SHA-256 of the line before this one, hexadecimal; null for the first. */
  prev_sha256: string | null;
}

const LINE_BREAK = 0x0a;

const count = z.int().nonnegative();
// Not z.iso.datetime(), which knows no year beyond 9999; a line may hold any.
const time = z.string().refine((text) => !Number.isNaN(Date.parse(text))).nullable();
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const schema = z.object({
  v: z.literal(1),
  seq: count,
  archive: z.string().min(1),
  lines: count,
  malformed: count,
  oversized: count,
  untimed: count,
  raw_bytes: count,
  gzip_bytes: count,
  first_ts: time,
  last_ts: time,
  min_ts: time,
  max_ts: time,
  // Not z.record(), which drops a type called "__proto__".
  events: z.custom<SegmentSummary["events"]>((value) => value === null || areFigures(value)),
  sha256: digest,
  rebuilt: z.boolean(),
  prev_sha256: digest.nullable(),
}).refine(isPossible);

/** No byte that deflate makes stands for more: RFC 1951, whose longest match has 258 bytes in 2 bits. */
const INFLATION_MAX = 1_032;

/** Whether an archive can hold what its line says; readers count as far as that. */
function isPossible({ lines, malformed, untimed, raw_bytes, gzip_bytes, events }: Counts): boolean {
  const timed = Object.values(events ?? {}).reduce((sum, { count }) => sum + count, 0);
  return timed + malformed + untimed <= lines && lines <= raw_bytes &&
    raw_bytes <= INFLATION_MAX * gzip_bytes;
}

type Counts = Pick<
  ManifestLine,
  "lines" | "malformed" | "untimed" | "raw_bytes" | "gzip_bytes" | "events"
>;

const figures = z.object({ count, cost: z.number() });

function areFigures(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((each) => figures.safeParse(each).success);
}

/** The whole lines of a manifest from its beginning on; they grow as bytes are taken in. */
export class ManifestLines {
  readonly #byArchive = new Map<string, ManifestLine>();
  #count = 0;
  #byteLength = 0;
  #lastByteLength = 0;
  #headSha256: string | null = null;

  /** The line of each archive by its name: the last one, if there are several. */
  get byArchive(): ReadonlyMap<string, ManifestLine> {
    return this.#byArchive;
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

  /** Whether the bytes, line break included, are the last line. */
  endsWith(bytes: Uint8Array): boolean {
    return bytes.byteLength === this.#lastByteLength &&
      (this.#count === 0 || sha256(bytes.subarray(0, -1)) === this.#headSha256);
  }

  /** Takes the lines that follow out of the bytes, up to the first that is damaged or out of place. */
  take(bytes: Uint8Array): void {
    for (let start = 0;;) {
      const end = bytes.indexOf(LINE_BREAK, start);
      if (end < 0) return;
      const text = bytes.subarray(start, end);
      const line = parse(text);
      if (line?.seq !== this.#count || line.prev_sha256 !== this.#headSha256) return;
      this.#byArchive.set(line.archive, line);
      this.#headSha256 = sha256(text);
      this.#count++;
      this.#lastByteLength = text.byteLength + 1;
      this.#byteLength += this.#lastByteLength;
      start = end + 1;
    }
  }

  /** The bytes of the line that comes next. */
  next(facts: ArchiveFacts): Uint8Array<ArrayBuffer> {
    const line: ManifestLine = {
      v: 1,
      seq: this.#count,
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
      sha256: facts.sha256,
      rebuilt: facts.rebuilt,
      prev_sha256: this.#headSha256,
    };
    return new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function parse(bytes: Uint8Array): ManifestLine | null {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // A torn or damaged line; that it is none is all that counts.
    return null;
  }
  return schema.safeParse(value).data ?? null;
}
