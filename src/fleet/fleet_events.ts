/**
 * The events of a fleet: what its logs have shipped, each once, and a word on what is missing.
 *
 * Of each log it is known up to which position its bytes were seen. A block that ends there or before is a
 * double and is dropped, one that begins before is cut, which is sound as blocks are bytes, and where one
 * begins behind, there is a gap. So it does not matter what a server, or a shipper that was killed, has
 * stored twice.
 *
 * Blocks are asked for one by one, by the sequence of the last one that came: nothing is kept by the server
 * that could go wrong when it is killed, and any member of a cluster may answer.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { MAX_LINE_BYTES } from "../options.ts";
import { type EventFilter, eventFilter } from "../read/filter.ts";
import { LineTest } from "../read/line_test.ts";
import { eventsIn } from "../read/parse_block.ts";
import type { QueryOptions } from "../read/query.ts";
import { type Clock, systemClock, toEpochMs } from "../time.ts";
import { contentOf } from "./block.ts";
import type { FleetConnection } from "./connection.ts";
import { pieces } from "./cut_blocks.ts";
import { checkName, DEFAULT_STREAM, type StoredBlock, subjectOf } from "./fleet_stream.ts";
import { type FleetGap, LogsProgress } from "./log_progress.ts";
import { oneAhead } from "./one_ahead.ts";
import { type Reading, READING_TIMEOUT_MS, storedBlocks } from "./stored_blocks.ts";

/** Which events of a fleet. */
export interface FleetQueryOptions
  extends Pick<QueryOptions, "since" | "until" | "eventType" | "sessionId" | "where" | "signal"> {
  /** The connection to the server; it is not closed. */
  connection: FleetConnection;
  /** Name of the fleet. */
  fleet: string;
  /** Of this log alone. */
  log?: string;
  /** Name of the stream; default "AUDIT". */
  stream?: string;
  /** Whether to go on with what is shipped from now on, without an end; default false. */
  follow?: boolean;
}

/** An event, and the log that it is from. */
export interface FleetEvent extends AuditEvent {
  /** Name of the log. */
  readonly scout_log: string;
}

/** The events of a query, each iteration from the beginning. */
export interface FleetQuery extends AsyncIterable<FleetEvent> {
  /** What is missing of what has been read so far. */
  readonly gaps: readonly FleetGap[];
}

/**
 * Makes the events that match, of all logs of a fleet, in the order in which they were shipped: those of
 * one log in the order of appending. Without `follow` it ends with what was there when it began.
 *
 * The metrics and the report take it as they take a local log. Needs `--allow-net` for the connection.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option that is none, naming it.
 */
export function fleetEvents(options: FleetQueryOptions): FleetQuery {
  return fleetEventsBy(systemClock, options);
}

/**
 * As {@linkcode fleetEvents}, by any clock.
 *
 * @internal
 */
export function fleetEventsBy(clock: Clock, options: FleetQueryOptions): FleetQuery {
  const { connection, fleet, log, stream = DEFAULT_STREAM, follow = false, signal } = options;
  checkName(fleet, "fleet");
  if (log !== undefined) checkName(log, "log");
  checkName(stream, "stream");
  const filter = eventFilter(options);
  const gaps: FleetGap[] = [];
  const reading: Reading = {
    place: { connection, stream, timeoutMs: READING_TIMEOUT_MS },
    subject: subjectOf(fleet, log ?? "*"),
    clock,
    signal: signal ?? new AbortController().signal,
    sinceMs: options.since === undefined ? -Infinity : toEpochMs(options.since, "since"),
    follow,
  };
  return {
    [Symbol.asyncIterator]: () => matching(reading, filter, gaps),
    gaps,
  };
}

async function* matching(
  reading: Reading,
  filter: EventFilter,
  gaps: FleetGap[],
): AsyncGenerator<FleetEvent, void> {
  const options = { maxLineBytes: MAX_LINE_BYTES, lineTest: new LineTest(filter), onDamage() {} };
  const logs = new LogsProgress(gaps, { isFromStart: reading.sinceMs === -Infinity });
  const ending = new AbortController();
  const signal = AbortSignal.any([reading.signal, ending.signal]);
  const stop = () => ending.abort();
  // While one is being read, the next one is inflated, and the one behind it is on its way.
  const stored = oneAhead(storedBlocks({ ...reading, signal }), stop);
  for await (const { log, facts, bytes } of oneAhead(decoded(stored), stop)) {
    const lines = logs.of(log, facts).take(facts, bytes);
    if (lines === null) continue;
    for (const piece of pieces(lines)) {
      for (const event of eventsIn(piece, options)) {
        if (!filter.matches(event)) continue;
        yield ofLog(event, log);
        reading.signal.throwIfAborted();
      }
    }
  }
}

async function* decoded(
  blocks: AsyncIterable<StoredBlock>,
): AsyncGenerator<Pick<StoredBlock, "log" | "facts"> & { bytes: Uint8Array | null }, void> {
  for await (const { log, facts, data } of blocks) {
    yield { log, facts, bytes: await contentOf(data, facts) };
  }
}

function ofLog(event: AuditEvent & { scout_log?: unknown }, log: string): FleetEvent {
  event.scout_log = log;
  return event as FleetEvent;
}
