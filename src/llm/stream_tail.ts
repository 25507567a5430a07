/**
 * Reads only the events of a stream that state facts about the call: the events up to the first output, and the last
 * events. Parsing all events of a long stream would take longer than passing them on.
 *
 * @module
 */
import { EventStreamReader } from "./event_stream.ts";
import type { ResponseFacts } from "./response_facts.ts";

/**
 * Minimum number of bytes at the end of a stream that are kept. The usage, the finish reason and errors are in the last
 * three or four events.
 */
const TAIL_BYTES = 16 * 1024;
/** Maximum size of each of the two buffers in bytes, and of an event in characters, so that memory is bounded. */
const BYTES_MAX = 32 * 1024 * 1024;

const LF = 10;
const CR = 13;

/** Reads the pieces of one stream of server-sent events. */
export class StreamTail {
  readonly #facts: ResponseFacts;
  #decoder = new TextDecoder();
  #events: EventStreamReader;
  /**
   * The kept bytes before those in {@linkcode #last}: none, or at least `TAIL_BYTES`. They end at the end of an event,
   * except if the buffer was full.
   */
  #before = new Uint8Array();
  #beforeLength = 0;
  /** The bytes of the last pieces, which are not parsed yet. */
  #last = new Uint8Array();
  #lastLength = 0;
  /** `true` if bytes were dropped without being parsed. Parsing must then start anew with the kept bytes. */
  #hasGap = false;

  /** Creates the reader of a stream, which adds its events to `facts`. */
  constructor(facts: ResponseFacts) {
    this.#facts = facts;
    this.#events = this.#reader();
  }

  /** Reads the next piece of the stream. The bytes are copied if they are needed later. */
  take(bytes: Uint8Array): void {
    // If the facts keep the text of the answer, every event is parsed, because each may contain a piece of the text.
    if (!this.#facts.hasOutput || this.#facts.text !== null) this.#parse(bytes);
    else this.#keep(bytes);
  }

  /**
   * Parses the last events of the stream. `isWhole` is `true` if the stream has ended by itself, and `false` if the
   * caller stopped reading.
   */
  end(isWhole: boolean): void {
    if (this.#hasGap) {
      this.#decoder = new TextDecoder();
      this.#events = this.#reader();
    }
    this.#parse(this.#before.subarray(0, this.#beforeLength));
    this.#parse(this.#last.subarray(0, this.#lastLength));
    this.#beforeLength = 0;
    this.#lastLength = 0;
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
    const length = this.#lastLength + bytes.length;
    if (length > this.#last.length) this.#grow(length);
    this.#last.set(bytes, this.#lastLength);
    this.#lastLength = length;
    // The buffer is cut at the end of an event, so that parsing can start there. If the buffer is full and contains no
    // end of an event, it is cut at its own end.
    const from = Math.max(TAIL_BYTES, length - bytes.length);
    const cut = lastEventEnd(this.#last.subarray(0, length), from);
    if (cut > 0 || length > BYTES_MAX) this.#leaveOut(cut || length);
  }

  #grow(length: number): void {
    const grown = new Uint8Array(Math.max(length, 2 * this.#last.length, 2 * TAIL_BYTES));
    grown.set(this.#last.subarray(0, this.#lastLength));
    this.#last = grown;
  }

  /** Drops the bytes in {@linkcode #before}, and moves the first `cut` bytes of {@linkcode #last} there. */
  #leaveOut(cut: number): void {
    this.#hasGap ||= this.#beforeLength > 0;
    const rest = this.#last.subarray(cut, this.#lastLength);
    [this.#before, this.#last] = [this.#last, this.#before];
    this.#beforeLength = cut;
    this.#lastLength = 0;
    if (rest.length > this.#last.length) this.#grow(rest.length);
    this.#last.set(rest);
    this.#lastLength = rest.length;
  }
}

/** Returns the position after the last empty line, which ends an event, if it is at `from` or later; otherwise 0. */
function lastEventEnd(bytes: Uint8Array, from: number): number {
  for (let end = bytes.length - 1; end + 1 >= from && end > 0; end--) {
    if (bytes[end] !== LF) continue;
    const isEmptyLine = bytes[end - 1] === LF || bytes[end - 1] === CR && bytes[end - 2] === LF;
    if (isEmptyLine) return end + 1;
  }
  return 0;
}
