/**
 * `scout status`: shows the state of a log on one screen.
 *
 * @module
 */
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { basename } from "../platform/path.ts";
import { type Run, withLog } from "./command.ts";
import { EventLines } from "./event_line.ts";
import { cutMiddle, wrapped } from "./fit.ts";
import { tellLeftOut } from "./left_out.ts";
import { type FilesStatus, type LogStatus, logStatus } from "./log_status.ts";
import { statusLogger } from "./messages.ts";
import { type ReadingOptions, summingOptions } from "./options.ts";
import { shownAmount } from "../budget/shown_amount.ts";
import { counted, shownBytes, shownNumber, shownText, shownTime, shownUsd } from "../shown.ts";
import { columns, type Output, styled } from "./terminal.ts";

/** The `scout status` command. */
export const statusCommand: Parser<"sync", Run, unknown> = command(
  "status",
  map(summingOptions, (options): Run => (output) => runStatus(options, output)),
  {
    brief: message`Shows files, events, spend, the last event and damage`,
    description:
      message`Reads the active file, and decodes the archives of the last 24 hours whose events are not all in one hour. For other archives, shows the figures that are stored beside them.`,
    footer: message`Example: scout status logs --json | jq .spend.lastHour`,
  },
);

async function runStatus(options: ReadingOptions, output: Output): Promise<number> {
  const status = await withLog(options, (reader) => logStatus(reader, Date.now()), statusLogger);
  if (options.json) output.json(status);
  else for (const line of statusLines(status, options.timeZone, columns())) output.line(line);
  await output.flush();
  tellLeftOut(status.leftOut);
  return 0;
}

const LABEL_WIDTH = "archives  ".length;

/** Returns the state of a log as lines that are at most `columns` wide. */
export function statusLines(status: LogStatus, timeZone: string, columns: number): string[] {
  const width = columns - LABEL_WIDTH;
  return [...sections(status, timeZone, width)].flatMap(([name, texts]) =>
    texts.map((text, n) => `${styled("bold", (n === 0 ? name : "").padEnd(LABEL_WIDTH))}${text}`)
  );
}

function* sections(
  status: LogStatus,
  timeZone: string,
  width: number,
): Generator<[name: string, texts: readonly string[]]> {
  const { active, archives, untoldArchives, prunedUntil, hourly, lastEvent, damage } = status;
  yield ["log", [cutMiddle(status.path, width)]];
  yield ["active", wrapped(filesText(active), width)];
  yield ["archives", [
    ...wrapped(filesText(archives), width),
    ...untoldArchives === 0
      ? []
      : wrapped(`and ${counted(untoldArchives, "file")} not in the manifest`, width),
    ...prunedUntil === null ? [] : wrapped(prunedText(prunedUntil, timeZone), width),
  ]];
  if (status.shipped !== null) yield ["shipped", shippedTexts(status.shipped, timeZone, width)];
  yield ["spend", [...spendTexts(status), `${styled("cyan", sparkline(hourly))}  24 hours`]];
  if (status.budgets.length > 0) yield ["budgets", budgetTexts(status.budgets, width)];
  const lines = new EventLines({ timeZone, columns: width, hasHeader: false });
  yield ["last", [lastEvent === null ? "no event" : lines.line(lastEvent)]];
  yield ["damage", damageTexts(damage, width)];
  yield ["times", [timeZone]];
}

function filesText({ files, bytes, events }: FilesStatus): string {
  return `${counted(files, "file")}, ${shownBytes(bytes)}, ${counted(events, "event")}`;
}

function prunedText(prunedUntil: string, timeZone: string): string {
  const until = shownTime(Temporal.Instant.from(prunedUntil), timeZone, { smallestUnit: "minute" });
  return `retention has removed the events until ${until}`;
}

function shippedTexts(
  { fleets, damage }: NonNullable<LogStatus["shipped"]>,
  timeZone: string,
  width: number,
): string[] {
  const texts = fleets.map(({ stream, fleet, log, ts, waiting: { files, bytes } }) => {
    const waiting = files === 0
      ? "has every archive"
      : `lacks ${counted(files, "archive")}, ${shownBytes(bytes)}`;
    const time = shownTime(Temporal.Instant.from(ts), timeZone, { smallestUnit: "minute" });
    return `fleet ${fleet} (log ${log}, stream ${stream}) ${waiting}, as recorded ${time}`;
  });
  if (damage !== null) {
    texts.push(`damaged, so retention takes all archives for missing: ${damage}`);
  } else if (fleets.length === 0) texts.push("no fleet yet");
  return texts.flatMap((text) => wrapped(text, width));
}

function spendTexts({ spend, costs }: LogStatus): string[] {
  const amounts = (["lastHour", "lastDay"] as const).map((time) =>
    costs[time] === 0 ? "-" : shownUsd(spend[time])
  );
  const amountWidth = Math.max(...amounts.map((amount) => amount.length));
  return [
    `${amounts[0]!.padStart(amountWidth)} in the last hour`,
    `${amounts[1]!.padStart(amountWidth)} in the last 24 hours`,
  ];
}

function budgetTexts(budgets: LogStatus["budgets"], width: number): string[] {
  return budgets.flatMap(({ budget, unit, limit, hours, spent, held, orphaned, left }) => {
    const amount = (value: number) => shownAmount(value, unit);
    const window = hours === undefined ? "" : ` in ${shownNumber(hours)} h`;
    const others = [
      ...held === 0 ? [] : [`${amount(held)} held`],
      ...orphaned === 0 ? [] : [`${amount(orphaned)} orphaned`],
      `${amount(left)} left`,
    ];
    const text = `${shownText(budget)}: ${amount(spent)} of ${amount(limit)}${window}, ${
      others.join(", ")
    }`;
    return wrapped(text, width).map((line) => left < 0 ? styled("red", line) : line);
  });
}

function damageTexts({ archivedLines, regions }: LogStatus["damage"], width: number): string[] {
  if (archivedLines + regions.length === 0) return ["none"];
  const texts = [
    ...archivedLines === 0 ? [] : [`${counted(archivedLines, "line")} in archives`],
    ...regions.length === 0 ? [] : [`${counted(regions.length, "region")} in other files`],
    ...regions.slice(0, 1).map(({ reason, byteOffset, path }) =>
      `first: ${reason}, at byte ${shownNumber(byteOffset)} of ${basename(path)}`
    ),
  ];
  return texts.flatMap((text) => wrapped(text, width)).map((text) => styled("yellow", text));
}

const LEVELS = "▁▂▃▄▅▆▇█";

/** Returns a text with one character per hour. A higher character means a higher spend; a dot means 0. */
function sparkline(figures: readonly number[]): string {
  const largest = Math.max(...figures);
  return figures.map((figure) => {
    if (!(figure > 0)) return "·";
    return LEVELS[Math.min(LEVELS.length - 1, Math.floor(LEVELS.length * figure / largest))]!;
  }).join("");
}
