/**
 * A span (a call that is logged with its beginning and end) that has begun and not ended, as readers list it. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { spanOf } from "../segments/span_ledger.ts";

/** A span without an end event in the log. Its call still runs, or its process died. */
export interface UnfinishedSpan {
  /** ID of the span. */
  readonly span: string;
  /** ID of the span that contains this span, if there is one. */
  readonly parent?: string;
  /** Type of the event that ends the span, such as "tool_call". */
  readonly event: string;
  /** Time at which the span began, ISO 8601; missing if the event that began the span has no time. */
  readonly ts?: string;
  /** ID of the session that began the span; missing if the event that began the span has no session ID. */
  readonly session_id?: string;
  /** The other fields of the event that began the span. */
  readonly fields: Readonly<Record<string, unknown>>;
  /**
   * The `ts` of the session's last event, unchanged; missing if it is not known. If this time is recent, the process
   * may still run. A reader cannot check that, because it has only the files of the log. Events without a `ts` do not
   * count. End events with the field `ended_by` do not count either, because `scout inflight end` logged them, not the
   * process.
   */
  readonly lastSeen?: string;
}

/**
 * Returns the span (a logged call) that the event `begin` begins, without `lastSeen`. Must be called only for an event
 * that begins a span.
 */
export function spanBegunBy(begin: AuditEvent): Omit<UnfinishedSpan, "lastSeen"> {
  const [event, span] = spanOf(begin)!.end;
  const { ts, event: _, span: __, session_id, parent, ...fields } = begin;
  return {
    span,
    ...typeof parent === "string" ? { parent } : {},
    event,
    ...typeof ts === "string" ? { ts } : {},
    ...typeof session_id === "string" ? { session_id } : {},
    fields: typeof parent === "string" || parent === undefined ? fields : { parent, ...fields },
  };
}
