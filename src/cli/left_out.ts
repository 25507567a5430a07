/**
 * Reports events that the figures of a command do not include, because their time or cost is unreadable.
 *
 * @module
 */
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import { DamageReport } from "../read/damage.ts";
import { LineTest } from "../read/line_test.ts";
import { lineOf, linesOf } from "../read/manifest_lines.ts";
import { eventsOf } from "../read/read_file.ts";
import { takeSnapshot } from "../read/snapshot.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { counted } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { statusLogger } from "./log_status.ts";
import { tell } from "./messages.ts";

/** Numbers of events that figures do not include. */
export interface LeftOut {
  /** Events without a readable time, in the whole log: they are in no range of time. */
  readonly untimed: number;
  /** Events in the range of time whose cost is not a number. */
  readonly badCosts?: number;
}

/** Resolves with the number of events of a log that have no readable time. The manifest counts those in archives. */
export async function untimedEvents(path: string): Promise<number> {
  const log = new LogDirectory(denoFileSystem, path);
  using snapshot = takeSnapshot(log);
  const lines = linesOf(new ManifestReader(log), statusLogger);
  const options = {
    log,
    maxLineBytes: MAX_LINE_BYTES,
    // The command itself reports the damage.
    damage: new DamageReport(statusLogger),
    lineTest: new LineTest({}),
    order: "asc",
    signal: undefined,
  } as const;
  let count = 0;
  for (const file of snapshot.files) {
    const line = lineOf(file, lines);
    if (line !== undefined) count += line.untimed;
    else {
      for await (const events of eventsOf(file, options)) count += events.filter(isUntimed).length;
    }
  }
  return count;
}

/** Checks whether an event has no readable time. */
export function isUntimed({ ts }: { readonly ts?: unknown }): boolean {
  return Number.isNaN(eventEpochMs(ts));
}

/** Reports on standard error what the figures do not include, if anything. */
export function tellLeftOut({ untimed, badCosts = 0 }: LeftOut): void {
  const parts = [
    ...untimed === 0 ? [] : [`${counted(untimed, "event")} without a readable time`],
    ...badCosts === 0 ? [] : [`${counted(badCosts, "event")} whose cost is not a number`],
  ];
  if (parts.length > 0) tell(`not counted: ${parts.join(", ")}`);
}
