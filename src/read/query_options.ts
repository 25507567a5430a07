/**
 * The options of a query.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { TimeLike } from "../time.ts";

/** What to read. */
export interface QueryOptions {
  /** Events from this instant on. */
  since?: TimeLike;
  /** Events before this instant. */
  until?: TimeLike;
  /** Events of this type, or of one of these. */
  eventType?: string | readonly string[];
  /** Events of this session. */
  sessionId?: string;
  /** Events for which this is true. */
  where?: (event: AuditEvent) => boolean;
  /** The order of appending, or the newest first; default "asc". */
  order?: "asc" | "desc";
  /** How many events at most. */
  limit?: number;
  /** Ends the iteration with its reason when aborted. */
  signal?: AbortSignal;
}
