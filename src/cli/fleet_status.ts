/**
 * How the logs of a fleet stand, as lines for people.
 *
 * @module
 */
import type { FleetLogStatus } from "../fleet/fleet_status.ts";
import { counted, shownBytes, shownText, shownTime } from "../shown.ts";
import { styled } from "./terminal.ts";

const GAP = "  ";
const SECONDS = [[86_400, "d"], [3_600, "h"], [60, "min"]] as const;

/** Yields a line for each log, under a head, and one for each gap. */
export function* fleetStatusLines(
  logs: readonly FleetLogStatus[],
  timeZone: string,
): Generator<string> {
  if (logs.length === 0) return;
  const rows = logs.map((status) => cellsOf(status, timeZone).map(shownText));
  const header = [
    ...["log", "shipped", "behind", "late"],
    ...[`last event (${timeZone})`, "last stored", "missing"],
  ];
  const widths = header.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell.padEnd(widths[column]!)).join(GAP).trimEnd();
  yield styled("bold", line(header));
  for (const row of rows) yield line(row);
  for (const { log, gaps } of logs) {
    for (const { from, to } of gaps) {
      yield styled("yellow", `bytes ${from} to ${to} of ${shownText(log)} are not in the stream`);
    }
  }
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
