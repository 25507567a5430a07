/**
 * Rows for spans: one row for the two events of a call. Pure.
 *
 * @module
 */
import { type AuditEvent, BEGIN_SUFFIX } from "../event.ts";
import { SpanLedger, spanOf } from "../segments/span_ledger.ts";
import { shownDuration } from "../shown.ts";
import { eventEpochMs } from "../time.ts";

/** The status of a row without an end event. */
const UNFINISHED = "unfinished";

/** Options of {@linkcode spanRows}. */
export interface SpanRowOptions {
  /** Whether the events arrive newest first. */
  readonly isNewestFirst?: boolean;
  /** Whether an end is shown whose beginning is not among the events. Its start is then computed from its duration. */
  readonly showsLoneEnds?: boolean;
}

/**
 * Yields a row for each span, as an event with the time of the beginning and the fields of both events. A field of the
 * end counts if both have it. The rows are in the order in which the calls are complete: oldest first by their ends, and
 * then the calls without an end; newest first by their beginnings.
 */
export async function* spanRows(
  events: AsyncIterable<AuditEvent>,
  { isNewestFirst = false, showsLoneEnds = false }: SpanRowOptions = {},
): AsyncGenerator<AuditEvent, void> {
  // The first of the two events that arrives waits for the other one.
  const waiting = new SpanLedger<AuditEvent>();
  for await (const event of events) {
    const span = spanOf(event);
    if (span === null) continue;
    const isFirst = span.begins !== isNewestFirst;
    if (isFirst) {
      waiting.begin(span.end, event);
      continue;
    }
    const other = waiting.end(span.end);
    if (span.begins) yield rowOf(event, other);
    else if (other !== undefined) yield rowOf(other, event);
    else if (showsLoneEnds) yield rowOfEnd(event);
  }
  if (!isNewestFirst) { for (const begin of waiting.open()) yield rowOf(begin, undefined); }
}

/** Returns a row as it is shown in a table of events, with its duration as people read it. */
export function shownRow({ ts, event, session_id, ...rest }: AuditEvent): AuditEvent {
  const { end_ts: _, duration_ms, status, ...fields } = rest;
  const duration = typeof duration_ms === "number" ? shownDuration(duration_ms) : duration_ms;
  return present({ ts, event, session_id, duration, status, ...fields });
}

/** Returns the event types of the beginnings and ends of calls of these types. */
export function spanTypes(types: readonly string[]): string[] {
  return types.flatMap((type) => [type, type + BEGIN_SUFFIX]);
}

/** Returns the members of a row that are not undefined. */
export function present(row: Readonly<Record<string, unknown>>): AuditEvent {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

function rowOf(begin: AuditEvent, end: AuditEvent | undefined): AuditEvent {
  const { ts, event: _, session_id, ...begun } = begin;
  const { ts: end_ts, event: __, session_id: ___, ...ended } = end ?? { status: UNFINISHED };
  const [event] = spanOf(begin)!.end;
  return present({ ts, event, session_id, end_ts, ...begun, ...ended });
}

/** Returns the row of an end whose beginning is unknown. Its duration says when it began. */
function rowOfEnd({ ts: end_ts, event, session_id, ...ended }: AuditEvent): AuditEvent {
  const { duration_ms } = ended;
  const beganMs = typeof duration_ms === "number" ? eventEpochMs(end_ts) - duration_ms : NaN;
  const ts = Number.isNaN(new Date(beganMs).getTime())
    ? undefined
    : new Date(beganMs).toISOString();
  return present({ ts, event, session_id, end_ts, ...ended });
}
