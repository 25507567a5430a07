/**
 * Reads the blocks (ranges of bytes of logs) in the NATS stream of a fleet one after another.
 *
 * The reader requests each block by its sequence number in the stream: the number after that of the previous block. So
 * the server stores no state of the reader that a crash could lose, and any member of a cluster can respond.
 *
 * @module
 */
import { anything, type OptionChecks } from "../options/option_checks.ts";
import { type TimeLike, toEpochMs } from "../time.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import { type FleetConnection, isFinal } from "./connection.ts";
import { delay } from "./delay.ts";
import {
  blockFrom,
  checkName,
  DEFAULT_STREAM,
  type FleetPlace,
  FleetServerError,
  FleetTimeoutError,
  lastSeq,
  lastSeqOf,
  storedAt,
  type StoredBlock,
  subjectOf,
} from "./fleet_stream.ts";

/** The settings for reading the NATS stream of a fleet. */
export interface Reading {
  readonly place: FleetPlace;
  readonly subject: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Time in epoch milliseconds from which blocks are read; earlier blocks may be read too. */
  readonly sinceMs: number;
  /** Whether reading continues with blocks that are stored after it has reached the end of the stream. */
  readonly follow: boolean;
  /** Maximum number of milliseconds that the server may be unreachable after its first response. */
  readonly patienceMs: number;
}

/** The options of a caller that select the blocks of a stream to read. */
export interface ReadingOptions {
  readonly connection: FleetConnection;
  readonly fleet: string;
  readonly log?: string;
  readonly stream?: string;
  readonly since?: TimeLike;
  readonly signal?: AbortSignal;
}

/**
 * The checks of the options for the connection, the fleet, the log and the stream. They accept any value, because
 * {@linkcode readingOf} checks the three names.
 */
export const PLACE_OPTION_CHECKS: OptionChecks<Omit<ReadingOptions, "since" | "signal">> = {
  connection: anything,
  fleet: anything,
  log: anything,
  stream: anything,
};

/** Milliseconds that a reader waits for a response before it retries. */
const TIMEOUT_MS = 5_000;
/**
 * Maximum number of milliseconds by which the clock of a machine may be ahead of the clock of the server. If it is
 * further ahead, a reader with the option `since` may miss events of the machine.
 */
export const CLOCK_MARGIN_MS: number = 15 * 60_000;
/** Default maximum number of milliseconds that the server may be unreachable before a reader gives up. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 200;
const POLL_MS = 50;
const POLLS_PER_CHECK = 20;
/** JetStream's error code for a stream that does not exist. */
const STREAM_NOT_FOUND = 10_059;

/**
 * Checks the options of a caller and returns the settings for reading the stream.
 *
 * @throws {RangeError} If a name or a time is invalid; the message names the option.
 */
export function readingOf(
  { connection, fleet, log, stream = DEFAULT_STREAM, since, signal }: ReadingOptions,
  { follow, clock = systemClock, patienceMs = PATIENCE_MS }:
    & Pick<Reading, "follow">
    & Partial<Pick<Reading, "clock" | "patienceMs">>,
): Reading {
  checkName(fleet, "fleet");
  if (log !== undefined) checkName(log, "log");
  checkName(stream, "stream");
  return {
    place: { connection, stream, timeoutMs: TIMEOUT_MS },
    subject: subjectOf(fleet, log ?? "*"),
    clock,
    signal: signal ?? new AbortController().signal,
    sinceMs: since === undefined ? -Infinity : toEpochMs(since, "since"),
    follow,
    patienceMs,
  };
}

/** A range of a stream: the sequence numbers of its first and last message. A message is a block of a log. */
export interface StoredRange {
  readonly first: number;
  readonly last: number;
}

/** Returns the range of the stored blocks that may contain matching events. */
export async function storedRange(reading: Reading): Promise<StoredRange> {
  const last = await foundLastSeq(reading, () => lastSeqOf(reading.place, reading.subject));
  return { first: await startSeq(reading, last), last };
}

/**
 * Yields the stored blocks of a range. If `reading.follow` is `true`, it then yields the blocks after the range.
 *
 * Any member of a cluster may respond, even a member that does not have the last blocks yet. So if a member responds
 * that a block of the range does not exist, the reader asks the leader.
 */
export async function* storedBlocks(
  reading: Reading,
  { first, last }: StoredRange,
): AsyncGenerator<StoredBlock, void> {
  const { place, subject, follow, signal, clock } = reading;
  let [seq, end] = [first, last];
  const next = async (): ReturnType<typeof blockFrom> => {
    if (seq > end) return await blockFrom(place, { seq, subject });
    const found = await storedBlockFrom(place, { seq, subject });
    if (found === null) end = seq - 1;
    return found;
  };
  for (let polls = 1;; polls++) {
    const found = await answered(reading, next);
    signal.throwIfAborted();
    if (found !== null) {
      if (!follow && found.seq > last) return;
      seq = found.seq + 1;
      if ("facts" in found) yield found;
    } else if (follow) {
      await delay(POLL_MS, clock, signal);
      // If the stream was deleted and created again, reading starts over. The blocks that were already seen are
      // dropped later, by their positions.
      const isToCheck = polls % POLLS_PER_CHECK === 0;
      if (isToCheck && await answered(reading, () => lastSeq(place)) < seq - 1) seq = 1;
    } else return;
  }
}

/**
 * Reads the first block of a subject whose sequence number is at least `seq`. The caller knows that the stream had such
 * a block. So null means that the server has deleted the block since.
 *
 * @throws {Error} If the member of the cluster that responds does not have the block yet; a retry may succeed.
 */
export async function storedBlockFrom(
  place: FleetPlace,
  from: { seq: number; subject: string },
): ReturnType<typeof blockFrom> {
  const found = await blockFrom(place, from);
  if (found !== null || await lastSeqOf(place, from.subject) < from.seq) return found;
  throw new Error(
    `the responding server has not yet stored the JetStream messages of ${from.subject} from number ${from.seq} on`,
  );
}

/**
 * Calls `ask` with retries, and resolves with the sequence number that `ask` reads: by default, the number of the last
 * message of the stream. A reader makes this request first, so that it detects a stream that does not exist.
 *
 * @throws {FleetServerError} If the stream does not exist. Later requests wait for a stream that was deleted, because
 *   it may be created again.
 */
export function foundLastSeq(
  reading: Reading,
  ask: () => Promise<number> = () => lastSeq(reading.place),
): Promise<number> {
  const isEnd = (error: unknown) =>
    error instanceof FleetServerError && error.code === STREAM_NOT_FOUND;
  return answered({ ...reading, patienceMs: PATIENCE_MS }, ask, isEnd);
}

/** Finds the sequence number of the first block that may contain an event since `sinceMs`, by binary search. */
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

/**
 * Calls `ask`, which sends a request to the server, until it succeeds, and resolves with its result.
 *
 * @throws {FleetTimeoutError} If the request still fails after `patienceMs`.
 * @throws {Error} If the request fails in a way that makes a retry useless.
 */
export async function answered<T>(
  { clock, signal, place: { stream }, patienceMs }: Reading,
  ask: () => Promise<T>,
  isEnd: (error: unknown) => boolean = () => false,
): Promise<T> {
  const deadlineMs = clock.monotonicMs() + patienceMs;
  while (true) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (cause) {
      if (isFinal(cause) || isEnd(cause)) throw cause;
      if (clock.monotonicMs() > deadlineMs) {
        throw new FleetTimeoutError(stream, { cause });
      }
      await delay(RETRY_MS, clock, signal);
    }
  }
}
