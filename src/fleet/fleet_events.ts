/**
 * Queries the events of a fleet: many machines that ship their logs into one NATS stream. Each shipped event is yielded
 * exactly once, and missing bytes are reported as gaps.
 *
 * For each log, the reader remembers the position after the last byte that it has read. A block is a range of bytes of
 * a log. If a block ends at or before the position, it is a duplicate and is dropped. If a block begins before the
 * position and ends after it, only its bytes after the position are read. If a block begins after the position, the
 * bytes in between are a gap. So a block does no harm if it is stored twice, for example because a shipper was killed.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { Damage } from "../read/damage.ts";
import { type EventFilter, eventFilter, FILTER_OPTION_CHECKS } from "../read/filter.ts";
import { Flattened } from "../read/flattened.ts";
import { LineTest } from "../read/line_test.ts";
import type { LinePlace } from "../read/parse_block.ts";
import { checkOptions, flag, integer, type OptionChecks, time } from "../options/option_checks.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import { contentOf } from "./block.ts";
import { blockEvents } from "./block_events.ts";
import type { FleetConnection } from "./connection.ts";
import type { StoredBlock } from "./fleet_stream.ts";
import { type FleetGap, LogsProgress } from "./log_progress.ts";
import { oneAhead } from "./one_ahead.ts";
import {
  PLACE_OPTION_CHECKS,
  type Reading,
  readingOf,
  storedBlocks,
  type StoredRange,
  storedRange,
} from "./stored_blocks.ts";

/**
 * Factor by which the number of searched blocks grows each time that the searched blocks contain too few matching
 * events.
 */
const LOOK_BACK_FACTOR = 8;
/**
 * Number of events that are collected beyond twice the requested number before all but the last events are dropped. So
 * the array is copied rarely.
 */
const LAST_MARGIN = 1_000;
/** The reason that is reported for a gap: bytes of a log that are not in the stream. */
const MISSING = "not in the stream";

/** Options of {@linkcode fleetEvents}. */
export interface FleetQueryOptions
  extends Pick<QueryOptions, "since" | "until" | "eventType" | "sessionId" | "where" | "signal"> {
  /** Connection to the server. The query does not close the connection. */
  connection: FleetConnection;
  /** Name of the fleet: 1 to 64 letters, digits, "-" and "_". */
  fleet: string;
  /**
   * Name of the only log to read: 1 to 64 letters, digits, "-" and "_". If it is not set, all logs are read.
   *
   * @default {undefined}
   */
  log?: string;
  /**
   * Name of the NATS stream of the fleet: 1 to 64 letters, digits, "-" and "_".
   *
   * @default {"AUDIT"}
   */
  stream?: string;
  /**
   * Whether the query continues with events that are shipped after it has begun. If `true`, the query does not end by
   * itself.
   *
   * @default {false}
   */
  follow?: boolean;
  /**
   * Number of the last matching events to start with, an integer >= 0 or Infinity. If it is not set, the query
   * starts with the first event in the stream.
   *
   * @default {undefined}
   */
  last?: number;
}

const OPTION_CHECKS: OptionChecks<FleetQueryOptions> = {
  ...FILTER_OPTION_CHECKS,
  ...PLACE_OPTION_CHECKS,
  until: time,
  follow: flag,
  last: integer(0, true),
};

/** An event of a fleet, with the name of the log that it comes from. */
export interface FleetEvent extends AuditEvent {
  /** Name of the log that the event comes from. */
  readonly scout_log: string;
}

/** The matching events of a fleet, as an async iterable. Each iteration runs the query again. */
export interface FleetQuery extends AsyncIterable<FleetEvent> {
  /** The gaps that the latest iteration has found so far: ranges of bytes of logs that are missing in the stream. */
  readonly gaps: readonly FleetGap[];
  /**
   * The data that the latest iteration could not read so far: lines that are not events, and the gaps. `path` is
   * the name of the log, and `byteOffset` is a position in the log.
   */
  readonly damage: readonly Damage[];
}

/**
 * Queries the events of all logs of a fleet.
 *
 * The events come in the order in which they were shipped; the events of one log keep their order. Without
 * `follow`, the iteration ends with the last event that was in the stream when it began. The metrics and the report
 * accept the query in place of a local log.
 *
 * Needs `--allow-net` for the connection.
 *
 * @param options The fleet, the filters and the range.
 * @returns The matching events, as an async iterable. An iteration throws a {@linkcode FleetServerError} if the
 *   stream does not exist, a {@linkcode FleetTimeoutError} if the server does not respond for a minute, and the
 *   reason of an aborted `signal`.
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
 * @throws {RangeError} If an option is out of its range or a name is invalid; the message names the option.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@nats-io/transport-node";
 * import { fleetEvents } from "@vivarium/scout/fleet";
 *
 * const connection = await connect({ servers: "127.0.0.1:4222" });
 * const query = fleetEvents({ connection, fleet: "mine", eventType: "validation_fail", last: 20 });
 * for await (const { scout_log, ts, reason } of query) console.log(scout_log, ts, reason);
 * for (const { log, from, to } of query.gaps) console.log(`${log} lacks bytes ${from} to ${to}`);
 * ```
 */
export function fleetEvents(options: FleetQueryOptions): FleetQuery {
  return fleetEventsBy(systemClock, options);
}

/**
 * Queries events like {@linkcode fleetEvents}, but measures time with `clock`.
 *
 * @internal
 */
export function fleetEventsBy(clock: Clock, options: FleetQueryOptions): FleetQuery {
  checkOptions(options, OPTION_CHECKS, "read fleet");
  const reading = readingOf(options, { follow: options.follow ?? false, clock });
  const gaps: FleetGap[] = [];
  const damage: Damage[] = [];
  const asked: Asked = { reading, filter: eventFilter(options), gaps, damage };
  return {
    [Symbol.asyncIterator]() {
      gaps.length = damage.length = 0;
      return new Flattened(
        options.last === undefined
          ? batches(asked, () => everything(asked))
          : last(asked, options.last),
      );
    },
    gaps,
    damage,
  };
}

/** The settings and the filter of a query, and the gaps and the damage that the query has found. */
interface Asked {
  readonly reading: Reading;
  readonly filter: EventFilter;
  readonly gaps: FleetGap[];
  readonly damage: Damage[];
}

/**
 * Creates the tracker of the positions up to which a reader has read each log. If the reader starts after the first
 * block of the stream, the bytes before its start are not reported as gaps.
 */
function progressFrom({ reading, gaps, damage }: Asked, { first }: StoredRange): LogsProgress {
  return new LogsProgress((gap) => {
    const { log, from, to } = gap;
    gaps.push(gap);
    damage.push({ path: log, byteOffset: from, byteLength: to - from, reason: MISSING });
  }, { isFromStart: first === 1 && reading.sinceMs === -Infinity });
}

/**
 * The range of the stream to read, and the positions up to which the reader has read each log before it reads the
 * range.
 */
interface Part {
  readonly range: StoredRange;
  readonly logs: LogsProgress;
}

async function everything(asked: Asked): Promise<Part> {
  const range = await storedRange(asked.reading);
  return { range, logs: progressFrom(asked, range) };
}

/**
 * Yields the last `count` matching events. If the query has the option `follow`, then also yields the events that are
 * shipped later.
 */
async function* last(asked: Asked, count: number): AsyncGenerator<Batch, void> {
  const { reading, gaps, damage } = asked;
  const range = await storedRange(reading);
  const finding = { ...asked, reading: { ...reading, follow: false } };
  // It is unknown how many blocks contain the last events, so the search extends backward until it finds enough events.
  for (let blocks = count === Infinity ? Infinity : 1;; blocks *= LOOK_BACK_FACTOR) {
    const part = { ...range, first: Math.max(range.first, range.last - blocks + 1) };
    gaps.length = damage.length = 0;
    const logs = progressFrom(asked, part);
    let events: FleetEvent[] = [];
    for await (const batch of batches(finding, () => ({ range: part, logs }))) {
      events.push(...batch);
      if (events.length >= 2 * count + LAST_MARGIN) events = events.slice(events.length - count);
    }
    if (events.length < count && part.first > range.first) continue;
    yield events.slice(Math.max(0, events.length - count)).values();
    if (!reading.follow) return;
    const rest = { first: range.last + 1, last: range.last };
    return yield* batches(asked, () => ({ range: rest, logs }));
  }
}

/** Matching events that are already in memory. */
type Batch = IteratorObject<FleetEvent, void>;

/**
 * Yields the matching events in batches, so that only few events are in memory at once. Each batch comes from one piece
 * of a block.
 */
async function* batches(
  { reading, filter, damage }: Asked,
  begin: () => Part | Promise<Part>,
): AsyncGenerator<Batch, void> {
  const { range, logs } = await begin();
  const lineTest = new LineTest(filter);
  const ending = new AbortController();
  const signal = AbortSignal.any([reading.signal, ending.signal]);
  const stop = () => ending.abort();
  function* selected(events: readonly AuditEvent[], log: string): Generator<FleetEvent, void> {
    for (const event of events) {
      if (!filter.matches(event)) continue;
      yield ofLog(event, log);
      reading.signal.throwIfAborted();
    }
  }
  // While one block is parsed, the next block is decompressed and the one after the next is requested. So the reader
  // does not wait for the server after each block.
  const stored = oneAhead(storedBlocks({ ...reading, signal }, range), stop);
  for await (const { log, facts, bytes } of oneAhead(decoded(stored), stop)) {
    const lines = logs.of(log, facts).take(facts, bytes);
    if (lines === null) continue;
    const onDamage = ({ byteOffset, byteLength }: LinePlace, reason: string) => {
      damage.push({ path: log, byteOffset, byteLength, reason });
    };
    for (const batch of blockEvents(lines.bytes, { lineTest, onDamage }, lines.from)) {
      yield selected(batch, log);
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
