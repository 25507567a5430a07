/**
 * A query: the events of a log that match, as an async iterator over a snapshot of its files.
 *
 * @module
 */
import { readChunks } from "../chunks.ts";
import { type AuditEvent, shown } from "../event.ts";
import { messageOf } from "../errors.ts";
import type { FileSystem } from "../file_system.ts";
import type { Logger } from "../logger.ts";
import type { RawLine } from "../line_splitter.ts";
import { decompressed } from "../segments/gzip.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { TimeLike } from "../time.ts";
import { eventFilter } from "./filter.ts";
import { parseLine } from "../parse_line.ts";
import { readLines } from "./read_lines.ts";
import { type OpenedFile, openInto, type SnapshotFile, takeSnapshot } from "./snapshot.ts";

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
  /** Where the region begins; in an archive, counted in what it holds. */
  readonly byteOffset: number;
  /** How long it is; 0 when everything from there on is lost. */
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
 * Makes the query of a log: its archives, its sealed segments and its active file. A log that is not
 * there has no events.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
 */
export function queryLog(source: LineSource, options: QueryOptions = {}): AuditQuery {
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
    let left = limit;
    if (left === 0) return;
    for await (const event of snapshotEvents({ source, order, damage, signal })) {
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

/** What one iteration of a query is made of. */
interface Reading {
  readonly source: LineSource;
  readonly order: "asc" | "desc";
  readonly damage: DamageReport;
  readonly signal: AbortSignal | undefined;
}

async function* snapshotEvents(reading: Reading): AsyncGenerator<AuditEvent> {
  const { source, order } = reading;
  await source.beforeRead?.();
  using snapshot = takeSnapshot(source.fileSystem, new LogFiles(source.path));
  if (order === "asc") {
    for (const file of snapshot.files) yield* eventsOf(file, reading);
    return;
  }
  for (const file of snapshot.files.toReversed()) {
    // A file has the order of appending, so all of it has to come before its last event can.
    yield* (await Array.fromAsync(eventsOf(file, reading))).reverse();
  }
}

/** The events of a file; what is wrong with the file itself is damage, and ends its part alone. */
async function* eventsOf(file: SnapshotFile, reading: Reading): AsyncGenerator<AuditEvent> {
  const { source, damage, signal } = reading;
  using stack = new DisposableStack();
  let byteOffset = 0;
  try {
    for await (const line of linesOf(file, source, stack)) {
      // Here too, as many lines may go by before one is an event that is asked for.
      signal?.throwIfAborted();
      byteOffset = line.byteOffset + line.byteLength;
      if (line.bytes === null) {
        damage.add(file.path, line, `longer than maxLineBytes (${source.maxLineBytes})`);
        continue;
      }
      const parsed = parseLine(line.bytes);
      if (parsed === null) continue;
      // A whole event whose line break alone is missing is an event: the next writer closes it off.
      if ("event" in parsed) yield parsed.event;
      else damage.add(file.path, line, line.hasLineBreak ? parsed.reason : "torn tail");
    }
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    damage.add(file.path, { byteOffset, byteLength: 0 }, error.message);
  }
}

/** Thrown for a file of which nothing more can be read. */
class UnreadableFile extends Error {}

async function* linesOf(
  file: SnapshotFile,
  { fileSystem, maxLineBytes }: LineSource,
  stack: DisposableStack,
): AsyncGenerator<RawLine> {
  yield* readLines(readBytes(), maxLineBytes);

  async function* readBytes(): AsyncGenerator<Uint8Array> {
    try {
      const { handle, byteLength } = file.opened ?? openInTurn(fileSystem, file.path, stack);
      const chunks = readChunks(handle, byteLength);
      yield* file.isArchive ? decompressed(chunks) : chunks;
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      throw new UnreadableFile(messageOf(cause), { cause });
    }
  }
}

function openInTurn(fileSystem: FileSystem, path: string, stack: DisposableStack): OpenedFile {
  const opened = openInto(stack, fileSystem, path);
  if (opened === null) throw new Error("it was removed while it was to be read");
  return opened;
}

/** Reports each damaged region once, however often the query is iterated. */
class DamageReport {
  readonly regions: Damage[] = [];
  readonly #logger: Logger;
  readonly #seen = new Set<string>();

  constructor({ logger }: LineSource) {
    this.#logger = logger;
  }

  add(path: string, region: { byteOffset: number; byteLength: number }, reason: string): void {
    const { byteOffset, byteLength } = region;
    const key = `${byteOffset} ${path}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.regions.push({ path, byteOffset, byteLength, reason });
    this.#logger.warn(`Skipped damage in audit log: ${reason}, at byte ${byteOffset}: ${path}`);
  }
}
