/**
 * `importEvents()`: reads the events of transcripts and logs of other programs.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { AuditEvent } from "../event.ts";
import { LineSplitter } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import { checkedDigest } from "../llm/checked_prices.ts";
import type { PriceTable } from "../llm/price_table.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import {
  anything,
  callback,
  checkOption,
  checkOptions,
  flag,
  oneOf,
  type OptionCheck,
  type OptionChecks,
} from "../options/option_checks.ts";
import { callEvent } from "./call_event.ts";
import {
  type ImportFormat,
  isTranscript,
  Readers,
  TRANSCRIPT_FORMATS,
  type TranscriptFormat,
} from "./formats.ts";
import { KnownCalls } from "./known_calls.ts";
import { RecordIds } from "./record_ids.ts";
import { IGNORE_USAGE, RecordError, type StatedCall } from "./stated_call.ts";

/** A record of a source that is not valid. */
export interface InvalidRecord {
  /** The index of the source in the list of sources, from 0. */
  readonly source: number;
  /** The number of the line in the source, from 1. */
  readonly line: number;
  /** The reason why the record is not valid. */
  readonly problem: string;
}

/** Options of {@linkcode importEvents}. */
export interface ImportOptions {
  /**
   * Prices of the models, in the schema of LiteLLM's `model_prices_and_context_window.json`. Without prices, an event
   * has a cost only if its source states the cost.
   *
   * @default {undefined}
   */
  prices?: PriceTable;
  /**
   * If `true`, the events have the prompts and answers of the models, and the inputs and outputs of the tools.
   *
   * @default {false}
   */
  text?: boolean;
  /**
   * Called for each record that is not valid; the record is then left out. By default, the iteration throws an `Error`
   * that names the line.
   *
   * @default {undefined}
   */
  onInvalid?: (record: InvalidRecord) => void;
}

/** The bytes of a source: a `ReadableStream`, or any other async iterable of chunks. */
export type ImportSource = AsyncIterable<Uint8Array>;

const ACTION = "import events";
const CHECKS: OptionChecks<ImportOptions> = { prices: anything, text: flag, onInvalid: callback };
const SOURCES: OptionCheck = {
  must: "an async iterable of bytes, such as a ReadableStream, or an array of these",
  isOfType: (value) => Array.isArray(value) ? value.every(isByteSource) : isByteSource(value),
};
function isByteSource(value: unknown): boolean {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/**
 * Reads the model calls and tool calls of transcripts, or the events of a log, as events for `stats()`,
 * `renderReport()`, the metrics, or a log.
 *
 * A transcript may state a call several times: in a line for each part of a message, in a resumed session, in a fork.
 * Each call is one event `llm_call` or `tool_call`. If the transcript states a larger usage after the event was
 * yielded, a further event has the difference, and the field `adjusts` with the `import_id` of the first one. It does
 * not count as a call. Memory grows by some 300 bytes for each call, not with the length of the texts.
 *
 * A last line that is incomplete, because its program is still writing it, is left out. List the sources of Codex from
 * the oldest to the newest, so that a fork comes after its parent.
 *
 * The field `import_id` identifies a call, also if another file states it. The command `scout import` uses it to import each
 * call once.
 *
 * @param source The bytes of a file, or a list of these. The files of Codex must be listed one by one, because each
 *   begins a session. Compressed bytes must be decompressed before.
 * @param format The format of the source.
 * @param options Prices, and whether to keep texts; by default neither.
 * @returns The events, in the order in which their sources state them.
 * @throws {TypeError} If an argument is of the wrong type, an option is unknown, or a price is not a number.
 *
 * @example What a session of Claude Code has cost
 * ```ts
 * import { stats } from "@vivarium/scout";
 * import { importEvents } from "@vivarium/scout/import";
 * import { assertEquals } from "@std/assert";
 *
 * const message = { id: "msg_1", model: "small", usage: { input_tokens: 10, output_tokens: 4 } };
 * const line = { type: "assistant", sessionId: "s1", timestamp: "2026-02-13T14:30:22Z", message };
 * // Usually (await Deno.open(path)).readable. Claude Code writes a line for each part of a message.
 * const source = new Blob([`${JSON.stringify(line)}\n`, `${JSON.stringify(line)}\n`]).stream();
 * const prices = { small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 } };
 *
 * const { total } = await stats(importEvents(source, "claude-code", { prices }));
 * assertEquals([total.calls, total.usd], [1, 0.000052]);
 * ```
 */
export function importEvents(
  source: ImportSource | readonly ImportSource[],
  format: ImportFormat,
  options: ImportOptions = {},
): AsyncIterable<AuditEvent> {
  checkOption(source, SOURCES, `${ACTION}: source`);
  checkOption(format, oneOf(...TRANSCRIPT_FORMATS, "scout"), `${ACTION}: format`);
  checkOptions(options, CHECKS, ACTION);
  const { prices } = options;
  if (prices !== undefined) checkedDigest(prices, ACTION);
  const sources = Array.isArray(source) ? source : [source];
  return isTranscript(format)
    ? transcriptEvents(sources, format, options)
    : logEvents(sources, options);
}

async function* transcriptEvents(
  sources: readonly ImportSource[],
  format: TranscriptFormat,
  { prices, text = false, onInvalid = refuse }: ImportOptions,
): AsyncGenerator<AuditEvent> {
  const readers = new Readers(IGNORE_USAGE, { text });
  const calls = new KnownCalls(prices);
  const eventsOf = function* (stated: Iterable<StatedCall>): Generator<AuditEvent> {
    for (const call of stated) {
      calls.observe(call, IGNORE_USAGE);
      const next = calls.take(call);
      if (next === null) continue;
      const { epochMs, event, fields } = callEvent(next);
      yield withoutUndefined({ ts: new Date(epochMs).toISOString(), event, ...fields });
    }
  };
  for (const [n, source] of sources.entries()) {
    const reader = readers.create(format);
    for await (const { line, record, problem } of recordsOf(source)) {
      if (record === null) {
        onInvalid({ source: n, line, problem });
        continue;
      }
      try {
        yield* eventsOf(reader.take(record, line));
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        onInvalid({ source: n, line, problem: error.message });
      }
    }
    yield* eventsOf(reader.end());
  }
  yield* eventsOf(readers.end());
}

async function* logEvents(
  sources: readonly ImportSource[],
  { onInvalid = refuse }: ImportOptions,
): AsyncGenerator<AuditEvent> {
  for (const [n, source] of sources.entries()) {
    const ids = new RecordIds();
    for await (const { line, record, bytes, problem } of recordsOf(source)) {
      const import_id = ids.add(bytes);
      if (record === null) onInvalid({ source: n, line, problem });
      else yield { ...record, import_id };
    }
  }
}

/** A line of a source: a record, or the reason why the line is not valid. */
type SourceLine =
  & { readonly line: number; readonly bytes: Uint8Array }
  & (
    | { readonly record: AuditEvent; readonly problem: null }
    | { readonly record: null; readonly problem: string }
  );

/** Yields the lines of a source that are not blank. */
async function* recordsOf(source: ImportSource): AsyncGenerator<SourceLine> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  let line = 0;
  const lineOf = (bytes: Uint8Array | null): SourceLine | null => {
    line++;
    if (bytes === null) {
      const problem = `longer than ${MAX_LINE_BYTES} bytes`;
      return { line, bytes: new TextEncoder().encode(problem), record: null, problem };
    }
    const parsed = parseLine(bytes);
    if (parsed === null) return null;
    return "event" in parsed
      ? { line, bytes, record: parsed.event, problem: null }
      : { line, bytes, record: null, problem: parsed.reason };
  };
  for await (const chunk of source) {
    for (const { bytes } of splitter.split(chunk)) {
      const next = lineOf(bytes);
      if (next !== null) yield next;
    }
  }
  for (const { bytes } of splitter.end()) {
    const next = lineOf(bytes);
    // A last line without a line break that is not valid is incomplete: its program is still writing it.
    if (next !== null && next.record !== null) yield next;
  }
}

function refuse({ line, problem }: InvalidRecord): never {
  throw new Error(`Cannot import events: line ${line} is invalid: ${messageOf(problem)}`);
}

function withoutUndefined(event: AuditEvent): AuditEvent {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));
}
