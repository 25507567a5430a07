/**
 * Renders the tables of the report page. Some of the tables belong to a chart.
 *
 * @module
 */
import { shownAmount } from "../budget/shown_amount.ts";
import { type AuditEvent, fieldText } from "../event.ts";
import { shownDuration, shownShare, shownUsd } from "../shown.ts";
import { finite } from "../cost/spend.ts";
import { eventEpochMs } from "../time.ts";
import { type Breakdown, type GroupFigures, shownFields } from "./groups.ts";
import { OTHER_REASONS } from "../rollup/failure_reasons.ts";
import type { TypeFigures } from "./aggregate.ts";
import type { BucketFigures } from "./bucket_content.ts";
import { type Markup, markup, NOTHING } from "./markup.ts";
import { filterOfBucket, filterOfName, linked } from "./links.ts";
import type { LinkTo, ReportContent } from "./report_content.ts";
import { byTokens, FURTHER_LABEL, labelOf, spendSeries } from "./series.ts";
import { shortTimeElement, shownCount, textElement, timeElement } from "./shown_in_report.ts";
import { shownInterval, shownReason } from "./chart_titles.ts";
import { OPEN_MAX } from "./span_tally.ts";
import { laneLabel } from "./timeline_chart.ts";
import type { Lane } from "./timeline_tally.ts";
import { type Cell, none, number, table, text } from "./table.ts";

/** Maximum number of unreadable regions that are listed. Further regions are counted, but not listed. */
const DAMAGE_MAX = 5_000;
/** Maximum number of groups that a table lists. Further groups are counted, but not listed. */
const GROUPS_MAX = 100;
/** Maximum number of reasons of failures that are listed. Further reasons are counted, but not listed. */
const REASONS_MAX = 50;
/** Maximum number of characters in the column "other fields" of the table of events. Longer text is cut. */
const FIELDS_LENGTH_MAX = 1_000;

/** Renders a table of the spend by time and group. */
export function spendTable(
  { data: { groups, buckets, bucketMs }, options: { timeZone }, hourly, linkTo }: ReportContent,
): Markup {
  const series = spendSeries(groups, buckets);
  const lastHourUsd = hourly?.lastHourUsd ?? null;
  return table(
    [
      text("from"),
      ...series.map(({ label }) => number(textElement(label, 60))),
      number("total"),
      ...lastHourUsd === null ? [] : [number("hour before")],
    ],
    buckets.map((bucket, index) => [
      bucketCell(bucket, { timeZone, bucketMs, linkTo }),
      ...series.map(({ values }) => amount(values[index]!)),
      amount(bucket.usd),
      ...lastHourUsd === null ? [] : [amount(lastHourUsd[index]!)],
    ]),
  );
}

/** Renders the start of a time bucket. In a live page, it is a link to the events of the bucket. */
function bucketCell(
  bucket: BucketFigures,
  { timeZone, bucketMs, linkTo }: {
    readonly timeZone: string;
    readonly bucketMs: number;
    readonly linkTo: LinkTo | null;
  },
): Markup {
  const start = shortTimeElement(bucket.startMs, timeZone, bucketMs);
  return linked(start, filterOfBucket(bucket), linkTo);
}

/** Renders a table of the accuracy by time, for the time buckets with navigations. */
export function accuracyTable(
  { data, options: { timeZone }, linkTo }: ReportContent,
): Markup {
  const { bucketMs } = data;
  return table(
    [
      text("from"),
      ...["accuracy", "95 % interval", "n", "failed"].map(number),
      text("most frequent reasons"),
    ],
    data.buckets.filter(({ accuracy }) => accuracy.totalNav > 0).map((bucket) => {
      const { accuracy, topReasons } = bucket;
      const { totalNav, validationFailCount, accuracyPct } = accuracy;
      return [
        bucketCell(bucket, { timeZone, bucketMs, linkTo }),
        `${accuracyPct} %`,
        shownInterval(accuracy),
        shownCount(totalNav),
        shownCount(validationFailCount),
        topReasons.length === 0 ? "–" : textElement(topReasons.map(shownReason).join(", ")),
      ];
    }),
  );
}

/** Renders a table of the lanes of the timeline. */
export function timelineTable(
  { data: { timeline: { by, lanes } }, linkTo }: ReportContent,
): Markup {
  const filterOf = ({ name, combined }: Lane) =>
    by === null || combined > 1 ? null : filterOfName([by], name);
  return table(
    [text(by ?? "calls"), ...["calls", "failed", "% failed", "not ended"].map(number)],
    lanes.map((lane) => [
      linked(textElement(laneLabel(lane, by)), filterOf(lane), linkTo),
      shownCount(lane.calls),
      shownCount(lane.errors),
      shownShare(lane.errors, lane.calls) ?? "–",
      shownCount(lane.unfinished),
    ]),
  );
}

/** Renders a table of the durations of calls by time, for the time buckets with durations. */
export function latencyTable(
  { data, options: { timeZone }, linkTo }: ReportContent,
): Markup {
  const { bucketMs } = data;
  return table(
    [text("from"), ...["calls", "median", "95th percentile", "longest"].map(number)],
    data.buckets.filter(({ latency }) => latency.n > 0).map((bucket) => {
      const { n, p50, p95, longest } = bucket.latency;
      return [
        bucketCell(bucket, { timeZone, bucketMs, linkTo }),
        shownCount(n),
        p50 === null ? "–" : shownDuration(p50),
        p95 === null ? "too few" : shownDuration(p95),
        longest === null ? "–" : shownDuration(longest),
      ];
    }),
  );
}

/** Renders a table of the number of events and the spend of each event type. */
export function typesTable({ data: { types }, linkTo }: ReportContent): Markup {
  return table(
    [text("type"), number("events"), number("USD")],
    namedRows(
      types,
      ({ events, usd }: TypeFigures) => [shownCount(events), amount(usd)],
      { by: ["event"], linkTo },
    ),
  );
}

/** Renders a table of the tokens, the number of events and the spend of each group. */
export function tokensTable(
  { data: { groups }, options: { by }, linkTo }: ReportContent,
): Markup {
  return table(
    [text(shownFields(by)), ...["input", "output", "events", "USD"].map(number)],
    namedRows(byTokens(groups), ({ inputTokens, outputTokens, events, usd }: GroupFigures) => [
      shownCount(inputTokens),
      shownCount(outputTokens),
      shownCount(events),
      amount(usd),
    ], { by, linkTo }),
  );
}

/** Renders a table for each grouping: the spend, the calls, the failures and the accuracy of each group. */
export function groupTables({ data: { breakdowns, usd }, linkTo }: ReportContent): Markup {
  if (breakdowns.length === 0) return none("No event has a model or an agent.");
  return markup`${breakdowns.map((breakdown) => groupTable(breakdown, usd, linkTo))}`;
}

function groupTable(
  { by, groups }: Breakdown,
  totalUsd: number,
  linkTo: LinkTo | null,
): Markup {
  const rest = Math.max(0, groups.named.length - GROUPS_MAX);
  const shown = { ...groups, named: groups.named.slice(0, GROUPS_MAX) };
  const more = rest === 0 ? NOTHING : markup`<p class="none">… and ${shownCount(rest)} more.</p>`;
  return markup`${
    table(
      [
        text(shownFields(by)),
        ...[
          "USD",
          "share",
          "calls",
          "failed",
          "% failed",
          "input tokens",
          "output tokens",
          "navigations",
          "accuracy",
        ]
          .map(number),
      ],
      namedRows(shown, ({ usd, calls, errors, accuracy, inputTokens, outputTokens }) => [
        amount(usd),
        shownShare(usd, totalUsd) ?? "–",
        shownCount(calls),
        shownCount(errors),
        shownShare(errors, calls) ?? "–",
        shownCount(inputTokens),
        shownCount(outputTokens),
        shownCount(accuracy.totalNav),
        accuracy.totalNav === 0 ? "–" : `${accuracy.accuracyPct} %`,
      ], { by, linkTo }),
    )
  }${more}`;
}

/** Renders a table of the most frequent reasons of failures, each with its first failure as an example. */
export function failuresTable(
  { data: { failures }, options: { timeZone }, linkTo }: ReportContent,
): Markup {
  if (failures.length === 0) {
    return none("No failures: no event has the status error or the type validation_fail.");
  }
  const total = failures.reduce((sum, { count }) => sum + count, 0);
  const shown = (ms: number | null) => ms === null ? "–" : timeElement(ms, timeZone, "second");
  const rows = failures.slice(0, REASONS_MAX).map(({ reason, count, firstMs, lastMs, example }) => [
    linked(
      textElement(reason),
      reason === OTHER_REASONS || !reason.isWellFormed() ? null : { reason },
      linkTo,
    ),
    shownCount(count),
    shownShare(count, total) ?? "–",
    shown(firstMs),
    shown(lastMs),
    example.text === reason ? "–" : textElement(example.text),
    example.event === null ? "–" : textElement(example.event),
    example.agent === null ? "–" : textElement(example.agent),
    example.session_id === null ? "–" : textElement(example.session_id),
  ]);
  const rest = failures.length - REASONS_MAX;
  const more = rest <= 0
    ? NOTHING
    : markup`<p class="none">… and ${shownCount(rest)} more reasons.</p>`;
  const columns = [
    text("reason"),
    ...["failures", "share", "first", "last"].map(number),
    ...["first failure", "its type", "its agent", "its session"].map(text),
  ];
  return markup`${table(columns, rows)}${more}`;
}

function namedRows<T extends { readonly name: string | null }>(
  { named, others }: { readonly named: readonly T[]; readonly others: T | null },
  cellsOf: (figures: T) => readonly Cell[],
  { by, linkTo }: { readonly by: readonly string[]; readonly linkTo: LinkTo | null },
): Cell[][] {
  const rows = named.map((figures) => [
    linked(textElement(labelOf(figures.name)), filterOfName(by, figures.name), linkTo),
    ...cellsOf(figures),
  ]);
  return others === null ? rows : [...rows, [FURTHER_LABEL, ...cellsOf(others)]];
}

function amount(usd: number): Cell {
  return usd === 0 ? "–" : shownUsd(usd);
}

/** The fields of an event that begins a call which have a separate column. */
const BEGUN_COLUMNS = new Set(["ts", "event", "agent", "session_id", "span"]);

/** Renders a table of the calls that have begun and not ended in the range of the report. */
export function unfinishedTable(
  { data: { unfinished: { count, first }, endMs }, options: { timeZone } }: ReportContent,
): Markup {
  if (count === 0) return none("Every call that was logged with its beginning has ended.");
  if (count === null) {
    return none(`More than ${shownCount(OPEN_MAX)} calls have begun and not ended.`);
  }
  const rows = first.map(({ type, span, startMs, agent, session, event }) => [
    startMs === null ? "–" : timeElement(startMs, timeZone, "second"),
    startMs === null || endMs === null || endMs < startMs ? "–" : shownDuration(endMs - startMs),
    textElement(type),
    valueElement(agent),
    valueElement(session),
    textElement(span),
    furtherFields(event, BEGUN_COLUMNS),
  ]);
  const rest = count - first.length;
  const more = rest <= 0 ? NOTHING : markup`<p class="none">… and ${shownCount(rest)} more.</p>`;
  const columns = [
    text("began"),
    number("until the end of the report"),
    ...["type", "agent", "session", "span", "other fields"].map(text),
  ];
  return markup`${table(columns, rows)}${more}`;
}

/** Renders a table of the budgets, as they were at the end of the range. */
export function budgetsTable(
  { data: { budgets }, options: { timeZone } }: ReportContent,
): Markup {
  if (budgets.length === 0) {
    return none(
      "No shared budgets: the log has none (log.budget() creates them), or a filter leaves them out.",
    );
  }
  return table(
    [
      text("budget"),
      text("window"),
      ...["limit", "spent", "held", "orphaned", "left", "granted", "refused"].map(number),
    ],
    budgets.map(({ log, terms, limit, spent, held, orphaned, left, granted, refused }) => {
      const { name, unit, hours, sinceMs } = terms;
      const shown = (value: number) => shownAmount(value, unit);
      return [
        textElement(log === null ? name : `${log}: ${name}`),
        hours === null ? markup`since ${timeElement(sinceMs!, timeZone)}` : `${hours} h`,
        ...[limit, spent, held].map(shown),
        orphaned > 0 ? markup`<b class="over">${shown(orphaned)}</b>` : shown(orphaned),
        left < 0 ? markup`<b class="over">over by ${shown(-left)}</b>` : shown(left),
        shownCount(granted),
        shownCount(refused),
      ];
    }),
  );
}

/** Renders a table of the top sessions by cost. */
export function sessionsTable(
  { data: { sessions }, options: { timeZone }, linkTo }: ReportContent,
): Markup {
  if (sessions.length === 0) return none("No session has a cost.");
  return table(
    [text("session"), ...["USD", "events", "first event", "last event"].map(number)],
    sessions.map(({ id, usd, isPartial, events, firstMs, lastMs }) => [
      linked(textElement(id), filterOfName(["session"], id), linkTo),
      `${isPartial ? "at least " : ""}${shownUsd(usd)}`,
      `${isPartial ? "at least " : ""}${shownCount(events)}`,
      firstMs === null ? "–" : timeElement(firstMs, timeZone),
      lastMs === null ? "–" : timeElement(lastMs, timeZone),
    ]),
  );
}

/** The fields of an event that have a separate column. */
const COLUMNS = new Set([
  "ts",
  "event",
  "session_id",
  "agent",
  "model",
  "cost",
  "input_t",
  "output_t",
]);

/** Renders a table of the last events. */
export function eventsTable(
  { data: { lastEvents }, options: { timeZone } }: ReportContent,
): Markup {
  return lastEvents.length === 0 ? none("No events.") : eventsList(lastEvents, timeZone);
}

/** Renders a table of events. */
export function eventsList(events: readonly AuditEvent[], timeZone: string): Markup {
  return table(
    [
      ...["time", "type", "agent", "model"].map(text),
      ...["USD", "tokens"].map(number),
      ...["session", "other fields"].map(text),
    ],
    events.map((event) => [
      eventTime(event, timeZone),
      valueElement(event.event),
      valueElement(event.agent),
      valueElement(event.model),
      typeof event.cost === "number" ? shownUsd(event.cost) : "–",
      tokensOf(event),
      valueElement(event.session_id),
      furtherFields(event),
    ]),
  );
}

function eventTime({ ts }: AuditEvent, timeZone: string): Cell {
  const epochMs = eventEpochMs(ts);
  return Number.isNaN(epochMs) ? valueElement(ts) : timeElement(epochMs, timeZone, "millisecond");
}

function tokensOf({ input_t, output_t }: AuditEvent): Cell {
  const [input, output] = [finite(input_t), finite(output_t)];
  if (input === null && output === null) return "–";
  const shown = (tokens: number | null) => tokens === null ? "?" : shownCount(tokens);
  return `${shown(input)} in, ${shown(output)} out`;
}

function furtherFields(event: AuditEvent, columns: ReadonlySet<string> = COLUMNS): Cell {
  const fields = Object.entries(event).filter(([name]) => !columns.has(name));
  if (fields.length === 0) return "–";
  const shown = fields.map(([name, value]) => `${name}: ${valueText(value)}`).join(", ");
  return textElement(shown, FIELDS_LENGTH_MAX);
}

/** Returns the value of a field as JSON. A string is returned as it is, without quotes. */
function valueText(value: unknown): string {
  return value === undefined ? "" : fieldText(value);
}

function valueElement(value: unknown): Cell {
  return value === undefined ? "–" : textElement(valueText(value));
}

/** Renders a table of the unreadable regions of the log. */
export function damageTable({ damage }: ReportContent): Markup {
  if (damage.length === 0) return none("All data is readable.");
  const rest = damage.length - DAMAGE_MAX;
  const more = rest <= 0 ? NOTHING : markup`<p>… and ${shownCount(rest)} more.</p>`;
  const rows = damage.slice(0, DAMAGE_MAX).map(({ path, byteOffset, byteLength, reason }) => [
    textElement(path),
    shownCount(byteOffset),
    byteLength === 0 ? "the rest of the file" : shownCount(byteLength),
    textElement(reason),
  ]);
  const columns = [text("file"), number("at byte"), number("bytes"), text("reason")];
  return markup`${table(columns, rows)}${more}`;
}
