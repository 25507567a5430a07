/**
 * What a segment holds, found out in one pass over its bytes: the figures of its manifest line.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type ChainLink, isChained, linkOf } from "../line/chain.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import type { AuditEvent } from "../event.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import { eventEpochMs } from "../time.ts";

/** Events of one type, those with a readable time. */
export interface TypeFigures {
  count: number;
  /** Sum of the finite costs, USD. */
  cost: number;
}

/** What a segment holds. Times are ISO 8601 in UTC, null when no event has one. */
export interface SegmentSummary {
  /** Lines, a last one without its line break included. */
  lines: number;
  /** Lines that are no event; blank ones do not count. */
  malformed: number;
  /** Those of them that were longer than their reader allowed, and may be events for another one. */
  oversized: number;
  /** Events without a readable time, which no query for a time finds. */
  untimed: number;
  raw_bytes: number;
  first_ts: string | null;
  last_ts: string | null;
  min_ts: string | null;
  max_ts: string | null;
  /** By event type, "" for events without one; null when there are too many types to list. */
  events: Record<string, TypeFigures> | null;
  /** Place of the last line that is in the chain of the log; null if none is. */
  last_seq: number | null;
  /** Its hash, hexadecimal. */
  last_hash: string | null;
  /** SHA-256 of the raw bytes, hexadecimal. */
  sha256: string;
}

/** The last place in the chain that a segment holds; null if it holds none. */
export function lastLinkOf(
  { last_seq, last_hash }: Pick<SegmentSummary, "last_seq" | "last_hash">,
): ChainLink | null {
  return last_seq === null || last_hash === null ? null : { seq: last_seq, hash: last_hash };
}

// Simulations invent event types; a manifest line has to stay of a readable length.
const TYPES_MAX = 1_000;
const TYPE_NAMES_LENGTH_MAX = 64 * 1024;

/** Gathers the summary of one segment. */
export class SegmentScan {
  readonly #splitter: LineSplitter;
  readonly #hash = createHash("sha256");
  readonly #types = new Map<string, { count: number; cost: PreciseSum }>();
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
  #lastChained: Uint8Array | undefined;

  /** A line of more than `maxLineBytes` counts as malformed. */
  constructor(maxLineBytes: number) {
    this.#splitter = new LineSplitter(maxLineBytes);
  }

  /** Takes in the next bytes, which must not change afterwards. */
  add(chunk: Uint8Array): void {
    this.#rawBytes += chunk.byteLength;
    this.#hash.update(chunk);
    for (const line of this.#splitter.split(chunk)) this.#addLine(line);
  }

  /** The summary, once all bytes are in. */
  finish(): SegmentSummary {
    for (const line of this.#splitter.end()) this.#addLine(line);
    const link = this.#lastChained === undefined ? null : linkOf(this.#lastChained);
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
      last_seq: link?.seq ?? null,
      last_hash: link?.hash ?? null,
      sha256: this.#hash.digest("hex"),
    };
  }

  #addLine({ bytes }: RawLine): void {
    this.#lines++;
    if (bytes === null) this.#oversized++;
    else if (isChained(bytes)) this.#lastChained = bytes;
    const parsed = bytes === null ? { reason: "too long" } : parseLine(bytes);
    if (parsed === null) return;
    if ("event" in parsed) this.#addEvent(parsed.event);
    else this.#malformed++;
  }

  #addEvent({ ts, event, cost }: AuditEvent): void {
    const epochMs = eventEpochMs(ts);
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
    // A sum past the largest number is none in JSON: whoever wants it has to add up the events.
    if (figures.some(([, { cost }]) => !Number.isFinite(cost))) return null;
    return Object.fromEntries(figures);
  }
}

function isoOrNull(epochMs: number): string | null {
  return Number.isFinite(epochMs) ? new Date(epochMs).toISOString() : null;
}
