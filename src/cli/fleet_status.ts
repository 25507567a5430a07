/**
 * Formats the status of the logs of a fleet, which many machines ship to a NATS server, as lines for people.
 *
 * @module
 */
import stringWidth from "string-width";
import type { FleetLogStatus } from "../fleet/fleet_status.ts";
import { counted, shownBytes, shownText, shownTime } from "../shown.ts";
import { cutMiddle, wrapped } from "./fit.ts";
import { styled } from "./terminal.ts";

const GAP = "  ";
const SECONDS = [[86_400, "d"], [3_600, "h"], [60, "min"]] as const;

const HEADER = ["log", "shipped", "lag", "lag time", "last event", "last stored", "missing"];
const LABEL_WIDTH = "last stored  ".length;
/** Maximum width of a log name within a sentence, in columns. Longer names are cut. */
const LOG_WIDTH_MAX = 40;

/**
 * Yields a table with one line per log. If the table is wider than `columns`, yields several short lines per log
 * instead. The last lines describe the gaps: the bytes of logs that are missing in the stream.
 */
export function* fleetStatusLines(
  logs: readonly FleetLogStatus[],
  timeZone: string,
  columns: number,
): Generator<string> {
  if (logs.length === 0) return;
  const rows = logs.map((status) => cellsOf(status, timeZone).map(shownText));
  const header = HEADER.map((head) => head === "last event" ? `${head} (${timeZone})` : head);
  const widths = header.map((head, column) =>
    Math.max(stringWidth(head), ...rows.map((row) => stringWidth(row[column]!)))
  );
  const isFitting = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) <= columns;
  yield* isFitting ? tableLines(header, rows, widths) : blockLines(rows, timeZone, columns);
  for (const { log, gaps } of logs) {
    for (const { from, to } of gaps) {
      const name = cutMiddle(log, LOG_WIDTH_MAX);
      const text = `bytes ${from} to ${to} of ${name} are not in the stream`;
      for (const line of wrapped(text, columns)) yield styled("yellow", line);
    }
  }
}

function* tableLines(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  widths: readonly number[],
): Generator<string> {
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell + " ".repeat(widths[column]! - stringWidth(cell)))
      .join(GAP).trimEnd();
  yield styled("bold", line(header));
  for (const row of rows) yield line(row);
}

function* blockLines(
  rows: readonly (readonly string[])[],
  timeZone: string,
  columns: number,
): Generator<string> {
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      const label = styled("bold", HEADER[column]!.padEnd(LABEL_WIDTH));
      yield `${label}${cutMiddle(cell, columns - LABEL_WIDTH)}`;
    }
  }
  yield `${styled("bold", "times".padEnd(LABEL_WIDTH))}${timeZone}`;
}

function cellsOf(
  { log, position, lagBytes, lagSec, lastTs, storedTs, gaps }: FleetLogStatus,
  timeZone: string,
): string[] {
  const missing = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  return [
    log,
    shownBytes(position),
    lagBytes === 0 ? "-" : shownBytes(lagBytes),
    lagSec === null ? "-" : shownSeconds(lagSec),
    lastTs === null ? "-" : timeOf(lastTs, timeZone),
    timeOf(storedTs, timeZone),
    gaps.length === 0 ? "-" : `${shownBytes(missing)} in ${counted(gaps.length, "gap")}`,
  ];
}

function timeOf(ts: string, timeZone: string): string {
  return shownTime(Temporal.Instant.from(ts), timeZone, { smallestUnit: "second" });
}

function shownSeconds(seconds: number): string {
  for (const [length, unit] of SECONDS) {
    if (seconds >= length) return `${(seconds / length).toFixed(1)} ${unit}`;
  }
  return `${seconds.toFixed(1)} s`;
}
