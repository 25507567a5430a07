/**
 * A simulated stream with the faults of a NATS cluster. It loses requests and responses, stores messages after their
 * requests have timed out, and returns an earlier message as the last message.
 *
 * A message that is stored late has already passed the check of the expected sequence number, as in a cluster that
 * elects a new leader. Then only its message ID reveals that it is a duplicate. The stream forgets a message ID after a
 * while, as every stream does. Then only the expected sequence number rejects a shipper that resumes at an old
 * position. As in newer servers, the leader may know of messages that are not stored yet. It then rejects every other
 * message until they are stored.
 *
 * @module
 */
import { BLOCK_HEADERS } from "../../src/fleet/block.ts";
import { FIGURE_HEADER_NAMES } from "../../src/fleet/block_figures.ts";
import type { FleetConnection, FleetHeaders, FleetMessage } from "../../src/fleet/connection.ts";
import { SeededRandom } from "../seeded_random.ts";

/** A stored message. */
interface Stored {
  /** Message ID, by which the server detects duplicates; null if the message has none. */
  readonly id: string | null;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: ReadonlyMap<string, string>;
}

interface Incoming extends Stored {
  readonly expectedSeq: number | null;
  /** Number of messages in the stream when this message was sent. */
  readonly sentAt: number;
}

const encoder = new TextEncoder();
const NAMES = [...Object.values(BLOCK_HEADERS), ...FIGURE_HEADER_NAMES];
const FENCE = "Nats-Expected-Last-Subject-Sequence";
/**
 * Errors of a server that has accepted another message but not stored it yet: one with the same ID, or one with the
 * same subject.
 */
export const ID_IN_PROCESS = {
  code: 409,
  err_code: 10_158,
  description: "duplicate message id is in process",
};
export const SUBJECT_IN_PROCESS = {
  code: 400,
  err_code: 10_164,
  description: "wrong last sequence",
};

/** Probability of each fault, in percent of all requests. */
export interface Faults {
  readonly lost: number;
  readonly answerLost: number;
  readonly late: number;
  readonly stale: number;
  /**
   * Probability that the leader knows of the messages that it has yet to store, in percent of the publishing requests
   * while there are such messages.
   */
  readonly known: number;
}

/**
 * Number of last messages whose IDs the simulated server remembers. It recognizes only duplicates of these messages.
 */
const NAMES_REMEMBERED = 2;
/** A stale response lacks fewer of the newest messages than this number. */
const STALE_MAX = 6;

/** A stream in memory. */
export class SimulatedStream implements FleetConnection {
  readonly stored: Stored[] = [];
  readonly #late: Incoming[] = [];
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  readonly #onRequest: () => Promise<void>;

  /** Creates an empty stream. `onRequest` is called before each request is handled. */
  constructor(random: SeededRandom, faults: Faults, onRequest: () => Promise<void>) {
    this.#random = random;
    this.#faults = faults;
    this.#onRequest = onRequest;
  }

  /** Creates an empty stream without faults. */
  static faultless(): SimulatedStream {
    const none = { lost: 0, answerLost: 0, late: 0, stale: 0, known: 0 };
    return new SimulatedStream(new SeededRandom(1), none, () => Promise.resolve());
  }

  async request(
    subject: string,
    payload: Uint8Array | string = "",
    options?: { headers?: { get(name: string): string } },
  ): Promise<FleetMessage> {
    await this.#onRequest();
    if (this.#random.below(3) === 0) this.land();
    if (this.#isNow("lost")) throw new Error("the request was lost");
    // The leader responds, and it has all messages.
    if (subject === "$JS.API.STREAM.INFO.AUDIT") {
      return ack({ state: { last_seq: this.stored.length } });
    }
    if (subject === "$JS.API.STREAM.MSG.GET.AUDIT") {
      const { length: seq } = this.stored;
      const none = { error: { code: 404, err_code: 10_037, description: "no message found" } };
      return ack(seq === 0 ? none : { message: { seq } });
    }
    if (!subject.startsWith("$JS.")) {
      return this.#publish(subject, payload as Uint8Array, (name) => options!.headers!.get(name));
    }
    if (subject !== "$JS.API.DIRECT.GET.AUDIT") {
      return this.#answer(this.stored.length - this.#staleness());
    }
    const { seq } = JSON.parse(payload as string);
    // Another member of the cluster than the leader may respond. If it lags behind, it does not have the last messages
    // yet.
    const isHere = seq <= this.stored.length - this.#staleness();
    return this.#answer(isHere ? seq : this.stored.length + 1);
  }

  /** Stores the first late message, unless it is a duplicate. */
  land(): void {
    const incoming = this.#late.shift();
    if (incoming === undefined) return;
    if (this.#seqOf(incoming.id, incoming.sentAt) === undefined) this.#store(incoming);
  }

  #publish(subject: string, data: Uint8Array, get: (name: string) => string): FleetMessage {
    const headers = new Map(NAMES.map((name) => [name, get(name)]));
    const fence = get(FENCE);
    const incoming = {
      subject,
      data: data.slice(),
      headers,
      id: get("Nats-Msg-Id") || null,
      expectedSeq: fence === "" ? null : Number(fence),
      sentAt: this.stored.length,
    };
    const { id, expectedSeq } = incoming;
    const duplicateOf = this.#seqOf(id, this.stored.length - NAMES_REMEMBERED);
    if (duplicateOf !== undefined) return ack({ seq: duplicateOf, duplicate: true });
    if (this.#late.length > 0 && this.#isNow("known")) {
      const isSame = id !== null && this.#late.some((late) => late.id === id);
      if (isSame) return ack({ error: ID_IN_PROCESS });
      if (expectedSeq !== null) return ack({ error: SUBJECT_IN_PROCESS });
    }
    if (expectedSeq !== null && expectedSeq !== this.stored.length) {
      return ack({ error: { code: 400, err_code: 10_071, description: "wrong last sequence" } });
    }
    if (this.#isNow("late")) {
      this.#late.push(incoming);
      throw new Error("no response in time");
    }
    const seq = this.#store(incoming);
    if (this.#isNow("answerLost")) throw new Error("the response was lost");
    return ack({ seq });
  }

  #store(incoming: Incoming): number {
    return this.stored.push(incoming);
  }

  /**
   * Returns the sequence number of the message with the ID, or undefined if none of the messages after `since` has it.
   */
  #seqOf(id: string | null, since: number): number | undefined {
    if (id === null) return undefined;
    const index = this.stored.findIndex((stored, index) => index >= since && stored.id === id);
    return index < 0 ? undefined : index + 1;
  }

  #answer(seq: number): FleetMessage {
    const found = this.stored[seq - 1];
    if (found === undefined) return messageOf(404, new Map(), new Uint8Array());
    const fields = new Map([...found.headers, ["Nats-Sequence", `${seq}`], [
      "Nats-Subject",
      found.subject,
    ]]);
    return messageOf(0, fields, found.data);
  }

  /** Returns the number of last messages that the responding member of the cluster lacks. */
  #staleness(): number {
    return this.#isNow("stale") ? this.#random.below(STALE_MAX) : 0;
  }

  #isNow(fault: keyof Faults): boolean {
    return this.#random.below(100) < this.#faults[fault];
  }
}

/** Returns a response whose data is a value in JSON. */
function ack(answer: Readonly<Record<string, unknown>>): FleetMessage {
  return { subject: "", data: encoder.encode(JSON.stringify(answer)) };
}

function messageOf(
  code: number,
  fields: ReadonlyMap<string, string>,
  data: Uint8Array,
): FleetMessage {
  const headers: FleetHeaders = { code, get: (name) => fields.get(name) ?? "" };
  return { subject: "", data, headers };
}
