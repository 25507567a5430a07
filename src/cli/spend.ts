/**
 * `scout spend`: sums up the costs of events, by hour, day, model, type or session.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { costOf } from "../cost/spend.ts";
import { type Run, withLog } from "./command.ts";
import { tellLeftOut, untimedEvents } from "./left_out.ts";
import { tell } from "./messages.ts";
import {
  choiceOf,
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
import { wrapped } from "./fit.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { counted, shownNumber, shownSince, shownUsd } from "../shown.ts";
import { columns, type Output } from "./terminal.ts";
import { DAY_AGO } from "./when.ts";

const BY = ["hour", "day", "model", "event", "session"] as const;
/** The key by which costs are summed up, such as the hour or the model. */
export type By = typeof BY[number] | "log";

/** Options that select the events whose costs are summed up, and the key of the sums. */
export type SpendOptions = FieldOptions & TimeOptions & { readonly by: By };

interface SpendCommandOptions extends ReadingOptions, SpendOptions {}

/** Creates the parser of {@linkcode SpendOptions}. `more` lists additional keys that `--by` accepts. */
export function spendOptions(more: readonly By[] = []): Parser<"sync", SpendOptions, unknown> {
  const choices = [...BY, ...more];
  const all = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
  return merge(
    object({
      by: withDefault(
        option("--by", choiceOf("KEY", choices), {
          description: message`Sum up by ${text(all)}; default hour`,
        }),
        "hour" as const,
      ),
    }),
    fieldOptions,
    timeOptions,
  );
}

/** The `scout spend` command. */
export const spendCommand: Parser<"sync", Run, unknown> = command(
  "spend",
  map(
    merge(spendOptions(), readingOptions),
    (options): Run => (output) => runSpend(options, output),
  ),
  {
    brief: message`Sums up costs by hour, day, model, event or session`,
    description:
      message`Sums up the costs in USD of the events that match, in the last 24 hours or since --since.`,
    footer: message`Example: scout spend logs --by day --since 2w --tz Europe/Berlin`,
  },
);

/** The sum of the costs of the events with the same key. */
interface Spent {
  readonly sum: PreciseSum;
  events: number;
  /** The time of the earliest event, in epoch milliseconds. */
  earliestMs: number;
}

function nothingSpent(): Spent {
  return { sum: new PreciseSum(), events: 0, earliestMs: Infinity };
}

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
  const total = nothingSpent();
  let badCosts = 0;
  const spent = new Map<string, Spent>();
  const keyOf = keysBy(by, timeZone);
  for await (const event of events) {
    const cost = costOf(event);
    if (cost === null) {
      if (Object.hasOwn(event, "cost")) badCosts++;
      continue;
    }
    const key = keyOf(event, cost.epochMs);
    let row = spent.get(key);
    if (row === undefined) spent.set(key, row = nothingSpent());
    for (const each of [row, total]) {
      each.sum.add(cost.usd);
      each.events++;
      each.earliestMs = Math.min(each.earliestMs, cost.epochMs);
    }
  }
  const rows = inOrder(by, spent);
  const { sum: { value: usd }, events: count } = total;
  if (json) output.json({ by, since: since.toString(), usd, events: count, rows });
  else {
    const amount = count === 0 ? "-" : shownUsd(usd);
    const head = `${amount} for ${counted(count, "event")} since ${shownSince(since, timeZone)}`;
    for (const line of wrapped(head, columns())) output.line(line);
    for (const line of spendTable(by, rows, columns())) output.line(line);
  }
  await output.flush();
  tellLeftOut({ untimed, badCosts });
  return count;
}

/** Returns the table of `scout spend` as lines that are at most `columns` wide. */
export function spendTable(by: By, rows: readonly Row[], columns: number): string[] {
  const labels = labelsOf(by, rows);
  const amounts = alignedUsd(rows.map(({ usd }) => usd));
  return barTable(
    rows.map(({ usd, events }, n) => ({
      label: labels[n]!,
      value: usd,
      cells: [amounts[n]!, shownNumber(events)],
    })),
    { header: [by, "USD", "events"], columns },
  );
}

/** Returns the amounts, padded at the end so that decimal points align in a right-aligned column. */
function alignedUsd(amounts: readonly number[]): string[] {
  const shown = amounts.map(shownUsd);
  const decimalsOf = (text: string) => text.includes(".") ? text.length - text.indexOf(".") : 0;
  const decimals = Math.max(...shown.map(decimalsOf));
  return shown.map((text) => text + " ".repeat(decimals - decimalsOf(text)));
}

/** Returns the labels of the rows. Hours are shown with their UTC offset only if an hour occurs twice. */
function labelsOf(by: By, rows: readonly Row[]): string[] {
  const keys = rows.map(({ key }) => key);
  if (by !== "hour") return keys;
  const hours = keys.map((key) => key.slice(0, "2026-02-13 14:00".length));
  return new Set(hours).size === hours.length ? hours : keys;
}

/**
 * A quarter of an hour in milliseconds. Every UTC offset in use today is a multiple of it, so all times in the same
 * quarter have the same hour and day.
 */
const SLOT_MS = 15 * 60_000;

/** Returns a function that returns the key by which the cost of an event is summed up. */
function keysBy(by: By, timeZone: string): (event: AuditEvent, epochMs: number) => string {
  // A field can have any type, because other programs can also write to a log.
  if (by === "model") return ({ model }) => String(model ?? "-");
  if (by === "event") return ({ event }) => String(event ?? "-");
  if (by === "session") return ({ session_id }) => String(session_id ?? "-");
  if (by === "log") return ({ scout_log }) => String(scout_log ?? "-");
  const bySlot = new Map<number, string>();
  return (_event, epochMs) => {
    const slot = Math.floor(epochMs / SLOT_MS);
    let key = bySlot.get(slot);
    if (key === undefined) bySlot.set(slot, key = timeKey(by, slot * SLOT_MS, timeZone));
    return key;
  };
}

function timeKey(by: "hour" | "day", epochMs: number, timeZone: string): string {
  const time = Temporal.Instant.fromEpochMilliseconds(epochMs).toZonedDateTimeISO(timeZone);
  const date = time.toPlainDate().toString();
  // When clocks are set back, an hour occurs twice; the offset distinguishes the two.
  return by === "day" ? date : `${date} ${String(time.hour).padStart(2, "0")}:00${time.offset}`;
}

/** A row of the table of `scout spend`. */
export interface Row {
  readonly key: string;
  readonly usd: number;
  readonly events: number;
}

/**
 * Returns the sums as rows. Hours and days are sorted by time, because the events of a log may be out of order. Other
 * keys are sorted by cost, the highest first.
 */
function inOrder(by: By, spent: ReadonlyMap<string, Spent>): Row[] {
  const isTime = by === "hour" || by === "day";
  return [...spent]
    .map(([key, { sum, events, earliestMs }]) => ({ key, usd: sum.value, events, earliestMs }))
    .sort((a, b) =>
      isTime ? a.earliestMs - b.earliestMs : b.usd - a.usd || (a.key < b.key ? -1 : 1)
    )
    .map(({ key, usd, events }) => ({ key, usd, events }));
}
