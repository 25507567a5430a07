/**
 * A query: the events of a log that match, as an async iterator over a snapshot of its files.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Logger } from "../logger.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { LogFiles } from "../segments/segment_name.ts";
import { checkOptions, integer, oneOf, type OptionChecks, time } from "../options/option_checks.ts";
import { type Damage, DamageReport } from "./damage.ts";
import { type EventFilter, eventFilter, FILTER_OPTION_CHECKS, mayLineHold } from "./filter.ts";
import { LineTest } from "./line_test.ts";
import { Flattened } from "./flattened.ts";
import { lastBlockEvents } from "./last_block.ts";
import type { QueryOptions } from "./query_options.ts";
import { lineOf, type LinesByArchive, linesOf } from "./manifest_lines.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { startIn, takeSnapshot } from "./snapshot.ts";

/** The events of a query; each iteration is a snapshot of its own, and closes its files at its end. */
export interface AuditQuery extends AsyncIterable<AuditEvent> {
  /** All events at once. */
  toArray(): Promise<AuditEvent[]>;
  /** The events as a stream; cancelling it closes the files. */
  toReadableStream(): ReadableStream<AuditEvent>;
  /** What could not be read so far; what is elsewhere in the files was. */
  readonly damage: readonly Damage[];
}

/** Where a query reads. */
export interface LineSource {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly maxLineBytes: number;
  readonly logger: Logger;
  /** A reader of the manifest that remembers what it has read; one for each query by default. */
  readonly manifest?: ManifestReader;
  /** What has to happen before the snapshot is taken. */
  readonly beforeRead?: () => Promise<void>;
}

const OPTION_CHECKS: OptionChecks<QueryOptions> = {
  ...FILTER_OPTION_CHECKS,
  until: time,
  order: oneOf("asc", "desc"),
  limit: integer(0, true),
};

/**
 * Returns the query of a log: its archives, its sealed segments and its active file. A log that does not exist
 * has no events.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type; names it.
 * @throws {RangeError} If an option is out of its range; names it.
 */
export function queryLog(source: LineSource, options: QueryOptions = {}): AuditQuery {
  checkOptions(options, OPTION_CHECKS, "query audit log");
  const { order = "asc", limit = Infinity, signal } = options;
  const filter = eventFilter(options);
  const { fileSystem, maxLineBytes } = source;
  const damage = new DamageReport(source.logger);
  const lineTest = new LineTest(filter);
  const reading: Reading = {
    source,
    filter,
    limit,
    // What `where` is asked, it is asked once for each event, and when it is due.
    isLastBlockFirst: order === "desc" && limit < Infinity && options.where === undefined,
    options: { fileSystem, maxLineBytes, damage, lineTest, order, signal },
  };

  async function* selections(): AsyncGenerator<Iterator<AuditEvent, void>, void> {
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
    toArray: () => Array.fromAsync(iterate()),
    toReadableStream: () => ReadableStream.from(iterate()),
    damage: damage.regions,
  };
}

/** What one iteration of a query is made of. */
interface Reading {
  readonly source: LineSource;
  readonly filter: EventFilter;
  readonly limit: number;
  /** Whether to see first if the last lines of all are enough. */
  readonly isLastBlockFirst: boolean;
  readonly options: ReadOptions;
}

/** The events whose lines pass the filter's test, in batches. */
async function* candidates(reading: Reading): AsyncGenerator<AuditEvent[]> {
  const { source, filter, limit, options } = reading;
  await source.beforeRead?.();
  const { path } = source;
  const last = reading.isLastBlockFirst
    ? await lastBlockEvents({ ...options, path, limit, matches: filter.matches })
    : null;
  if (last === null) yield* snapshotEvents(reading);
  else yield last;
}

async function* snapshotEvents({ source, filter, options }: Reading): AsyncGenerator<AuditEvent[]> {
  const logFiles = new LogFiles(source.path);
  using snapshot = takeSnapshot(source.fileSystem, logFiles);
  const manifest = source.manifest ?? new ManifestReader(source.fileSystem, logFiles.manifest);
  // Who asks for the last events mostly finds them before the first archive.
  let lines: LinesByArchive | undefined;
  const files = options.order === "asc" ? snapshot.files : snapshot.files.toReversed();
  for (const file of files) {
    if (file.isArchive) {
      lines ??= linesOf(manifest, source.logger);
      const line = lineOf(file, lines);
      if (line !== undefined && !mayLineHold(line, filter)) continue;
    }
    const from = startIn(file, filter.sinceMs, { fileSystem: source.fileSystem, logFiles });
    yield* eventsOf(file, { ...options, from });
  }
}
