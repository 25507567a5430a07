/**
 * Checks the events of imported files, and appends them to a log.
 *
 * @module
 */
import { AuditReader } from "../audit_reader.ts";
import { AuditEventError, messageOf } from "../errors.ts";
import { shownNumber } from "../shown.ts";
import { lineSerializer } from "../write/serialize_stream.ts";
import { openToChange } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { EarlierImports, RecordIds } from "./import_ids.ts";
import { Interrupt } from "./interrupt.ts";
import { stderrLogger } from "./messages.ts";
import { listedFiles } from "./listed_files.ts";
import { DamageReport } from "../read/damage.ts";
import { LineTest } from "../read/line_test.ts";
import { ProgressBar } from "./progress_bar.ts";
import type { RecordMapping, TimedEvent } from "./record_mapping.ts";
import type { SourceFile, SourceRecord } from "./source_file.ts";

const PROBLEMS_SHOWN = 10;

/**
 * A record as an event, or the reason why the record is invalid. `place` is the position of the record (`FILE:LINE`).
 * `number` counts the records of the file, from 1.
 */
type PlacedEvent =
  & { readonly place: string; readonly number: number }
  & (
    | { readonly event: TimedEvent }
    /** `isRest` means that the records after the invalid one cannot be read either. */
    | { readonly problem: string; readonly isRest?: true }
  );

/** The log to which the imported events are appended. */
export interface TargetLog {
  readonly path: string;
  /**
   * Whether the lines of the log form a chain, in which each line has the hash of the line before it. If so, the
   * imported lines continue the chain.
   */
  readonly chain: boolean;
  readonly sessionId: string | undefined;
}

/** An imported file whose records were checked. */
export interface CheckedFile {
  readonly file: SourceFile;
  readonly ids: RecordIds;
  /** Number of valid records in the file. */
  readonly events: number;
  /** Number of valid records in the file that are not in the log yet. */
  readonly newEvents: number;
  /** 1 for each record that is to be imported, and 0 for each other record. The index is the number of the record. */
  readonly isWanted: Uint8Array;
}

/** The result of an import. */
export interface Appended {
  /** The number of appended events. */
  readonly imported: number;
  /** Position (`FILE:LINE`) of the first record that was not imported because of an interrupt; otherwise null. */
  readonly stoppedBefore: string | null;
}

/** The result of checking all files that are to be imported. */
export interface Checked {
  readonly files: readonly CheckedFile[];
  readonly invalid: Problems;
}

/**
 * Checks every record of every file, and finds out which records are in the log already.
 *
 * @param skipInvalid Whether to leave out invalid records.
 * @param again Whether to import records that are in the log already.
 * @throws {CommandError} If a record is invalid and `skipInvalid` is false; the details list the first invalid records.
 *   Also thrown if `--map` names a member that no record has. If `again` is false, also thrown if a record that was
 *   imported before has changed.
 */
export async function checkEvents(
  files: readonly SourceFile[],
  mapping: RecordMapping,
  { path, chain, sessionId, skipInvalid, again }: TargetLog & {
    skipInvalid: boolean;
    again: boolean;
  },
): Promise<Checked> {
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
  const found: { file: SourceFile; ids: RecordIds; valid: number[] }[] = [];
  for (const file of files) {
    const ids = new RecordIds();
    const valid: number[] = [];
    for await (
      const batch of placedEvents(file, mapping, { label: "Checking", ids, isFirst: true })
    ) {
      for (const placed of batch) {
        const problem = problemOf(placed);
        if (problem === null) valid.push(placed.number);
        else if ("isRest" in placed) throw unreadableRest(placed.place, problem);
        else invalid.add(placed.place, problem);
      }
    }
    found.push({ file, ids, valid });
  }
  const missing = mapping.missingMember();
  if (!skipInvalid) {
    invalid.throwIfAny(
      "Cannot import: some records are invalid, so nothing was imported; --skip-invalid leaves them out",
      missing,
    );
  }
  if (missing !== null) throw new CommandError(`Cannot import: ${missing}`, 2);
  const earlier = await earlierImports(path, found.map(({ ids }) => ids));
  for (const { file, ids } of again ? [] : found) {
    const conflict = earlier.conflictIn(ids);
    if (conflict !== null) throw changedSource(file.name, conflict);
  }
  const checked = found.map(({ file, ids, valid }, n) => {
    // If two files have the same records up to the end of the shorter one, these records are new only in the first
    // file. So they are imported once.
    for (const before of found.slice(0, n)) earlier.addAll(before.ids, ids);
    const isWanted = new Uint8Array(ids.count + 1);
    let newEvents = 0;
    for (const number of valid) {
      const isNew = !earlier.has(ids, number);
      if (isNew) newEvents++;
      if (isNew || again) isWanted[number] = 1;
    }
    return { file, ids, events: valid.length, newEvents, isWanted };
  });
  return { files: checked, invalid };
}

function unreadableRest(place: string, problem: string): CommandError {
  return new CommandError(
    `Cannot import: the file cannot be read from ${place} on, so nothing was imported: ${problem}`,
    1,
  );
}

function changedSource(name: string, number: number): CommandError {
  return new CommandError(
    `Cannot import ${name}: its first records were imported before, but record ${number} has changed since then; import a file ` +
      "with only the new records, or add --again to import all records",
    1,
  );
}

/** Reads the log, and resolves with the records of the sources that the log already contains. */
async function earlierImports(
  path: string,
  sources: readonly RecordIds[],
): Promise<EarlierImports> {
  const earlier = new EarlierImports(sources);
  await using reader = await AuditReader.open({ path, logger: stderrLogger });
  for (const { events } of listedFiles(reader)) {
    for await (const found of events(new DamageReport(stderrLogger), IMPORTED)) {
      for (const event of found) earlier.add(event);
    }
  }
  return earlier;
}

/** Selects the lines that may be imported events, so that the other lines need not be parsed. */
const IMPORTED = new LineTest({ strings: [["import_id"]] });

/**
 * Appends the wanted events of the files to the log. Stops early if the user interrupts the command.
 *
 * @throws {CommandError} If a record could not be appended; the details list the first such records.
 */
export async function appendEvents(
  files: readonly CheckedFile[],
  mapping: RecordMapping,
  { path, chain, sessionId }: TargetLog,
): Promise<Appended> {
  let epochMs = Date.now();
  await using log = await openToChange({
    path,
    chain,
    now: () => epochMs,
    ...sessionId === undefined ? {} : { sessionId },
  });
  using interrupt = new Interrupt();
  let imported = 0;
  for (const { file, ids, isWanted } of files) {
    for await (const all of placedEvents(file, mapping, { label: "Importing", ids })) {
      const batch = all.filter(({ number }) => isWanted[number] === 1);
      if (batch.length === 0) continue;
      if (interrupt.signal.aborted) return { imported, stoppedBefore: batch[0]!.place };
      const problems = new Problems();
      // All events of a batch are logged without waiting in between, so that they share writes and syncs to the disk.
      await Promise.all(batch.map((found) => {
        if ("problem" in found) return problems.add(found.place, found.problem);
        epochMs = found.event.epochMs;
        return log.log(found.event.event, found.event.fields).then(
          () => void imported++,
          (error) => problems.add(found.place, messageOf(error)),
        );
      }));
      const last = batch.at(-1)!.place;
      problems.throwIfAny(
        `Cannot continue import after ${last}: ${imported} events were imported, but the records below were not`,
      );
    }
  }
  return { imported, stoppedBefore: null };
}

/**
 * Yields the events of a file in batches. If `isFirst` is true, the file is read for the first time, and the contents
 * of its records are added to `ids`.
 */
async function* placedEvents(
  file: SourceFile,
  mapping: RecordMapping,
  { label, ids, isFirst = false }: { label: string; ids: RecordIds; isFirst?: boolean },
): AsyncGenerator<readonly PlacedEvent[]> {
  using progress = new ProgressBar(`${label} ${file.name}`, file.byteLength);
  const records = file.records({
    onRead: (byteLength) => progress.advance(byteLength),
    onColumns: (columns) => mapping.checkColumns(columns, file.name),
  });
  let number = 0;
  const placed = (record: SourceRecord): PlacedEvent => {
    const place = `${file.name}:${record.line}`;
    number++;
    if (isFirst) ids.add(record.content);
    else if (number > ids.count) {
      return { place, number, problem: "the file did not have this record when it was checked" };
    }
    if ("problem" in record) {
      const { problem, isRest } = record;
      return { place, number, problem, ...isRest ? { isRest } : {} };
    }
    try {
      const { values } = record;
      const event = file.format === "csv" ? mapping.ofCells(values) : mapping.ofObject(values);
      const fields = { ...event.fields, import_id: ids.idOf(number) };
      return { place, number, event: { ...event, fields } };
    } catch (error) {
      if (!(error instanceof AuditEventError)) throw error;
      return { place, number, problem: error.message };
    }
  };
  for await (const batch of records) {
    if (batch.length > 0) yield batch.map(placed);
  }
}

/** The problems of invalid records. The first 10 problems are listed, and the others are only counted. */
export class Problems {
  readonly #shown: string[] = [];
  #count = 0;

  /** Number of problems that were added, listed or not. */
  get count(): number {
    return this.#count;
  }

  /** Adds the problem of an invalid record. `place` is the position of the record (`FILE:LINE`). */
  add(place: string, problem: string): void {
    this.#count++;
    if (this.#count <= PROBLEMS_SHOWN) this.#shown.push(`${place}: ${problem}`);
  }

  /**
   * Throws an error that lists the problems. Does nothing if no problem was added.
   *
   * @throws {CommandError} If a problem was added; the message is `introduction`.
   */
  throwIfAny(introduction: string, hint: string | null = null): void {
    if (this.#count === 0) return;
    const details = [...hint === null ? [] : [hint], ...this.list()];
    throw new CommandError(introduction, 1, details);
  }

  /** Returns one line for each of the first problems. If there are more problems, the last line states their number. */
  list(): string[] {
    const further = this.#count - this.#shown.length;
    return [...this.#shown, ...further > 0 ? [`and ${shownNumber(further)} more`] : []];
  }
}
