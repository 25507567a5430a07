/**
 * Adds archives to a report from their rollups, the sums beside them, so that most of a long history is not decoded.
 *
 * Invariant: the report is the same as if every archive were decoded. So an archive is decoded if the report shows more
 * of it than its rollup has:
 * - some of the last events, which are listed;
 * - events after the newest state of the budgets, because each of them may change the amounts of a budget;
 * - only a part of its events, because the time range or the time axis of the report starts or ends within the archive;
 * - lines that are not events, or events without a time;
 * - failures with too many different reasons for a rollup;
 * - spans (calls with a beginning and an end) that its manifest line does not list.
 *
 * The costs of the last day of the range are summed by minute. So of an archive with events of that day, some events are
 * read for their times and costs: if the end of the report is known, only those at the edges of the last hour and the
 * last day, and otherwise those of the whole day.
 *
 * @module
 */
import { type AuditEvent, BUDGET_STATE } from "../event.ts";
import type { Damage } from "../read/damage.ts";
import { eventFilter, mayLineHold } from "../read/filter.ts";
import {
  type ArchiveTaker,
  isWholeIn,
  type KnownArchive,
  type LogFile,
  rollupOf,
  type Taken,
} from "../read/whole_archives.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { CallTally } from "../rollup/call_tally.ts";
import { GateTally } from "../rollup/gate_tally.ts";
import { HoldTally } from "../rollup/hold_tally.ts";
import {
  AGENTS,
  agentsOf,
  type RollupActivity,
  type RollupCells,
  type RollupKey,
  type RollupSessions,
  type RollupTable,
  SESSIONS,
  spendOf,
  type StoredCalls,
  type StoredCell,
  type StoredValidations,
  tableBy,
} from "../rollup/rollup.ts";
import { QuantileSketch } from "../rollup/quantile_sketch.ts";
import { areCells } from "../rollup/rollup_text.ts";
import { type SpendState, SpendTally } from "../rollup/spend_tally.ts";
import { TimeRange } from "../rollup/time_range.ts";
import type { ReadRollup } from "../segments/rollup_file.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import { type ArchiveLine, eventCount } from "../segments/manifest_line.ts";
import { eventEpochMs, hasWholeQuarters, QUARTER_MS } from "../time.ts";
import {
  type ArchiveSums,
  LAST_EVENTS,
  type ReportAggregate,
  type SummedCalls,
  type SummedTable,
} from "./aggregate.ts";
import { fieldNamed } from "../stats/group_key.ts";
import type { GroupSums, SummedGrouping } from "./groups.ts";
import { isInReport, type ResolvedReportOptions } from "./options.ts";
import { endOfMinute } from "./recent_spend.ts";
import { type RecentNeeds, RecentWindow } from "./recent_window.ts";

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
  /** The paths of the archives that are read, and whose expected events have decided which others are not read. */
  readonly #expected = new Set<string>();
  /** A time at or before the start of the last day of the range, in epoch milliseconds. */
  #dayStartMs = -Infinity;
  /** Whether the report is made once, so that its end does not change. */
  readonly #isFinal: boolean;
  /** The expected end of the report in epoch milliseconds, and its last hour and day; null if the end may change. */
  #end: { readonly endMs: number; readonly window: RecentWindow } | null = null;

  constructor(
    source: { readonly log: LogDirectory; readonly maxLineBytes: number },
    { options, aggregate, isFinal = false, onTaken = () => {} }: {
      readonly options: ResolvedReportOptions;
      readonly aggregate: ReportAggregate;
      readonly isFinal?: boolean;
      readonly onTaken?: (events: number) => void;
    },
  ) {
    this.#isFinal = isFinal;
    this.#source = source;
    this.#options = options;
    this.#aggregate = aggregate;
    this.#onTaken = onTaken;
  }

  /**
   * Decides which archives may be added by their stored sums. `files` are all files of the log, oldest content first;
   * `newest` are some of the newest events in the active file.
   */
  plan(files: readonly LogFile[], newest: readonly AuditEvent[]): void {
    const archives = this.#wholeIn(files);
    // The events may be outside of the range of the report: a live page also follows those after its range.
    const inRange = newest.map(({ ts }) => eventEpochMs(ts))
      .filter((epochMs) => isInReport(epochMs, this.#options));
    const onAxis = inRange.filter((epochMs) => this.#aggregate.isOnAxis(epochMs));
    const newestArchive = this.#newestOf(archives);
    if (newestArchive !== undefined) this.#expected.add(newestArchive.path);
    const newestMs = onAxis.reduce((a, b) => b > a ? b : a, newestArchive?.maxMs ?? -Infinity);
    if (newestMs !== -Infinity) this.#aggregate.cover(newestMs);
    const { untilMs } = this.#options;
    this.#dayStartMs = (untilMs === Infinity ? newestMs : untilMs) - DAY_MS;
    const endMs = untilMs === Infinity ? endOfMinute(newestMs) : untilMs;
    if (this.#isFinal && Number.isFinite(endMs)) {
      this.#end = { endMs, window: new RecentWindow(endMs) };
    }
    // Events after the last `budget_state` line may change the amounts of a budget, so the archives from `end` on are
    // decoded.
    const end = this.#newestStateAt(archives, files);
    const planned = new Set<string>();
    let eventsAfter = inRange.length;
    for (const archive of archives.toReversed()) {
      const { path, line, place } = archive;
      const isEarlier = place < end && eventsAfter >= LAST_EVENTS;
      if (isEarlier && isSummed(line)) planned.add(path);
      if (eventsAfter < LAST_EVENTS && this.#rollupOf(archive) !== null) {
        eventsAfter += eventCount(line) ?? 0;
        this.#expected.add(path);
      }
    }
    this.#planned = planned;
  }

  /**
   * Checks whether the report is wrong, and must be read without stored sums. This is the case if one of the unreadable
   * regions is in an archive whose events were expected to be among the newest: the report may then lack older events,
   * of archives that were not read because of these. It is also the case if the report ends at another time than
   * expected, for example because the newest event is in the middle of the active file.
   */
  isRefutedBy(damage: readonly Damage[]): boolean {
    const hasOtherEnd = this.#end !== null && this.#end.endMs !== this.#aggregate.endMs;
    return hasOtherEnd || damage.some(({ path }) => this.#expected.has(path));
  }

  /**
   * Adds the sums of an archive to the report. Resolves with `false`, and adds nothing, if the archive must be decoded.
   * If a part of the archive is of the last day of the range, resolves with the events of that day, to be read.
   */
  async take(archive: KnownArchive): Promise<Taken> {
    const { path, line } = archive;
    const { timeZone } = this.#options;
    if (!this.#planned.has(path)) return false;
    const range = { firstMs: Date.parse(line.min_ts!), lastMs: Date.parse(line.max_ts!) };
    // The time axis is extended only for an archive with readable sums: the archive itself may be unreadable.
    const rollup = this.#rollupOf(archive);
    if (rollup === null || rollup.failures === null) return false;
    this.#aggregate.cover(range.firstMs);
    if (this.#aggregate.cover(range.lastMs) < QUARTER_MS) return false;
    // In some time zones, and in others for early times, an hour can begin within a quarter of an hour. Sums of
    // quarters cannot answer for such an hour, so the archive is decoded.
    if (!hasWholeQuarters(timeZone, range)) return false;
    if (!this.#aggregate.areSpansEnough(line.spans)) return false;
    // The first table of every rollup groups the events by type and model.
    const [byType] = rollup.tables;
    // For a report, a type or model that is not a string is missing. But a rollup stores such a value as text, so the
    // archive is decoded.
    if (byType === undefined || byType.hasOtherTypes) return false;
    const sessions = await rollup.part("sessions");
    if (sessions === null || sessions.hasOtherTypes) return false;
    const groupings = groupingsOf(this.#aggregate.groupings, { rollup, sessions });
    if (groupings === null) return false;
    const isOneBucket = this.#aggregate.isOneBucket(range.firstMs, range.lastMs);
    const fields = this.#options.by.map(fieldNamed);
    const sums = isOneBucket
      ? totalsOf({ rollup, sessions }, range, fields)
      : await quartersOf({ rollup, sessions }, fields);
    const tables = sums === null ? null : tablesOf(sums, fields);
    if (sums === null || tables === null) return false;
    const calls = await callsOf(rollup, isOneBucket ? range.firstMs : null);
    if (calls === null) return false;
    const isRecent = range.lastMs >= this.#dayStartMs;
    const recent = isRecent && this.#end !== null ? await rollup.part("cells") : undefined;
    if (recent === null) return false;
    const { failures } = rollup;
    if (sums.validations.some(([, reason]) => failures[reason] === undefined)) return false;
    this.#aggregate.addArchive({
      gate: GateTally.from(rollup.gate),
      holds: HoldTally.from(rollup.holds),
      spans: line.spans,
      failures,
      quarters: sums.quarters,
      validations: sums.validations,
      calls,
      tables,
      groupings,
      sessions: sessionsOf(sessions),
    });
    this.#onTaken(eventCount(line) ?? 0);
    if (!isRecent) return true;
    const needed = recent === undefined ? { since: this.#dayStartMs } : this.#addRecent(recent);
    if (needed === null) return true;
    return {
      filter: eventFilter(needed),
      add: (event) => this.#aggregate.addRecent(event),
    };
  }

  /**
   * Adds the sums of an archive to the spend of the last hour and the last day. Returns the time range of the events that
   * must be read for it; null if no events must be read.
   */
  #addRecent({ quarters, tables }: RollupCells): RecentNeeds["range"] {
    const { isSummed, range } = this.#end!.window.needsOf(quarters.map(([quarter]) => quarter));
    for (const [quarter, , ...state] of tables[0]!) {
      if (quarter === null || !isSummed(quarter)) continue;
      this.#aggregate.addRecentSum(quarter * QUARTER_MS, SpendTally.from(state).sum);
    }
    return range;
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
   * before it do not matter for the budgets. Without such an archive, returns the place from which on the budgets
   * may need every event.
   */
  #newestStateAt(archives: readonly WholeArchive[], files: readonly LogFile[]): number {
    // A budget that is known from before the range counts every event up to the next state. If the clock was set back
    // during the range, some of the events before the range come after that state in the log.
    if (this.#aggregate.hasBudgets && this.#hasEarlierEvents(archives, files)) return 0;
    const newest = archives.findLast((archive) =>
      Object.hasOwn(archive.line.events ?? {}, BUDGET_STATE) &&
      (this.#rollupOf(archive)?.budgetStates ?? 0) > 0
    );
    if (newest !== undefined) return newest.place;
    if (this.#aggregate.hasBudgets) return 0;
    const maybe = files.findIndex(({ line }) => line === undefined || mayLineHold(line, STATES));
    return maybe >= 0 ? maybe : files.length;
  }

  /** Checks whether an archive after the first one in the range of the report has events from before the range. */
  #hasEarlierEvents([first]: readonly WholeArchive[], files: readonly LogFile[]): boolean {
    const { sinceMs } = this.#options;
    return first !== undefined &&
      files.slice(first.place).some(({ line }) => Date.parse(line?.min_ts ?? "") < sinceMs);
  }

  /** Returns the archives that the manifest describes and that are wholly in the range and on the axis of the report. */
  #wholeIn(files: readonly LogFile[]): WholeArchive[] {
    return files.flatMap(({ path, line }, place) =>
      line === undefined || !isWholeIn(line, this.#options) || !this.#isOnAxis(line)
        ? []
        : [{ path, line, place, maxMs: Date.parse(line.max_ts ?? "") }]
    );
  }

  /** Checks whether all events of an archive that have a time are on the time axis of the report. */
  #isOnAxis({ min_ts, max_ts }: ArchiveLine): boolean {
    return [min_ts, max_ts].every((ts) => ts === null || this.#aggregate.isOnAxis(Date.parse(ts)));
  }

  /**
   * Returns the archive with the newest event; archives that the reader cannot read are left out. The newest event of
   * the report is not older than that event.
   */
  #newestOf(archives: readonly WholeArchive[]): WholeArchive | undefined {
    const newestFirst = archives.filter(({ maxMs }) => !Number.isNaN(maxMs))
      .sort((a, b) => b.maxMs - a.maxMs);
    return newestFirst.find((archive) => this.#rollupOf(archive) !== null);
  }
}

/**
 * Checks whether the rollup of an archive (the file with its sums) may have all figures that a report shows of the
 * archive.
 */
function isSummed({ rollup_sha256, malformed, untimed }: ArchiveLine): boolean {
  return typeof rollup_sha256 === "string" && malformed === 0 && untimed === 0;
}

/** The rollup of an archive, the file with its sums. Also the part of it with the sessions. */
interface Stored {
  readonly rollup: ReadRollup;
  readonly sessions: RollupSessions;
}

/**
 * Returns the sums of the groups by each of the fields; null if the rollup does not have them. For sessions, only costs
 * and tokens are known.
 */
function groupingsOf(
  all: readonly (readonly string[])[],
  { rollup, sessions }: Stored,
): SummedGrouping[] | null {
  const groupings: SummedGrouping[] = [];
  for (const fields of all) {
    const table = tableBy(fields, rollup.tables);
    if (table !== undefined) {
      const places = fields.map((field) => table.by.indexOf(field));
      groupings.push({
        keys: table.keys.map((key) => places.map((place) => key[place]!)),
        sums: table.calls.map((state) => groupSums(CallTally.from(state, NO_SKETCH))),
      });
    } else if (areSessions(fields)) {
      const sums = sessions.spend.map((state) => {
        const { sum, events, inputTokens, outputTokens } = SpendTally.from(state);
        return { ...NO_CALLS, sum, events, inputTokens, outputTokens };
      });
      groupings.push({ keys: sessions.keys, sums });
    } else return null;
  }
  return groupings;
}

const NO_ACTIVITY: RollupActivity = { calls: [], durations: [] };
const NO_SKETCH = new QuantileSketch();
const NO_CALLS = { calls: 0, errors: 0, navs: 0, validationFails: 0 };

function groupSums(tally: CallTally): GroupSums {
  const { events, calls, errors, navs, validationFails, inputTokens, outputTokens } = tally;
  const sum = new PreciseSum();
  tally.costs.addTo(sum);
  return { events, calls, errors, navs, validationFails, inputTokens, outputTokens, sum };
}

function areSessions(fields: readonly string[]): boolean {
  return fields.every((field) => SESSIONS.includes(field));
}

/** A table of a rollup: the values by which it groups events, and its cells. */
interface CellTable {
  readonly by: readonly string[];
  readonly keys: readonly RollupKey[];
  readonly cells: readonly StoredCell[];
}

/** The sums of an archive in each quarter of an hour. */
interface QuarterSums {
  readonly quarters: ReadonlyMap<number, TimeRange>;
  readonly validations: readonly StoredValidations[];
  /** Groups by type and model. */
  readonly calls: CellTable;
  /** The table with the groups of the report, which may be that of `calls`; null if the rollup has no such table. */
  readonly grouped: CellTable | null;
}

/**
 * Returns the totals of an archive whose events are all in one bar of the chart, as if all were in one quarter of an
 * hour. The totals are in the first line of the rollup, so they are read much faster than the sums of each quarter.
 */
function totalsOf(
  { rollup, sessions }: Stored,
  { firstMs, lastMs }: Pick<TimeRange, "firstMs" | "lastMs">,
  fields: readonly string[],
): QuarterSums {
  const quarter = Math.floor(firstMs / QUARTER_MS);
  const cellsOf = (states: readonly SpendState[]) =>
    states.map((state, group): StoredCell => [quarter, group, ...state]);
  const ofTable = (table: RollupTable): CellTable => ({
    ...table,
    cells: cellsOf(table.keys.map((_, group) => spendOf(table, group).state())),
  });
  const calls = ofTable(rollup.tables[0]!);
  const grouped = (): CellTable | null => {
    const table = tableBy(fields, rollup.tables);
    if (table?.place === 0) return { ...calls, by: table.by, keys: table.keys };
    if (table !== undefined) return ofTable(table);
    if (!areSessions(fields)) return null;
    return { by: SESSIONS, keys: sessions.keys, cells: cellsOf(sessions.spend) };
  };
  return {
    quarters: new Map([[quarter, TimeRange.from([firstMs, lastMs - firstMs])]]),
    validations: rollup.validations.map(([reason, count]) => [quarter, reason, count]),
    calls,
    grouped: grouped(),
  };
}

/** Resolves with the sums of an archive in each quarter of an hour; null if they are damaged. */
async function quartersOf(
  { rollup, sessions }: Stored,
  fields: readonly string[],
): Promise<QuarterSums | null> {
  const cells = await rollup.part("cells");
  if (cells === null) return null;
  const table = tableBy(fields, rollup.tables);
  let grouped: CellTable | null = null;
  if (table !== undefined) grouped = { ...table, cells: cells.tables[table.place]! };
  else if (areSessions(fields)) {
    const ofSessions = await rollup.part("sessionCells");
    if (ofSessions === null || !areCells(ofSessions, sessions)) return null;
    grouped = { by: SESSIONS, keys: sessions.keys, cells: ofSessions };
  }
  return {
    quarters: new Map(
      cells.quarters.map(([quarter, ...times]) => [quarter, TimeRange.from(times)]),
    ),
    validations: cells.validations,
    calls: { ...rollup.tables[0]!, cells: cells.tables[0]! },
    grouped,
  };
}

/**
 * Resolves with the call counts of an archive for each quarter of an hour; null if the rollup does not contain them.
 *
 * @param firstMs The time of the first event, if all events are in one bar of the charts; null otherwise. All calls are
 *   then counted in the quarter of an hour of that event, and the first line of the rollup is usually enough.
 */
async function callsOf(rollup: ReadRollup, firstMs: number | null): Promise<SummedCalls | null> {
  const { tables } = rollup;
  const agents = agentsOf(tables);
  const tallies = tables[0]!.calls.map((state) => CallTally.from(state, NO_SKETCH));
  const areTimed = tallies.some(({ durations }) => durations.n > 0);
  const needsActivity = areTimed || firstMs === null;
  const activity = needsActivity ? await rollup.part("activity") : NO_ACTIVITY;
  if (activity === null || activity.durations === null) return null;
  const sketches = activity.durations.map(([quarter, ...sketch]) =>
    [quarter, QuantileSketch.from(sketch)] as const
  );
  if (firstMs === null) return { agents, cells: activity.calls, durations: new Map(sketches) };
  const quarter = Math.floor(firstMs / QUARTER_MS);
  const durations = new QuantileSketch();
  for (const [, sketch] of sketches) durations.addAll(sketch);
  const table = tableBy(AGENTS, tables)!;
  const cells = table.calls.map((state, group): StoredCalls => {
    const { calls, errors } = CallTally.from(state, NO_SKETCH);
    return [quarter, agents.length === 1 ? 0 : group, calls, errors];
  }).filter(([, , calls]) => calls > 0);
  return { agents, cells, durations: new Map([[quarter, durations]]) };
}

/** Returns the tables with the types of the events and with the groups of the report; null without such groups. */
function tablesOf(
  { calls, grouped }: QuarterSums,
  fields: readonly string[],
): SummedTable[] | null {
  if (grouped === null) return null;
  const places = fields.map((field) => grouped.by.indexOf(field));
  const groups = grouped.keys.map((key) => places.map((place) => key[place]!));
  const types = calls.keys.map(([type = null]) => type);
  return grouped.cells === calls.cells
    ? [{ cells: calls.cells, types, groups }]
    : [{ cells: calls.cells, types, groups: null }, { cells: grouped.cells, types: null, groups }];
}

function sessionsOf({ keys, spend, times }: RollupSessions): ArchiveSums["sessions"] {
  return keys.flatMap(([id = null], n) => {
    if (id === null) return [];
    const { events, sum } = SpendTally.from(spend[n]!);
    return [{ id, events, sum, times: TimeRange.from(times[n]!) }];
  });
}
