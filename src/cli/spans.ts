/**
 * The option `--spans`: reads the calls of a log as rows.
 *
 * @module
 */
import { message } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { AuditReader } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import { spanOf } from "../segments/span_ledger.ts";
import { eventEpochMs } from "../time.ts";
import { type FieldOptions, fieldsToQuery, type TimeOptions } from "./options.ts";
import { shownRow, spanRows, spanTypes } from "./span_rows.ts";

/** The parser of `--spans`. */
export const spansOption: Parser<"sync", boolean, unknown> = option("--spans", {
  description:
    message`Show one row per call logged with begin() and end(): start, duration, status, and the fields of both events`,
});

/** The words for the calls, if the log has no call that matches. */
export const SPANS_KIND = "calls logged with begin() and end()";

/** Options that select the calls to show and their order. */
type SpanOptions = FieldOptions & Partial<TimeOptions> & {
  readonly desc: boolean;
  readonly limit: number | undefined;
};

/** Yields a row for each call that began in the time range and has the fields. */
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
  // A call that began before `until` may end after it, so `until` does not limit the events that are read.
  const untilMs = until?.(now).epochMilliseconds;
  const isEarly = ({ ts }: AuditEvent) => untilMs === undefined || eventEpochMs(ts) < untilMs;
  let left = limit;
  if (left === 0) return;
  for await (const row of spanRows(events, { isNewestFirst: desc })) {
    if (!isEarly(row) || !where(row)) continue;
    yield row;
    if (--left === 0) return;
  }
}

/** Yields a row for each call when it ends, beginning with the last events of calls. */
export async function* followedSpans(
  reader: AuditReader,
  { lines, ...fields }: FieldOptions & { readonly lines: number },
): AsyncGenerator<AuditEvent, void> {
  const { where, ...query } = spanQuery(fields);
  const isOfSpan = (event: AuditEvent) => spanOf(event) !== null;
  // A call has two events.
  const events = reader.follow({ ...query, where: isOfSpan, last: 2 * lines });
  for await (const row of spanRows(events, { showsLoneEnds: true })) if (where(row)) yield row;
}

/** Yields the rows as they are shown. */
export async function* shownRows(
  rows: AsyncIterable<AuditEvent>,
  { json }: { readonly json: boolean },
): AsyncGenerator<AuditEvent, void> {
  for await (const row of rows) yield json ? row : shownRow(row);
}

/** Returns the query for the events of the calls, and the test of their rows. */
function spanQuery(fields: FieldOptions) {
  const { where = () => true, ...query } = fieldsToQuery(fields);
  const eventType = spanTypes(fields.event);
  return { ...query, ...eventType.length === 0 ? {} : { eventType }, where };
}
