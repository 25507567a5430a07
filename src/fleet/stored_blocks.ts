/**
 * The blocks of a stream, one after another.
 *
 * They are asked for one by one, by the sequence of the last one that came: nothing is kept by the server
 * that could go wrong when it is killed, and any member of a cluster may answer.
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

/** What is read of a stream, and how. */
export interface Reading {
  readonly place: FleetPlace;
  readonly subject: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Blocks with events from this time on, epoch milliseconds; earlier ones may be among them. */
  readonly sinceMs: number;
  /** Whether to go on with what is stored from now on. */
  readonly follow: boolean;
  /** Milliseconds that a server may be away, once it was there. */
  readonly patienceMs: number;
}

/** Whose blocks to read. */
export interface ReadingOptions {
  readonly connection: FleetConnection;
  readonly fleet: string;
  readonly log?: string;
  readonly stream?: string;
  readonly since?: TimeLike;
  readonly signal?: AbortSignal;
}

/** The checks of the options that say what to read; {@linkcode readingOf} checks the names. */
export const PLACE_OPTION_CHECKS: OptionChecks<Omit<ReadingOptions, "since" | "signal">> = {
  connection: anything,
  fleet: anything,
  log: anything,
  stream: anything,
};

/** Milliseconds that a reader waits for an answer. */
const TIMEOUT_MS = 5_000;
/** How far the clock of a machine may be ahead of the server's. */
export const CLOCK_MARGIN_MS: number = 15 * 60_000;
/** How long a server may be away, unless it is waited for longer. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 200;
const POLL_MS = 50;
const POLLS_PER_CHECK = 20;
/** JetStream's code for a stream that is not there. */
const STREAM_NOT_FOUND = 10_059;

/**
 * What is read, by the options of who asks for it.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option that is none, naming it.
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

/** A part of a stream, by the sequences of its first and its last message. */
export interface StoredRange {
  readonly first: number;
  readonly last: number;
}

/** What was stored by now of what may be meant. */
export async function storedRange(reading: Reading): Promise<StoredRange> {
  const last = await foundLastSeq(reading, () => lastSeqOf(reading.place, reading.subject));
  return { first: await startSeq(reading, last), last };
}

/**
 * The blocks of a range as they are stored, and with `follow` those behind it.
 *
 * Any member of a cluster answers, also one that does not have the last ones yet: so what is said to be not
 * there is not believed before the end that the leader told of.
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
      // A stream that was made anew begins anew; what was seen of it is dropped by its position.
      const isToCheck = polls % POLLS_PER_CHECK === 0;
      if (isToCheck && await answered(reading, () => lastSeq(place)) < seq - 1) seq = 1;
    } else return;
  }
}

/**
 * The first block of a subject from a sequence on, where there was one; null if it was expired.
 *
 * @throws {Error} from a member of a cluster that does not have it yet; another answer may.
 */
export async function storedBlockFrom(
  place: FleetPlace,
  from: { seq: number; subject: string },
): ReturnType<typeof blockFrom> {
  const found = await blockFrom(place, from);
  if (found !== null || await lastSeqOf(place, from.subject) < from.seq) return found;
  throw new Error(`message ${from.seq} of ${from.subject} is not there yet`);
}

/**
 * What `ask` gives when reading begins.
 *
 * @throws {FleetServerError} for a stream that is not there; one that is gone later may come back.
 */
export function foundLastSeq(
  reading: Reading,
  ask: () => Promise<number> = () => lastSeq(reading.place),
): Promise<number> {
  const isEnd = (error: unknown) =>
    error instanceof FleetServerError && error.code === STREAM_NOT_FOUND;
  return answered({ ...reading, patienceMs: PATIENCE_MS }, ask, isEnd);
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
