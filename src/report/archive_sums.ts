/**
 * Adds archives to a report from their rollups, the sums beside them, so that most of a long history is not decoded.
 *
 * Invariant: the report is the same as if every archive were decoded. So an archive is decoded if the report shows more
 * of it than its rollup has:
 * - events of the last day of the range, because their costs are summed by minute;
 * - some of the last events, which are listed;
 * - events after the newest state of the budgets, because each of them may change the amounts of a budget;
 * - only a part of its events, because the time range of the report cuts the archive;
 * - lines that are not events, or events without a time.
 *
 * @module
 */
import { BUDGET_STATE } from "../event.ts";
import { eventFilter, mayLineHold } from "../read/filter.ts";
import {
  type ArchiveTaker,
  isWholeIn,
  type KnownArchive,
  type LogFile,
  rollupOf,
} from "../read/whole_archives.ts";
import { GateTally } from "../rollup/gate_tally.ts";
import { HoldTally } from "../rollup/hold_tally.ts";
import { type RollupCells, type RollupSessions, SESSIONS } from "../rollup/rollup.ts";
import { SpendTally } from "../rollup/spend_tally.ts";
import { TimeRange } from "../rollup/time_range.ts";
import type { ReadRollup } from "../segments/rollup_file.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import { type ArchiveLine, eventCount } from "../segments/manifest_line.ts";
import { hasWholeQuarters, QUARTER_MS } from "../time.ts";
import {
  type ArchiveSums,
  LAST_EVENTS,
  type ReportAggregate,
  type SummedTable,
} from "./aggregate.ts";
import { fieldNamed } from "../stats/group_key.ts";
import type { ResolvedReportOptions } from "./options.ts";

const DAY_MS = 24 * 3_600_000;
/** Selects the lines that have the state of all budgets. */
const STATES = eventFilter({ eventType: BUDGET_STATE });

/** An archive whose events are all in the range of the report. */
interface WholeArchive extends KnownArchive {
  /** The place of the archive among the files of the log. */
  readonly place: number;
  /** The time of the newest event in epoch milliseconds; NaN if no event has a time. */
  readonly maxMs: number;
}

/**
 * Decides which archives a report need not decode, because their rollups (the files with their sums) have everything
 * that the report shows of them. Adds these sums to the report.
 */
export class ReportArchives implements ArchiveTaker {
  readonly #source: { readonly log: LogDirectory; readonly maxLineBytes: number };
  readonly #options: ResolvedReportOptions;
  readonly #aggregate: ReportAggregate;
  /** Called with the number of events of each archive that is added by its stored sums. */
  readonly #onTaken: (events: number) => void;
  /** The paths of the archives that may be added by their stored sums. */
  #planned: ReadonlySet<string> = new Set();

  constructor(
    source: { readonly log: LogDirectory; readonly maxLineBytes: number },
    { options, aggregate, onTaken = () => {} }: {
      readonly options: ResolvedReportOptions;
      readonly aggregate: ReportAggregate;
      readonly onTaken?: (events: number) => void;
    },
  ) {
    this.#source = source;
    this.#options = options;
    this.#aggregate = aggregate;
    this.#onTaken = onTaken;
  }

  /**
   * Decides which archives may be added by their stored sums. `files` are all files of the log, oldest content first.
   */
  plan(files: readonly LogFile[]): void {
    const archives = this.#wholeIn(files);
    const newestMs = this.#newestMs(archives);
    if (newestMs !== -Infinity) this.#aggregate.cover(newestMs);
    const { untilMs } = this.#options;
    const dayStartMs = (untilMs === Infinity ? newestMs : untilMs) - DAY_MS;
    // Events after the last `budget_state` line may change the amounts of a budget, so the archives from `end` on are
    // decoded.
    const end = this.#newestStateAt(archives, files);
    const planned = new Set<string>();
    let eventsAfter = 0;
    for (const archive of archives.toReversed()) {
      const { path, line, place } = archive;
      const isOld = archive.maxMs < dayStartMs;
      if (place < end && isOld && eventsAfter >= LAST_EVENTS && isSummed(line)) planned.add(path);
      if (eventsAfter < LAST_EVENTS && this.#rollupOf(archive) !== null) {
        eventsAfter += eventCount(line) ?? 0;
      }
    }
    this.#planned = planned;
  }

  /**
   * Adds the sums of an archive to the report. Resolves with `false`, and adds nothing, if the archive must be decoded.
   */
  async take(archive: KnownArchive): Promise<boolean> {
    const { path, line } = archive;
    const { timeZone } = this.#options;
    if (!this.#planned.has(path)) return false;
    const range = { firstMs: Date.parse(line.min_ts!), lastMs: Date.parse(line.max_ts!) };
    this.#aggregate.cover(range.firstMs);
    if (this.#aggregate.cover(range.lastMs) < QUARTER_MS) return false;
    // In some time zones, and in others for early times, an hour can begin within a quarter of an hour. Sums of
    // quarters cannot answer for such an hour, so the archive is decoded.
    if (!hasWholeQuarters(timeZone, range)) return false;
    const rollup = this.#rollupOf(archive);
    if (rollup === null) return false;
    // The first table of every rollup groups the events by type and model.
    const [calls] = rollup.tables;
    // For a report, a type or model that is not a string is missing. But a rollup stores such a value as text, so the
    // archive is decoded.
    if (calls === undefined || calls.hasOtherTypes) return false;
    const [cells, sessions] = [await rollup.part("cells"), await rollup.part("sessions")];
    if (cells === null || sessions === null || sessions.hasOtherTypes) return false;
    const tables = tablesFor(this.#options.by.map(fieldNamed), { rollup, cells, sessions });
    if (tables === null) return false;
    this.#aggregate.addArchive({
      gate: GateTally.from(rollup.gate),
      holds: HoldTally.from(rollup.holds),
      quarters: new Map(
        cells.quarters.map(([quarter, ...times]) => [quarter, TimeRange.from(times)]),
      ),
      tables,
      sessions: sessionsOf(sessions),
    });
    this.#onTaken(eventCount(line) ?? 0);
    return true;
  }

  /**
   * Returns the rollup of an archive. If it is not null, the reader can read every event of the archive that the
   * manifest counts: none of its lines is too long for the reader.
   */
  #rollupOf(archive: KnownArchive): ReadRollup | null {
    return rollupOf(archive, this.#source);
  }

  /**
   * Returns the place of the newest archive that has the state of the budgets in the range of the report. The archives
   * before it do not matter for the budgets. If there is no such archive, returns the place from which on the budgets
   * may need every event.
   */
  #newestStateAt(archives: readonly WholeArchive[], files: readonly LogFile[]): number {
    const newest = archives.findLast((archive) =>
      Object.hasOwn(archive.line.events ?? {}, BUDGET_STATE) &&
      (this.#rollupOf(archive)?.budgetStates ?? 0) > 0
    );
    if (newest !== undefined) return newest.place;
    // A budget that is known from before the range counts every event up to the next state.
    if (this.#aggregate.hasBudgets) return 0;
    const maybe = files.findIndex(({ line }) => line === undefined || mayLineHold(line, STATES));
    return maybe >= 0 ? maybe : files.length;
  }

  /** Returns the archives that the manifest describes and that are wholly in the range of the report. */
  #wholeIn(files: readonly LogFile[]): WholeArchive[] {
    return files.flatMap(({ path, line }, place) =>
      line === undefined || !isWholeIn(line, this.#options)
        ? []
        : [{ path, line, place, maxMs: Date.parse(line.max_ts ?? "") }]
    );
  }

  /**
   * Returns the time of the newest event in the archives that the reader can read, in epoch milliseconds; -Infinity
   * without such archives. The newest event of the report is not older.
   */
  #newestMs(archives: readonly WholeArchive[]): number {
    const newestFirst = archives.filter(({ maxMs }) => !Number.isNaN(maxMs))
      .sort((a, b) => b.maxMs - a.maxMs);
    return newestFirst.find((archive) => this.#rollupOf(archive) !== null)?.maxMs ?? -Infinity;
  }
}

/**
 * Checks whether the rollup of an archive (the file with its sums) may have all figures that a report shows of the
 * archive.
 */
function isSummed({ rollup_sha256, malformed, untimed }: ArchiveLine): boolean {
  return typeof rollup_sha256 === "string" && malformed === 0 && untimed === 0;
}

/**
 * Returns the tables of a rollup that have the types of the events, and the groups by the given fields. Returns null if
 * no table has these groups.
 */
function tablesFor(
  fields: readonly string[],
  { rollup, cells, sessions }: {
    readonly rollup: ReadRollup;
    readonly cells: RollupCells;
    readonly sessions: RollupSessions;
  },
): SummedTable[] | null {
  const all = [
    ...rollup.tables.map(({ by, keys }, n) => ({ by, keys, cells: cells.tables[n]! })),
    { by: SESSIONS, keys: sessions.keys, cells: sessions.cells },
  ];
  const grouped = all.find(({ by }) => fields.every((field) => by.includes(field)));
  if (grouped === undefined) return null;
  const [calls] = all;
  const places = fields.map((field) => grouped.by.indexOf(field));
  const groups = grouped.keys.map((key) => places.map((place) => key[place]!));
  const types = calls!.keys.map(([type = null]) => type);
  return grouped === calls
    ? [{ cells: calls.cells, types, groups }]
    : [{ cells: calls!.cells, types, groups: null }, { cells: grouped.cells, types: null, groups }];
}

function sessionsOf({ keys, spend, times }: RollupSessions): ArchiveSums["sessions"] {
  return keys.flatMap(([id = null], n) => {
    if (id === null) return [];
    const { events, sum } = SpendTally.from(spend[n]!);
    return [{ id, events, sum, times: TimeRange.from(times[n]!) }];
  });
}
