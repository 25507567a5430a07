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
import { joined } from "../chunks.ts";
import { messageOf } from "../errors.ts";
import type { AuditEvent } from "../event.ts";
import { MAX_LINE_BYTES } from "../options.ts";
import { type EventFilter, eventFilter } from "../read/filter.ts";
import { LineTest } from "../read/line_test.ts";
import { eventsIn } from "../read/parse_block.ts";
import type { QueryOptions } from "../read/query.ts";
import { type Clock, systemClock, toEpochMs } from "../time.ts";
import { isContentOf } from "./block.ts";
import { type FleetConnection, isFinal } from "./connection.ts";
import { delay } from "./delay.ts";
import {
  blockFrom,
  checkName,
  DEFAULT_STREAM,
  type FleetPlace,
  lastSeq,
  storedAt,
  type StoredBlock,
  subjectOf,
} from "./fleet_stream.ts";

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

/** Bytes of a log that are not in the stream, or not as they were, by their positions. */
export interface FleetGap {
  /** Name of the log. */
  readonly log: string;
  /** The position of the first byte that is missing. */
  readonly from: number;
  /** The position of the first one that is there again. */
  readonly to: number;
}

/** The events of a query, each iteration from the beginning. */
export interface FleetQuery extends AsyncIterable<FleetEvent> {
  /** What is missing of what has been read so far. */
  readonly gaps: readonly FleetGap[];
}

const TIMEOUT_MS = 5_000;
/** How long a server may be away. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 200;
const POLL_MS = 50;
/** How far the clock of a machine may be ahead of the server's. */
const CLOCK_MARGIN_MS = 15 * 60_000;

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
    place: { connection, stream, timeoutMs: TIMEOUT_MS },
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

interface Reading {
  readonly place: FleetPlace;
  readonly subject: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly sinceMs: number;
  readonly follow: boolean;
}

async function* matching(
  reading: Reading,
  filter: EventFilter,
  gaps: FleetGap[],
): AsyncGenerator<FleetEvent, void> {
  const lineTest = new LineTest(filter);
  const logs = new Map<string, LogProgress>();
  for await (const block of blocks(reading)) {
    let progress = logs.get(block.log);
    if (progress === undefined) {
      // Who begins in the middle misses nothing of what comes before.
      const position = reading.sinceMs === -Infinity ? 0 : block.facts.from;
      logs.set(block.log, progress = new LogProgress(block.log, position));
    }
    const bytes = progress.take(block, gaps);
    if (bytes === null) continue;
    const { byteLength } = bytes;
    const lines = { bytes, byteOffset: 0, byteLength };
    const options = { maxLineBytes: MAX_LINE_BYTES, lineTest, onDamage() {} };
    for (const event of eventsIn(lines, options)) {
      if (!filter.matches(event)) continue;
      yield Object.assign(event, { scout_log: block.log });
      reading.signal.throwIfAborted();
    }
  }
}

/** How far a log was seen. */
class LogProgress {
  readonly #log: string;
  #position: number;
  /** The beginning of a line that goes on in the next block. */
  #begun: Uint8Array[] = [];

  constructor(log: string, position: number) {
    this.#log = log;
    this.#position = position;
  }

  /** Takes a block; gives the whole lines that it adds, null for none. */
  take({ facts, bytes }: StoredBlock, gaps: FleetGap[]): Uint8Array | null {
    const { from, to, isCut } = facts;
    const position = this.#position;
    if (to <= position) return null;
    this.#position = to;
    const isSound = isContentOf(bytes, facts);
    if (from > position || !isSound) {
      gaps.push({ log: this.#log, from: position, to: isSound ? from : to });
      // The rest of a line of which the beginning is missing is damage, as it is in a file.
      this.#begun = [];
    }
    if (!isSound) return null;
    this.#begun.push(bytes.subarray(Math.max(0, position - from)));
    if (isCut) return null;
    const parts = this.#begun;
    this.#begun = [];
    return joined(parts, parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  }
}

/** The blocks as they are stored, from the first that may be meant on. */
async function* blocks(options: Reading): AsyncGenerator<StoredBlock> {
  const { place, subject, follow } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const reading = { ...options, signal };
  const end = await answered(reading, () => lastSeq(place, subject));
  let seq = await startSeq(reading, end);
  // The next one is on its way while this one is being read.
  const ask = () => {
    const asked = answered(reading, () => blockFrom(place, { seq, subject }));
    // Who does not read on does not look at it.
    asked.catch(() => {});
    return asked;
  };
  let asked = ask();
  try {
    while (true) {
      const found = await asked;
      signal.throwIfAborted();
      if (found === null && !follow) return;
      if (found === null) {
        await delay(POLL_MS, reading.clock, signal);
        // A stream that was made anew begins anew; what was seen of it is dropped by its position.
        if (await answered(reading, () => lastSeq(place, subject)) < seq - 1) seq = 1;
        asked = ask();
        continue;
      }
      if (!follow && found.seq > end) return;
      seq = found.seq + 1;
      asked = ask();
      if ("facts" in found) yield found;
    }
  } finally {
    ending.abort();
    await asked.catch(() => {});
  }
}

/** The sequence of the first block that may hold an event from that time on, by halving. */
async function startSeq(reading: Reading, end: number): Promise<number> {
  const { place, subject, sinceMs } = reading;
  if (sinceMs === -Infinity) return 1;
  let [low, high] = [1, end + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = await answered(reading, () => storedAt(place, { seq: middle, subject }));
    if (found === null || found.epochMs >= sinceMs - CLOCK_MARGIN_MS) high = middle;
    else low = found.seq + 1;
  }
  return low;
}

/** Asks until there is an answer, or nobody can expect one any more. */
async function answered<T>({ clock, signal }: Reading, ask: () => Promise<T>): Promise<T> {
  const deadlineMs = clock.monotonicMs() + PATIENCE_MS;
  while (true) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (cause) {
      if (isFinal(cause)) throw cause;
      if (clock.monotonicMs() > deadlineMs) {
        throw new Error(`Cannot read fleet as the server does not answer: ${messageOf(cause)}`, {
          cause,
        });
      }
      await delay(RETRY_MS, clock, signal);
    }
  }
}
