/**
 * Reads the events of a log, except those of archives that the caller takes as a whole. The caller takes an archive if
 * the sums beside it, its rollup, answer the question of the caller, so that the archive need not be decoded.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import type { AuditEvent } from "../event.ts";
import { Turns } from "../platform/turns.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { type ReadRollup, readRollup } from "../segments/rollup_file.ts";
import type { DamageReport } from "./damage.ts";
import { type EventFilter, mayLineHold } from "./filter.ts";
import { newestEvents } from "./last_block.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import type { QuerySource } from "./query.ts";
import { eventsOf } from "./read_file.ts";
import { type SnapshotFile, startIn, takeSnapshotInTurns } from "./snapshot.ts";

/** A file of a log, and its manifest line. */
export interface LogFile {
  readonly path: string;
  /** The manifest line; undefined if the file is not an archive, or if no usable line describes it. */
  readonly line: ArchiveLine | undefined;
}

/** An archive that the manifest describes. */
export interface KnownArchive extends LogFile {
  readonly line: ArchiveLine;
}

/**
 * Some events of a taken archive, which the caller needs in addition to the stored sums, for example the newest events.
 * Only these events are parsed, so the archive is read faster.
 */
export interface NeededEvents {
  readonly filter: EventFilter;
  /** Receives each event that the filter selects. Must not add what the stored sums have already added. */
  add(event: AuditEvent): void;
}

/**
 * Decides which archives are taken as a whole: for such an archive, the caller uses the stored sums, and the events are
 * not read.
 */
export interface ArchiveTaker {
  /**
   * Called once, before the first file is read.
   *
   * @param files The files of the log, in the order in which they are read.
   * @param newest Some of the newest events in the active file, which are read later; the filter may not select all of
   *   them. Empty if the active file is empty or cannot be read.
   */
  plan?(files: readonly LogFile[], newest: readonly AuditEvent[]): void;
  /**
   * Called for each archive that may hold a selected event. Returns or resolves with `true` if the caller has the sums
   * of the archive, so that its events are not read, or with the events that the caller needs all the same. If the
   * result is `false`, the taker must not have added the sums, because the events are then read one by one and would
   * count twice.
   */
  take(archive: KnownArchive): Taken | Promise<Taken>;
}

/** Whether the caller has the sums of an archive; or the events of the archive that the caller needs beside them. */
export type Taken = boolean | NeededEvents;

/** The filter and the order of the events to read, and the report for damage. */
export interface PartialReading {
  readonly filter: EventFilter;
  readonly order: "asc" | "desc";
  readonly damage: DamageReport;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a snapshot of a log. Each selected event is in an archive that the taker takes, or is passed to `add`, but
 * never both. A taker can also ask for some events of an archive that it takes.
 */
export async function readExceptTaken(
  source: QuerySource,
  { filter, order, damage, signal }: PartialReading,
  { taker, add }: { readonly taker: ArchiveTaker; readonly add: (event: AuditEvent) => void },
): Promise<void> {
  const { log, clock, maxLineBytes, logger, archives } = source;
  signal?.throwIfAborted();
  const selected = { filter, lineTest: new LineTest(filter), add };
  await source.beforeRead?.();
  const turns = new Turns(clock);
  using snapshot = await takeSnapshotInTurns(log, turns);
  const lines = await linesInTurns(source.manifest ?? new ManifestReader(log), logger, turns);
  const files: (LogFile & { readonly file: SnapshotFile })[] = [];
  for (const file of order === "asc" ? snapshot.files : snapshot.files.toReversed()) {
    if (turns.isDue) await turns.take();
    files.push({ file, path: file.path, line: lineOf(file, lines) });
  }
  if (taker.plan !== undefined) {
    const { handle = null, byteLength = 0 } = snapshot.files.at(-1) ?? {};
    const newest = handle === null ? [] : await newestEvents({ handle, byteLength }, maxLineBytes);
    taker.plan(files, newest);
  }
  for (const { file, path, line } of files) {
    if (turns.isDue) await turns.take();
    signal?.throwIfAborted();
    let wanted = selected;
    if (line !== undefined) {
      if (!mayLineHold(line, filter)) continue;
      const taken = await taker.take({ path, line });
      if (taken !== false) archives?.summed.add(path);
      if (taken === true) continue;
      if (taken !== false) wanted = { ...taken, lineTest: new LineTest(taken.filter) };
    }
    if (file.isArchive) archives?.decoded.add(path);
    const from = startIn(file, filter.sinceMs, log);
    const { lineTest } = wanted;
    const options = { log, clock, maxLineBytes, damage, lineTest, order, signal, from };
    for await (const events of eventsOf(file, options)) {
      for (const event of events) if (wanted.filter.matches(event)) wanted.add(event);
      signal?.throwIfAborted();
    }
  }
}

/**
 * Returns the rollup of an archive. Returns null if the archive has no rollup, if the rollup does not belong to the
 * archive, or if a reader with this `maxLineBytes` does not read all lines of the archive as events.
 */
export function rollupOf(
  { path, line }: KnownArchive,
  { log, maxLineBytes }: { readonly log: LogDirectory; readonly maxLineBytes: number },
): ReadRollup | null {
  const digest = line.rollup_sha256;
  if (typeof digest !== "string") return null;
  const rollup = readRollup(log, log.files.parse(basename(path))!.stamp, digest);
  if (rollup === null || rollup.content_sha256 !== line.sha256) return null;
  return rollup.longest > maxLineBytes ? null : rollup;
}

/** Checks whether all events of an archive are in the time range of the filter. */
export function isWholeIn(
  { min_ts, max_ts, untimed }: ArchiveLine,
  { isTimed, sinceMs, untilMs }: Pick<EventFilter, "isTimed" | "sinceMs" | "untilMs">,
): boolean {
  if (!isTimed) return true;
  if (untimed > 0 || min_ts === null || max_ts === null) return false;
  return Date.parse(min_ts) >= sinceMs && Date.parse(max_ts) < untilMs;
}
