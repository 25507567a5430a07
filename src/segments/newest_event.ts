/**
 * The newest event of a segment, for its stamp: no name may be older than what the file holds.
 *
 * A writer hands in what it appends, so that nothing is read again while the file is its own; what
 * others wrote in between is read when the segment is sealed.
 *
 * @module
 */
import type { FileHandle } from "../file_system.ts";
import { parseLine } from "../parse_line.ts";
import { eventEpochMs } from "../time.ts";
import { STAMP_MAX_MS } from "./rotation_policy.ts";

const LINE_BREAK = 0x0a;
const CHUNK_BYTES = 256 * 1024;

const encoder = new TextEncoder();
/** How this library begins a line; each 0 stands for any digit. */
const TEMPLATE = encoder.encode('{"ts":"0000-00-00T00:00:00.000Z"');
const ANY = 0x30;
const TS_AT = '{"ts":"'.length;
const TS_END = TEMPLATE.length - 1;
// A stamp has seconds, so the milliseconds need no look.
const SECONDS_LENGTH = "0000-00-00T00:00:00".length;

/** Follows the newest event of one file. */
export class NewestEvent {
  readonly #chunkBytes: number;
  readonly #seconds = new Uint8Array(SECONDS_LENGTH);
  #epochMs = -Infinity;
  /** How far the file is known; what lies behind it begins with a line. */
  #byteLength = 0;
  /** Whether it begins within a line, one of more than a chunk. */
  #isWithinLine = false;

  /** Nothing is known of the file yet; of what others wrote, `chunkBytes` are read at a time. */
  constructor(chunkBytes = CHUNK_BYTES) {
    this.#chunkBytes = chunkBytes;
  }

  /** How far the file is known. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Takes in whole lines appended at the offset; leaves them for later when others wrote before. */
  appended(byteOffset: number, lines: Uint8Array): void {
    if (byteOffset !== this.#byteLength) return;
    this.#byteLength += lines.byteLength;
    this.#takeLines(lines, 0, lines.byteLength);
  }

  /** Reads on to the length, or to where another call has come meanwhile. */
  async catchUp(handle: FileHandle, byteLength: number): Promise<void> {
    for (let position = -1; position < this.#byteLength && this.#byteLength < byteLength;) {
      position = this.#byteLength;
      const chunk = new Uint8Array(Math.min(this.#chunkBytes, byteLength - position));
      const read = await handle.read(chunk, position);
      if (position === this.#byteLength) this.#takeChunk(chunk.subarray(0, read));
    }
  }

  /** The newest event, epoch milliseconds, its second at least; -Infinity if none has a time. */
  readUpTo(handle: FileHandle, byteLength: number): number {
    for (let position = -1; position < this.#byteLength && this.#byteLength < byteLength;) {
      position = this.#byteLength;
      const chunk = new Uint8Array(Math.min(this.#chunkBytes, byteLength - position));
      const read = handle.readSync(chunk, position);
      this.#takeChunk(chunk.subarray(0, read));
    }
    return this.#epochMs;
  }

  /** Takes in the whole lines of what lies behind the known part. */
  #takeChunk(chunk: Uint8Array): void {
    const start = this.#isWithinLine ? chunk.indexOf(LINE_BREAK) + 1 : 0;
    const end = chunk.lastIndexOf(LINE_BREAK) + 1;
    if (end > start) this.#takeLines(chunk, start, end);
    if (end > 0) {
      this.#isWithinLine = false;
      this.#byteLength += end;
    } else if (chunk.byteLength === this.#chunkBytes) {
      // Of a line as long as that, what this library would begin it with has to do.
      if (!this.#isWithinLine && isOurs(chunk, 0)) this.#take(chunk, 0, chunk.byteLength);
      this.#isWithinLine = true;
      this.#byteLength += chunk.byteLength;
    }
  }

  #takeLines(lines: Uint8Array, from: number, to: number): void {
    for (let start = from; start < to;) {
      const lineBreak = lines.indexOf(LINE_BREAK, start);
      const end = lineBreak < 0 ? to : lineBreak;
      this.#take(lines, start, end);
      start = end + 1;
    }
  }

  #take(lines: Uint8Array, start: number, end: number): void {
    if (!isOurs(lines, start)) {
      const parsed = parseLine(lines.subarray(start, end));
      if (parsed !== null && "event" in parsed) this.#advance(eventEpochMs(parsed.event.ts));
      return;
    }
    const at = start + TS_AT;
    for (let index = 0; index < SECONDS_LENGTH; index++) {
      const difference = lines[at + index]! - this.#seconds[index]!;
      if (difference < 0) return;
      if (difference > 0) {
        const ts = String.fromCharCode(...lines.subarray(at, start + TS_END));
        return this.#advance(Date.parse(ts));
      }
    }
  }

  #advance(epochMs: number): void {
    if (!(epochMs > this.#epochMs && epochMs >= 0 && epochMs <= STAMP_MAX_MS)) return;
    this.#epochMs = epochMs;
    const seconds = new Date(epochMs).toISOString().slice(0, SECONDS_LENGTH);
    encoder.encodeInto(seconds, this.#seconds);
  }
}

/** Whether the line begins as this library writes it. */
function isOurs(lines: Uint8Array, start: number): boolean {
  for (let index = 0; index < TEMPLATE.length; index++) {
    const byte = TEMPLATE[index]!;
    if (byte !== ANY && byte !== lines[start + index]) return false;
  }
  return true;
}
