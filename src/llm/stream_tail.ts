/**
 * Reads the events of a stream that matter for its facts: those up to the first output, and the last ones. To parse all
 * events of a long stream would take longer than to pass them on.
 *
 * @module
 */
import { EventStreamReader } from "./event_stream.ts";
import type { ResponseFacts } from "./response_facts.ts";

/** Number of pieces with whole events to keep. Usage, finish reason and errors are in the last three or four events. */
const PIECES_KEPT = 32;
/** Maximum number of bytes to keep, and of characters of an event. */
const BYTES_MAX = 32 * 1024 * 1024;

const LF = 10;
const CR = 13;

/** Reads the pieces of one stream. */
export class StreamTail {
  readonly #facts: ResponseFacts;
  #decoder = new TextDecoder();
  #events: EventStreamReader;
  /** The last pieces that are not parsed yet. Each ends with the end of an event, except the last one. */
  #kept: Uint8Array[][] = [];
  #keptBytes = 0;
  /** `true` if pieces were left out before the kept ones. */
  #hasGap = false;

  /** Creates the reader of a stream, which adds its events to `facts`. */
  constructor(facts: ResponseFacts) {
    this.#facts = facts;
    this.#events = this.#reader();
  }

  /** Reads the next piece of the stream. The bytes are copied if they are needed later. */
  take(bytes: Uint8Array): void {
    // An answer that is kept needs every event.
    if (!this.#facts.hasOutput || this.#facts.text !== null) this.#parse(bytes);
    else this.#keep(bytes.slice());
  }

  /** Parses the last events. `isWhole` is `true` if the stream has ended by itself. */
  end(isWhole: boolean): void {
    if (this.#hasGap) {
      this.#decoder = new TextDecoder();
      this.#events = this.#reader();
    }
    for (const bytes of this.#kept.flat()) this.#parse(bytes);
    this.#kept = [];
    if (!isWhole) return;
    this.#events.take(this.#decoder.decode());
    this.#events.end();
    this.#facts.end();
  }

  #reader(): EventStreamReader {
    return new EventStreamReader((data) => this.#facts.takeEvent(data), BYTES_MAX);
  }

  #parse(bytes: Uint8Array): void {
    this.#events.take(this.#decoder.decode(bytes, { stream: true }));
  }

  #keep(bytes: Uint8Array): void {
    const last = this.#kept.at(-1);
    if (last === undefined || endsEvent(last.at(-1)!)) this.#kept.push([bytes]);
    else last.push(bytes);
    this.#keptBytes += bytes.length;
    while (this.#kept.length > PIECES_KEPT || this.#keptBytes > BYTES_MAX) {
      for (const { length } of this.#kept.shift()!) this.#keptBytes -= length;
      this.#hasGap = true;
    }
  }
}

/** Checks whether bytes end with an empty line, which ends an event. */
function endsEvent(bytes: Uint8Array): boolean {
  const [c, b, a] = [bytes.at(-1), bytes.at(-2), bytes.at(-3)];
  return c === LF && (b === LF || b === CR && a === LF);
}
