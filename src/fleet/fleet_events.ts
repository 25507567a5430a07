/**
 * The events of a fleet: what its logs have shipped, each once, and a word on what is missing.
 *
 * Of each log it is known up to which position its bytes were seen. A block that ends there or before is a
 * double and is dropped, one that begins before is cut, which is sound as blocks are bytes, and where one
 * begins behind, there is a gap. So it does not matter what a server, or a shipper that was killed, has
 * stored twice.
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

/** How much further it is looked back each time for the last events. */
const LOOK_BACK_FACTOR = 8;
/** So many more are kept before those are dropped that are not the last. */
const LAST_MARGIN = 1_000;
/** Why something is not there. */
const MISSING = "not in the stream";

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
  /** Begin with so many events of those that are there, the last that match; default with all. */
  last?: number;
}

const OPTION_CHECKS: OptionChecks<FleetQueryOptions> = {
  ...FILTER_OPTION_CHECKS,
  ...PLACE_OPTION_CHECKS,
  until: time,
  follow: flag,
  last: integer(0, true),
};

/** An event, and the log that it is from. */
export interface FleetEvent extends AuditEvent {
  /** Name of the log. */
  readonly scout_log: string;
}

/** The events of a query, each iteration from the beginning. */
export interface FleetQuery extends AsyncIterable<FleetEvent> {
  /** What is missing of what has been read so far, by the iteration that began last. */
  readonly gaps: readonly FleetGap[];
  /**
   * What could not be read, as a local query tells it: lines that are no events, and the gaps. `path` is
   * the name of the log, and places are positions.
   */
  readonly damage: readonly Damage[];
}

/**
 * Makes the events that match, of all logs of a fleet, in the order in which they were shipped: those of
 * one log in the order of appending. Without `follow` it ends with what was there when it began.
 *
 * The metrics and the report take it as they take a local log. Needs `--allow-net` for the connection.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option that is none, naming it.
 * @throws {FleetServerError} when it is iterated, for a stream that is not there.
 * @throws {FleetTimeoutError} when it is iterated, for a server that does not answer for a minute.
 * @throws the reason of an aborted `signal`.
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
 * As {@linkcode fleetEvents}, by any clock.
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

/** A query, and what is found out beside its events. */
interface Asked {
  readonly reading: Reading;
  readonly filter: EventFilter;
  readonly gaps: FleetGap[];
  readonly damage: Damage[];
}

/** How far the logs were seen; who begins in the middle misses nothing of what comes before. */
function progressFrom({ reading, gaps, damage }: Asked, { first }: StoredRange): LogsProgress {
  return new LogsProgress((gap) => {
    const { log, from, to } = gap;
    gaps.push(gap);
    damage.push({ path: log, byteOffset: from, byteLength: to - from, reason: MISSING });
  }, { isFromStart: first === 1 && reading.sinceMs === -Infinity });
}

/** What is read, and how far the logs were seen before. */
interface Part {
  readonly range: StoredRange;
  readonly logs: LogsProgress;
}

async function everything(asked: Asked): Promise<Part> {
  const range = await storedRange(asked.reading);
  return { range, logs: progressFrom(asked, range) };
}

/** The last events of what is stored, and with `follow` those that come. */
async function* last(asked: Asked, count: number): AsyncGenerator<Batch, void> {
  const { reading, gaps, damage } = asked;
  const range = await storedRange(reading);
  const finding = { ...asked, reading: { ...reading, follow: false } };
  // How far back they begin is found out by looking further and further back.
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

/** Events that are at hand. */
type Batch = IteratorObject<FleetEvent, void>;

/** The events that match, those of one piece of a block at a time. */
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
  // While one is being read, the next one is inflated, and the one behind it is on its way.
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
