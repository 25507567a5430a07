/**
 * Checks the records of imported files that are events themselves: lines of JSON, rows of CSV, and the lines of logs.
 *
 * @module
 */
import { AuditEventError } from "../errors.ts";
import { Bits, EarlierImports, RecordIds } from "../import/record_ids.ts";
import { lineSerializer } from "../write/serialize_stream.ts";
import { importedEvents, type PlacedEvent, type TargetLog } from "./append_events.ts";
import { CommandError } from "./command_error.ts";
import { Problems, SOME_INVALID, unreadableRest } from "./import_problems.ts";
import type { ImportSums } from "./import_sums.ts";
import type { ProgressBar } from "./progress_bar.ts";
import type { RecordMapping } from "./record_mapping.ts";
import type { SourceFile, SourceRecord } from "./source_file.ts";

/** A record as an event. `number` counts the records of the file, from 1. */
type NumberedEvent = PlacedEvent & {
  readonly number: number;
  /** Set if the record does not meet the conditions of `--where`. */
  readonly isUnwanted?: true;
};

/** A file whose records were checked. */
export interface CheckedFile {
  readonly file: SourceFile;
  /** Number of valid records in the file. */
  readonly events: number;
  /** Number of valid records in the file that are not in the log yet. */
  readonly newEvents: number;
  /** The numbers of the records that are to be imported, and how many they are. */
  readonly wanted: Bits;
  readonly wantedCount: number;
}

/** The result of checking all files that are to be imported. */
export interface CheckedRecords {
  readonly files: readonly CheckedFile[];
  readonly invalid: Problems;
  /** Number of records that do not meet the conditions of `--where`. */
  readonly unwanted: number;
}

/** Options of {@linkcode checkRecords}. */
export interface RecordOptions {
  /** Whether to leave out invalid records. */
  readonly skipInvalid: boolean;
  /** Whether to import records that are in the log already. */
  readonly again: boolean;
}

/**
 * Checks every record of every file, and finds out which records are in the log already.
 *
 * @throws {CommandError} If a record is invalid and `skipInvalid` is false; the details list the first invalid records.
 *   Also thrown if `--map` names a member that no record has. If `again` is false, also thrown if a record that was
 *   imported before has changed.
 */
export async function checkRecords(
  files: readonly SourceFile[],
  mapping: RecordMapping,
  { path, chain, sessionId, skipInvalid, again, progress }: TargetLog & RecordOptions & {
    progress: ProgressBar;
  },
): Promise<CheckedRecords> {
  let epochMs = 0;
  const serialize = lineSerializer({
    now: () => epochMs,
    chain,
    ...sessionId === undefined ? {} : { sessionId },
  });
  const problemOf = (placed: PlacedEvent): string | null => {
    if ("problem" in placed) return placed.problem;
    try {
      ({ epochMs } = placed.event);
      serialize(placed.event.event, placed.event.fields);
      return null;
    } catch (error) {
      if (error instanceof AuditEventError) return error.message;
      throw error;
    }
  };
  const invalid = new Problems();
  let unwanted = 0;
  const found: { file: SourceFile; ids: RecordIds; valid: Bits }[] = [];
  for (const file of files) {
    const ids = new RecordIds({ keepsSums: true });
    const valid = new Bits();
    for await (const batch of numberedEvents(file, mapping, { ids, progress })) {
      for (const placed of batch) {
        if (placed.isUnwanted) {
          unwanted++;
          continue;
        }
        const problem = problemOf(placed);
        if (problem === null) valid.set(placed.number);
        else if ("isRest" in placed) throw unreadableRest(placed.place, problem);
        else invalid.add(placed.place, problem);
      }
    }
    found.push({ file, ids, valid });
  }
  const missing = mapping.missingMember();
  if (!skipInvalid) invalid.throwIfAny(SOME_INVALID, missing);
  if (missing !== null) throw new CommandError(`Cannot import: ${missing}`, 2);
  const earlier = new EarlierImports(found.map(({ ids }) => ids));
  for await (const event of importedEvents(path)) earlier.add(event);
  for (const { file, ids } of again ? [] : found) {
    const conflict = earlier.conflictIn(ids);
    if (conflict !== null) throw changedSource(file.name, conflict);
  }
  const checked = found.map(({ file, ids, valid }, n) => {
    // If two files have the same records up to the end of the shorter one, these records are new only in the first
    // file. So they are imported once.
    for (const before of found.slice(0, n)) earlier.addAll(before.ids, ids);
    const wanted = new Bits(ids.count);
    let [events, newEvents, wantedCount] = [0, 0, 0];
    for (let number = 1; number <= ids.count; number++) {
      if (!valid.has(number)) continue;
      events++;
      const isNew = !earlier.has(ids, number);
      if (isNew) newEvents++;
      if (!isNew && !again) continue;
      wanted.set(number);
      wantedCount++;
    }
    return { file, events, newEvents, wanted, wantedCount };
  });
  return { files: checked, invalid, unwanted };
}

function changedSource(name: string, number: number): CommandError {
  return new CommandError(
    `Cannot import ${name}: its first records were imported before, but record ${number} has changed since then; import a file ` +
      "with only the new records, or add --again to import all records",
    1,
  );
}

/** Reads the checked files again, and yields the events that are to be imported. */
export async function* wantedRecords(
  files: readonly CheckedFile[],
  mapping: RecordMapping,
  progress: ProgressBar,
): AsyncGenerator<readonly PlacedEvent[]> {
  for (const { file, wanted, wantedCount } of files) {
    if (wantedCount === 0) continue;
    const ids = new RecordIds();
    for await (const batch of numberedEvents(file, mapping, { ids, progress })) {
      yield batch.filter(({ number }) => wanted.has(number));
    }
  }
}

/** Adds the events that are to be imported to sums. The files are read again. */
export async function addToSums(
  sums: ImportSums,
  files: readonly CheckedFile[],
  mapping: RecordMapping,
  progress: ProgressBar,
): Promise<void> {
  for await (const batch of wantedRecords(files, mapping, progress)) {
    for (const placed of batch) {
      if ("event" in placed) sums.addEvent(placed.event.event, placed.event.fields);
    }
  }
}

/** Yields the records of a file as events, in batches, and adds the contents of the records to `ids`. */
async function* numberedEvents(
  file: SourceFile,
  mapping: RecordMapping,
  { ids, progress }: { ids: RecordIds; progress: ProgressBar },
): AsyncGenerator<readonly NumberedEvent[]> {
  const records = file.records({
    onRead: (byteLength) => progress.advance(byteLength),
    onColumns: (columns) => mapping.checkColumns(columns, file.name),
  });
  const placed = (record: SourceRecord): NumberedEvent => {
    const import_id = ids.add(record.content);
    const at = { place: `${file.name}:${record.line}`, number: ids.count };
    if ("problem" in record) {
      const { problem, isRest } = record;
      return { ...at, problem, ...isRest ? { isRest } : {} };
    }
    const { values } = record;
    if (!mapping.isWanted(values, file.format === "csv")) {
      return { ...at, problem: "does not meet --where", isUnwanted: true };
    }
    try {
      const event = file.format === "csv" ? mapping.ofCells(values) : mapping.ofObject(values);
      return { ...at, event: { ...event, fields: { ...event.fields, import_id } } };
    } catch (error) {
      if (!(error instanceof AuditEventError)) throw error;
      return { ...at, problem: error.message };
    }
  };
  for await (const batch of records) {
    if (batch.length > 0) yield batch.map(placed);
  }
}
