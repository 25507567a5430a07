/**
 * `scout status`: what there is of a log, on one screen.
 *
 * @module
 */
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { basename } from "@std/path";
import { type Run, withLog } from "./command.ts";
import { eventLine } from "./event_line.ts";
import { type FilesStatus, type LogStatus, logStatus, statusLogger } from "./log_status.ts";
import { type ReadingOptions, readingOptions } from "./options.ts";
import { counted, shownBytes, shownSince, shownUsd } from "../shown.ts";
import { type Output, styled } from "./terminal.ts";

/** The command. */
export const statusCommand: Parser<"sync", Run, unknown> = command(
  "status",
  map(readingOptions, (options): Run => (output) => runStatus(options, output)),
  {
    brief: message`Files, events, spend, the last event and damage, on one screen`,
    description:
      message`Reads the active file and the archives of the last 24 hours; of the others it takes the manifest's word.`,
    footer: message`Example: scout status --json | jq .spend.lastHour`,
  },
);

async function runStatus(options: ReadingOptions, output: Output): Promise<number> {
  const status = await withLog(options, (reader) => logStatus(reader, Date.now()), statusLogger);
  if (options.json) output.line(JSON.stringify(status));
  else for (const line of statusLines(status, options.timeZone)) output.line(line);
  await output.flush();
  return 0;
}

const LABEL_WIDTH = "archives  ".length;

function* statusLines(status: LogStatus, timeZone: string): Generator<string> {
  for (const [name, text] of sections(status, timeZone)) {
    yield `${styled("bold", name.padEnd(LABEL_WIDTH))}${text}`;
  }
}

function* sections(status: LogStatus, timeZone: string): Generator<[name: string, text: string]> {
  const { active, archives, untoldArchives, prunedUntil, spend, hourly, lastEvent, damage } =
    status;
  yield ["log", status.path];
  yield ["active", filesText(active)];
  yield ["archives", filesText(archives)];
  if (untoldArchives > 0) yield ["", `and ${counted(untoldArchives, "file")} not in the manifest`];
  if (prunedUntil !== null) {
    const until = shownSince(Temporal.Instant.from(prunedUntil), timeZone);
    yield ["", `without what retention has removed, until ${until}`];
  }
  yield [
    "spend",
    `${shownUsd(spend.lastHour)} in the last hour, ${shownUsd(spend.lastDay)} in the last day`,
  ];
  yield ["", `${styled("cyan", sparkline(hourly))}  24 hours`];
  yield ["last", lastEvent === null ? "no event" : eventLine(lastEvent, timeZone)];
  yield ["damage", damageText(damage)];
}

function filesText({ files, bytes, events }: FilesStatus): string {
  return `${counted(files, "file")}, ${shownBytes(bytes)}, ${counted(events, "event")}`;
}

function damageText({ archivedLines, regions }: LogStatus["damage"]): string {
  if (archivedLines + regions.length === 0) return "none";
  const [first] = regions;
  const place = first === undefined
    ? ""
    : `; first: ${first.reason}, at byte ${first.byteOffset} of ${basename(first.path)}`;
  const text = `${counted(archivedLines, "line")} in archives, ` +
    `${counted(regions.length, "region")} in the rest${place}`;
  return styled("yellow", text);
}

const LEVELS = "▁▂▃▄▅▆▇█";

/** A character for each figure; nothing spent is a dot. */
function sparkline(figures: readonly number[]): string {
  const largest = Math.max(...figures);
  return figures.map((figure) => {
    if (!(figure > 0)) return "·";
    return LEVELS[Math.min(LEVELS.length - 1, Math.floor(LEVELS.length * figure / largest))]!;
  }).join("");
}
