/**
 * Finds the two sources that `scout diff` compares: two logs, or two sessions or time ranges of one log.
 *
 * @module
 */
import type { QueryOptions } from "../read/query_options.ts";
import { shownSince, shownTime } from "../shown.ts";
import { CommandError } from "./command_error.ts";
import type { Question } from "./nothing_found.ts";
import type { Condition } from "./conditions.ts";
import { fieldsToQuery, type TimeOptions } from "./options.ts";
import { parseWhen } from "./when.ts";

/**
 * The options that select the two sources of `scout diff`. The type is an alias, because the types of the parsers do
 * not accept an interface.
 */
export type SourceOptions = TimeOptions & {
  readonly other: string | undefined;
  readonly session: readonly string[];
  readonly range: readonly TimeOptions[];
  readonly where: readonly Condition[];
};

/** A source of `scout diff`: the events of a log that a query selects. */
export interface Source {
  /** The part of the log in words, such as "session 1"; null if the source is a whole log. */
  readonly part: string | null;
  readonly query: QueryOptions;
  /** The facts about the query that the message needs if the query finds nothing. */
  readonly question: Question;
}

/**
 * Parses a time range `FROM..TO`. If a side is left out, the range is open at this side.
 *
 * @throws {RangeError} If the text is not a time range.
 */
export function parseRange(text: string): TimeOptions {
  const at = text.indexOf("..");
  if (at < 0) {
    throw new RangeError("not a time range; use FROM..TO such as 2026-02-13..2026-02-14 or 3h..");
  }
  const [from, to] = [text.slice(0, at), text.slice(at + "..".length)];
  return {
    since: from === "" ? undefined : parseWhen(from),
    until: to === "" ? undefined : parseWhen(to),
  };
}

/**
 * Returns the two sources that `scout diff` compares. Relative times, such as `3h` for 3 hours ago, count back from
 * `now`.
 *
 * @throws {CommandError} If the options do not select two sources.
 */
export function sourcesOf(
  options: SourceOptions,
  now: Temporal.ZonedDateTime,
): [a: Source, b: Source] {
  checkCombination(options);
  const { session, range, since, until, where } = options;
  const [a, b] = session.length === 0 && range.length === 0
    ? [{ since, until }, { since, until }]
    : range.length === 0
    ? session.map((session) => ({ since, until, session }))
    : range;
  return [sourceOf({ ...a!, where }, now), sourceOf({ ...b!, where }, now)];
}

function checkCombination({ other, session, range, since, until }: SourceOptions): void {
  const options = [["--session", session.length], ["--range", range.length]] as const;
  const used = options.filter(([, count]) => count > 0);
  if (other !== undefined) {
    if (used.length === 0) return;
    throw unusable(`two logs are compared as a whole; use ${used[0]![0]} with one log`);
  }
  const [first] = used;
  if (first === undefined) {
    throw unusable("there is only one source; use a second log, or --session or --range twice");
  }
  if (used.length > 1) throw unusable("use either --session twice or --range twice");
  const [option, count] = first;
  if (count !== 2) throw unusable(`use ${option} twice, got ${option} ${timesOf(count)}`);
  if (option === "--range" && (since !== undefined || until !== undefined)) {
    throw unusable("use either --range twice, or --since and --until");
  }
}

function timesOf(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function unusable(reason: string): CommandError {
  return new CommandError(`Cannot compare: ${reason}`, 2);
}

function sourceOf(
  { since, until, session, where }: TimeOptions & {
    readonly session?: string;
    readonly where: readonly Condition[];
  },
  now: Temporal.ZonedDateTime,
): Source {
  const [from, to] = [since?.(now), until?.(now)];
  const parts = [
    ...session === undefined ? [] : [`session ${session}`],
    ...from === undefined && to === undefined ? [] : [rangeText(from, to, now.timeZoneId)],
  ];
  return {
    part: parts.length === 0 ? null : parts.join(", "),
    query: {
      ...from === undefined ? {} : { since: from },
      ...to === undefined ? {} : { until: to },
      ...fieldsToQuery({ event: [], session, where }),
    },
    question: { session, hasTests: where.length > 0, since: from, until: to },
  };
}

function rangeText(
  from: Temporal.Instant | undefined,
  to: Temporal.Instant | undefined,
  timeZone: string,
): string {
  if (from === undefined) return `until ${shownSince(to!, timeZone)}`;
  if (to === undefined) return `since ${shownSince(from, timeZone)}`;
  const start = shownTime(from, timeZone, { smallestUnit: "minute" });
  return `${start} to ${shownSince(to, timeZone)}`;
}
