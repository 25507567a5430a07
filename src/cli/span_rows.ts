/**
 * Joins the begin event and the end event of each call, as begin() and end() log them, to one row. Pure.
 *
 * @module
 */
import { type AuditEvent, BEGIN_SUFFIX, typeBegunBy } from "../event.ts";
import { ENDED_BY, SpanLedger, spanOf } from "../segments/span_ledger.ts";
import { shownDuration } from "../shown.ts";

/** The status of a call without an end event. */
export const UNFINISHED = "unfinished";
/** The status of a call that has ended, if its end event was not added to the {@linkcode SpanRows}. */
const ENDED = "ended";

/** Maximum number of end events that wait in memory for their begin events, if the newest events come first. */
const WAITING_MAX = 100_000;

/**
 * Joins the begin and end events of each call to a row: an event with the time of the begin event and the fields of
 * both events. If both events have a field, the row has the value in the end event.
 *
 * A call can have two end events: one that `scout inflight end` has logged, and a later one from the process that made
 * the call. Only the later end event has the result of the call. If the newest events come first, the row has the
 * fields of the later end event. Otherwise the later end event yields a second row of the call.
 */
export class SpanRows {
  readonly #isNewestFirst: boolean;
  /**
   * The begin events whose end event was not added yet. If the newest events come first, the end events whose begin
   * event was not added yet.
   */
  readonly #waiting = new SpanLedger<AuditEvent>();
  /** The begin events of the calls that `scout inflight end` has ended. Their processes may log an end too. */
  readonly #endedByHand = new SpanLedger<AuditEvent>();

  readonly #open: ReadonlySet<string>;

  /**
   * Creates an instance without events.
   *
   * @param open The keys of the calls that have no end event in the log, from {@linkcode keyOf}.
   */
  constructor(open: ReadonlySet<string>, { isNewestFirst = false } = {}) {
    this.#open = open;
    this.#isNewestFirst = isNewestFirst;
  }

  /**
   * Adds the next event. Returns the row of a call when both of its events were added; otherwise null. If the newest
   * events come first, the end event of a call is added before its begin event. So the begin event always completes the
   * row, even if the call has no end event.
   */
  add(event: AuditEvent): AuditEvent | null {
    const span = spanOf(event);
    if (span === null) return null;
    const { end, begins } = span;
    if (!this.#isNewestFirst) {
      if (begins) this.#waiting.begin(end, event);
      return begins ? null : this.#ended(event);
    }
    if (begins) return this.#rowOf(event, this.#waiting.end(end));
    // Other programs may write millions of events with `span` but without begin events. The limit bounds the memory.
    if (this.#waiting.size >= WAITING_MAX) return null;
    const later = this.#waiting.end(end);
    if (later !== undefined) this.#waiting.begin(end, later);
    if (later === undefined || !isByHand(event)) this.#waiting.begin(end, event);
    return null;
  }

  /**
   * Returns the rows of the calls without an end. If the newest events came first, returns no rows, because add() has
   * already returned these rows.
   */
  unfinished(): AuditEvent[] {
    if (this.#isNewestFirst) return [];
    return this.#waiting.open().map((begin) => this.#rowOf(begin, undefined));
  }

  #ended(event: AuditEvent): AuditEvent | null {
    const { end } = spanOf(event)!;
    const begin = this.#waiting.end(end) ?? this.#endedByHand.end(end);
    if (begin === undefined) return null;
    if (isByHand(event)) this.#endedByHand.begin(end, begin);
    return this.#rowOf(begin, event);
  }

  #rowOf(begin: AuditEvent, end: AuditEvent | undefined): AuditEvent {
    const { ts, event: _, session_id, ...begun } = begin;
    const { end: [event, span] } = spanOf(begin)!;
    const status = this.#open.has(keyOf({ event, span })) ? UNFINISHED : ENDED;
    const { ts: end_ts, event: __, session_id: ___, ...ended } = end ?? { status };
    return present({ ts, event, session_id, end_ts, ...begun, ...ended });
  }
}

/** Returns the row of a call as an event for a table. Its duration is a text such as `1.23 s`. */
export function shownRow({ ts, event, session_id, ...rest }: AuditEvent): AuditEvent {
  const { end_ts: _, duration_ms, status, ...fields } = rest;
  const duration = typeof duration_ms === "number" ? shownDuration(duration_ms) : duration_ms;
  const computed = duration === undefined ? {} : { duration };
  return present({ ts, event, session_id, ...computed, status, ...fields, ...computed });
}

/**
 * Returns the types of both events of a call, begin and end, for each of `types`. An element of `types` may be the type
 * of either event.
 */
export function spanTypes(types: readonly string[]): string[] {
  return types.map((type) => typeBegunBy(type) ?? type)
    .flatMap((type) => [type, type + BEGIN_SUFFIX]);
}

/** Returns a copy of a row without its members that are undefined. */
export function present(row: Readonly<Record<string, unknown>>): AuditEvent {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

/** Returns a key that identifies a call by the type and the span ID of its event. */
export function keyOf({ event, span }: AuditEvent): string {
  return JSON.stringify([event, span]);
}

function isByHand(end: AuditEvent): boolean {
  return end[ENDED_BY] !== undefined;
}
