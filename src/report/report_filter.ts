/**
 * The filter of a live page, which is part of its address, such as `?agent=scout&since=2026-02-13T14:00Z`. Pure.
 *
 * @module
 */
import { type AuditEvent, groupText, isReservedType } from "../event.ts";
import { nearestName } from "../options/nearest_name.ts";
import type { FollowOptions } from "../read/follow.ts";
import { isFailure } from "../rollup/call_tally.ts";
import { groupedReasonOf } from "../rollup/failure_reasons.ts";
import { EPOCH_MS_MAX, parseTime } from "../time.ts";
import { keptName } from "./name_tally.ts";
import type { ResolvedReportOptions } from "./options.ts";

/** The fields by which a page can be filtered, by their names in the address of the page. */
const FIELDS = { agent: "agent", model: "model", session: "session_id", type: "event" } as const;
/** The name of a field in the address of a page. */
export type FilteredField = keyof typeof FIELDS;
const DAY_MS = 24 * 3_600_000;
const FIELD_NAMES = Object.keys(FIELDS) as FilteredField[];

/** The names in the address of a page, in the order in which the page shows them. */
export const FILTER_NAMES = ["log", ...FIELD_NAMES, "reason", "text", "since", "until"] as const;

/** A filter of a live page. Only events that match every member are shown. */
export interface ReportFilter extends Readonly<Partial<Record<FilteredField, string>>> {
  /** The name of a log, on a page with several logs. */
  readonly log?: string;
  /** The reason of a failure, as the page shows it. */
  readonly reason?: string;
  /** A text that a field name or a value of the event must contain. Upper and lower case are not distinguished. */
  readonly text?: string;
  /** The start of the time range (inclusive), as the address states it. */
  readonly since?: string;
  /** The end of the time range (exclusive), as the address states it. */
  readonly until?: string;
}

/**
 * Parses the filter in the address of a page.
 *
 * @param more.timeZone The time zone of times without an offset.
 * @param more.others The query parameters that are not part of the filter.
 * @param more.logs The names of the logs on the page.
 * @throws {RangeError} If a name or a log is unknown, a value is missing, or a time is invalid; the message names it.
 */
export function parseFilter(
  params: URLSearchParams,
  { timeZone, others, logs }: Pick<ResolvedReportOptions, "timeZone"> & {
    readonly others: readonly string[];
    readonly logs: readonly string[];
  },
): ReportFilter {
  const filter: Partial<Record<typeof FILTER_NAMES[number], string>> = {};
  // A page on a single log cannot be filtered by the log.
  const names = FILTER_NAMES.filter((name) => name !== "log" || logs.length > 0);
  for (const [name, value] of params) {
    if (others.includes(name)) continue;
    const known = names.find((each) => each === name);
    if (known === undefined) {
      const nearest = nearestName(name, names);
      const hint = nearest === undefined ? `use ${names.join(", ")}` : `did you mean ${nearest}?`;
      throw new RangeError(
        `Cannot filter report: unknown query parameter ${JSON.stringify(name)}; ${hint}`,
      );
    }
    if (value === "") {
      throw new RangeError(`Cannot filter report: the query parameter ${name} has no value`);
    }
    if (filter[known] !== undefined) {
      throw new RangeError(
        `Cannot filter report: the query parameter ${name} is used twice; use it once`,
      );
    }
    filter[known] = value;
  }
  const { log } = filter;
  if (log !== undefined && !logs.includes(log)) {
    throw new RangeError(
      `Cannot filter report: log ${JSON.stringify(log)} is unknown; use one of ${logs.join(", ")}`,
    );
  }
  for (const name of ["since", "until"] as const) {
    const text = filter[name];
    if (text !== undefined) epochMsOf(name, text, timeZone);
  }
  const { since, until } = filter;
  if (
    since !== undefined && until !== undefined &&
    epochMsOf("since", since, timeZone) >= epochMsOf("until", until, timeZone)
  ) {
    throw new RangeError(
      `Cannot filter report: since must be before until, got ${JSON.stringify(since)} and ${
        JSON.stringify(until)
      }`,
    );
  }
  return filter;
}

/** Returns the address of the page with a filter, relative to the server. Equal filters have equal addresses. */
export function addressOf(filter: ReportFilter): string {
  const params = new URLSearchParams();
  for (const name of FILTER_NAMES) {
    const value = filter[name];
    if (value !== undefined) params.set(name, value);
  }
  return `?${params}`;
}

/** Returns the options of a report on the events that match a filter. */
export function filteredOptions(
  options: ResolvedReportOptions,
  { since, until }: ReportFilter,
): ResolvedReportOptions {
  const { timeZone, sinceMs, untilMs } = options;
  return {
    ...options,
    isTimed: options.isTimed || since !== undefined || until !== undefined,
    sinceMs: since === undefined ? sinceMs : Math.max(sinceMs, epochMsOf("since", since, timeZone)),
    untilMs: until === undefined ? untilMs : Math.min(untilMs, epochMsOf("until", until, timeZone)),
  };
}

/**
 * Returns the options that select the events of a filter from a log, apart from its time range; null if the filter has
 * only a time range. The lines of budgets are left out, because the amounts of a budget cannot be computed from only some
 * of the events.
 */
export function followOptionsOf(
  filter: ReportFilter,
): Required<Pick<FollowOptions, "where">> | null {
  const { reason, text } = filter;
  const fields = FIELD_NAMES.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [{ field: FIELDS[name], value: keptName(value) }];
  });
  if (fields.length === 0 && reason === undefined && text === undefined) return null;
  const part = text?.toLowerCase();
  const where = (event: AuditEvent) =>
    !isReservedType(event.event) &&
    fields.every(({ field, value }) => hasValue(event, field, value)) &&
    (reason === undefined || (isFailure(event) && groupedReasonOf(event) === reason)) &&
    (part === undefined || containsText(event, part));
  return { where };
}

/**
 * Checks whether a field of an event has a value, as the page groups by it: only an agent may be another value than a
 * string. Also compares the beginning of a long value, which the page shows.
 */
function hasValue(event: AuditEvent, field: string, value: string): boolean {
  const text = field === FIELDS.agent ? groupText(event, field) : event[field];
  return typeof text === "string" && (text === value || keptName(text) === value);
}

/** Checks whether a name or a value of an event contains a text, which is in lower case. */
function containsText(event: AuditEvent, text: string): boolean {
  // A line may be nested too deep for a recursive function.
  const values: unknown[] = [event];
  while (values.length > 0) {
    const value = values.pop();
    if (Array.isArray(value)) values.push(...value);
    else if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) values.push(name, member);
    } else if (String(value).toLowerCase().includes(text)) return true;
  }
  return false;
}

/** The words before the values of a filter, where they are not the names in the address. */
const WORDS: Readonly<Partial<Record<typeof FILTER_NAMES[number], string>>> = {
  reason: "the reason",
  text: "the text",
  since: "a time from",
  until: "a time before",
};

/** Returns a filter in words, for the head of the page; an empty text without a filter. */
export function shownFilter(filter: ReportFilter): string {
  return FILTER_NAMES.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [`${WORDS[name] ?? name} ${value}`];
  }).join(", ");
}

/** Returns a time of the address in epoch milliseconds. A time without an offset is in the time zone of the report. */
function epochMsOf(name: "since" | "until", text: string, timeZone: string): number {
  const parsed = parseTime(text);
  // A time near the limit of Date would exceed this limit in some time zones.
  if (parsed === null || Math.abs(parsed.localMs) > EPOCH_MS_MAX - 2 * DAY_MS) {
    throw new RangeError(
      `Cannot filter report: ${name} is not a time, got ${
        JSON.stringify(text)
      }; use 2026-02-13T14:30 or 2026-02-13T14:30:00Z`,
    );
  }
  if (parsed.offsetMs !== undefined) return parsed.localMs - parsed.offsetMs;
  const local = Temporal.Instant.fromEpochMilliseconds(parsed.localMs).toZonedDateTimeISO("UTC");
  return local.toPlainDateTime().toZonedDateTime(timeZone).epochMilliseconds;
}
