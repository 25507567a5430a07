/**
 * Checks the records of imported files that are events themselves: lines of JSON, rows of CSV, and the lines of logs.
 *
 * @module
 */
import { AuditEventError } from "../../errors.ts";
import { type EventFields, fieldError } from "../../event.ts";
import { KNOWN_FIELD_NAMES, unfitReason } from "../../fields/known_fields.ts";
import { Bits, EarlierImports, firstOf, RecordIds } from "../../import/record_ids.ts";
import { MAX_LINE_BYTES } from "../../options/log_options.ts";
import { lineSerializer } from "../../write/serialize_stream.ts";
import { importedEvents, type PlacedEvent, type TargetLog } from "./append_events.ts";
import { CommandError } from "../command_error.ts";
import { Problems, SOME_INVALID, unreadableRest } from "./problems.ts";
import type { ImportSums } from "./sums.ts";
import type { ProgressBar } from "../progress_bar.ts";
import type { RecordMapping } from "./record_mapping.ts";
import type { SourceFile, SourceRecord } from "./source_file.ts";

/**
 * Maximum length of a record whose line is surely not too long for the log. An event is at most eight times as long as
 * its record, because `1e20` becomes 100000000000000000000.
 */
const SHORT = MAX_LINE_BYTES / 8;

/** A record as an event. `number` counts the records of the file, from 1. */
type NumberedEvent = PlacedEvent & {
  readonly number: number;
  /** Length of the content of the record. */
  readonly length: number;
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
  const problemOf = (placed: NumberedEvent): string | null => {
    if ("problem" in placed) return placed.problem;
    const { event, fields } = placed.event;
    if (placed.length < SHORT) return unfitField({ ...fields, event });
    try {
      ({ epochMs } = placed.event);
      serialize(event, fields);
      return null;
    } catch (error) {
      if (error instanceof AuditEventError) return error.message;
      throw error;
    }
  };
  const invalid = new Problems();
  let unwanted = 0;
  const found: { file: SourceFile; ids: RecordIds; valid: Bits }[] = [];
  const keepsSums = await sumsNeeded(files, path);
  for (const file of files) {
    const ids = new RecordIds({ keepsSums: keepsSums(file) });
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
  if (files.some(keepsSums)) {
    for await (const event of importedEvents(path)) earlier.add(event);
  }
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

/**
 * Resolves with a function that checks whether the digests of the records of a file have to be kept in memory. They need
 * not be kept if the log has no records of a file with the same first record, and no other file begins with this record.
 */
async function sumsNeeded(
  files: readonly SourceFile[],
  path: string,
): Promise<(file: SourceFile) => boolean> {
  // The first record of a pipe cannot be read in advance.
  if (files.some(({ status }) => status === null)) return () => true;
  const firsts = new Map<SourceFile, string>();
  for (const file of files) firsts.set(file, await firstDigest(file));
  const logged = new Set<string>();
  for await (const event of importedEvents(path)) logged.add(firstOf(event));
  const counts = Map.groupBy(firsts.values(), (first) => first);
  return (file) => {
    const first = firsts.get(file)!;
    return logged.has(first) || counts.get(first)!.length > 1;
  };
}

/** Resolves with the digest of the first record of a file; "" if the file has no record. */
async function firstDigest(file: SourceFile): Promise<string> {
  const ids = new RecordIds();
  for await (const [record] of file.records({ onRead() {}, onColumns() {} })) {
    if (record === undefined) continue;
    ids.add(record.content);
    break;
  }
  return ids.first;
}

/** Returns the error message for the first field of an event that is invalid; null if all fields are valid. */
function unfitField(fields: EventFields): string | null {
  for (const name of ["event", "session_id", ...KNOWN_FIELD_NAMES]) {
    const reason = unfitReason(name, fields[name]);
    if (reason !== null) return fieldError(name, fields[name], `be ${reason}`).message;
  }
  return null;
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
    const { length } = record.content;
    const at = { place: `${file.name}:${record.line}`, number: ids.count, length };
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
