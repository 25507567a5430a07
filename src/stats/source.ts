/**
 * Passes the events of a log, a reader or any iterable to spend() and stats(). Archives of a log are passed as stored
 * sums where the sums answer the question.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { OptionCheck, OptionChecks } from "../options/option_checks.ts";
import {
  abortSignal,
  callback,
  eventSource,
  text,
  texts,
  time,
  timeZone,
} from "../options/option_checks.ts";
import { eventFilter, type EventFilterOptions } from "../read/filter.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { type SumsKind, sumsSourceOf, sumUp } from "../read/sum_up.ts";
import type { FailureReason } from "../rollup/failure_reasons.ts";
import { fieldNamed, type GroupKey, isTimeKey, timeTexts } from "./group_key.ts";

/** The events to sum up: a log, a reader, or any events, such as the result of a query. */
export type StatsSource =
  | AsyncIterable<AuditEvent>
  | { query(options: QueryOptions): AsyncIterable<AuditEvent> };

/** Options that select the events to sum up, and the fields by which they are grouped. */
export interface GroupOptions {
  /**
   * One or two names of fields by whose values the events are grouped, such as `"agent"` or `["agent", "model"]`. Also
   * `"hour"` and `"day"`, and `"session"` for the field `session_id`. By default only the total is computed.
   *
   * @default {[]}
   */
  by?: string | readonly string[];
  /**
   * Counts events from this time on. If `since` or `until` is set, events without a readable time are left out.
   *
   * @default {undefined}
   */
  since?: QueryOptions["since"];
  /**
   * Counts events before this time.
   *
   * @default {undefined}
   */
  until?: QueryOptions["until"];
  /**
   * Counts only events of this type, or of one of these types.
   *
   * @default {undefined}
   */
  eventType?: QueryOptions["eventType"];
  /**
   * Counts only events of this session.
   *
   * @default {undefined}
   */
  sessionId?: QueryOptions["sessionId"];
  /**
   * Counts only events for which the function returns `true`. With this option, archives are decoded, because their
   * stored sums cannot answer the question.
   *
   * @default {undefined}
   */
  where?: QueryOptions["where"];
  /**
   * The time zone of `"hour"` and `"day"`: an IANA name such as `Europe/Berlin`, or a UTC offset such as `+05:30`.
   *
   * @default {"UTC"}
   */
  timeZone?: string;
  /**
   * A signal that aborts the reading.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** Maximum number of fields by which events are grouped. */
const GROUP_FIELDS_MAX = 2;

/** Checks whether events can be grouped by these names: there are at most two, and none is empty. */
export function areGroupNames(names: readonly string[]): boolean {
  return names.length <= GROUP_FIELDS_MAX && !names.includes("");
}

/** The checks of {@linkcode GroupOptions}. */
export const GROUP_OPTION_CHECKS: OptionChecks<GroupOptions> = {
  by: {
    must: "one or two names of fields",
    isOfType: texts.isOfType,
    isInRange: (value: string | readonly string[]) => areGroupNames([value].flat()),
  },
  since: time,
  until: time,
  eventType: texts,
  sessionId: text,
  where: callback,
  timeZone,
  signal: abortSignal,
};

/** Checks the source of the events. */
export const statsSource: OptionCheck = {
  must: "a log, a reader or an iterable of events, such as log.query()",
  isOfType: (value) =>
    eventSource.isOfType(value) ||
    typeof (value as { query?: unknown } | null)?.query === "function" && typeof value === "object",
};

/** Receives the events of a source, one by one or summed up as tallies of type `T`. */
export interface GroupSink<T> {
  /** Adds an event. */
  add(event: AuditEvent): void;
  /** Adds the sums of the events of a group. */
  addSums(key: GroupKey, sums: T): void;
  /** Adds the failures of events whose sums were added. Must be present if the sums include failures. */
  addFailures?(failures: readonly FailureReason[]): void;
}

/**
 * Adds the events of a source that match the options. If the source is a log or a reader, the sums of its archives are
 * added where they answer the question. The options must be valid.
 */
export async function addGrouped<T>(
  source: StatsSource,
  { by = [], timeZone = "UTC", signal, ...options }: GroupOptions,
  { kind, sink }: { readonly kind: SumsKind<T>; readonly sink: GroupSink<T> },
): Promise<void> {
  const filter = definedOf(options);
  const log = sumsSourceOf(source);
  if (log === undefined) {
    for await (const event of eventsOf(source, filter, signal)) {
      signal?.throwIfAborted();
      sink.add(event);
    }
    return;
  }
  const keys = [by].flat();
  const fields = keys.filter((key) => !isTimeKey(key)).map(fieldNamed);
  const parts = keys.map((key) => {
    if (!isTimeKey(key)) {
      const place = fields.indexOf(fieldNamed(key));
      return (values: GroupKey) => values[place] ?? null;
    }
    const textAt = timeTexts(key, timeZone);
    return (_values: GroupKey, startMs: number | null) => startMs === null ? null : textAt(startMs);
  });
  await sumUp(log, {
    question: { by: fields, timeZone: keys.some(isTimeKey) ? timeZone : null, filter, signal },
    kind,
    sink: {
      add: (event) => sink.add(event),
      addSums: (values, startMs = null, sums) =>
        sink.addSums(parts.map((part) => part(values, startMs)), sums),
      addFailures: (failures) => sink.addFailures?.(failures),
    },
  });
}

function definedOf(
  { since, until, eventType, sessionId, where }: GroupOptions,
): EventFilterOptions {
  return {
    ...since === undefined ? {} : { since },
    ...until === undefined ? {} : { until },
    ...eventType === undefined ? {} : { eventType },
    ...sessionId === undefined ? {} : { sessionId },
    ...where === undefined ? {} : { where },
  };
}

function eventsOf(
  source: StatsSource,
  filter: EventFilterOptions,
  signal: AbortSignal | undefined,
): AsyncIterable<AuditEvent> {
  if ("query" in source) {
    return source.query({ ...filter, ...signal === undefined ? {} : { signal } });
  }
  return Object.keys(filter).length === 0 ? source : selected(source, filter);
}

async function* selected(
  source: AsyncIterable<AuditEvent>,
  options: EventFilterOptions,
): AsyncGenerator<AuditEvent> {
  const filter = eventFilter(options);
  for await (const event of source) if (filter.matches(event)) yield event;
}
