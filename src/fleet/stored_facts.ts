/**
 * What the headers of a stream's blocks say, one after another and at once when one is stored, without the
 * blocks.
 *
 * They come by a consumer of the server that nobody relies on: it is asked again and again for a short
 * while, and as soon as anything is not as it should be, another one is made behind what was seen last.
 * That is told by the numbers which it gives its messages, and by what it says itself to have sent.
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference#consumers
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

/** What is read, by a connection that can be told of it. */
export interface FactsReading extends Reading {
  readonly connection: FleetFollowConnection;
}

/** What is known of a block that is stored. */
export interface StoredFacts {
  readonly seq: number;
  readonly log: string;
  readonly facts: BlockFacts;
  /** When the server stored it, epoch milliseconds. */
  readonly storedMs: number;
}

/** How many messages are asked for at a time, and for how long. */
const PULL_MESSAGES = 10_000;
const PULL_MS = 1_000;
/** A consumer that does not end a pull by then is not there any more. */
const PULL_PATIENCE_MS = 2 * PULL_MS;
/** The server forgets a consumer that nobody asks. */
const FORGET_MS = 10_000;
const RETRY_MS = 200;
const NANOSECONDS = 1e6;

/**
 * Gives the facts of the blocks from the first that may be meant on, and null whenever there are no more
 * of them for now, which is at least once a second as long as the server answers.
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
        // A stream that was made anew begins anew.
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

/** A consumer, and how many messages there were for it when it was made. */
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

/** Gives what a consumer gives, as long as nothing of it is missing. */
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
        // The time is over, or there is no such consumer any more.
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
    // What it has sent on a connection that broke is not sent again.
    if (await answered(reading, () => deliveredBy(reading, name)) !== given) return;
    yield null;
  }
}

const TIME_OVER = 408;

/** Gives what comes, and does not wait for what may come once the signal is aborted. */
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
    // It ends with what it waits for, which nobody waits for any more.
    iterator.return?.()?.catch(() => {});
  }
}

/** How many messages a consumer says to have sent; NaN if it is not there. */
async function deliveredBy({ place }: Reading, name: string): Promise<number> {
  const { connection, stream, timeoutMs } = place;
  const { delivered } = await askApi(connection, `CONSUMER.INFO.${stream}.${name}`, { timeoutMs });
  return Number((delivered as { consumer_seq?: unknown } | undefined)?.consumer_seq);
}

/** Which message of the stream, and of the consumer, it is. */
interface Place {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly storedMs: number;
  readonly pending: number;
}

/**
 * `$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQ.CONSUMER_SEQ.NANOSECONDS.PENDING`, with a domain and an account
 * before the stream since NATS 2.10, and more behind it.
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
