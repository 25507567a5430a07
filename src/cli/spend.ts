/**
 * `scout spend`: what the events cost, by hour, day, model, type or session.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../precise_sum.ts";
import { costOf } from "../spend.ts";
import { type Run, tell, withLog } from "./command.ts";
import {
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  type ReadingOptions,
  readingOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { barTable } from "./bar_table.ts";
import { shownSince, shownUsd } from "../shown.ts";
import { columns, type Output } from "./terminal.ts";
import { DAY_AGO } from "./when.ts";

const BY = ["hour", "day", "model", "event", "session"] as const;
type By = typeof BY[number];

interface SpendCommandOptions extends ReadingOptions, FieldOptions, TimeOptions {
  readonly by: By;
}

/** The command. */
export const spendCommand: Parser<"sync", Run, unknown> = command(
  "spend",
  map(
    merge(
      object({
        by: withDefault(
          option("--by", choice(BY, { metavar: "WHAT" }), {
            description:
              message`What to sum up by: hour (the default), day, model, event or session`,
          }),
          "hour",
        ),
      }),
      fieldOptions,
      timeOptions,
      readingOptions,
    ),
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
  const { by, timeZone, json } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const selection = { ...options, since: options.since ?? DAY_AGO };
  const total = nothingSpent();
  const spent = new Map<string, Spent>();
  const keyOf = keysBy(by, timeZone);
  const since = selection.since(now);
  await withLog(options, async (reader) => {
    const prunedUntil = await reader.prunedUntil();
    if (prunedUntil !== null && prunedUntil.getTime() >= since.epochMilliseconds) {
      const until = shownSince(prunedUntil.toTemporalInstant(), timeZone);
      tell(`counted without what retention has removed, which was logged until ${until}`);
    }
    for await (const event of reader.query(optionsToQuery(selection, now))) {
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
  });
  const rows = inOrder(by, spent);
  if (json) {
    const summary = {
      by,
      since: since.toString(),
      usd: total.sum.value,
      events: total.events,
      rows,
    };
    output.line(JSON.stringify(summary));
  } else {
    const { sum, events } = total;
    output.line(
      `${shownUsd(sum.value)} for ${events} events since ${shownSince(since, timeZone)}`,
    );
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
  return 0;
}

/** Every time zone of these days is a multiple of it away from UTC. */
const SLOT_MS = 15 * 60_000;

/** What the cost of an event is summed up under. */
function keysBy(by: By, timeZone: string): (event: AuditEvent, epochMs: number) => string {
  if (by === "model") return ({ model }) => model ?? "-";
  if (by === "event") return ({ event }) => event ?? "-";
  if (by === "session") return ({ session_id }) => session_id ?? "-";
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
