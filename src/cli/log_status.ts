/**
 * Collects the state of a log: its files and events, the spend of the last day, and the damage.
 *
 * @module
 */
import type { AuditReader } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { type Damage, DamageReport } from "../read/damage.ts";
import { eventFilter } from "../read/filter.ts";
import { sumsSourceOf } from "../read/sum_up.ts";
import { type ArchiveTaker, isWholeIn, readExceptTaken, rollupOf } from "../read/whole_archives.ts";
import { spendOf } from "../rollup/rollup.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { type ArchiveLine, eventCount } from "../segments/manifest_line.ts";
import { isUnshipped } from "../segments/retention_policy.ts";
import { readShipped, type ReceivingFleet, stampIn } from "../segments/shipped_file.ts";
import { readBudgets } from "../budget/read_budgets.ts";
import { costOf } from "../cost/spend.ts";
import { isUntimed } from "./left_out.ts";
import { listedFiles } from "./listed_files.ts";
import { statusLogger } from "./messages.ts";
import { budgetsIn, type ShownBudget } from "./shown_budgets.ts";

/** The number of files of one kind, their total size in bytes, and the number of their events. */
export interface FilesStatus {
  files: number;
  bytes: number;
  events: number;
}

/**
 * A fleet (a group of logs on a server) that receives copies of the log's archives, and the archives that it has not
 * received.
 */
export interface FleetReceipt extends ReceivingFleet {
  /** File name of the newest archive that the fleet has received; null if it has received none. */
  readonly archive: string | null;
  /** The time (ISO 8601) at which the shipper recorded which archive is the newest that the fleet has. */
  readonly ts: string;
  /** The number and the total size in bytes of the archives that the fleet has not received. */
  readonly waiting: { readonly files: number; readonly bytes: number };
}

/** The state of a log; as JSON it is the output of `scout status --json`. */
export interface LogStatus {
  readonly path: string;
  /** The active file, and segments that are not archived yet. */
  readonly active: FilesStatus;
  /** The archives that the manifest lists. */
  readonly archives: FilesStatus;
  /** The number of archives that the manifest does not list. The events of these archives are not counted. */
  readonly untoldArchives: number;
  /** The time (ISO 8601) of the newest event that retention has removed; null before the first removal. */
  readonly prunedUntil: string | null;
  /** The fleets in `audit.shipped.jsonl`, and the damage of this file; null if the log does not have the file. */
  readonly shipped: {
    readonly fleets: readonly FleetReceipt[];
    readonly damage: string | null;
  } | null;
  /** The spend in USD in the last hour and in the last 24 hours. */
  readonly spend: { readonly lastHour: number; readonly lastDay: number };
  /** The number of events with a cost in the last hour and in the last 24 hours. */
  readonly costs: { readonly lastHour: number; readonly lastDay: number };
  /** The spend in USD in each of the last 24 hours, the oldest first. */
  readonly hourly: readonly number[];
  readonly lastEvent: AuditEvent | null;
  /**
   * The numbers of events that the spend does not include. Events in archives that are not in the manifest do not count
   * in `untimed`.
   */
  readonly leftOut: {
    /** Events without a readable time, in the whole log. */
    readonly untimed: number;
    /** Events of the last 24 hours whose cost is not a number. */
    readonly badCosts: number;
  };
  /** The budgets of the log, sorted by name. */
  readonly budgets: readonly ShownBudget[];
  readonly damage: {
    /** The number of invalid lines in archives, as counted in the manifest. */
    readonly archivedLines: number;
    /** The unreadable regions of the active file and of segments that are not archived yet. */
    readonly regions: readonly Damage[];
  };
}

const HOUR_MS = 3_600_000;
const HOURS = 24;

/** Resolves with the state of the log. */
export async function logStatus(reader: AuditReader, nowMs: number): Promise<LogStatus> {
  const { path } = reader;
  const { untimed, listed, ...files } = await filesOf(reader);
  const { hourly, badCosts } = await hourlyCosts(reader, nowMs);
  const day = new PreciseSum();
  for (const { usd } of hourly) day.add(usd);
  const lastHour = hourly.at(-1)!;
  const [lastEvent = null] = await reader.lastEvents(1);
  const prunedUntil = (await reader.prunedUntil())?.toISOString() ?? null;
  return {
    path,
    ...files,
    prunedUntil,
    shipped: shippedStatus(path, listed),
    spend: { lastHour: lastHour.usd, lastDay: day.value },
    costs: {
      lastHour: lastHour.costs,
      lastDay: hourly.reduce((sum, { costs }) => sum + costs, 0),
    },
    hourly: hourly.map(({ usd }) => usd),
    lastEvent,
    budgets: budgetsIn(await readBudgets(reader), nowMs),
    leftOut: { untimed, badCosts },
  };
}

/** An archive that the manifest lists. */
interface ListedArchive {
  readonly name: string;
  readonly bytes: number;
}

/** Returns the fleets in `audit.shipped.jsonl` and the damage of this file; null if the log does not have the file. */
function shippedStatus(path: string, listed: readonly ListedArchive[]): LogStatus["shipped"] {
  const log = new LogDirectory(denoFileSystem, path);
  const lines = readShipped(log);
  if (lines === null) return null;
  const fleets = lines.fleets.map(({ stream, fleet, log: name, archive, ts }) => {
    const received = stampIn(archive, log);
    const waiting = listed.filter((each) =>
      isUnshipped({ stamp: stampIn(each.name, log)! }, received)
    );
    const bytes = waiting.reduce((sum, { bytes }) => sum + bytes, 0);
    return { stream, fleet, log: name, archive, ts, waiting: { files: waiting.length, bytes } };
  });
  return { fleets, damage: lines.damage };
}

async function filesOf(
  reader: AuditReader,
): Promise<
  & Pick<LogStatus, "active" | "archives" | "untoldArchives" | "damage">
  & { untimed: number; listed: ListedArchive[] }
> {
  const active: FilesStatus = { files: 0, bytes: 0, events: 0 };
  const archives: FilesStatus = { files: 0, bytes: 0, events: 0 };
  const listed: ListedArchive[] = [];
  let untoldArchives = 0;
  let archivedLines = 0;
  let untimed = 0;
  const damage = new DamageReport(statusLogger);
  for (const { file, line, events } of listedFiles(reader)) {
    if (line !== undefined) {
      add(archives, file.byteLength, eventsIn(line));
      listed.push({ name: line.archive, bytes: file.byteLength });
      archivedLines += line.malformed;
      untimed += line.untimed;
    } else if (file.isArchive) untoldArchives++;
    else {
      let count = 0;
      for await (const found of events(damage)) {
        count += found.length;
        untimed += found.filter(isUntimed).length;
      }
      add(active, file.byteLength, count);
    }
  }
  const { regions } = damage;
  return { active, archives, untoldArchives, damage: { archivedLines, regions }, untimed, listed };
}

function add(status: FilesStatus, bytes: number, events: number): void {
  status.files++;
  status.bytes += bytes;
  status.events += events;
}

function eventsIn(line: ArchiveLine): number {
  // Without the figures by type, blank lines count as events.
  return eventCount(line) ?? line.lines - line.malformed;
}

/**
 * Resolves with the spend and the number of costs in each of the last 24 hours, oldest hour first. `badCosts` is the
 * number of events in the 24 hours whose cost is not a number.
 */
async function hourlyCosts(
  reader: AuditReader,
  nowMs: number,
): Promise<{ hourly: { usd: number; costs: number }[]; badCosts: number }> {
  let badCosts = 0;
  const slots = Array.from({ length: HOURS }, () => ({ sum: new PreciseSum(), costs: 0 }));
  const hoursAgo = (ms: number) => Math.min(HOURS - 1, Math.floor((nowMs - ms) / HOUR_MS));
  const source = sumsSourceOf(reader)!;
  const filter = eventFilter({ since: nowMs - HOURS * HOUR_MS });
  // If all events of an archive are in the same one of the last 24 hours, their costs come from its rollup, the file
  // with its sums. So a log that fills archives in less than an hour need not decode most of them.
  const taker: ArchiveTaker = {
    take(archive) {
      const { line } = archive;
      if (!isWholeIn(line, filter)) return false;
      const [firstMs, lastMs] = [Date.parse(line.min_ts!), Date.parse(line.max_ts!)];
      if (lastMs > nowMs || hoursAgo(firstMs) !== hoursAgo(lastMs)) return false;
      const table = rollupOf(archive, source)?.tables[0];
      if (table === undefined) return false;
      const slot = slots[HOURS - 1 - hoursAgo(lastMs)]!;
      for (const group of table.keys.keys()) {
        const spend = spendOf(table, group);
        slot.sum.addSum(spend.sum);
        slot.costs += spend.costs;
        badCosts += spend.badCosts;
      }
      return true;
    },
  };
  const add = (event: AuditEvent) => {
    const cost = costOf(event);
    if (cost === null && Object.hasOwn(event, "cost")) badCosts++;
    if (cost === null || cost.epochMs > nowMs) return;
    const slot = slots[HOURS - 1 - hoursAgo(cost.epochMs)]!;
    slot.sum.add(cost.usd);
    slot.costs++;
  };
  const damage = new DamageReport(statusLogger);
  await readExceptTaken(source, { filter, order: "asc", damage }, { taker, add });
  return { hourly: slots.map(({ sum, costs }) => ({ usd: sum.value, costs })), badCosts };
}
