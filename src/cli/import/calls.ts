/**
 * Checks and reads the calls in imported transcripts, such as those of Claude Code.
 *
 * @module
 */
import { AuditEventError } from "../../errors.ts";
import { type CallEvent, callEvent } from "../../import/call_event.ts";
import { isTranscript, Readers } from "../../import/formats.ts";
import { KnownCalls } from "../../import/known_calls.ts";
import {
  RecordError,
  type StatedCall,
  type TranscriptReader,
  type UsageListener,
} from "../../import/stated_call.ts";
import type { PriceTable } from "../../llm/price_table.ts";
import { lineSerializer } from "../../write/serialize_stream.ts";
import { importedEvents, type PlacedEvent } from "./append_events.ts";
import { Problems, SOME_INVALID, unreadableRest } from "./problems.ts";
import type { ImportSums } from "./sums.ts";
import type { ProgressBar } from "../progress_bar.ts";
import type { SourceFile } from "./source_file.ts";

/** The checked transcripts of an import. */
export interface CheckedCalls {
  /** The files in the order of their first call, and the number of calls that each states. */
  readonly files: readonly { readonly file: SourceFile; readonly events: number }[];
  readonly calls: KnownCalls;
  readonly invalid: Problems;
  /** Number of tool calls that have no result yet. */
  readonly openTools: number;
  /** Number of records with logs or metrics of OpenTelemetry. */
  readonly otherSignals: number;
  /** Number of files whose last line is incomplete, because their program is writing it. */
  readonly unfinished: number;
}

/** Options of {@linkcode checkCalls}. */
export interface CallOptions {
  readonly path: string;
  readonly prices: PriceTable | undefined;
  /** Whether the events get the prompts and answers. */
  readonly texts: boolean;
  /** Whether to leave out invalid records. */
  readonly skipInvalid: boolean;
  /** Whether to import calls that are in the log already. */
  readonly again: boolean;
}

/** The number of events of a kind that an import appends. */
export interface CallCounts {
  /** Number of calls that the files state. */
  readonly checked: number;
  readonly added: number;
  /** Number of calls that have grown since they were imported. */
  readonly grown: number;
}

/**
 * Reads all transcripts, and finds out which of their calls the log already contains. Adds the new calls, and the usage
 * that is left out, to `sums`.
 *
 * @throws {CommandError} If a record is invalid and `skipInvalid` is false; the details list the first invalid records.
 */
export async function checkCalls(
  files: readonly SourceFile[],
  sums: ImportSums,
  { path, prices, texts, skipInvalid, again, progress }: CallOptions & { progress: ProgressBar },
): Promise<CheckedCalls> {
  const calls = new KnownCalls();
  const invalid = new Problems();
  const readers = new Readers(sums, { text: texts });
  const isValid = validator(prices);
  let [openTools, otherSignals, unfinished] = [0, 0, 0];
  const found: { file: SourceFile; events: number; firstMs: number }[] = [];
  for (const file of files) {
    const reading = new Reading(file, readers);
    let [events, firstMs] = [0, Infinity];
    for await (const batch of reading.calls(progress, invalid)) {
      for (const call of batch) {
        const problem = isValid(call);
        if (problem !== null) {
          invalid.add(`${file.name}:${call.line}`, problem);
          continue;
        }
        calls.observe(call, sums);
        events++;
        firstMs = Math.min(firstMs, call.epochMs);
      }
    }
    openTools += reading.reader.openTools;
    otherSignals += reading.reader.otherSignals;
    if (reading.isUnfinished) unfinished++;
    found.push({ file, events, firstMs });
  }
  if (!skipInvalid) invalid.throwIfAny(SOME_INVALID);
  if (calls.size > 0 && !again) {
    for await (const event of importedEvents(path, calls.range)) calls.addLogged(event);
  }
  for (const { event, model, provider, usage, isNew } of calls.newAmounts()) {
    const { fields } = callEvent({
      call: { id: "", epochMs: 0, line: 0, event, usage, fields: { model, provider } },
      ...{ epochMs: 0, usage, total: usage ?? {}, isGrowth: !isNew },
    }, prices);
    sums.addEvent(event, fields);
  }
  calls.reportRecorded((usage, records) =>
    sums.leftOut("calls that were imported before", usage, records)
  );
  const sorted = found.sort((a, b) => a.firstMs - b.firstMs);
  return { files: sorted, calls, invalid, openTools, otherSignals, unfinished };
}

/** Returns a function that returns the reason why the event of a call is invalid; null if it is valid. */
function validator(prices: PriceTable | undefined): (call: StatedCall) => string | null {
  let epochMs = 0;
  const serialize = lineSerializer({ now: () => epochMs, chain: false });
  return (call) => {
    const { usage } = call;
    const event = callEvent({
      ...{ call, usage, total: usage ?? {}, epochMs: call.epochMs, isGrowth: false },
    }, prices);
    try {
      ({ epochMs } = event);
      serialize(event.event, event.fields);
      return null;
    } catch (error) {
      if (error instanceof AuditEventError) return error.message;
      throw error;
    }
  };
}

/** Counts what an import of the calls appends. */
export function countCalls(calls: KnownCalls): CallCounts {
  let [added, grown] = [0, 0];
  for (const { isNew } of calls.newAmounts()) {
    if (isNew) added++;
    else grown++;
  }
  return { checked: calls.size, added, grown };
}

/** The usage is added up in the check only. */
const SILENT: UsageListener = { stated() {}, leftOut() {} };

/** Reads the checked transcripts again, and yields the events that are to be imported. */
export async function* wantedCalls(
  { files, calls }: CheckedCalls,
  { prices, texts }: CallOptions,
  progress: ProgressBar,
): AsyncGenerator<readonly PlacedEvent[]> {
  const readers = new Readers(SILENT, { text: texts });
  const ignored = new Problems();
  for (const { file } of files) {
    // A model call is complete only after the tool calls in it. So the calls are sorted by time.
    let waiting: { place: string; event: CallEvent }[] = [];
    for await (const batch of new Reading(file, readers).calls(progress, ignored)) {
      for (const call of batch) {
        const next = calls.take(call);
        if (next === null) continue;
        waiting.push({ place: `${file.name}:${call.line}`, event: callEvent(next, prices) });
      }
      if (waiting.length < SORTED_MAX) continue;
      yield sortedByTime(waiting);
      waiting = [];
    }
    yield sortedByTime(waiting);
  }
}

/** Maximum number of calls of a file that are sorted together, so that memory is bounded. */
const SORTED_MAX = 5_000;

function sortedByTime(events: { place: string; event: CallEvent }[]): readonly PlacedEvent[] {
  return events.sort((a, b) => a.event.epochMs - b.event.epochMs);
}

/** One pass over a transcript. */
class Reading {
  readonly #file: SourceFile;
  readonly reader: TranscriptReader;
  /** Whether the last line is incomplete. */
  isUnfinished = false;

  constructor(file: SourceFile, readers: Readers) {
    if (!isTranscript(file.format)) throw new TypeError(`${file.format} has no calls`);
    this.#file = file;
    this.reader = readers.create(file.format);
  }

  /** Yields the calls in batches. Adds the problems of invalid records to `invalid`. */
  async *calls(
    progress: ProgressBar,
    invalid: Problems,
  ): AsyncGenerator<readonly StatedCall[]> {
    const { name } = this.#file;
    const batches = this.#file.records({
      onRead: (byteLength) => progress.advance(byteLength),
      onColumns() {},
    });
    for await (const batch of batches) {
      const calls: StatedCall[] = [];
      for (const record of batch) {
        const place = `${name}:${record.line}`;
        if (!("problem" in record)) {
          try {
            for (const call of this.reader.take(record.values, record.line)) calls.push(call);
          } catch (error) {
            if (!(error instanceof RecordError)) throw error;
            invalid.add(place, error.message);
          }
        } else if (record.isRest) throw unreadableRest(place, record.problem);
        else if (record.isUnfinished) this.isUnfinished = true;
        else invalid.add(place, record.problem);
      }
      yield calls;
    }
    yield [...this.reader.end()];
  }
}
