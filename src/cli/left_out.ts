/**
 * Reports events that the figures of a command do not include, because their time or cost is unreadable or retention
 * has removed them.
 *
 * @module
 */
import type { AuditReader } from "../audit_reader.ts";
import { DamageReport } from "../read/damage.ts";
import { counted, shownSince } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { listedFiles } from "./listed_files.ts";
import { statusLogger, tell } from "./messages.ts";

/** The numbers of events that the figures of a command do not include. */
export interface LeftOut {
  /**
   * Number of events without a readable time. They are counted in the whole log, because they do not belong to any time
   * range.
   */
  readonly untimed: number;
  /** Number of events whose cost is not a number, in the time range of the command. */
  readonly badCosts?: number;
  /** The name of the source of the figures, such as "A", if the command reads several sources. */
  readonly source?: string;
  /** Number of calls that state tokens but no cost, in the time range of the command. */
  readonly unknownCosts?: number;
}

/**
 * Resolves with the number of events of a log that have no readable time. If the manifest has a usable line about an
 * archive, the number is taken from this line, and the archive is not read.
 */
export async function untimedEvents(reader: AuditReader): Promise<number> {
  // Damage of the files is not reported here, because the command reports it when it reads the log for its figures.
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

/** Reports on standard error how many events the figures do not include. Writes nothing if they include all events. */
export function tellLeftOut(
  { untimed, badCosts = 0, unknownCosts = 0, source }: LeftOut,
): void {
  const parts = [
    ...untimed === 0 ? [] : [`${counted(untimed, "event")} without a readable time`],
    ...unknownCosts === 0
      ? []
      : [`${counted(unknownCosts, "call")} with tokens but without a cost`],
    ...badCosts === 0 ? [] : [`${counted(badCosts, "event")} whose cost is not a number`],
  ];
  if (parts.length === 0) return;
  tell(`not counted${source === undefined ? "" : ` in ${source}`}: ${parts.join(", ")}`);
}

/**
 * Reports on standard error if retention has removed events of the time range of a command: those since `since`.
 * Otherwise writes nothing.
 *
 * @param beginning The beginning of the message, which names the figures that leave out the events, such as "the costs
 *   leave out".
 */
export async function tellRemoved(
  reader: AuditReader,
  { beginning, since, timeZone }: {
    readonly beginning: string;
    readonly since: Temporal.Instant | undefined;
    readonly timeZone: string;
  },
): Promise<void> {
  const prunedUntil = await reader.prunedUntil();
  if (prunedUntil === null) return;
  if (since !== undefined && prunedUntil.getTime() < since.epochMilliseconds) return;
  const until = shownSince(prunedUntil.toTemporalInstant(), timeZone);
  tell(`${beginning} all events up to ${until}, because retention has removed them`);
}
