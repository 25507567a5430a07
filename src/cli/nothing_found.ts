/**
 * If a query finds nothing, reports on standard error which events the log contains, so that the user can correct the
 * query.
 *
 * @module
 */
import { AuditReader } from "../audit_reader.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { type AuditEvent, EVENT_TYPES } from "../event.ts";
import { linesOf } from "../read/manifest_lines.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { shownTime } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { statusLogger, tell } from "./messages.ts";
import { cut } from "./fit.ts";
import { nearestName } from "../options/nearest_name.ts";

/** The facts about a query that found nothing. */
export interface Question {
  /** The words for the events that were searched, such as "events with a cost"; by default "events". */
  readonly kind?: string;
  readonly event?: readonly string[];
  readonly session?: string | undefined;
  /** Whether the query also tested other fields, with the option `--where`. */
  readonly hasTests?: boolean;
  readonly since?: Temporal.Instant | undefined;
  readonly until?: Temporal.Instant | undefined;
}

/** The facts about a log for the message that a query found nothing. */
export interface LogFacts {
  readonly oldest: AuditEvent | undefined;
  readonly newest: AuditEvent | undefined;
  /** The types of the events in the archives and of the newest events. */
  readonly types: ReadonlySet<string>;
  readonly now: Temporal.ZonedDateTime;
}

/**
 * Maximum number of newest events whose types are collected. The manifest names the types of the older events, so their
 * archives need not be read.
 */
const EVENTS_MAX = 10_000;
const TYPES_SHOWN = 8;
const VALUE_COLUMNS = 40;

/** Reports on standard error that a query found nothing, and which events the log contains. */
export async function tellNothingFound(
  reader: AuditReader,
  question: Question,
  now: Temporal.ZonedDateTime,
): Promise<void> {
  tell(await nothingFoundIn(reader, question, now));
}

/** Resolves with the message that a query found nothing, and which events the log contains. */
export async function nothingFoundIn(
  { path }: AuditReader,
  question: Question,
  now: Temporal.ZonedDateTime,
): Promise<string> {
  // The new reader logs no warnings, because the query of the command has already reported the damage of the log.
  await using reader = await AuditReader.open({ path, logger: statusLogger });
  const [oldest] = await reader.query({ limit: 1 }).toArray();
  const [newest] = await reader.lastEvents(1);
  const asksForTypes = question.event !== undefined && question.event.length > 0;
  const types = asksForTypes ? await typesIn(reader) : new Set<string>();
  return nothingFound(question, { oldest, newest, types, now });
}

/** Returns the message for a query that found nothing. Pure. */
export function nothingFound(question: Question, facts: LogFacts): string {
  const { newest, now } = facts;
  if (newest === undefined) return "the log has no events";
  const range = [
    ...question.since === undefined ? [] : [`since ${shownAt(question.since, now)}`],
    ...question.until === undefined ? [] : [`until ${shownAt(question.until, now)}`],
  ];
  const none = [`no ${kindOf(question)}`, ...range].join(" ");
  return `${none}; ${insteadOf(question, facts)}`;
}

function insteadOf(question: Question, { oldest, newest, types, now }: LogFacts): string {
  const { since, until, event: asked = [] } = question;
  const missing = asked.filter((type) => !types.has(type));
  if (missing.length > 0 && missing.length === asked.length) {
    const known = [...types, ...EVENT_TYPES];
    const near = missing.map((type) => nearestName(type, known)).find((type) => type !== undefined);
    if (near !== undefined) return `did you mean \`${near}\`?`;
    const shown = [...types].slice(0, TYPES_SHOWN).map((type) => cut(type, VALUE_COLUMNS));
    const more = types.size > shown.length ? ", ..." : "";
    return `the log has events of the types ${shown.join(", ")}${more}`;
  }
  const oldestAt = instantOf(oldest);
  if (until !== undefined && oldestAt !== undefined && isBefore(until, oldestAt, true)) {
    return `the oldest event is from ${shownIn(oldestAt, now)}${
      tryOption("until", oldestAt, now, 1)
    }`;
  }
  const newestAt = instantOf(newest);
  if (newestAt === undefined) return "the newest event has no time";
  const isOlder = since !== undefined && isBefore(newestAt, since);
  return `the newest event is from ${shownIn(newestAt, now)}${
    isOlder ? tryOption("since", newestAt, now, 0) : ""
  }`;
}

function tryOption(
  name: "since" | "until",
  instant: Temporal.Instant,
  now: Temporal.ZonedDateTime,
  days: 0 | 1,
): string {
  const date = instant.toZonedDateTimeISO(now.timeZoneId).toPlainDate().add({ days });
  return ` (try --${name} ${date})`;
}

function kindOf({ kind, event = [], session, hasTests = false }: Question): string {
  const types = event.map((type) => cut(type, VALUE_COLUMNS)).join(" or ");
  return [
    ...types === "" ? [] : [types],
    kind ?? "events",
    ...session === undefined ? [] : [`of session ${cut(session, VALUE_COLUMNS)}`],
    ...hasTests ? ["with these fields"] : [],
  ].join(" ");
}

/** Returns an instant as a time of day. If the instant is not today, the date precedes the time of day. */
function shownAt(instant: Temporal.Instant, now: Temporal.ZonedDateTime): string {
  const shown = shownIn(instant, now);
  const today = shownIn(now.toInstant(), now).slice(0, "2026-02-13 ".length);
  return shown.startsWith(today) ? shown.slice(today.length) : shown;
}

function shownIn(instant: Temporal.Instant, now: Temporal.ZonedDateTime): string {
  return shownTime(instant, now.timeZoneId, { smallestUnit: "minute" });
}

function isBefore(a: Temporal.Instant, b: Temporal.Instant, orSame = false): boolean {
  const order = Temporal.Instant.compare(a, b);
  return order < 0 || orSame && order === 0;
}

function instantOf(event: AuditEvent | undefined): Temporal.Instant | undefined {
  const epochMs = eventEpochMs(event?.ts);
  return Number.isNaN(epochMs) ? undefined : Temporal.Instant.fromEpochMilliseconds(epochMs);
}

/** Resolves with the event types in a log, which are taken from the manifest and from the newest events. */
async function typesIn(reader: AuditReader): Promise<Set<string>> {
  const types = new Set<string>();
  for await (const { event } of reader.query({ order: "desc", limit: EVENTS_MAX })) {
    if (typeof event === "string") types.add(event);
  }
  const manifest = new ManifestReader(new LogDirectory(denoFileSystem, reader.path));
  for (const { events } of linesOf(manifest, statusLogger).byArchive.values()) {
    for (const type of Object.keys(events ?? {})) types.add(type);
  }
  return types;
}
