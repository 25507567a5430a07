/**
 * Reports events that the figures of a command do not include, because their time or cost is unreadable.
 *
 * @module
 */
import type { AuditReader } from "../audit_reader.ts";
import { DamageReport } from "../read/damage.ts";
import { counted } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { listedFiles } from "./listed_files.ts";
import { statusLogger, tell } from "./messages.ts";

/** Numbers of events that figures do not include. */
export interface LeftOut {
  /** Events without a readable time, in the whole log: they are in no range of time. */
  readonly untimed: number;
  /** Events in the range of time whose cost is not a number. */
  readonly badCosts?: number;
}

/** Resolves with the number of events of a log that have no readable time. The manifest counts those in archives. */
export async function untimedEvents(reader: AuditReader): Promise<number> {
  // The command itself reports the damage.
  const damage = new DamageReport(statusLogger);
  let count = 0;
  for (const { line, events } of listedFiles(reader)) {
    if (line !== undefined) count += line.untimed;
    else {
      for await (const found of events(damage)) count += found.filter(isUntimed).length;
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
