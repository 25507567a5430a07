/**
 * Computes the summary of the spans of a segment for the manifest line. Pure.
 *
 * The summary has only spans that concern other files: beginnings without an end in the segment, and ends without a
 * beginning in the segment. A reader that applies first the ends in the summary and then its beginnings finds the same
 * open spans as a reader of all events of the segment.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { parseLine } from "../line/parse_line.ts";
import { signOfLife, type SpanEnd, SpanLedger, spanOf } from "./span_ledger.ts";

/** The spans of a segment. */
export interface SpanSummary {
  /**
   * The ends of spans that began in an earlier file, as the type and the span ID of each; without the types in
   * `unlisted`.
   */
  readonly ended: readonly SpanEnd[];
  /**
   * The event types that have many ends but no beginning in the segment. Their ends are not in `ended`, because such
   * events are most likely events of another program that have a field named `span`. If a span of such a type is open,
   * a reader must read the segment.
   */
  readonly unlisted: readonly string[];
  /**
   * The lines that begin a span which does not end in the segment, in the order of the segment, without line breaks.
   */
  readonly begun: readonly string[];
  /**
   * Whether the lines in `begun` have only the fields that identify the span, because the full lines would be too long.
   */
  readonly cut: boolean;
  /**
   * The session IDs in the segment, each with the `ts` of its last event; null if there are too many. An event that
   * another process logged for a process that died does not count.
   */
  readonly seen: readonly (readonly [session: string, ts: string])[] | null;
}

// Maximum number of ends and beginnings in a summary, and the maximum total length of their texts as JSON.
const SPANS_MAX = 10_000;
const SPANS_LENGTH_MAX = 1024 * 1024;
/**
 * Maximum number of listed ends of a type that has no beginning in the segment. Above it, the ends are most likely
 * events of another program that have a field named `span`, so only their type is listed.
 */
const FOREIGN_ENDS_MAX = 100;
/** Maximum length of an event type in `unlisted`, and the maximum number of such types. */
const UNLISTED_LENGTH_MAX = 256;
const UNLISTED_MAX = 100;
/** Maximum total length of the lines that begin open spans, as held in memory, in bytes. */
const OPEN_BYTES_MAX = 16 * 1024 * 1024;
// Maximum number of sessions in a summary, and the maximum length of the ID and the time of each.
const SESSIONS_MAX = 100;
const SESSION_LENGTH_MAX = 256;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Returns the events that begin the spans in a summary. A line that is not an event is left out. */
export function begunIn({ begun }: SpanSummary): AuditEvent[] {
  return begun.flatMap((line) => {
    const parsed = parseLine(encoder.encode(line));
    return parsed !== null && "event" in parsed ? [parsed.event] : [];
  });
}

/** Computes the summary of the spans of one segment, in bounded memory. */
export class SpanScan {
  /** The open spans, each with the line that began the span; null if there are too many spans. */
  #ledger: SpanLedger<Uint8Array> | null = new SpanLedger();
  #openBytes = 0;
  /** The types of the spans that have begun in the segment. */
  readonly #begunTypes = new Set<string>();
  /** The ends without a beginning in the segment, by type; null for a type whose ends are not listed. */
  readonly #ended = new Map<string, SpanEnd[] | null>();
  #endedCount = 0;
  #endedLength = 0;
  /** The sessions and the times of their last events; null if there are too many. */
  #seen: Map<string, string> | null = new Map();

  /** Adds the next event of the segment. `line` returns the bytes of its line. */
  add(event: AuditEvent, line: () => Uint8Array): void {
    this.#see(event);
    const span = spanOf(event);
    if (span === null || this.#ledger === null) return;
    if (span.begins) this.#begin(this.#ledger, span.end, line());
    else this.#end(this.#ledger, span.end);
    const isTooMuch = this.#ledger.size > SPANS_MAX || this.#openBytes > OPEN_BYTES_MAX ||
      this.#endedCount > SPANS_MAX || this.#endedLength > SPANS_LENGTH_MAX;
    if (isTooMuch) this.#ledger = null;
  }

  /** Returns the summary; null if the segment has too many spans for a manifest line. */
  finish(): SpanSummary | null {
    if (this.#ledger === null) return null;
    const open = this.#ledger.open();
    if (this.#endedCount + open.length > SPANS_MAX) return null;
    const unlisted = [...this.#ended].flatMap(([type, ends]) => ends === null ? [type] : []);
    const ended = this.#ended.values().flatMap((ends) => ends ?? []).toArray();
    const seen = this.#seen === null ? null : [...this.#seen];
    for (const cut of [false, true]) {
      const begun = open.map((bytes) => cut ? namesIn(bytes) : decoder.decode(bytes));
      const length = begun.reduce((sum, text) => sum + lengthOf(text), this.#endedLength);
      if (length <= SPANS_LENGTH_MAX) return { ended, unlisted, begun, cut, seen };
    }
    return null;
  }

  #begin(ledger: SpanLedger<Uint8Array>, end: SpanEnd, bytes: Uint8Array): void {
    this.#begunTypes.add(end[0]);
    // Store a copy, because the bytes are a part of a much larger chunk, which would stay in memory.
    ledger.begin(end, bytes.slice());
    this.#openBytes += bytes.byteLength;
  }

  #end(ledger: SpanLedger<Uint8Array>, end: SpanEnd): void {
    const begun = ledger.end(end);
    if (begun !== undefined) {
      this.#openBytes -= begun.byteLength;
      return;
    }
    const [type, span] = end;
    const ends = this.#ended.getOrInsert(type, []);
    if (ends === null) return;
    ends.push(end);
    this.#endedCount++;
    this.#endedLength += lengthOf(type) + lengthOf(span);
    if (ends.length > FOREIGN_ENDS_MAX && !this.#begunTypes.has(type)) this.#unlist(type, ends);
  }

  /**
   * Removes the ends of a type from the listed ends, so that the summary only has the type, in `unlisted`. Does nothing
   * if the name of the type is too long, or if too many types are unlisted already.
   */
  #unlist(type: string, ends: readonly SpanEnd[]): void {
    const unlisted = this.#ended.values().filter((ends) => ends === null).toArray().length;
    if (type.length > UNLISTED_LENGTH_MAX || unlisted >= UNLISTED_MAX) return;
    this.#ended.set(type, null);
    this.#endedCount -= ends.length;
    for (const [, span] of ends) this.#endedLength -= lengthOf(type) + lengthOf(span);
  }

  #see(event: AuditEvent): void {
    const sign = signOfLife(event);
    if (sign === null || this.#seen === null) return;
    const { session, ts } = sign;
    this.#seen.set(session, ts);
    const isTooMuch = this.#seen.size > SESSIONS_MAX ||
      session.length + ts.length > SESSION_LENGTH_MAX;
    if (isTooMuch) this.#seen = null;
  }
}

/** Returns the line that begins a span, reduced to the fields that identify the span. */
function namesIn(line: Uint8Array): string {
  const parsed = parseLine(line);
  const event: AuditEvent = parsed !== null && "event" in parsed ? parsed.event : {};
  const { ts, event: type, session_id, span, parent } = event;
  return JSON.stringify({ ts, event: type, session_id, span, parent });
}

/** Returns the length of a text as JSON, because the manifest line has the text in this form. */
function lengthOf(text: string): number {
  return JSON.stringify(text).length;
}
