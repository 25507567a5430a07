/**
 * `scout spend`: sums up the costs of events, by hour or by any field.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { costOf, finite } from "../cost/spend.ts";
import { compareKeys, type GroupKey, Groups, isTimeKey } from "../stats/group_key.ts";
import { type Run, withLog } from "./command.ts";
import { tellLeftOut, untimedEvents } from "./left_out.ts";
import { tell } from "./messages.ts";
import {
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  questionOf,
  type ReadingOptions,
  readingOptions,
  type ShownOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { barTable } from "./bar_table.ts";
import { alignedUsd, byOption, labelOf, tellMissingFields } from "./groups.ts";
import { wrapped } from "./fit.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { counted, shownNumber, shownSince, shownUsd } from "../shown.ts";
import { columns, type Output } from "./terminal.ts";
import { DAY_AGO } from "./when.ts";

/** Options that select the events whose costs are summed up, and the fields by which they are grouped. */
export type SpendOptions = FieldOptions & TimeOptions & { readonly by: readonly string[] };

interface SpendCommandOptions extends ReadingOptions, SpendOptions {}

/** The parser of {@linkcode SpendOptions}. */
export const spendOptions: Parser<"sync", SpendOptions, unknown> = merge(
  object({ by: withDefault(byOption, ["hour"]) }),
  fieldOptions,
  timeOptions,
);

/** The `scout spend` command. */
export const spendCommand: Parser<"sync", Run, unknown> = command(
  "spend",
  map(
    merge(spendOptions, readingOptions),
    (options): Run => (output) => runSpend(options, output),
  ),
  {
    brief: message`Sums up costs by hour, or by any field`,
    description:
      message`Sums up the costs in USD of the events that match, in the last 24 hours or since --since. A call is an event with a cost; its tokens are those of input and output.`,
    footer: message`Example: scout spend logs --by day --since 2w --tz Europe/Berlin`,
  },
);

/** The costs and tokens of a group of events. */
class Spent {
  readonly sum = new PreciseSum();
  calls = 0;
  tokens = 0;

  add(event: AuditEvent, usd: number): void {
    this.sum.add(usd);
    this.calls++;
    this.tokens += (finite(event.input_t) ?? 0) + (finite(event.output_t) ?? 0);
  }
}

/** Maximum number of groups with separate sums. Further groups are combined, so that the memory is bounded. */
const GROUPS_MAX = 100_000;

async function runSpend(options: SpendCommandOptions, output: Output): Promise<number> {
  const { timeZone } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const asked = spendQuery(options, now);
  await withLog(options, async (reader) => {
    const prunedUntil = await reader.prunedUntil();
    if (prunedUntil !== null && prunedUntil.getTime() >= asked.since.epochMilliseconds) {
      const until = shownSince(prunedUntil.toTemporalInstant(), timeZone);
      tell(`the costs leave out all events up to ${until}, because retention has removed them`);
    }
    const { since } = asked;
    const untimed = await untimedEvents(reader);
    const shown = { ...options, since, untimed };
    const count = await tellSpend(reader.query(asked.query), shown, output);
    if (count > 0) return;
    const question = { ...questionOf(options, now), kind: "events with a cost", since };
    await tellNothingFound(reader, question, now);
  });
  return 0;
}

/** Returns the query for the events whose costs are summed up, and the start of the time range. */
export function spendQuery(
  options: SpendOptions & ShownOptions,
  now: Temporal.ZonedDateTime,
): { readonly since: Temporal.Instant; readonly query: QueryOptions } {
  const selection = { ...options, since: options.since ?? DAY_AGO };
  return { since: selection.since(now), query: optionsToQuery(selection, now) };
}

/**
 * Sums up the costs of events, writes the sums to the output, and resolves with the number of events that have a cost.
 * Reports on standard error how many events have a cost that is not a number. Also reports `untimed`, the number of
 * events without a readable time.
 */
export async function tellSpend(
  events: AsyncIterable<AuditEvent>,
  { by, timeZone, json, since, untimed = 0 }: Pick<SpendOptions, "by"> & ShownOptions & {
    readonly since: Temporal.Instant;
    readonly untimed?: number;
  },
  output: Output,
): Promise<number> {
  const total = new Spent();
  const groups = new Groups(by, { timeZone, max: GROUPS_MAX, create: () => new Spent() });
  let badCosts = 0;
  for await (const event of events) {
    const cost = costOf(event);
    if (cost === null) {
      if (Object.hasOwn(event, "cost")) badCosts++;
      continue;
    }
    groups.of(event).add(event, cost.usd);
    total.add(event, cost.usd);
  }
  const rows = rowsOf(by, groups);
  const { sum: { value: usd }, calls, tokens } = total;
  if (json) output.json({ by, since: since.toString(), usd, calls, tokens, rows });
  else {
    const amount = calls === 0 ? "-" : shownUsd(usd);
    const head = `${amount} for ${counted(calls, "call")} since ${shownSince(since, timeZone)}`;
    for (const line of wrapped(head, columns())) output.line(line);
    for (const line of spendTable({ by, rows, total: { usd, calls, tokens } }, columns())) {
      output.line(line);
    }
  }
  await output.flush();
  tellLeftOut({ untimed, badCosts });
  tellMissingFields(by, rows);
  return calls;
}

/** The costs and tokens of events. */
interface Sums {
  readonly usd: number;
  readonly calls: number;
  /** Sum of the input and output tokens. */
  readonly tokens: number;
}

/** A row of the table of `scout spend`: the costs and tokens of the events with the same key. */
export interface Row extends Sums {
  /** The values of the fields in `by`; null for a missing value. */
  readonly key: GroupKey;
}

/** The label of the groups that are combined because there are too many. */
const OTHERS = "(others)";

/**
 * Returns the groups as rows. Hours and days are sorted by time, because the events of a log may be out of order. Other
 * groups are sorted by cost, the most expensive first.
 */
function rowsOf(by: readonly string[], { groups, others }: Groups<Spent>): Row[] {
  const rowOf = (key: GroupKey, { sum, calls, tokens }: Spent): Row => ({
    key,
    usd: sum.value,
    calls,
    tokens,
  });
  const rows = Array.from(groups, ({ key, figures }) => rowOf(key, figures));
  const isByTime = by.some(isTimeKey);
  rows.sort((a, b) => (isByTime ? 0 : b.usd - a.usd) || compareKeys(by, a.key, b.key));
  return others === null ? rows : [...rows, rowOf([OTHERS], others)];
}

/** Returns the table of `scout spend` as lines that are at most `columns` wide. */
export function spendTable(
  { by, rows, total }: {
    readonly by: readonly string[];
    readonly rows: readonly Row[];
    readonly total: Sums;
  },
  columns: number,
): string[] {
  const all = [...rows, ...rows.length > 1 ? [total] : []];
  const labels = [...labelsOf(by, rows), "total"];
  const amounts = alignedUsd(all.map(({ usd }) => usd));
  return barTable(
    all.map((row, n) => ({
      label: labels[n]!,
      // A bar of the total would make all other bars too short to compare.
      value: row === total ? 0 : row.usd,
      cells: [
        amounts[n]!,
        share(row.usd, total.usd),
        shownNumber(row.calls),
        row.tokens === 0 ? "-" : shownNumber(row.tokens),
      ],
    })),
    { header: [by.join(", "), "USD", "share", "calls", "tokens"], columns },
  );
}

function share(usd: number, total: number): string {
  const pct = 100 * usd / total;
  return Number.isFinite(pct) ? `${pct.toFixed(1)} %` : "-";
}

/** Returns the labels of the rows. Hours are shown with their UTC offset only if an hour occurs twice. */
function labelsOf(by: readonly string[], rows: readonly Row[]): string[] {
  const short = (key: GroupKey) =>
    key.map((value, n) => by[n] === "hour" ? value?.slice(0, HOUR_LENGTH) ?? null : value);
  const labels = rows.map(({ key }) => labelOf(short(key)));
  return new Set(labels).size === labels.length ? labels : rows.map(({ key }) => labelOf(key));
}

const HOUR_LENGTH = "2026-02-13 14:00".length;
