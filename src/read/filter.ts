/**
 * Which events a query asks for. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import {
  abortSignal,
  callback,
  type OptionChecks,
  text,
  texts,
  time,
} from "../options/option_checks.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { eventEpochMs, toEpochMs } from "../time.ts";
import type { LineNeeds } from "./line_test.ts";
import type { QueryOptions } from "./query_options.ts";

/** The options of a query that select events. */
export type EventFilterOptions = Pick<
  QueryOptions,
  "since" | "until" | "eventType" | "sessionId" | "where"
>;

/** The checks of the options that queries and followers share. */
export const FILTER_OPTION_CHECKS: OptionChecks<
  Omit<EventFilterOptions, "until"> & Pick<QueryOptions, "signal">
> = {
  since: time,
  eventType: texts,
  sessionId: text,
  where: callback,
  signal: abortSignal,
};

/** A selection of events: the test, and what is known of it before an event is parsed. */
export interface EventFilter extends LineNeeds {
  /** Whether the event is selected. */
  matches(event: AuditEvent): boolean;
  /** The types that are selected; undefined for all. */
  readonly types: ReadonlySet<string> | undefined;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Whether only events with a time are selected. */
  readonly isTimed: boolean;
}

/** Returns the filter of options that are checked. */
export function eventFilter(options: EventFilterOptions): EventFilter {
  const { eventType, sessionId, where } = options;
  const sinceMs = options.since === undefined ? -Infinity : toEpochMs(options.since, "since");
  const untilMs = options.until === undefined ? Infinity : toEpochMs(options.until, "until");
  const isTimed = options.since !== undefined || options.until !== undefined;
  const types = eventType === undefined ? undefined : new Set([eventType].flat());
  return {
    types,
    sinceMs,
    untilMs,
    isTimed,
    strings: [
      ...types === undefined ? [] : [[...types]],
      ...sessionId === undefined ? [] : [[sessionId]],
    ],
    matches(event) {
      if (types !== undefined && !(types as ReadonlySet<unknown>).has(event.event)) return false;
      if (sessionId !== undefined && event.session_id !== sessionId) return false;
      if (isTimed) {
        // An event without a readable time compares false with any bound, so it is left out.
        const ms = eventEpochMs(event.ts);
        if (!(ms >= sinceMs && ms < untilMs)) return false;
      }
      return where === undefined || where(event);
    },
  };
}

/** Whether an archive with this line in the manifest may hold an event that the filter selects. */
export function mayLineHold(line: ArchiveLine, filter: EventFilter): boolean {
  const { types, isTimed, sinceMs, untilMs } = filter;
  if (isTimed) {
    if (line.min_ts === null || line.max_ts === null) return false;
    if (!(Date.parse(line.max_ts) >= sinceMs && Date.parse(line.min_ts) < untilMs)) return false;
  }
  const { events } = line;
  // The types of events without a time are not in the line.
  if (types === undefined || events === null || (!isTimed && line.untimed > 0)) return true;
  return [...types].some((type) => Object.hasOwn(events, type));
}
