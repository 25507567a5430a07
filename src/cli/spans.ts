/**
 * The option `--spans`: reads each call of a log, which has a begin event and an end event, as one row.
 *
 * @module
 */
import { message } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { AuditReader } from "../audit_reader.ts";
import { type AuditEvent, BEGIN_SUFFIX } from "../event.ts";
import { eventEpochMs } from "../time.ts";
import type { FieldOptions, TimeOptions } from "./options.ts";
import { keyOf, shownRow, SpanRows, spanTypes, UNFINISHED } from "./span_rows.ts";

/** The parser of `--spans`. */
export const spansOption: Parser<"sync", boolean, unknown> = option("--spans", {
  description:
    message`Show one row per call logged with begin() and end(): start, duration, status, and the fields of both events`,
});

/** The words for calls in the message that a query has found no calls. */
export const SPANS_KIND = "calls logged with begin() and end()";

/** Options that select the calls to show and their order. */
type SpanOptions = FieldOptions & Partial<TimeOptions> & {
  readonly desc: boolean;
  readonly limit: number | undefined;
};

/**
 * Yields a row for each call that began in the time range and matches the field filters. The calls are in the order in
 * which they ended, and the calls without an end follow. With `desc`, the call that began last is the first.
 */
export async function* spansIn(
  reader: AuditReader,
  { since, until, limit = Infinity, desc, ...fields }: SpanOptions,
  now: Temporal.ZonedDateTime,
): AsyncGenerator<AuditEvent, void> {
  const { where, ...query } = spanQuery(fields);
  const events = reader.query({
    ...query,
    ...since === undefined ? {} : { since: since(now) },
    order: desc ? "desc" : "asc",
  });
  // A call that began before `until` may end after `until`. So the time limits only the rows, and not the events that
  // are read.
  const untilMs = until?.(now).epochMilliseconds;
  const isEarly = ({ ts }: AuditEvent) => untilMs === undefined || eventEpochMs(ts) < untilMs;
  let left = limit;
  if (left === 0) return;
  const rows = new SpanRows(await openKeys(reader), { isNewestFirst: desc });
  for await (const row of rowsOf(events, rows)) {
    if (!isEarly(row) || !where(row)) continue;
    yield row;
    if (--left === 0) return;
  }
}

/** Resolves with a row for each of the last calls, in the order in which the calls began. */
export async function lastSpans(
  reader: AuditReader,
  { lines, ...fields }: FieldOptions & { readonly lines: number },
): Promise<AuditEvent[]> {
  const now = Temporal.Now.zonedDateTimeISO();
  const newest = spansIn(reader, { ...fields, desc: true, limit: lines }, now);
  return (await Array.fromAsync(newest)).reverse();
}

/** Yields a row for each of the last calls, and then for each call when it ends. */
export async function* followedSpans(
  reader: AuditReader,
  options: FieldOptions & { readonly lines: number },
): AsyncGenerator<AuditEvent, void> {
  const { where, ...query } = spanQuery(options);
  const events = reader.follow(query)[Symbol.asyncIterator]();
  // After the first call of `events.next()`, the iteration misses no new event. It may also yield events that
  // lastSpans() and unfinished() find. The last loop skips these events by their keys in `known`, so that no call is
  // shown twice.
  const first = events.next();
  const last = await lastSpans(reader, options);
  yield* last;
  const known = new Set(last.filter(({ status }) => status !== UNFINISHED).map(keyOf));
  const rows = new SpanRows(new Set());
  for await (const { event, span, fields, lastSeen: _, ...begun } of reader.unfinished()) {
    rows.add({ ...begun, event: event + BEGIN_SUFFIX, span, ...fields });
    known.add(keyOf({ event: event + BEGIN_SUFFIX, span }));
  }
  for (let result = await first; !result.done; result = await events.next()) {
    if (known.delete(keyOf(result.value))) continue;
    const row = rows.add(result.value);
    if (row !== null && where(row)) yield row;
  }
}

/** Yields the rows for the output: unchanged with `json`, otherwise as events for a table. */
export async function* shownRows(
  rows: AsyncIterable<AuditEvent>,
  { json }: { readonly json: boolean },
): AsyncGenerator<AuditEvent, void> {
  for await (const row of rows) yield json ? row : shownRow(row);
}

async function* rowsOf(
  events: AsyncIterable<AuditEvent>,
  rows: SpanRows,
): AsyncGenerator<AuditEvent, void> {
  for await (const event of events) {
    const row = rows.add(event);
    if (row !== null) yield row;
  }
  yield* rows.unfinished();
}

/** Resolves with the keys of the calls that have no end event in the log. */
async function openKeys(reader: AuditReader): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { event, span } of reader.unfinished()) keys.add(keyOf({ event, span }));
  return keys;
}

/**
 * Returns the query for the events of the calls, and the condition that their rows must meet. The query reads all
 * sessions, because a call may begin in one session and end in another. The condition selects the rows by the session
 * in which their call began.
 */
function spanQuery({ event, session, where }: FieldOptions) {
  const eventType = spanTypes(event);
  const isOfSession = ({ session_id }: AuditEvent) =>
    session === undefined || session_id === session;
  return {
    ...eventType.length === 0 ? {} : { eventType },
    where: (row: AuditEvent) => isOfSession(row) && where.every(({ isMetBy }) => isMetBy(row)),
  };
}
