/**
 * Selects the events that match the options of a query. Pure.
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

/** Checks of the options that both `query()` and `follow()` have. */
export const FILTER_OPTION_CHECKS: OptionChecks<
  Omit<EventFilterOptions, "until"> & Pick<QueryOptions, "signal">
> = {
  since: time,
  eventType: texts,
  sessionId: text,
  where: callback,
  signal: abortSignal,
};

/**
 * A filter for events. A reader can also compare the conditions of the filter with the text of a line or with a
 * manifest line, and skip lines and archives without parsing them.
 */
export interface EventFilter extends LineNeeds {
  /** Checks whether the event is selected. */
  matches(event: AuditEvent): boolean;
  /** The selected types; undefined selects all. */
  readonly types: ReadonlySet<string> | undefined;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Whether only events with a time are selected. */
  readonly isTimed: boolean;
}

/** Returns the filter for the options. The caller must have checked the options. */
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
        // The time of an event without a readable `ts` is NaN, so the event is not selected.
        const ms = eventEpochMs(event.ts);
        if (!(ms >= sinceMs && ms < untilMs)) return false;
      }
      return where === undefined || where(event);
    },
  };
}

/** Checks whether an archive with this manifest line may contain an event that the filter selects. */
export function mayLineHold(line: ArchiveLine, filter: EventFilter): boolean {
  const { types, isTimed, sinceMs, untilMs } = filter;
  if (isTimed) {
    if (line.min_ts === null || line.max_ts === null) return false;
    if (!(Date.parse(line.max_ts) >= sinceMs && Date.parse(line.min_ts) < untilMs)) return false;
  }
  const { events } = line;
  // The manifest line does not list the types of events without a time, so such an event may be of a selected type.
  if (types === undefined || events === null || (!isTimed && line.untimed > 0)) return true;
  return [...types].some((type) => Object.hasOwn(events, type));
}
