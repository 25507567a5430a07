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
import type { QueryOptions } from "../read/query_options.ts";
import { type GroupKey, groupLabel } from "../stats/group_key.ts";
import { type Spend, spend, type SpendRow, type SpendSums } from "../stats/spend.ts";
import { type Run, withLog } from "./command.ts";
import { tellLeftOut, tellRemoved, untimedEvents } from "./left_out.ts";
import {
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  questionOf,
  type ReadingOptions,
  type ShownOptions,
  summingOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { barTable } from "./bar_table.ts";
import { alignedUsd, byOption, OTHERS_LABEL, tellMissingFields, TOTAL_LABEL } from "./groups.ts";
import { wrapped } from "./fit.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { counted, shownNumber, shownShare, shownSince, shownUsd } from "../shown.ts";
import { columns, type Output } from "./terminal.ts";
import { defaultSince } from "./when.ts";

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
    merge(spendOptions, summingOptions),
    (options): Run => (output) => runSpend(options, output),
  ),
  {
    brief: message`Sums up costs by hour, or by any field`,
    description:
      message`Sums up the costs in USD of the events that match, in the last 24 hours (with --by day, 30 days) or since --since. A call is an event with a cost or tokens; its tokens are those of input and output, cached ones included.`,
    footer: message`Example: scout spend logs --by day --since 2w --tz Europe/Berlin`,
  },
);

async function runSpend(options: SpendCommandOptions, output: Output): Promise<number> {
  const { timeZone } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const asked = spendQuery(options, now);
  await withLog(options, async (reader) => {
    const { since } = asked;
    await tellRemoved(reader, { beginning: "the costs leave out", since, timeZone });
    const untimed = await untimedEvents(reader);
    const shown = { ...options, since, untimed };
    const found = await spend(reader, { ...asked.query, by: options.by, timeZone });
    const count = await tellSpend(found, shown, output);
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
  const selection = { ...options, since: options.since ?? defaultSince(options.by) };
  return { since: selection.since(now), query: optionsToQuery(selection, now) };
}

/**
 * Writes sums of costs to the output, and resolves with the number of calls. Reports on standard error which events the
 * sums leave out: calls without a cost, costs that are not numbers, and the `untimed` events without a readable time.
 */
export async function tellSpend(
  { by, usd, calls, costs, tokens, rows, others, badCosts }: Spend,
  { timeZone, json, since, untimed = 0 }: ShownOptions & {
    readonly since: Temporal.Instant;
    readonly untimed?: number;
  },
  output: Output,
): Promise<number> {
  const total = { usd, calls, costs, tokens };
  if (json) {
    output.json({ by, since: since.toString(), ...total, rows, others });
  } else {
    const amount = costs === 0 ? "-" : shownUsd(usd);
    const head = `${amount} for ${counted(calls, "call")} since ${shownSince(since, timeZone)}`;
    for (const line of wrapped(head, columns())) output.line(line);
    const shown = others === null ? rows : [...rows, { key: [OTHERS_LABEL], ...others }];
    for (const line of spendTable({ by, rows: shown, total }, columns())) output.line(line);
  }
  await output.flush();
  tellLeftOut({ untimed, badCosts, unknownCosts: calls - costs });
  tellMissingFields(by, rows);
  return calls;
}

/** Returns the table of `scout spend` as lines that are at most `columns` wide. */
export function spendTable(
  { by, rows, total }: {
    readonly by: readonly string[];
    readonly rows: readonly SpendRow[];
    readonly total: SpendSums;
  },
  columns: number,
): string[] {
  const all = [...rows, ...rows.length > 1 ? [total] : []];
  const labels = [...labelsOf(by, rows), TOTAL_LABEL];
  const amounts = alignedUsd(all.map(({ usd }) => usd));
  return barTable(
    all.map((row, n) => ({
      label: labels[n]!,
      // A bar of the total would make all other bars too short to compare.
      value: row === total ? 0 : row.usd,
      cells: [
        row.costs === 0 ? "-" : amounts[n]!,
        row.costs === 0 ? "-" : shownShare(row.usd, total.usd) ?? "-",
        shownNumber(row.calls),
        row.tokens === 0 ? "-" : shownNumber(row.tokens),
      ],
    })),
    { header: [by.join(", "), "USD", "share", "calls", "tokens"], columns },
  );
}

/**
 * Returns the labels of the rows. Hours are shown with their UTC offset only if an hour occurs twice, because clocks
 * were set back.
 */
function labelsOf(by: readonly string[], rows: readonly SpendRow[]): string[] {
  const short = (key: GroupKey) =>
    key.map((value, n) => by[n] === "hour" ? value?.slice(0, HOUR_LENGTH) ?? null : value);
  const labels = rows.map(({ key }) => groupLabel(short(key)));
  return new Set(labels).size === labels.length ? labels : rows.map(({ key }) => groupLabel(key));
}

const HOUR_LENGTH = "2026-02-13 14:00".length;
