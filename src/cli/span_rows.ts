/**
 * Rows for spans: one row for the two events of a call. Pure.
 *
 * @module
 */
import { type AuditEvent, BEGIN_SUFFIX } from "../event.ts";
import { ENDED_BY, SpanLedger, spanOf, typeBegunBy } from "../segments/span_ledger.ts";
import { shownDuration } from "../shown.ts";

/** The status of a call without an end event. */
export const UNFINISHED = "unfinished";
/** The status of a call that has ended, and whose end is not among the events. */
const ENDED = "ended";

/** Maximum number of ends that wait for their beginning, if the newest events come first. */
const WAITING_MAX = 100_000;

/**
 * Joins the two events of each call to a row: an event with the time of the beginning and the fields of both. If both
 * have a field, that of the end counts.
 *
 * A process can end a call that `scout inflight end` has ended before. Then its own end counts, because that end has the
 * result of the call.
 */
export class SpanRows {
  readonly #isNewestFirst: boolean;
  /** The first of the two events that arrives waits for the other one. */
  readonly #waiting = new SpanLedger<AuditEvent>();
  /** The beginnings of the calls that were ended by hand, which may end once more. */
  readonly #endedByHand = new SpanLedger<AuditEvent>();

  readonly #open: ReadonlySet<string>;

  /**
   * Creates the rows.
   *
   * @param open The keys of the calls without an end in the log, see {@linkcode keyOf}.
   */
  constructor(open: ReadonlySet<string>, { isNewestFirst = false } = {}) {
    this.#open = open;
    this.#isNewestFirst = isNewestFirst;
  }

  /** Adds the next event. Returns a row if a call is complete: it has both events, or cannot get an end any more. */
  add(event: AuditEvent): AuditEvent | null {
    const span = spanOf(event);
    if (span === null) return null;
    const { end, begins } = span;
    if (!this.#isNewestFirst) {
      if (begins) this.#waiting.begin(end, event);
      return begins ? null : this.#ended(event);
    }
    if (begins) return this.#rowOf(event, this.#waiting.end(end));
    // Other programs may give a field named span to millions of events, which have no beginning.
    if (this.#waiting.size >= WAITING_MAX) return null;
    const later = this.#waiting.end(end);
    if (later !== undefined) this.#waiting.begin(end, later);
    if (later === undefined || !isByHand(event)) this.#waiting.begin(end, event);
    return null;
  }

  /** Returns the rows of the calls without an end, if the events were added oldest first. */
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

/** Returns a row as it is shown in a table of events, with its duration as people read it. */
export function shownRow({ ts, event, session_id, ...rest }: AuditEvent): AuditEvent {
  const { end_ts: _, duration_ms, status, ...fields } = rest;
  const duration = typeof duration_ms === "number" ? shownDuration(duration_ms) : duration_ms;
  const computed = duration === undefined ? {} : { duration };
  return present({ ts, event, session_id, ...computed, status, ...fields, ...computed });
}

/** Returns the event types of the beginnings and ends of calls. A type may be that of either event. */
export function spanTypes(types: readonly string[]): string[] {
  return types.map((type) => typeBegunBy(type) ?? type)
    .flatMap((type) => [type, type + BEGIN_SUFFIX]);
}

/** Returns the members of a row that are not undefined. */
export function present(row: Readonly<Record<string, unknown>>): AuditEvent {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

/** Returns a key of the type and the ID of an event. */
export function keyOf({ event, span }: AuditEvent): string {
  return JSON.stringify([event, span]);
}

function isByHand(end: AuditEvent): boolean {
  return end[ENDED_BY] !== undefined;
}
