/**
 * The spans of a segment, as its manifest line states them. Pure.
 *
 * Only what matters to the rest of the log is stated: beginnings without an end in the segment, and ends without a
 * beginning in the segment. First the ends and then the beginnings have the same effect as all events of the segment.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { signOfLife, type SpanEnd, SpanLedger, spanOf } from "./span_ledger.ts";

/** The spans of a segment. */
export interface SpanSummary {
  /** The ends without a beginning in the segment. */
  readonly ended: readonly SpanEnd[];
  /** The lines of the beginnings without an end in the segment, without line breaks, in their order. */
  readonly begun: readonly string[];
  /**
   * The session IDs in the segment, each with the `ts` of the last event that shows the session to be alive; null if
   * there are too many.
   */
  readonly seen: readonly (readonly [session: string, ts: string])[] | null;
}

// Maximum number of ends and beginnings in a summary, and the maximum total length of their texts.
const SPANS_MAX = 10_000;
const SPANS_LENGTH_MAX = 1024 * 1024;
/** Maximum number of bytes of the lines of open spans in memory. */
const OPEN_BYTES_MAX = 16 * 1024 * 1024;
// Maximum number of sessions in a summary, and the maximum length of the ID and the time of each.
const SESSIONS_MAX = 100;
const SESSION_LENGTH_MAX = 256;

const decoder = new TextDecoder();

/** Computes the summary of the spans of one segment, in bounded memory. */
export class SpanScan {
  /** The open spans, each with its line; null if there are too many spans. */
  #ledger: SpanLedger<Uint8Array> | null = new SpanLedger();
  #openBytes = 0;
  #ended: SpanEnd[] = [];
  #endedLength = 0;
  /** The sessions and the times of their last events; null if there are too many. */
  #seen: Map<string, string> | null = new Map();

  /** Adds the next event of the segment, and the bytes of its line. */
  add(event: AuditEvent, bytes: Uint8Array): void {
    this.#see(event);
    const span = spanOf(event);
    if (span === null || this.#ledger === null) return;
    if (span.begins) this.#begin(this.#ledger, span.end, bytes);
    else this.#end(this.#ledger, span.end);
    const isTooMuch = this.#ledger.size > SPANS_MAX || this.#openBytes > OPEN_BYTES_MAX ||
      this.#ended.length > SPANS_MAX || this.#endedLength > SPANS_LENGTH_MAX;
    if (isTooMuch) this.#ledger = null;
  }

  /** Returns the summary; null if the segment has too many spans for a manifest line. */
  finish(): SpanSummary | null {
    if (this.#ledger === null) return null;
    const begun = this.#ledger.open().map((bytes) => decoder.decode(bytes));
    const length = begun.reduce((sum, text) => sum + text.length, this.#endedLength);
    if (this.#ended.length + begun.length > SPANS_MAX || length > SPANS_LENGTH_MAX) return null;
    return { ended: this.#ended, begun, seen: this.#seen === null ? null : [...this.#seen] };
  }

  #begin(ledger: SpanLedger<Uint8Array>, end: SpanEnd, bytes: Uint8Array): void {
    // A copy, because the bytes are a part of a much larger chunk.
    ledger.begin(end, bytes.slice());
    this.#openBytes += bytes.byteLength;
  }

  #end(ledger: SpanLedger<Uint8Array>, end: SpanEnd): void {
    const begun = ledger.end(end);
    if (begun !== undefined) {
      this.#openBytes -= begun.byteLength;
      return;
    }
    this.#ended.push(end);
    this.#endedLength += end[0].length + end[1].length;
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
