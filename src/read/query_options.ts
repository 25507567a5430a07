/**
 * The options of a query.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { TimeLike } from "../time.ts";

/** Options of `query()`. An event is returned if it matches every option that selects events. */
export interface QueryOptions {
  /**
   * Selects the events at or after this instant. Events without a readable time do not match. Without `since`, there is
   * no lower bound.
   *
   * @default {undefined}
   */
  since?: TimeLike;
  /**
   * Selects the events before this instant. Events without a readable time do not match. Without `until`, there is no
   * upper bound.
   *
   * @default {undefined}
   */
  until?: TimeLike;
  /**
   * Selects the events of this type, or of one of these types. Without `eventType`, events of every type match.
   *
   * @default {undefined}
   */
  eventType?: string | readonly string[];
  /**
   * Selects the events with this `session_id`. Without `sessionId`, events of every session match.
   *
   * @default {undefined}
   */
  sessionId?: string;
  /**
   * Selects the events for which this function returns `true`. The function is called at most once for each event of an
   * iteration. If the function throws, the iteration throws the same error. Without `where`, every event matches.
   *
   * @default {undefined}
   */
  where?: (event: AuditEvent) => boolean;
  /**
   * The order of the events: `"asc"` is the order of appending, `"desc"` is the reverse, newest first.
   *
   * @default {"asc"}
   */
  order?: "asc" | "desc";
  /**
   * Maximum number of events to return, an integer >= 0 or `Infinity`.
   *
   * @default {Infinity}
   */
  limit?: number;
  /**
   * Ends the iteration when the signal aborts: the iteration closes its files and throws the reason of the signal.
   * Without a signal, the iteration ends after the last event or at `break`.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}
