/**
 * Reads the headers of the blocks (ranges of bytes of logs) of a stream, but not their data, as soon as each block is
 * stored.
 *
 * The headers come from a consumer: a cursor on the server that sends the messages of the stream. A consumer may lose
 * messages, so the reader repeatedly pulls messages for a short time and checks that no message is missing. For this
 * check, it compares the numbers that the consumer assigns to its messages, and the count of messages that the consumer
 * reports as sent. If a message is missing, the reader creates a new consumer that starts after the last block that the
 * reader has received. https://docs.nats.io/reference/reference-protocols/nats_api_reference#consumers
 *
 * @module
 */
import { type BlockFacts, factsOf } from "./block.ts";
import { type FleetFollowConnection, type FleetMessage, isFinal } from "./connection.ts";
import { delay } from "./delay.ts";
import {
  askApi,
  errorOf,
  FleetServerError,
  FleetTimeoutError,
  lastSeq,
  logIn,
} from "./fleet_stream.ts";
import { answered, CLOCK_MARGIN_MS, foundLastSeq, type Reading } from "./stored_blocks.ts";

/** The settings for reading, with a connection that can receive several responses. */
export interface FactsReading extends Reading {
  readonly connection: FleetFollowConnection;
}

/** The headers of a stored block, and its sequence number in the stream. */
export interface StoredFacts {
  readonly seq: number;
  readonly log: string;
  readonly facts: BlockFacts;
  /** Time at which the server stored the block, epoch milliseconds. */
  readonly storedMs: number;
}

/** Maximum number of messages in one pull, which is one request to a consumer for its next messages. */
const PULL_MESSAGES = 10_000;
/** Time in milliseconds for which the server answers one pull with messages. */
const PULL_MS = 1_000;
/** Milliseconds after which a consumer that has not ended a pull is considered lost. */
const PULL_PATIENCE_MS = 2 * PULL_MS;
/** Milliseconds without a pull after which the server deletes a consumer. */
const FORGET_MS = 10_000;
const RETRY_MS = 200;
const NANOSECONDS = 1e6;

/**
 * Yields the headers of the blocks, starting with the first block that may contain events since `sinceMs`. Yields null
 * when there are no more blocks for now, and again after each second without a new block while the server responds.
 */
export async function* storedFacts(
  reading: FactsReading,
): AsyncGenerator<StoredFacts | null, void> {
  const { clock, signal, sinceMs } = reading;
  await foundLastSeq(reading);
  let seq = 0;
  while (true) {
    try {
      const consumer = await answered(reading, async () => {
        // If the last number of the stream is lower than a number that was read, the stream was deleted and created
        // again. Then reading starts over.
        if (seq > 0 && await lastSeq(reading.place) < seq) seq = 0;
        return await createdConsumer(
          reading,
          seq === 0 && sinceMs !== -Infinity
            ? {
              deliver_policy: "by_start_time",
              opt_start_time: isoTime(sinceMs - CLOCK_MARGIN_MS),
            }
            : { deliver_policy: "by_start_sequence", opt_start_seq: seq + 1 },
        );
      });
      for await (const stored of consumed(reading, consumer)) {
        if (stored !== null) seq = stored.seq;
        if (stored === null || stored.facts !== null) yield stored;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error) || error instanceof FleetTimeoutError) throw error;
    }
    await delay(RETRY_MS, clock, signal);
  }
}

/** A consumer (a cursor on the server), and the number of messages that it had to send when it was created. */
interface Consumer {
  readonly name: string;
  readonly pending: number;
}

async function createdConsumer(
  { place: { connection, stream, timeoutMs }, subject }: Reading,
  start: Readonly<Record<string, unknown>>,
): Promise<Consumer> {
  const name = `scout-${crypto.randomUUID()}`;
  const config = {
    ...start,
    name,
    ack_policy: "none",
    replay_policy: "instant",
    filter_subject: subject,
    headers_only: true,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: FORGET_MS * NANOSECONDS,
  };
  const { error, num_pending: pending } = await askApi(
    connection,
    `CONSUMER.CREATE.${stream}.${name}.${subject}`,
    { question: { stream_name: stream, config }, timeoutMs },
  );
  if (error !== undefined) throw new FleetServerError(`read stream ${stream}`, errorOf(error));
  return { name, pending: Number(pending) };
}

/**
 * Yields the messages of a consumer, and null when no more messages are stored for now. Ends as soon as a message is
 * missing, so that the caller creates a new consumer.
 */
async function* consumed(
  reading: FactsReading,
  { name, pending }: Consumer,
): AsyncGenerator<StoredFacts | { readonly seq: number; readonly facts: null } | null, void> {
  const { connection, place: { stream }, signal } = reading;
  if (pending === 0) yield null;
  const question = JSON.stringify({ batch: PULL_MESSAGES, expires: PULL_MS * NANOSECONDS });
  for (let given = 0;;) {
    const pulled = await connection.requestMany(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
      question,
      { strategy: "timer", maxWait: PULL_PATIENCE_MS, noMux: true },
    );
    let messages = 0;
    let hasEnded = false;
    for await (const message of untilAborted(pulled, signal)) {
      const code = message.headers?.code ?? 0;
      if (code > 0) {
        // Status 408 means that the time of the pull is over as planned. After any other status, the caller creates a
        // new consumer.
        hasEnded = code === TIME_OVER;
        break;
      }
      const place = placeOf(message);
      if (place === null || place.consumerSeq !== ++given) return;
      yield factsIn(message, place);
      if (place.pending === 0) yield null;
      if (++messages === PULL_MESSAGES) {
        hasEnded = true;
        break;
      }
    }
    signal.throwIfAborted();
    if (!hasEnded) return;
    if (messages > 0) continue;
    // The consumer sends each message only once. If the connection was broken, some messages are lost, and the consumer
    // has sent more messages than this reader has received.
    if (await answered(reading, () => deliveredBy(reading, name)) !== given) return;
    yield null;
  }
}

const TIME_OVER = 408;

/** Yields the items of the source. Ends as soon as the signal is aborted, even if the source has no next item yet. */
async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  const { promise: aborted, resolve } = Promise.withResolvers<IteratorResult<T>>();
  const abort = () => resolve({ done: true, value: undefined });
  signal.addEventListener("abort", abort);
  try {
    while (!signal.aborted) {
      const { value, done } = await Promise.race([iterator.next(), aborted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // The iterator may still wait for its next item, so its end is not awaited.
    iterator.return?.()?.catch(() => {});
  }
}

/** Reads the number of messages that a consumer reports as sent, or NaN if the consumer does not exist. */
async function deliveredBy({ place }: Reading, name: string): Promise<number> {
  const { connection, stream, timeoutMs } = place;
  const { delivered } = await askApi(connection, `CONSUMER.INFO.${stream}.${name}`, { timeoutMs });
  return Number((delivered as { consumer_seq?: unknown } | undefined)?.consumer_seq);
}

/**
 * Where a message stands: its sequence numbers in the stream and in its consumer, the time at which it was stored, and
 * the number of messages after it.
 */
interface Place {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly storedMs: number;
  readonly pending: number;
}

/**
 * Parses the reply subject of a message from a consumer, or returns null if the subject has another form. The form is
 * `$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQ.CONSUMER_SEQ.NANOSECONDS.PENDING`. Since NATS 2.10 it also has a
 * domain and an account before the stream, and more tokens at the end.
 */
function placeOf({ reply = "" }: FleetMessage): Place | null {
  const tokens = reply.split(".");
  if (tokens.length === 9) tokens.splice(2, 0, "", "");
  const [seq, consumerSeq, nanoseconds, pending] = tokens.slice(7, 11).map(Number);
  if (pending === undefined || !tokens.slice(7, 11).every((token) => /^\d+$/.test(token))) {
    return null;
  }
  const storedMs = Math.floor(nanoseconds! / NANOSECONDS);
  return { seq: seq!, consumerSeq: consumerSeq!, storedMs, pending };
}

function factsIn(
  { subject, headers }: FleetMessage,
  { seq, storedMs }: Place,
): StoredFacts | { readonly seq: number; readonly facts: null } {
  const facts = headers === undefined ? null : factsOf((name) => headers.get(name));
  return facts === null ? { seq, facts } : { seq, log: logIn(subject), facts, storedMs };
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
