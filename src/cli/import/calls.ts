/**
 * Checks and reads the calls in imported transcripts, such as those of Claude Code.
 *
 * @module
 */
import { AuditEventError } from "../../errors.ts";
import { type CallEvent, callEvent } from "../../import/call_event.ts";
import { rootsOf, sessionIn, type SessionRoots } from "../../import/codex.ts";
import { isTranscript, Readers } from "../../import/formats.ts";
import { KnownCalls } from "../../import/known_calls.ts";
import {
  IGNORE_USAGE,
  RecordError,
  type StatedCall,
  type TranscriptReader,
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
  /** The roots of the sessions of Codex. */
  readonly roots: SessionRoots;
  readonly calls: KnownCalls;
  /** Number of calls that the log does not contain. */
  readonly added: number;
  /** Number of calls in the log that have grown, or whose cost has become known. */
  readonly grown: number;
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
  { path, prices, texts, skipInvalid, progress }: CallOptions & { progress: ProgressBar },
): Promise<CheckedCalls> {
  const calls = new KnownCalls(prices);
  const invalid = new Problems();
  const roots = await sessionRoots(files);
  const readers = new Readers(sums, { text: texts, roots });
  const isValid = validator();
  const take = (call: StatedCall, { name }: SourceFile): boolean => {
    const problem = isValid(call);
    if (problem === null) calls.observe(call, sums);
    else {
      invalid.add(`${name}:${call.line}`, problem);
      if (call.usage !== undefined) sums.leftOut("invalid calls", call.usage, 1);
    }
    return problem === null;
  };
  let unfinished = 0;
  const used = new Set<TranscriptReader>();
  const found: { file: SourceFile; events: number; firstMs: number; lastMs: number }[] = [];
  for (const file of files) {
    const reading = new Reading(file, readers);
    let [events, firstMs, lastMs] = [0, Infinity, -Infinity];
    for await (const batch of reading.calls(progress, invalid)) {
      for (const call of batch) {
        if (!take(call, file)) continue;
        events++;
        firstMs = Math.min(firstMs, call.epochMs);
        lastMs = Math.max(lastMs, call.epochMs);
      }
    }
    used.add(reading.reader);
    if (reading.isUnfinished) unfinished++;
    found.push({ file, events, firstMs, lastMs });
  }
  for (const call of readers.end()) take(call, files.at(-1)!);
  if (!skipInvalid) invalid.throwIfAny(SOME_INVALID);
  if (calls.size > 0) {
    for await (const event of importedEvents(path, calls.range)) calls.addLogged(event);
  }
  let [added, grown] = [0, 0];
  for (const amounts of calls.addedAmounts()) {
    sums.addCall(amounts);
    if (amounts.isNew) added++;
    else grown++;
  }
  calls.reportRecorded((usage, records) =>
    sums.leftOut("calls that were imported before", usage, records)
  );
  // A session that was resumed begins as the original one, but ends later. Its first calls belong to the original.
  const sorted = found.sort((a, b) => a.firstMs - b.firstMs || a.lastMs - b.lastMs);
  const sum = (count: (reader: TranscriptReader) => number) =>
    [...used].reduce((sum, reader) => sum + count(reader), 0);
  return {
    files: sorted,
    roots,
    calls,
    added,
    grown,
    invalid,
    openTools: sum(({ openTools }) => openTools),
    otherSignals: sum(({ otherSignals }) => otherSignals),
    unfinished,
  };
}

/**
 * Resolves with the root of each session of Codex, which the first records of its file state. The file of a fork may come
 * before that of its parent.
 */
async function sessionRoots(files: readonly SourceFile[]): Promise<SessionRoots> {
  const parents = new Map<string, string>();
  for (const file of files) {
    if (file.format !== "codex") continue;
    for await (const batch of file.records({ onRead() {}, onColumns() {} })) {
      const found = batch.map((record) => "values" in record ? sessionIn(record.values) : undefined)
        .filter((session) => session !== undefined);
      for (const { id, parent } of found) if (parent !== undefined) parents.set(id, parent);
      if (batch.length > 0) break;
    }
  }
  return rootsOf(parents);
}

/** Returns a function that returns the reason why the event of a call is invalid; null if it is valid. */
function validator(): (call: StatedCall) => string | null {
  let epochMs = 0;
  const serialize = lineSerializer({ now: () => epochMs, chain: false });
  return (call) => {
    const { event, usage } = call;
    // Costs from prices are valid, because the prices were checked.
    const cost = usage?.cost === undefined
      ? undefined
      : { cost: usage.cost, source: "provider" as const };
    ({ epochMs } = call);
    const total = usage ?? {};
    const { fields } = callEvent({ call, usage, cost, total, epochMs, isNew: true });
    try {
      serialize(event, fields);
      return null;
    } catch (error) {
      if (error instanceof AuditEventError) return error.message;
      throw error;
    }
  };
}

/** Reads the checked transcripts again, and yields the events that are to be imported. */
export async function* wantedCalls(
  { files, roots, calls }: CheckedCalls,
  { texts }: CallOptions,
  progress: ProgressBar,
): AsyncGenerator<readonly PlacedEvent[]> {
  const readers = new Readers(IGNORE_USAGE, { text: texts, roots });
  const ignored = new Problems();
  const take = (call: StatedCall, { name }: SourceFile, waiting: PlacedCall[]) => {
    const next = calls.take(call);
    if (next !== null) waiting.push({ place: `${name}:${call.line}`, event: callEvent(next) });
  };
  for (const { file } of files) {
    // A model call is complete only after the tool calls in it. So the calls are sorted by time.
    let waiting: PlacedCall[] = [];
    for await (const batch of new Reading(file, readers).calls(progress, ignored)) {
      for (const call of batch) take(call, file, waiting);
      if (waiting.length < SORTED_MAX) continue;
      yield sortedByTime(waiting);
      waiting = [];
    }
    yield sortedByTime(waiting);
  }
  const waiting: PlacedCall[] = [];
  for (const call of readers.end()) take(call, files.at(-1)!.file, waiting);
  yield sortedByTime(waiting);
}

/** The event of a call, and the position of its first line (`FILE:LINE`). */
interface PlacedCall {
  readonly place: string;
  readonly event: CallEvent;
}

/** Maximum number of calls of a file that are sorted together, so that memory is bounded. */
const SORTED_MAX = 5_000;

function sortedByTime(events: PlacedCall[]): readonly PlacedEvent[] {
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
