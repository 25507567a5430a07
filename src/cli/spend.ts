/**
 * `scout spend`: what the events cost, by hour, day, model, type or session.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../precise_sum.ts";
import type { QueryOptions } from "../read/query.ts";
import { costOf } from "../spend.ts";
import { type Run, tell, withLog } from "./command.ts";
import {
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  type ReadingOptions,
  readingOptions,
  type ShownOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { barTable } from "./bar_table.ts";
import { shownSince, shownUsd } from "../shown.ts";
import { columns, type Output } from "./terminal.ts";
import { DAY_AGO } from "./when.ts";

const BY = ["hour", "day", "model", "event", "session"] as const;
/** What costs are summed up by. */
export type By = typeof BY[number] | "log";

/** What is summed up beside a log. */
export type SpendOptions = FieldOptions & TimeOptions & { readonly by: By };

interface SpendCommandOptions extends ReadingOptions, SpendOptions {}

/** The parser of {@linkcode SpendOptions} with further things to sum up by. */
export function spendOptions(more: readonly By[] = []): Parser<"sync", SpendOptions, unknown> {
  const choices = [...BY, ...more];
  const all = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
  return merge(
    object({
      by: withDefault(
        option("--by", choice(choices, { metavar: "WHAT" }), {
          description: message`What to sum up by: ${text(all)}; default hour`,
        }),
        "hour" as const,
      ),
    }),
    fieldOptions,
    timeOptions,
  );
}

/** The command. */
export const spendCommand: Parser<"sync", Run, unknown> = command(
  "spend",
  map(
    merge(spendOptions(), readingOptions),
    (options): Run => (output) => runSpend(options, output),
  ),
  {
    brief: message`What the events cost, by hour, day, model, event or session`,
    description:
      message`Sums up the costs in USD of the events that match, those of the last 24 hours unless --since says otherwise.`,
    footer: message`Example: scout spend --by day --since 2w --tz Europe/Berlin`,
  },
);

/** What was spent on one thing. */
interface Spent {
  readonly sum: PreciseSum;
  events: number;
  /** Time of its earliest event, in epoch milliseconds. */
  earliestMs: number;
}

function nothingSpent(): Spent {
  return { sum: new PreciseSum(), events: 0, earliestMs: Infinity };
}

async function runSpend(options: SpendCommandOptions, output: Output): Promise<number> {
  const { timeZone } = options;
  const asked = spendQuery(options);
  await withLog(options, async (reader) => {
    const prunedUntil = await reader.prunedUntil();
    if (prunedUntil !== null && prunedUntil.getTime() >= asked.since.epochMilliseconds) {
      const until = shownSince(prunedUntil.toTemporalInstant(), timeZone);
      tell(`counted without what retention has removed, which was logged until ${until}`);
    }
    await tellSpend(reader.query(asked.query), { ...options, since: asked.since }, output);
  });
  return 0;
}

/** What to ask for, and from when on. */
export function spendQuery(
  options: SpendOptions & ShownOptions,
): { readonly since: Temporal.Instant; readonly query: QueryOptions } {
  const now = Temporal.Now.zonedDateTimeISO(options.timeZone);
  const selection = { ...options, since: options.since ?? DAY_AGO };
  return { since: selection.since(now), query: optionsToQuery(selection, now) };
}

/** Sums the events up, and writes what they cost. */
export async function tellSpend(
  events: AsyncIterable<AuditEvent>,
  { by, timeZone, json, since }: Pick<SpendOptions, "by"> & ShownOptions & {
    readonly since: Temporal.Instant;
  },
  output: Output,
): Promise<void> {
  const total = nothingSpent();
  const spent = new Map<string, Spent>();
  const keyOf = keysBy(by, timeZone);
  for await (const event of events) {
    const cost = costOf(event);
    if (cost === null) continue;
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
  if (json) {
    output.line(JSON.stringify({ by, since: since.toString(), usd, events: count, rows }));
  } else {
    output.line(`${shownUsd(usd)} for ${count} events since ${shownSince(since, timeZone)}`);
    const lines = barTable(
      rows.map(({ key, usd, events }) => ({
        label: key,
        value: usd,
        cells: [shownUsd(usd), `${events}`],
      })),
      { header: [by, "USD", "events"], columns: columns() },
    );
    for (const line of lines) output.line(line);
  }
  await output.flush();
}

/** Every time zone of these days is a multiple of it away from UTC. */
const SLOT_MS = 15 * 60_000;

/** What the cost of an event is summed up under. */
function keysBy(by: By, timeZone: string): (event: AuditEvent, epochMs: number) => string {
  if (by === "model") return ({ model }) => model ?? "-";
  if (by === "event") return ({ event }) => event ?? "-";
  if (by === "session") return ({ session_id }) => session_id ?? "-";
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
  // An hour that comes twice, when clocks are set back, is told apart by its offset.
  return by === "day" ? date : `${date} ${String(time.hour).padStart(2, "0")}:00${time.offset}`;
}

interface Row {
  readonly key: string;
  readonly usd: number;
  readonly events: number;
}

/** Times in their order, which need not be that of the log, and everything else by what it cost. */
function inOrder(by: By, spent: ReadonlyMap<string, Spent>): Row[] {
  const isTime = by === "hour" || by === "day";
  return [...spent]
    .map(([key, { sum, events, earliestMs }]) => ({ key, usd: sum.value, events, earliestMs }))
    .sort((a, b) =>
      isTime ? a.earliestMs - b.earliestMs : b.usd - a.usd || (a.key < b.key ? -1 : 1)
    )
    .map(({ key, usd, events }) => ({ key, usd, events }));
}
