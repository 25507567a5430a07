/**
 * A query: the events of a log that match, as an async iterator over a snapshot of the file.
 *
 * @module
 */
import { readChunks } from "../chunks.ts";
import { type AuditEvent, shown } from "../event.ts";
import type { FileHandle, FileSystem } from "../file_system.ts";
import type { Logger } from "../logger.ts";
import type { RawLine } from "../line_splitter.ts";
import { openForRead } from "../regular_file.ts";
import type { TimeLike } from "../time.ts";
import { eventFilter } from "./filter.ts";
import { parseLine } from "../parse_line.ts";
import { readLines } from "./read_lines.ts";

/** What to read. */
export interface QueryOptions {
  /** Events from this instant on. */
  since?: TimeLike;
  /** Events before this instant. */
  until?: TimeLike;
  /** Events of this type, or of one of these. */
  eventType?: string | readonly string[];
  /** Events of this session. */
  sessionId?: string;
  /** Events for which this is true. */
  where?: (event: AuditEvent) => boolean;
  /** The order of appending, or the newest first; default "asc". */
  order?: "asc" | "desc";
  /** How many events at most. */
  limit?: number;
  /** Ends the iteration with its reason when aborted. */
  signal?: AbortSignal;
}

/** A region of a file that could not be read. */
export interface Damage {
  /** The file. */
  readonly path: string;
  /** Where the region begins. */
  readonly byteOffset: number;
  /** How long it is. */
  readonly byteLength: number;
  /** What is wrong with it. */
  readonly reason: string;
}

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
  /** What has to happen before the snapshot is taken. */
  readonly beforeRead?: () => Promise<void>;
}

/**
 * Makes the query of one file. A file that is not there has no events.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
 */
export function queryFile(source: LineSource, options: QueryOptions = {}): AuditQuery {
  const { order = "asc", limit = Infinity, signal } = options;
  if (order !== "asc" && order !== "desc") {
    throw new RangeError(`Cannot query as order must be "asc" or "desc": ${shown(order)}`);
  }
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new RangeError(`Cannot query as limit must be an integer >= 0: ${shown(limit)}`);
  }
  const matches = eventFilter(options);
  const damage = new DamageReport(source);

  async function* iterate(): AsyncGenerator<AuditEvent> {
    signal?.throwIfAborted();
    const events = snapshotEvents(source, damage, signal);
    let left = limit;
    if (left === 0) return;
    for await (const event of order === "asc" ? events : newestFirst(events)) {
      signal?.throwIfAborted();
      if (!matches(event)) continue;
      yield event;
      signal?.throwIfAborted();
      if (--left === 0) return;
    }
    signal?.throwIfAborted();
  }

  return {
    [Symbol.asyncIterator]: iterate,
    toArray: () => Array.fromAsync(iterate()),
    toReadableStream: () => ReadableStream.from(iterate()),
    damage: damage.regions,
  };
}

async function* snapshotEvents(
  source: LineSource,
  damage: DamageReport,
  signal: AbortSignal | undefined,
): AsyncGenerator<AuditEvent> {
  await source.beforeRead?.();
  const handle = openForRead(source.fileSystem, source.path);
  if (handle === null) return;
  try {
    yield* eventsOf(handle, source.maxLineBytes, damage, signal);
  } finally {
    handle.close();
  }
}

async function* eventsOf(
  handle: FileHandle,
  maxLineBytes: number,
  damage: DamageReport,
  signal: AbortSignal | undefined,
): AsyncGenerator<AuditEvent> {
  const { byteLength } = handle.status();
  for await (const line of readLines(readChunks(handle, { byteLength }), maxLineBytes)) {
    // Here too, as many lines may go by before one is an event that is asked for.
    signal?.throwIfAborted();
    if (line.bytes === null) {
      damage.add(line, `longer than maxLineBytes (${maxLineBytes})`);
      continue;
    }
    const parsed = parseLine(line.bytes);
    if (parsed === null) continue;
    // A whole event whose line break alone is missing is an event: the next writer closes it off.
    if ("event" in parsed) yield parsed.event;
    else damage.add(line, line.hasLineBreak ? parsed.reason : "torn tail");
  }
}

/** The order of appending turned round; the file has it the other way, so all of it has to come first. */
async function* newestFirst(events: AsyncIterable<AuditEvent>): AsyncGenerator<AuditEvent> {
  yield* (await Array.fromAsync(events)).reverse();
}

/** Reports each damaged region once, however often the query is iterated. */
class DamageReport {
  readonly regions: Damage[] = [];
  readonly #source: LineSource;
  readonly #byteOffsets = new Set<number>();

  constructor(source: LineSource) {
    this.#source = source;
  }

  add({ byteOffset, byteLength }: RawLine, reason: string): void {
    if (this.#byteOffsets.has(byteOffset)) return;
    this.#byteOffsets.add(byteOffset);
    const { path, logger } = this.#source;
    this.regions.push({ path, byteOffset, byteLength, reason });
    logger.warn(`Skipped damaged line of audit log: ${reason}, at byte ${byteOffset}: ${path}`);
  }
}
