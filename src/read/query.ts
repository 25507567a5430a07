/**
 * Queries a log: iterates over the matching events in a snapshot of its files.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { Turns } from "../platform/turns.ts";
import type { ManifestLines } from "../segments/manifest_lines.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { checkOptions, integer, oneOf, type OptionChecks, time } from "../options/option_checks.ts";
import { type Damage, DamageReport } from "./damage.ts";
import { type EventFilter, eventFilter, FILTER_OPTION_CHECKS, mayLineHold } from "./filter.ts";
import type { LineSource } from "./line_source.ts";
import { LineTest } from "./line_test.ts";
import { Flattened } from "./flattened.ts";
import { lastBlockEvents } from "./last_block.ts";
import type { QueryOptions } from "./query_options.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { startIn, takeSnapshotInTurns } from "./snapshot.ts";

/**
 * The events of a query. Each iteration takes a new snapshot of the log. When the iteration ends, even by `break` or an
 * exception, it closes its files. A log that does not exist has no events.
 *
 * Reading needs `--allow-read` for the directory of the log. Damaged lines and archives are skipped and reported in
 * `damage` and to the logger; they do not end the iteration.
 */
export interface AuditQuery extends AsyncIterable<AuditEvent> {
  /**
   * Reads all matching events into memory. Rejects if the log cannot be opened. If `signal` aborts, rejects with the
   * reason of `signal`.
   *
   * @returns The events, in the order of the query.
   */
  toArray(): Promise<AuditEvent[]>;
  /**
   * Returns a stream of the matching events. The stream reads on demand. Cancelling the stream closes the files.
   *
   * @returns The stream of events, in the order of the query. If `toArray()` would reject, the stream fails with the
   *   same error.
   */
  toReadableStream(): ReadableStream<AuditEvent>;
  /**
   * The unreadable regions that all iterations have found so far, each listed once. If the options of a query exclude a
   * line or an archive, the query may skip it, and then does not list its damage. Only a query without options finds
   * every region.
   */
  readonly damage: readonly Damage[];
}

/** A log to query, and a function to call before reading. */
export interface QuerySource extends LineSource {
  /** Called and awaited before each snapshot. */
  readonly beforeRead?: () => Promise<void>;
}

const OPTION_CHECKS: OptionChecks<QueryOptions> = {
  ...FILTER_OPTION_CHECKS,
  until: time,
  order: oneOf("asc", "desc"),
  limit: integer(0, true),
};

/**
 * Returns a query over the archives, the sealed segments and the active file of a log.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
 * @throws {RangeError} If an option is out of its range; the message names the option.
 */
export function queryLog(
  source: QuerySource,
  options: QueryOptions = {},
): AuditQuery {
  checkOptions(options, OPTION_CHECKS, "query audit log");
  const { order = "asc", limit = Infinity, signal } = options;
  const filter = eventFilter(options);
  const { log, clock, maxLineBytes, texts } = source;
  const damage = new DamageReport(source.logger);
  const lineTest = new LineTest(filter);
  const reading: Reading = {
    source,
    filter,
    limit,
    // A query for the newest events first reads only the last block of the active file. If the block has too few
    // events, it is read a second time. The function `where` must be called only once for each event, so a query with
    // `where` does not begin with the last block.
    isLastBlockFirst: order === "desc" && limit < Infinity && options.where === undefined,
    options: { log, clock, maxLineBytes, damage, lineTest, order, signal, texts },
  };

  async function* selections(): AsyncGenerator<Generator<AuditEvent, void>, void> {
    signal?.throwIfAborted();
    let left = limit;
    if (left === 0) return;
    function* selected(events: readonly AuditEvent[]): Generator<AuditEvent, void> {
      for (const event of events) {
        if (!filter.matches(event)) continue;
        yield event;
        signal?.throwIfAborted();
        if (--left === 0) return;
      }
    }
    for await (const events of candidates(reading)) {
      yield selected(events);
      if (left === 0) return;
    }
    signal?.throwIfAborted();
  }

  const iterate = () => new Flattened(selections());
  return {
    [Symbol.asyncIterator]: iterate,
    // Array.fromAsync() would wait for each event.
    async toArray() {
      const all: AuditEvent[] = [];
      for await (const events of selections()) for (const event of events) all.push(event);
      return all;
    },
    toReadableStream: () => ReadableStream.from(iterate()),
    damage: damage.regions,
  };
}

/** The values that each iteration of a query needs. */
interface Reading {
  readonly source: QuerySource;
  readonly filter: EventFilter;
  readonly limit: number;
  /** Whether an iteration first checks if the last block of the active file has enough matching events. */
  readonly isLastBlockFirst: boolean;
  readonly options: ReadOptions;
}

/** Yields the events that may match, in batches: the events of the lines whose text passes the pre-filter. */
async function* candidates(reading: Reading): AsyncGenerator<AuditEvent[]> {
  const { source, filter, limit, options } = reading;
  await source.beforeRead?.();
  const last = reading.isLastBlockFirst
    ? await lastBlockEvents({ ...options, limit, matches: filter.matches })
    : null;
  if (last === null) yield* snapshotEvents(reading);
  else yield last;
}

async function* snapshotEvents(reading: Reading): AsyncGenerator<AuditEvent[]> {
  const { source, filter, options } = reading;
  const { log } = source;
  const turns = new Turns(source.clock);
  using snapshot = await takeSnapshotInTurns(log, turns);
  const manifest = source.manifest ?? new ManifestReader(log);
  // The manifest is read only before the first archive, because a query for the last events usually ends before it
  // needs an archive.
  let lines: ManifestLines | undefined;
  const files = options.order === "asc" ? snapshot.files : snapshot.files.toReversed();
  for (const file of files) {
    if (turns.isDue) await turns.take();
    if (file.isArchive) {
      lines ??= await linesInTurns(manifest, source.logger, turns);
      const line = lineOf(file, lines);
      if (line !== undefined && !mayLineHold(line, filter)) continue;
      source.archives?.decoded.add(file.path);
    }
    const from = startIn(file, filter.sinceMs, log);
    yield* eventsOf(file, { ...options, from });
  }
}
