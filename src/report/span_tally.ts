/**
 * Finds the calls of a report that have begun and not ended. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { SpanLedger, spanOf } from "../segments/span_ledger.ts";
import { begunIn, type SpanSummary } from "../segments/span_summary.ts";
import { eventEpochMs } from "../time.ts";

/** Maximum number of calls that are listed. Further calls are counted, but not listed. */
const LISTED_MAX = 50;
/** Maximum number of calls without an end that are stored. If there are more, the calls are not counted. */
export const OPEN_MAX = 100_000;

/** A call that has begun and not ended. The fields that its event lacks are undefined. */
export interface UnfinishedCall {
  /** The type of the event that would end the call. */
  readonly type: string;
  readonly span: string;
  /** The time at which the call began in epoch milliseconds; null if its event has no readable time. */
  readonly startMs: number | null;
  readonly agent: unknown;
  readonly session: unknown;
  /** The event that began the call. */
  readonly event: AuditEvent;
}

/** The calls that have begun and not ended. */
export interface UnfinishedFigures {
  /** The number of the calls; null if there are too many to count. */
  readonly count: number | null;
  /** The calls that began first in the order of the log. */
  readonly first: readonly UnfinishedCall[];
}

/** The calls that have begun and not ended among the events that were added, in the order of the log. */
export class SpanTally {
  /** The calls that have not ended; null if there were too many. */
  #open: SpanLedger<UnfinishedCall> | null = new SpanLedger();

  /** Adds an event. */
  add(event: AuditEvent): void {
    if (this.#open === null || typeof event.span !== "string") return;
    const span = spanOf(event);
    if (span === null) return;
    if (!span.begins) this.#open.end(span.end);
    else this.#open.begin(span.end, callBegunBy(event, span.end[0]));
    if (this.#open.size > OPEN_MAX) this.#open = null;
  }

  /**
   * Adds an event that a filter leaves out. It may end a call whose beginning matches the filter, because the event at
   * the end of a call need not have the fields of the event at its beginning.
   */
  addEnd(event: AuditEvent): void {
    if (this.#open === null || typeof event.span !== "string") return;
    const span = spanOf(event);
    if (span !== null && !span.begins) this.#open.end(span.end);
  }

  /**
   * Checks whether the summary of the spans in an archive is enough: it has all ends that may matter, and the whole
   * events that begin calls.
   */
  isEnough(spans: SpanSummary | null | undefined): spans is SpanSummary {
    if (spans === null || spans === undefined || spans.cut) return false;
    return this.#open === null || !this.#open.isAwaiting(spans.unlisted);
  }

  /** Adds the summary of the spans in an archive in place of its events. */
  addArchive(spans: SpanSummary): void {
    for (const end of spans.ended) this.#open?.end(end);
    for (const event of begunIn(spans)) this.add(event);
  }

  /** Returns the calls that have not ended. */
  figures(): UnfinishedFigures {
    if (this.#open === null) return { count: null, first: [] };
    return { count: this.#open.size, first: this.#open.open().slice(0, LISTED_MAX) };
  }
}

function callBegunBy(event: AuditEvent, type: string): UnfinishedCall {
  const { ts, span, agent, session_id } = event;
  const startMs = eventEpochMs(ts);
  return {
    type,
    span: span as string,
    startMs: Number.isNaN(startMs) ? null : startMs,
    agent,
    session: session_id,
    event,
  };
}
