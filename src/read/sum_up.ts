/**
 * Sums up the events of a log. The sums of an archive come from its rollup, the file with its sums, if the rollup can
 * answer the question; otherwise the archive is decoded. The active file and segments that are not archived yet are
 * read.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { CallTally } from "../rollup/call_tally.ts";
import type { FailureReason } from "../rollup/failure_reasons.ts";
import { QuantileSketch } from "../rollup/quantile_sketch.ts";
import {
  type PlacedTable,
  type RollupGroups,
  type RollupKey,
  SESSIONS,
  spendOf,
  type StoredCell,
  tableBy,
} from "../rollup/rollup.ts";
import { type SpendState, SpendTally } from "../rollup/spend_tally.ts";
import { areCells } from "../rollup/rollup_text.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ReadRollup } from "../segments/rollup_file.ts";
import { DamageReport } from "./damage.ts";
import { type EventFilter, eventFilter, type EventFilterOptions } from "./filter.ts";
import type { FollowSource } from "./follow.ts";
import type { QuerySource } from "./query.ts";
import { hasWholeQuarters, QUARTER_MS } from "../time.ts";
import { isWholeIn, type KnownArchive, readExceptTaken, rollupOf } from "./whole_archives.ts";

/** A question about the events of a log. */
export interface SumsQuestion {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  /** If the events are also grouped by hours or days of a time zone, the name of the zone; null otherwise. */
  readonly timeZone: string | null;
  readonly filter: EventFilterOptions;
  readonly signal?: AbortSignal | undefined;
}

/** Receives the events of a log, one by one or summed up as tallies of type `T`. */
export interface SumsSink<T> {
  /** Adds an event. */
  add(event: AuditEvent): void;
  /**
   * Adds the sums of the events with the same values in the fields of the question.
   *
   * @param key The values of the fields `by`, in the same order.
   * @param startMs The quarter of an hour of the events in epoch milliseconds; null if they have no readable time,
   *   undefined if the question does not ask for times.
   */
  addSums(key: RollupKey, startMs: number | null | undefined, sums: T): void;
  /** Adds the failures of events whose sums were added. */
  addFailures(failures: readonly FailureReason[]): void;
}

/** The sums that a question needs, and functions that read them from a rollup, the file with the sums of an archive. */
export interface SumsKind<T> {
  /** Whether the reasons of failures are needed. */
  readonly needsFailures: boolean;
  /** Resolves with the totals of the groups of events in a table of a rollup; null if the rollup does not have them. */
  totals(rollup: ReadRollup, table: PlacedTable): Promise<readonly T[] | null>;
  /**
   * Returns the sums for stored costs and tokens. Null if the question needs other figures, which a rollup does not
   * store for sessions and quarters of an hour.
   */
  readonly fromSpend: ((state: SpendState) => T) | null;
}

/** Costs and tokens. */
export const SPEND_SUMS: SumsKind<SpendTally> = {
  needsFailures: false,
  totals: (_rollup, table) => Promise.resolve(table.keys.map((_, group) => spendOf(table, group))),
  fromSpend: (state) => SpendTally.from(state),
};

/** All figures of calls, with the reasons of failures. */
export const CALL_SUMS: SumsKind<CallTally> = {
  needsFailures: true,
  async totals(rollup, table) {
    const sketches = (await rollup.part("sketches"))?.[table.place];
    if (sketches === undefined) return null;
    return table.calls.map((state, group) =>
      CallTally.from(state, QuantileSketch.from(sketches[group]!))
    );
  },
  fromSpend: null,
};

/** A log whose events can be read, followed and summed up. */
export type SummedSource = QuerySource & FollowSource;

/** For each registered object, such as a reader: a function that returns the log which the object reads. */
const SOURCES = new WeakMap<object, () => SummedSource>();

/**
 * Registers an object whose events can be summed up, such as a reader. `source` returns the log, and throws if the
 * object is closed.
 */
export function registerSums(owner: object, source: () => SummedSource): void {
  SOURCES.set(owner, source);
}

/**
 * Returns the log that an object, such as a reader, reads; undefined if {@linkcode registerSums} was not called for the
 * object.
 */
export function sumsSourceOf(owner: object): SummedSource | undefined {
  return SOURCES.get(owner)?.();
}

/** A question about the sums of a log, and the sink that receives the sums. */
export interface Asked<T> {
  readonly question: SumsQuestion;
  readonly kind: SumsKind<T>;
  readonly sink: SumsSink<T>;
}

/**
 * Sums up the events of a log that match the filter. Each event is added once: to `sink.add()`, or as a part of the
 * sums in `sink.addSums()`.
 */
export async function sumUp<T>(
  source: QuerySource,
  asked: Asked<T>,
): Promise<void> {
  const { question: { filter: options, signal }, sink } = asked;
  const filter = eventFilter(options);
  await readExceptTaken(
    source,
    { filter, order: "asc", damage: new DamageReport(source.logger), signal },
    {
      taker: { take: (archive) => addRollup({ archive, filter, source }, asked) },
      add: (event) => sink.add(event),
    },
  );
}

/**
 * Adds the sums of an archive from its rollup, the file with its sums. Resolves with `false`, and adds nothing, if the
 * rollup cannot answer the question.
 */
async function addRollup<T>(
  { archive, filter, source }: {
    readonly archive: KnownArchive;
    readonly filter: EventFilter;
    readonly source: QuerySource;
  },
  asked: Asked<T>,
): Promise<boolean> {
  const { question, kind, sink } = asked;
  const { line } = archive;
  // A rollup (the stored sums of an archive) cannot answer a question with `where`, a function of the caller that
  // checks each event.
  if (question.filter.where !== undefined) return false;
  const isWhole = isWholeIn(line, filter);
  const { timeZone } = question;
  // The rollup has the sums of each quarter of an hour. They cannot answer for a time zone and a time in which an hour
  // begins within such a quarter.
  if (timeZone !== null && !hasQuartersOf(timeZone, line)) return false;
  const needsCells = timeZone !== null || !isWhole;
  if (needsCells && (kind.fromSpend === null || !isCutAtQuarters(line, filter))) return false;
  const rollup = rollupOf(archive, source);
  if (rollup === null) return false;
  const table = await tableFor(question, kind, rollup);
  if (table === null) return false;
  const isFiltered = filter.types !== undefined || question.filter.sessionId !== undefined;
  // A filter by type or session matches only values that are strings. A rollup stores numbers and other values as text
  // too, so it cannot tell the string "1" from the number 1. If it has values that are not strings, the archive is
  // decoded.
  if (isFiltered && table.hasOtherTypes) return false;
  const { failures } = rollup;
  // A rollup stores the failures of all its events together, so a filter by type or session cannot select some of them.
  if (kind.needsFailures && (failures === null || isFiltered && failures.length > 0)) return false;
  const isAdded = needsCells ? await addCells(table, filter, asked) : await addTotals(table, asked);
  if (isAdded && kind.needsFailures) sink.addFailures(failures!);
  return isAdded;
}

/**
 * Adds the totals of the groups in a table of a rollup. Resolves with `false`, and adds nothing, if the rollup does not
 * have the totals.
 */
async function addTotals<T>(
  table: SummedTable<T>,
  { question, sink }: Asked<T>,
): Promise<boolean> {
  const totals = await table.totals();
  if (totals === null) return false;
  const { isSelected, keyOf } = groupsOf(table, question);
  for (const [group, key] of table.keys.entries()) {
    if (isSelected(key)) sink.addSums(keyOf(key), undefined, totals[group]!);
  }
  return true;
}

/**
 * Adds the cells of a table, the sums of each quarter of an hour, that are in the time window. Resolves with `false`,
 * and adds nothing, if the cells are damaged.
 */
async function addCells<T>(
  table: SummedTable<T>,
  filter: EventFilter,
  { question, kind, sink }: Asked<T>,
): Promise<boolean> {
  const cells = await table.cells();
  if (cells === null) return false;
  const { isSelected, keyOf } = groupsOf(table, question);
  for (const [quarter, group, ...state] of cells) {
    const startMs = quarter === null ? null : quarter * QUARTER_MS;
    // The caller has checked that the time window does not divide the events of any quarter. So the events of a quarter
    // are either all in the window or all outside.
    const isInWindow = startMs === null
      ? !filter.isTimed
      : startMs + QUARTER_MS > filter.sinceMs && startMs < filter.untilMs;
    const key = table.keys[group]!;
    if (isInWindow && isSelected(key)) sink.addSums(keyOf(key), startMs, kind.fromSpend!(state));
  }
  return true;
}

/**
 * Returns two functions for the groups of events in a table of a rollup. One checks whether the filter of the question
 * selects a group; the other returns the values by which the question groups the events of the group.
 */
function groupsOf(
  { by: fields }: { readonly by: readonly string[] },
  { by, filter }: SumsQuestion,
) {
  const places = by.map((name) => fields.indexOf(name));
  return {
    isSelected: selection(fields, filter),
    keyOf: (key: RollupKey) => places.map((place) => key[place] ?? null),
  };
}

/**
 * A table of a rollup, which has the sums of the events of an archive by some fields, and functions that read the sums.
 */
interface SummedTable<T> extends RollupGroups {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  /**
   * Resolves with the totals of the groups of events, in the order of `keys`; null if the rollup does not have the
   * totals.
   */
  totals(): Promise<readonly T[] | null>;
  /** Resolves with the cells, the sums of each group in each quarter of an hour; null if they are damaged. */
  cells(): Promise<readonly StoredCell[] | null>;
}

/**
 * Resolves with the first table of a rollup that groups by all fields of the question and of its filter; null if there
 * is no such table, or if it is damaged.
 */
async function tableFor<T>(
  { by, filter: { eventType, sessionId } }: SumsQuestion,
  kind: SumsKind<T>,
  rollup: ReadRollup,
): Promise<SummedTable<T> | null> {
  const needed = [
    ...by,
    ...eventType === undefined ? [] : ["event"],
    ...sessionId === undefined ? [] : SESSIONS,
  ];
  const table = tableBy(needed, rollup.tables);
  if (table !== undefined) {
    return {
      ...table,
      totals: () => kind.totals(rollup, table),
      cells: async () => (await rollup.part("cells"))?.tables[table.place] ?? null,
    };
  }
  const { fromSpend } = kind;
  if (fromSpend === null || !needed.every((name) => SESSIONS.includes(name))) return null;
  const sessions = await rollup.part("sessions");
  return sessions === null ? null : {
    ...sessions,
    by: SESSIONS,
    totals: () => Promise.resolve(sessions.spend.map(fromSpend)),
    async cells() {
      const cells = await rollup.part("sessionCells");
      return cells !== null && areCells(cells, sessions) ? cells : null;
    },
  };
}

function selection(
  by: readonly string[],
  { eventType, sessionId }: EventFilterOptions,
): (key: RollupKey) => boolean {
  const types = eventType === undefined ? undefined : new Set([eventType].flat());
  const [event, session] = [by.indexOf("event"), by.indexOf("session_id")];
  return (key) =>
    (types === undefined || (types as ReadonlySet<unknown>).has(key[event])) &&
    (sessionId === undefined || key[session] === sessionId);
}

function hasQuartersOf(timeZone: string, { min_ts, max_ts }: ArchiveLine): boolean {
  if (min_ts === null || max_ts === null) return false;
  const range = { firstMs: Date.parse(min_ts), lastMs: Date.parse(max_ts) };
  return hasWholeQuarters(timeZone, range);
}

/** Checks whether each edge of the window is outside of the archive, or between two quarters of an hour. */
function isCutAtQuarters(
  { min_ts, max_ts }: ArchiveLine,
  { sinceMs, untilMs }: EventFilter,
): boolean {
  if (min_ts === null || max_ts === null) return false;
  return (sinceMs <= Date.parse(min_ts) || sinceMs % QUARTER_MS === 0) &&
    (untilMs > Date.parse(max_ts) || untilMs % QUARTER_MS === 0);
}
