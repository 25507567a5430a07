import { assertEquals, assertRejects } from "@std/assert";
import type { FleetFollowConnection, FleetMessage } from "../../src/fleet/connection.ts";
import { FleetServerError, FleetTimeoutError } from "../../src/fleet/fleet_stream.ts";
import { storedFacts } from "../../src/fleet/stored_facts.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { SeededRandom } from "../seeded_random.ts";
import { hastyClock, passingClock } from "./clocks.ts";

const encoder = new TextEncoder();
const MESSAGES = 59;
/**
 * Maximum number of times that storedFacts() may yield null, which means "no new message for now". A correct run yields
 * far fewer. If there are more, messages are missing, and the test stops.
 */
const QUIET_MAX = 1_000;

/** Probability of each fault, in percent of all messages. */
interface Faults {
  readonly lost: number;
  readonly silent: number;
  readonly gone: number;
  readonly failed: number;
}

/** A simulated stream whose consumers lose messages, stop sending, disappear, and fail. */
class SimulatedConsumers implements FleetFollowConnection {
  /** Number of messages that are stored by now. */
  stored = 0;
  /** Number of coming requests that get no response. */
  unanswered = 0;
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  readonly #consumers = new Map<string, { next: number; delivered: number }>();

  constructor(random: SeededRandom, faults: Faults) {
    this.#random = random;
    this.#faults = faults;
  }

  request(subject: string, payload: Uint8Array | string = ""): Promise<FleetMessage> {
    if (this.unanswered > 0 || this.#isNow("failed")) {
      this.unanswered--;
      return Promise.reject(new Error("the request was lost"));
    }
    if (subject.startsWith("$JS.API.STREAM.INFO.")) {
      return Promise.resolve(answer({ state: { last_seq: this.stored } }));
    }
    const { config } = JSON.parse(payload as string);
    if (subject.startsWith("$JS.API.CONSUMER.CREATE.")) {
      this.#consumers.set(config.name, { next: config.opt_start_seq, delivered: 0 });
      const pending = Math.max(0, this.stored - config.opt_start_seq + 1);
      return Promise.resolve(answer({ num_pending: pending }));
    }
    const consumer = this.#consumers.get(subject.split(".").at(-1)!);
    return Promise.resolve(
      answer(
        consumer === undefined
          ? { error: { err_code: 10_014, description: "consumer not found" } }
          : { delivered: { consumer_seq: consumer.delivered } },
      ),
    );
  }

  requestMany(subject: string): Promise<AsyncIterable<FleetMessage>> {
    return Promise.resolve(this.#pulled(subject.split(".").at(-1)!));
  }

  async *#pulled(name: string): AsyncGenerator<FleetMessage> {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined || this.unanswered > 0) throw new Error("no responders");
    await systemClock.turn();
    while (consumer.next <= this.stored) {
      if (this.unanswered > 0 || this.#isNow("silent")) return;
      if (this.#isNow("failed")) throw new Error("the connection broke");
      if (this.#isNow("gone")) {
        this.#consumers.delete(name);
        return yield { subject: "", data: new Uint8Array(), headers: headersOf(409) };
      }
      const seq = consumer.next++;
      consumer.delivered++;
      if (!this.#isNow("lost")) yield this.#message(seq, consumer.delivered);
    }
    // More messages are stored during a pull.
    if (this.stored < MESSAGES) this.stored += this.#random.below(4);
    yield { subject: "", data: new Uint8Array(), headers: headersOf(408) };
  }

  /** Returns a message whose reply subject has the form of NATS servers before 2.10, or since 2.10. */
  #message(seq: number, delivered: number): FleetMessage {
    const numbers = `1.${seq}.${delivered}.${seq * 1_000_000}.${this.stored - seq}`;
    const reply = seq % 2 === 0
      ? `$JS.ACK.AUDIT.name.${numbers}`
      : `$JS.ACK._.account.AUDIT.name.${numbers}.token`;
    // Every tenth message has no headers of a shipped part of a log, so storedFacts() must skip it.
    const facts = seq % 10 === 0 ? {} : { "Scout-From": `${seq}`, "Scout-To": `${seq + 1}` };
    const fields = { ...facts, "Scout-Sha256": "0".repeat(64) };
    const headers = headersOf(0, fields);
    return { subject: `audit.f.log-${seq % 3}`, reply, data: new Uint8Array(), headers };
  }

  #isNow(fault: keyof Faults): boolean {
    return this.#random.below(100) < this.#faults[fault];
  }
}

function headersOf(code: number, fields: Readonly<Record<string, string>> = {}) {
  return { code, get: (name: string) => fields[name] ?? "" };
}

function answer(content: Readonly<Record<string, unknown>>): FleetMessage {
  return { subject: "", data: encoder.encode(JSON.stringify(content)) };
}

function readingOf(connection: FleetFollowConnection, signal = new AbortController().signal) {
  return {
    connection,
    place: { connection, stream: "AUDIT", timeoutMs: 1_000 },
    subject: "audit.f.*",
    clock: hastyClock,
    signal,
    sinceMs: -Infinity,
    follow: true,
    patienceMs: Infinity,
  };
}

Deno.test("storedFacts() yields each shipped part of a log once and in order, even if the consumers of the stream fail", async () => {
  const expected = Array.from({ length: MESSAGES }, (_, index) => index + 1)
    .filter((seq) => seq % 10 !== 0)
    .map((seq) => [seq, `log-${seq % 3}`, seq]);
  for (let seed = 1; seed <= 200; seed++) {
    const faults = { lost: seed % 8, silent: seed % 5, gone: seed % 4, failed: seed % 9 };
    const stream = new SimulatedConsumers(new SeededRandom(seed), faults);
    const seen: unknown[] = [];
    const controller = new AbortController();
    let quiet = 0;
    for await (const stored of storedFacts(readingOf(stream, controller.signal))) {
      if (stored === null) {
        // After so many nulls, the missing messages will never arrive, so the test stops and fails.
        if (++quiet === QUIET_MAX) break;
        if (stream.stored >= MESSAGES && seen.length >= expected.length) break;
      } else seen.push([stored.seq, stored.log, stored.storedMs]);
    }
    assertEquals(seen.slice(0, expected.length), expected, `seed ${seed}`);
    assertEquals(quiet > 0, true);
  }
});

Deno.test("storedFacts() rejects when its signal is aborted, and when the stream does not exist", async () => {
  const stream = new SimulatedConsumers(new SeededRandom(1), {
    ...{ lost: 0, silent: 0, gone: 0, failed: 0 },
  });
  const controller = new AbortController();
  const waiting: FleetFollowConnection = {
    request: (subject, payload) => stream.request(subject, payload),
    requestMany: () =>
      Promise.resolve({
        [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
      }),
  };
  const facts = storedFacts(readingOf(waiting, controller.signal));
  assertEquals(await facts.next(), { value: null, done: false });
  const next = facts.next();
  controller.abort(new Error("enough"));
  await assertRejects(() => next, Error, "enough");

  const refusing: FleetFollowConnection = {
    request: () =>
      Promise.resolve(answer({ error: { err_code: 10_059, description: "stream not found" } })),
    requestMany: () => Promise.reject(new Error("a request was sent")),
  };
  await assertRejects(() => storedFacts(readingOf(refusing)).next(), FleetServerError, "not found");
});

Deno.test("storedFacts() waits for the server without a limit if it follows, and otherwise for a minute", async () => {
  const none = { lost: 0, silent: 0, gone: 0, failed: 0 };
  for (const follow of [true, false]) {
    const stream = new SimulatedConsumers(new SeededRandom(1), none);
    stream.stored = 5;
    const patienceMs = follow ? Infinity : 60_000;
    const reading = { ...readingOf(stream), clock: passingClock(), follow, patienceMs };
    const facts = storedFacts(reading);
    for (let n = 1; n <= 5; n++) assertEquals((await facts.next()).value?.seq, n);
    assertEquals((await facts.next()).value, null);
    // The requests fail for three minutes: 900 failures, with five retries per second.
    stream.unanswered = 900;
    stream.stored = 6;
    const next = async () => {
      while (true) {
        const { value } = await facts.next();
        if (value !== null) return value?.seq;
      }
    };
    if (follow) assertEquals(await next(), 6);
    else await assertRejects(next, FleetTimeoutError);
    await facts.return();
  }
});
