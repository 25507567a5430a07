/**
 * Checks the files of an import, and finds out which events to append.
 *
 * @module
 */
import { tell } from "../messages.ts";
import { counted } from "../../shown.ts";
import { ProgressBar } from "../progress_bar.ts";
import type { PlacedEvent, TargetLog } from "./append_events.ts";
import { type CallOptions, checkCalls, wantedCalls } from "./calls.ts";
import type { Problems } from "./problems.ts";
import type { RecordMapping } from "./record_mapping.ts";
import {
  addToSums,
  type CheckedFile,
  checkRecords,
  type RecordOptions,
  wantedRecords,
} from "./records.ts";
import type { SourceFile } from "./source_file.ts";
import type { ImportSums } from "./sums.ts";

/** The outcome of the checks: what the files have, and the events to append. */
export interface Plan {
  /** Number of events that the files state. */
  readonly checked: number;
  readonly importedBefore: number;
  /** Number of calls that have grown since they were imported. */
  readonly grown: number;
  readonly invalid: number;
  /** Number of events to append. */
  readonly wanted: number;
  readonly files: readonly object[];
  readonly batches: (progress: ProgressBar) => AsyncIterable<readonly PlacedEvent[]>;
}

/** Checks transcripts, and adds their sums to `sums`. Reports the parts that are left out on standard error. */
export async function planCalls(
  files: readonly SourceFile[],
  options: CallOptions,
  sums: ImportSums,
): Promise<Plan> {
  using progress = progressOf("Checking", files);
  const checkedCalls = await checkCalls(files, sums, { ...options, progress });
  const { calls, added, grown, invalid, openTools, otherSignals, unfinished } = checkedCalls;
  tellInvalid(invalid);
  if (openTools > 0) tell(`left out ${counted(openTools, "tool call")} without a result`);
  if (otherSignals > 0) {
    const records = counted(otherSignals, "record");
    tell(`left out ${records} with logs or metrics, because only spans contain calls`);
  }
  if (unfinished > 0) tell(`left out ${counted(unfinished, "incomplete last line")}`);
  return {
    checked: calls.size,
    importedBefore: calls.size - added,
    grown,
    invalid: invalid.count,
    wanted: added + grown,
    files: checkedCalls.files.map(({ file: { name, format }, events }) => ({
      name,
      format,
      events,
    })),
    batches: (progress) => wantedCalls(checkedCalls, options, progress),
  };
}

/** Checks JSONL and CSV files and logs like {@linkcode planCalls}. */
export async function planRecords(
  files: readonly SourceFile[],
  options: TargetLog & RecordOptions & {
    readonly mapping: RecordMapping;
    readonly dryRun: boolean;
    readonly timeZone: string;
  },
  sums: ImportSums,
): Promise<Plan> {
  const { mapping, dryRun } = options;
  using progress = progressOf("Checking", files);
  const { files: checked, invalid, unwanted } = await checkRecords(files, mapping, {
    ...options,
    progress,
  });
  for (const message of mapping.rawMessages()) tell(message);
  for (const message of mapping.clockChanges.messages(options.timeZone)) tell(message);
  tellInvalid(invalid);
  if (unwanted > 0) tell(`left out ${counted(unwanted, "record")} that --where does not select`);
  // A pipe that is not stored in a file cannot be read again.
  const readable = checked.filter(({ file }) => file.status !== null);
  if (dryRun) await addToSums(sums, readable, mapping, progress);
  const sum = (count: (file: CheckedFile) => number) =>
    checked.reduce((sum, file) => sum + count(file), 0);
  const events = sum(({ events }) => events);
  return {
    checked: events,
    importedBefore: events - sum(({ newEvents }) => newEvents),
    grown: 0,
    invalid: invalid.count,
    wanted: sum(({ wantedCount }) => wantedCount),
    files: checked.map(({ file: { name, format }, events, newEvents }) => ({
      name,
      format,
      events,
      importedBefore: events - newEvents,
    })),
    batches: (progress) => wantedRecords(checked, mapping, progress),
  };
}

function tellInvalid(invalid: Problems): void {
  if (invalid.count === 0) return;
  tell(`${counted(invalid.count, "invalid record")} left out`, invalid.list());
}

/** Returns the plan that carries out several plans one after the other. */
export function merged(plans: readonly Plan[]): Plan {
  const sum = (count: (plan: Plan) => number) => plans.reduce((sum, plan) => sum + count(plan), 0);
  return {
    checked: sum(({ checked }) => checked),
    importedBefore: sum(({ importedBefore }) => importedBefore),
    grown: sum(({ grown }) => grown),
    invalid: sum(({ invalid }) => invalid),
    wanted: sum(({ wanted }) => wanted),
    files: plans.flatMap(({ files }) => files),
    async *batches(progress) {
      for (const { batches } of plans) yield* batches(progress);
    },
  };
}

/** Returns a progress bar for reading files. */
export function progressOf(label: string, files: readonly SourceFile[]): ProgressBar {
  const bytes = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const what = files.length === 1 ? files[0]!.name : counted(files.length, "file");
  return new ProgressBar(`${label} ${what}`, bytes);
}
