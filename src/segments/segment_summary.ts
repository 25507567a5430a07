/**
 * Computes the summary of a segment in one pass over its bytes. The summary is stored in the manifest line of the
 * archive.
 *
 * @module
 */
import { startSha256 } from "../line/digest.ts";
import { type ChainLink, linkOf } from "../line/chain.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import type { AuditEvent } from "../event.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import { parseLines } from "../line/parse_lines.ts";
import { decodeUtf8 } from "../line/utf8.ts";
import type { RollupContent } from "../rollup/rollup.ts";
import { RollupScan } from "../rollup/rollup_scan.ts";
import { eventEpochMs } from "../time.ts";
import { SpanScan, type SpanSummary } from "./span_summary.ts";

/** The figures of the events of one type. Events without a readable time are not included. */
export interface TypeFigures {
  count: number;
  /** Sum of the finite costs, USD. */
  cost: number;
}

/** The summary of a segment. Times are ISO 8601 in UTC, null if no event has a readable time. */
export interface SegmentSummary {
  /** Number of lines, including a last line without a line break. */
  lines: number;
  /** Number of lines that are not events; blank lines are not included. */
  malformed: number;
  /**
   * Number of malformed lines that exceed `maxLineBytes`. A reader with a larger limit may read some of them as events.
   */
  oversized: number;
  /** Number of events without a readable time. Queries by time never match these events. */
  untimed: number;
  raw_bytes: number;
  first_ts: string | null;
  last_ts: string | null;
  min_ts: string | null;
  max_ts: string | null;
  /** Figures by event type, "" for events without a type; null if there are too many types or a sum is not finite. */
  events: Record<string, TypeFigures> | null;
  /**
   * The spans (logged calls) of which only the beginning or only the end is in the segment; null if there are too many.
   */
  spans: SpanSummary | null;
  /** The field `seq` (the number) of the last line that has a chain hash; null if no line has one. */
  last_seq: number | null;
  /** Hash of the last line that has a chain hash, hexadecimal; null if no line has one. */
  last_hash: string | null;
  /** SHA-256 of the raw bytes, hexadecimal. */
  sha256: string;
}

/** Returns the number and the hash of the last line of a segment that has a chain hash; null if no line has one. */
export function lastLinkOf(
  { last_seq, last_hash }: Pick<SegmentSummary, "last_seq" | "last_hash">,
): ChainLink | null {
  return last_seq === null || last_hash === null ? null : { seq: last_seq, hash: last_hash };
}

// Maximum number of event types in a summary, and maximum total length of their names in characters. If a segment has
// more, the summary has no figures by type, so that the length of a manifest line stays bounded.
const TYPES_MAX = 1_000;
const TYPE_NAMES_LENGTH_MAX = 64 * 1024;

const LINE_BREAK = 0x0a;
/** A part of each chained line: the end of the name of its hash, and the opening quote of the value. */
const HASH_PART = 'hash":"';

/** Computes the summary of one segment. */
export class SegmentScan {
  readonly #maxLineBytes: number;
  readonly #splitter: LineSplitter;
  readonly #hash = startSha256();
  readonly #types = new Map<string, { count: number; cost: PreciseSum }>();
  readonly #spans = new SpanScan();
  readonly #rollupScan: RollupScan | undefined;
  #rollup: RollupContent | null = null;
  #typeNamesLength = 0;
  #lines = 0;
  #malformed = 0;
  #oversized = 0;
  #untimed = 0;
  #rawBytes = 0;
  #firstMs = NaN;
  #lastMs = NaN;
  #minMs = Infinity;
  #maxMs = -Infinity;
  #lastLink: ChainLink | null = null;

  /**
   * Creates the scan. A line of more than `maxLineBytes` bytes counts as malformed. `rollupFields` are the fields by
   * which the rollup groups events, besides type, model and session; without `rollupFields`, no rollup is gathered.
   */
  constructor(maxLineBytes: number, rollupFields?: readonly string[]) {
    this.#maxLineBytes = maxLineBytes;
    this.#splitter = new LineSplitter(maxLineBytes);
    if (rollupFields !== undefined) this.#rollupScan = new RollupScan(rollupFields);
  }

  /**
   * The rollup, the sums of the segment's events; null if none was gathered, or if the segment has too many groups of
   * events. Known after {@linkcode finish}.
   */
  get rollup(): RollupContent | null {
    return this.#rollup;
  }

  /** Adds the next bytes of the segment. Keeps no reference to the chunk, so the caller may release it. */
  add(chunk: Uint8Array): void {
    this.#rawBytes += chunk.byteLength;
    this.#hash.update(chunk);
    // The first line may have begun in an earlier chunk, and the rest after the last line break ends in a later one.
    const first = chunk.indexOf(LINE_BREAK) + 1;
    const end = chunk.lastIndexOf(LINE_BREAK) + 1;
    this.#addOneByOne(chunk.subarray(0, first));
    this.#addLines(chunk.subarray(first, end));
    this.#addOneByOne(chunk.slice(end));
  }

  /** Returns the summary of the segment. Must be called once, after all bytes were added. */
  finish(): SegmentSummary {
    for (const line of this.#splitter.end()) this.#addLine(line);
    this.#rollup = this.#rollupScan?.finish() ?? null;
    return {
      lines: this.#lines,
      malformed: this.#malformed,
      oversized: this.#oversized,
      untimed: this.#untimed,
      raw_bytes: this.#rawBytes,
      first_ts: isoOrNull(this.#firstMs),
      last_ts: isoOrNull(this.#lastMs),
      min_ts: isoOrNull(this.#minMs),
      max_ts: isoOrNull(this.#maxMs),
      events: this.#figures(),
      spans: this.#spans.finish(),
      last_seq: this.#lastLink?.seq ?? null,
      last_hash: this.#lastLink?.hash ?? null,
      sha256: this.#hash.digest("hex"),
    };
  }

  /** Adds whole lines. Parses them together or, if a line is not an event, one by one. */
  #addLines(bytes: Uint8Array): void {
    const isShort = bytes.byteLength <= this.#maxLineBytes;
    const text = isShort ? decodeUtf8(bytes) : null;
    const events = text === null ? null : parseLines(text);
    if (text === null || events === null) return this.#addOneByOne(bytes);
    this.#lines += events.length;
    if (text.includes(HASH_PART)) this.#lastLink = lastLinkIn(bytes) ?? this.#lastLink;
    let start = 0;
    for (const event of events) {
      const end = bytes.indexOf(LINE_BREAK, start);
      const from = start;
      this.#add(event, end + 1 - start, () => bytes.subarray(from, end));
      start = end + 1;
    }
  }

  #addOneByOne(bytes: Uint8Array): void {
    for (const line of this.#splitter.split(bytes)) this.#addLine(line);
  }

  #addLine({ bytes }: RawLine): void {
    this.#lines++;
    if (bytes === null) this.#oversized++;
    else this.#lastLink = linkOf(bytes) ?? this.#lastLink;
    const parsed = bytes === null ? { reason: "too long" } : parseLine(bytes);
    if (parsed === null) return;
    if ("event" in parsed) this.#add(parsed.event, bytes!.byteLength + 1, () => bytes!);
    else this.#malformed++;
  }

  /** Adds an event. `lineBytes` is the length of its line with the line break, and `line` returns the line without. */
  #add(event: AuditEvent, lineBytes: number, line: () => Uint8Array): void {
    const epochMs = eventEpochMs(event.ts);
    this.#addFigures(event, epochMs);
    this.#rollupScan?.add(event, epochMs, lineBytes);
    this.#spans.add(event, line);
  }

  #addFigures({ event, cost }: AuditEvent, epochMs: number): void {
    if (Number.isNaN(epochMs)) {
      this.#untimed++;
      return;
    }
    if (Number.isNaN(this.#firstMs)) this.#firstMs = epochMs;
    this.#lastMs = epochMs;
    this.#minMs = Math.min(this.#minMs, epochMs);
    this.#maxMs = Math.max(this.#maxMs, epochMs);
    const type = typeof event === "string" ? event : "";
    let figures = this.#types.get(type);
    if (figures === undefined) {
      if (this.#hasTooManyTypes) return;
      this.#typeNamesLength += type.length;
      this.#types.set(type, figures = { count: 0, cost: new PreciseSum() });
    }
    figures.count++;
    if (typeof cost === "number" && Number.isFinite(cost)) figures.cost.add(cost);
  }

  get #hasTooManyTypes(): boolean {
    return this.#types.size > TYPES_MAX || this.#typeNamesLength > TYPE_NAMES_LENGTH_MAX;
  }

  #figures(): Record<string, TypeFigures> | null {
    if (this.#hasTooManyTypes) return null;
    const figures = [...this.#types].map(([type, { count, cost }]) =>
      [type, { count, cost: cost.value }] as const
    );
    // JSON has no Infinity. So if a sum overflows, the summary has no figures by type, and readers add up the costs of
    // the events themselves.
    if (figures.some(([, { cost }]) => !Number.isFinite(cost))) return null;
    return Object.fromEntries(figures);
  }
}

/** Returns the last link in some lines, all of which have a line break; null if no line is chained. */
function lastLinkIn(lines: Uint8Array): ChainLink | null {
  for (let end = lines.byteLength - 1; end > 0;) {
    const start = lines.lastIndexOf(LINE_BREAK, end - 1) + 1;
    const link = linkOf(lines.subarray(start, end));
    if (link !== null) return link;
    end = start - 1;
  }
  return null;
}

function isoOrNull(epochMs: number): string | null {
  return Number.isFinite(epochMs) ? new Date(epochMs).toISOString() : null;
}
