/**
 * The links of a live page, which narrow its filter. A page without a server has no links.
 *
 * @module
 */
import type { BucketFigures } from "./bucket_content.ts";
import { type Markup, markup } from "./markup.ts";
import type { LinkTo } from "./report_content.ts";
import type { FilteredField, ReportFilter } from "./report_filter.ts";

/** Maps each value of the option `by` to its filter, if it has one. */
const FILTERED: Readonly<Record<string, FilteredField | "log">> = {
  log: "log",
  scout_log: "log",
  agent: "agent",
  model: "model",
  session: "session",
  session_id: "session",
  event: "type",
};

/** Returns content as a link to the page with a narrower filter; unchanged if the page or the filter is missing. */
export function linked(
  content: Markup,
  filter: ReportFilter | null,
  linkTo: LinkTo | null,
): Markup {
  return filter === null || linkTo === null
    ? content
    : markup`<a href="${linkTo(filter)}">${content}</a>`;
}

/** Returns the filter for the events of a time bucket. */
export function filterOfBucket({ startMs, endMs }: BucketFigures): ReportFilter {
  const [since, until] = [startMs, endMs].map((ms) =>
    Temporal.Instant.fromEpochMilliseconds(ms).toString()
  );
  return { since: since!, until: until! };
}

/** Returns the filter for the events with a name in one of the fields of a report; null if such a filter does not exist. */
export function filterOfName(by: readonly string[], name: string | null): ReportFilter | null {
  const filtered = by.length === 1 ? FILTERED[by[0]!] : undefined;
  // A lone surrogate cannot be part of an address.
  const isUsable = name !== null && name !== "" && name.isWellFormed();
  return filtered === undefined || !isUsable ? null : { [filtered]: name };
}
