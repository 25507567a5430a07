/**
 * Sums up the events of a log. The sums of an archive come from its rollup if the rollup can answer the question;
 * otherwise the archive is decoded. The active file and segments that are not archived yet are read.
 *
 * @module
 */
import { basename } from "@std/path";
import type { AuditEvent } from "../event.ts";
import { Turns } from "../platform/turns.ts";
import { CallTally } from "../rollup/call_tally.ts";
import type { FailureReason } from "../rollup/failure_reasons.ts";
import { QuantileSketch } from "../rollup/quantile_sketch.ts";
import { QUARTER_MS, type RollupKey, type RollupTable, spendOf } from "../rollup/rollup.ts";
import { type SpendState, SpendTally } from "../rollup/spend_tally.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { type ReadRollup, readRollup } from "../segments/rollup_file.ts";
import { DamageReport } from "./damage.ts";
import { type EventFilter, eventFilter, type EventFilterOptions, mayLineHold } from "./filter.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import type { QuerySource } from "./query.ts";
import { eventsOf } from "./read_file.ts";
import { type SnapshotFile, startIn, takeSnapshotInTurns } from "./snapshot.ts";

/** A question about the events of a log. */
export interface SumsQuestion {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  /** Whether the events are also grouped by quarters of an hour. */
  readonly isByTime: boolean;
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

/** The sums that a question needs, and how they are read from a rollup. */
export interface SumsKind<T> {
  /** Whether the reasons of failures are needed. */
  readonly needsFailures: boolean;
  /** Resolves with the totals of the groups of a table; null if the rollup does not have them. */
  totals(rollup: ReadRollup, table: RollupTable): Promise<readonly T[] | null>;
  /** Returns the sums of a cell; null if cells do not have these sums. */
  readonly cell: ((state: SpendState) => T) | null;
}

/** Costs and tokens. */
export const SPEND_SUMS: SumsKind<SpendTally> = {
  needsFailures: false,
  totals: (_rollup, table) => Promise.resolve(table.keys.map((_, group) => spendOf(table, group))),
  cell: (state) => SpendTally.from(state),
};

/** All figures of calls, with the reasons of failures. */
export const CALL_SUMS: SumsKind<CallTally> = {
  needsFailures: true,
  async totals(rollup, table) {
    if (table.calls === null) return null;
    const sketches = (await rollup.part("sketches"))?.[rollup.tables.indexOf(table)];
    if (sketches === undefined) return null;
    return table.calls.map((state, group) =>
      CallTally.from(state, QuantileSketch.from(sketches[group]!))
    );
  },
  cell: null,
};

/** The logs whose archives have sums, and functions that return how to read them. */
const SOURCES = new WeakMap<object, () => QuerySource>();

/** Registers an object whose events can be summed up, such as a reader. `source` throws if the object is closed. */
export function registerSums(owner: object, source: () => QuerySource): void {
  SOURCES.set(owner, source);
}

/** Returns the log that an object reads; undefined if the object was not registered. */
export function sumsSourceOf(owner: object): QuerySource | undefined {
  return SOURCES.get(owner)?.();
}

/** A question, and where its answer goes. */
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
  { question, kind, sink }: Asked<T>,
): Promise<void> {
  const { log, maxLineBytes, logger } = source;
  const { signal } = question;
  signal?.throwIfAborted();
  const filter = eventFilter(question.filter);
  const reading = {
    log,
    maxLineBytes,
    damage: new DamageReport(logger),
    lineTest: new LineTest(filter),
    order: "asc",
    signal,
  } as const;
  await source.beforeRead?.();
  const turns = new Turns(source.clock);
  using snapshot = await takeSnapshotInTurns(log, turns);
  const lines = await linesInTurns(source.manifest ?? new ManifestReader(log), logger, turns);
  for (const file of snapshot.files) {
    if (turns.isDue) await turns.take();
    signal?.throwIfAborted();
    const line = lineOf(file, lines);
    if (line !== undefined) {
      if (!mayLineHold(line, filter)) continue;
      if (await addRollup({ source, filter, file, line }, { question, kind, sink })) continue;
    }
    const from = startIn(file, filter.sinceMs, log);
    for await (const events of eventsOf(file, { ...reading, from })) {
      for (const event of events) if (filter.matches(event)) sink.add(event);
      signal?.throwIfAborted();
    }
  }
}

/** An archive, and the filter of the question. */
interface Archive {
  readonly source: QuerySource;
  readonly filter: EventFilter;
  readonly file: SnapshotFile;
  readonly line: ArchiveLine;
}

/** Adds the sums of an archive from its rollup. Resolves with `false`, and adds nothing, if the rollup cannot answer. */
async function addRollup<T>(archive: Archive, asked: Asked<T>): Promise<boolean> {
  const { source: { log, maxLineBytes }, filter, file, line } = archive;
  const { question, kind, sink } = asked;
  const digest = line.rollup_sha256;
  // A rollup has no sums for a condition of the caller.
  if (typeof digest !== "string" || question.filter.where !== undefined) return false;
  const isWhole = isWholeIn(line, filter);
  const needsCells = question.isByTime || !isWhole;
  if (needsCells && (kind.cell === null || !isCutAtQuarters(line, filter))) return false;
  const rollup = readRollup(log, log.files.parse(basename(file.path))!.stamp, digest);
  if (rollup === null || rollup.content_sha256 !== line.sha256) return false;
  // A reader with a smaller limit does not read the longest lines as events.
  if (rollup.longest > maxLineBytes) return false;
  const table = tableFor(question, rollup);
  if (table === undefined) return false;
  const isFiltered = filter.types !== undefined || question.filter.sessionId !== undefined;
  // A filter by type or session selects only strings, and the keys do not show which values were strings.
  if (isFiltered && table.hasOtherTypes) return false;
  const { failures } = rollup;
  // The failures of a rollup are those of all its events.
  if (kind.needsFailures && (failures === null || isFiltered && failures.length > 0)) return false;
  const isAdded = needsCells
    ? await addCells({ rollup, table, filter }, asked)
    : await addTotals({ rollup, table }, asked);
  if (isAdded && kind.needsFailures) sink.addFailures(failures!);
  return isAdded;
}

/** Adds the totals of a table. Resolves with `false`, and adds nothing, if the rollup does not have them. */
async function addTotals<T>(
  { rollup, table }: { readonly rollup: ReadRollup; readonly table: RollupTable },
  { question, kind, sink }: Asked<T>,
): Promise<boolean> {
  const totals = await kind.totals(rollup, table);
  if (totals === null) return false;
  const { isSelected, keyOf } = groupsOf(table, question);
  for (const [group, key] of table.keys.entries()) {
    if (isSelected(key)) sink.addSums(keyOf(key), undefined, totals[group]!);
  }
  return true;
}

/** Adds the cells of a table that are in the window. Resolves with `false`, and adds nothing, if they are damaged. */
async function addCells<T>(
  { rollup, table, filter }: {
    readonly rollup: ReadRollup;
    readonly table: RollupTable;
    readonly filter: EventFilter;
  },
  { question, kind, sink }: Asked<T>,
): Promise<boolean> {
  const cells = (await rollup.part("cells"))?.[rollup.tables.indexOf(table)];
  if (cells === undefined) return false;
  const { isSelected, keyOf } = groupsOf(table, question);
  for (const [quarter, group, ...state] of cells) {
    const startMs = quarter === null ? null : quarter * QUARTER_MS;
    // Only the edges of the window can cut a quarter, and the caller has checked that they do not.
    const isInWindow = startMs === null
      ? !filter.isTimed
      : startMs + QUARTER_MS > filter.sinceMs && startMs < filter.untilMs;
    const key = table.keys[group]!;
    if (isInWindow && isSelected(key)) sink.addSums(keyOf(key), startMs, kind.cell!(state));
  }
  return true;
}

/** Returns functions that select the groups of a table, and that return the key of a group for the question. */
function groupsOf(table: RollupTable, { by, filter }: SumsQuestion) {
  const places = by.map((name) => table.by.indexOf(name));
  return {
    isSelected: selection(table, filter),
    keyOf: (key: RollupKey) => places.map((place) => key[place] ?? null),
  };
}

/** Returns the first table that has the fields of the question and of its filter; undefined if no table has them. */
function tableFor(
  { by, filter: { eventType, sessionId } }: SumsQuestion,
  { tables }: ReadRollup,
): RollupTable | undefined {
  const needed = [
    ...by,
    ...eventType === undefined ? [] : ["event"],
    ...sessionId === undefined ? [] : ["session_id"],
  ];
  return tables.find((table) => needed.every((name) => table.by.includes(name)));
}

function selection(
  { by }: RollupTable,
  { eventType, sessionId }: EventFilterOptions,
): (key: RollupKey) => boolean {
  const types = eventType === undefined ? undefined : new Set([eventType].flat());
  const [event, session] = [by.indexOf("event"), by.indexOf("session_id")];
  return (key) =>
    (types === undefined || (types as ReadonlySet<unknown>).has(key[event])) &&
    (sessionId === undefined || key[session] === sessionId);
}

/** Checks whether all events of an archive are in the window of the filter. */
function isWholeIn(
  { min_ts, max_ts, untimed }: ArchiveLine,
  { isTimed, sinceMs, untilMs }: EventFilter,
): boolean {
  if (!isTimed) return true;
  if (untimed > 0 || min_ts === null || max_ts === null) return false;
  return Date.parse(min_ts) >= sinceMs && Date.parse(max_ts) < untilMs;
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
