/**
 * Checks the events of imported files, and appends them to a log.
 *
 * @module
 */
import { AuditEventError, messageOf } from "../errors.ts";
import { shownNumber } from "../shown.ts";
import { lineSerializer } from "../write/serialize_stream.ts";
import { openToChange } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { Interrupt } from "./interrupt.ts";
import { ProgressBar } from "./progress_bar.ts";
import type { RecordMapping, TimedEvent } from "./record_mapping.ts";
import type { SourceFile, SourceRecord } from "./source_file.ts";

const PROBLEMS_SHOWN = 10;

/** The position of a record (`FILE:LINE`), and the event of the record or the reason why the record is invalid. */
type PlacedEvent =
  & { readonly place: string }
  & ({ readonly event: TimedEvent } | { readonly problem: string });

/** The log that the events are appended to. */
export interface TargetLog {
  readonly path: string;
  /** Whether the log has a chain of lines. If so, the imported lines continue the chain. */
  readonly chain: boolean;
  readonly sessionId: string | undefined;
}

/** The result of an import. */
export interface Appended {
  /** The number of appended events. */
  readonly imported: number;
  /** The position of the first record that was not imported because of an interrupt; null without an interrupt. */
  readonly stoppedBefore: string | null;
}

/**
 * Checks every record of every file, and resolves with the number of events in each file.
 *
 * @throws {CommandError} If a record is invalid; the details list the first invalid records. Also if `--map` names
 *   a member that no record has.
 */
export async function checkEvents(
  files: readonly SourceFile[],
  mapping: RecordMapping,
  { chain }: Pick<TargetLog, "chain">,
): Promise<number[]> {
  let epochMs = 0;
  const serialize = lineSerializer({ now: () => epochMs, chain });
  const check = (timed: TimedEvent) => {
    epochMs = timed.epochMs;
    serialize(timed.event, timed.fields);
  };
  const problems = new Problems();
  const counts: number[] = [];
  for (const file of files) {
    let count = 0;
    for await (const batch of placedEvents(file, mapping, "Checking", check)) {
      for (const found of batch) {
        if ("event" in found) count++;
        else problems.add(found.place, found.problem);
      }
    }
    counts.push(count);
  }
  const missing = mapping.missingMember();
  problems.throwIfAny("Cannot import: some records are invalid, so nothing was imported", missing);
  if (missing !== null) throw new CommandError(`Cannot import: ${missing}`, 2);
  return counts;
}

/**
 * Appends the events of the files to the log. Stops early if the user interrupts the command.
 *
 * @throws {CommandError} If a record could not be appended; the details list the first such records.
 */
export async function appendEvents(
  files: readonly SourceFile[],
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
  for (const file of files) {
    for await (const batch of placedEvents(file, mapping, "Importing")) {
      if (interrupt.signal.aborted) return { imported, stoppedBefore: batch[0]!.place };
      const problems = new Problems();
      // All events of a batch are logged in one turn of the event loop, so that they share writes and syncs.
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
        `Cannot continue import after ${last}: ${imported} events were imported, but not these records`,
      );
    }
  }
  return { imported, stoppedBefore: null };
}

async function* placedEvents(
  file: SourceFile,
  mapping: RecordMapping,
  label: string,
  check: (event: TimedEvent) => void = () => {},
): AsyncGenerator<readonly PlacedEvent[]> {
  using progress = new ProgressBar(`${label} ${file.name}`, file.status.byteLength);
  const records = file.records({
    onRead: (byteLength) => progress.advance(byteLength),
    onColumns: (columns) => mapping.checkColumns(columns, file.name),
  });
  const placed = (record: SourceRecord): PlacedEvent => {
    const place = `${file.name}:${record.line}`;
    if ("problem" in record) return { place, problem: record.problem };
    try {
      const { values } = record;
      const event = file.format === "csv" ? mapping.ofCells(values) : mapping.ofObject(values);
      check(event);
      return { place, event };
    } catch (error) {
      if (!(error instanceof AuditEventError)) throw error;
      return { place, problem: error.message };
    }
  };
  for await (const batch of records) {
    if (batch.length > 0) yield batch.map(placed);
  }
}

/** The problems of invalid records. The first problems are listed, and the others are counted. */
class Problems {
  readonly #shown: string[] = [];
  #count = 0;

  add(place: string, problem: string): void {
    this.#count++;
    if (this.#count <= PROBLEMS_SHOWN) this.#shown.push(`${place}: ${problem}`);
  }

  /**
   * Throws an error that lists the problems, if a problem was added.
   *
   * @throws {CommandError} If a problem was added.
   */
  throwIfAny(introduction: string, hint: string | null = null): void {
    if (this.#count === 0) return;
    const further = this.#count - this.#shown.length;
    const details = [
      ...hint === null ? [] : [hint],
      ...this.#shown,
      ...further > 0 ? [`and ${shownNumber(further)} more`] : [],
    ];
    throw new CommandError(introduction, 1, details);
  }
}
