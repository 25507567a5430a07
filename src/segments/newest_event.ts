/**
 * The newest event of a segment: no name of a segment may be older than what it holds, and who asks
 * for later events need not read it.
 *
 * A writer hands in what it appends, so that nothing is read again while the file is its own; what
 * others wrote in between is read when it is needed.
 *
 * @module
 */
import { firstOf, hasPrint, lastOf, printOf } from "../platform/file_print.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { LineBeginnings } from "../line/line_text.ts";
import { parseLine } from "../line/parse_line.ts";
import { eventEpochMs } from "../time.ts";
import type { ActiveMark } from "./active_marks.ts";
import { STAMP_MAX_MS } from "./rotation_policy.ts";

const LINE_BREAK = 0x0a;
const CHUNK_BYTES = 256 * 1024;

const encoder = new TextEncoder();
// One character for each byte, so that places in the text are places in the bytes.
const latin1 = new TextDecoder("latin1");
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
  #ts = "";
  /** Whether there may be events in the known part that are newer still. */
  #isUnsure = false;
  /** How far the file is known; what lies behind it begins with a line. */
  #byteLength = 0;
  /** Whether it begins within a line, one of more than a chunk. */
  #isWithinLine = false;
  /** The print of the known part, by which {@linkcode forgetUnlessIn} knows the file again. */
  #first: Uint8Array = new Uint8Array();
  #last: Uint8Array = new Uint8Array();

  /** Nothing is known of the file yet; of what others wrote, `chunkBytes` are read at a time. */
  constructor(chunkBytes = CHUNK_BYTES) {
    this.#chunkBytes = chunkBytes;
  }

  /** How far the file is known. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /**
   * An instant after which no event of the known part is, epoch milliseconds: the end of the second of
   * the newest one. Undefined where that is not known.
   */
  get boundMs(): number | undefined {
    if (this.#isUnsure || this.#isWithinLine) return undefined;
    return this.#epochMs === -Infinity ? 0 : Math.floor(this.#epochMs / 1000) * 1000 + 999;
  }

  /**
   * Forgets everything if the file does not have the print of the known part. Another program has truncated it
   * then, and the file may have grown past the known part since.
   */
  forgetUnlessIn(handle: FileHandle): void {
    if (this.#byteLength === 0) return;
    if (hasPrint(handle, this.#byteLength, { first: this.#first, last: this.#last })) return;
    this.#byteLength = 0;
    this.#epochMs = -Infinity;
    this.#ts = "";
    this.#seconds.fill(0);
    this.#isUnsure = false;
    this.#isWithinLine = false;
  }

  /** Takes over what another writer knows of more of the file. */
  resume(handle: FileHandle, { byteLength, boundMs }: ActiveMark): void {
    if (byteLength <= this.#byteLength) return;
    this.#byteLength = byteLength;
    const { first, last } = printOf(handle, byteLength);
    [this.#first, this.#last] = [first, last];
    this.#isWithinLine = false;
    this.#isUnsure = false;
    this.#advance(boundMs);
  }

  /**
   * Takes in whole lines that this library made, appended at the offset; leaves them for later when
   * others wrote before.
   */
  appended(byteOffset: number, lines: Uint8Array): void {
    if (byteOffset !== this.#byteLength) return;
    this.#keepPrint(lines);
    this.#byteLength += lines.byteLength;
    for (let start = 0; start < lines.byteLength;) {
      const end = lines.indexOf(LINE_BREAK, start);
      this.#takeOurs(lines, start, end);
      start = end + 1;
    }
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
    if (end > start) this.#takeLines(chunk.subarray(start, end));
    if (end > 0) {
      this.#isWithinLine = false;
      this.#keepPrint(chunk.subarray(0, end));
      this.#byteLength += end;
    } else if (chunk.byteLength === this.#chunkBytes) {
      // Of a line as long as that, what this library would begin it with has to do.
      if (!this.#isWithinLine && isOurs(chunk, 0)) this.#takeOurs(chunk, 0, chunk.byteLength);
      this.#isUnsure = true;
      this.#isWithinLine = true;
      this.#keepPrint(chunk);
      this.#byteLength += chunk.byteLength;
    }
  }

  /** Keeps the print of the known part with the bytes that follow it. */
  #keepPrint(bytes: Uint8Array): void {
    if (this.#byteLength === 0) this.#first = firstOf(bytes);
    this.#last = lastOf(bytes);
  }

  /** Takes in whole lines of anybody. */
  #takeLines(lines: Uint8Array): void {
    const beginnings = new LineBeginnings(latin1.decode(lines));
    for (let start = 0; start < lines.byteLength;) {
      const end = lines.indexOf(LINE_BREAK, start);
      const ts = beginnings.ts(start);
      if (ts === null || beginnings.hasOtherTs(start, end)) this.#parse(lines.subarray(start, end));
      else if (ts > this.#ts) this.#advance(Date.parse(ts));
      start = end + 1;
    }
  }

  #takeOurs(lines: Uint8Array, start: number, end: number): void {
    if (!isOurs(lines, start)) return this.#parse(lines.subarray(start, end));
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

  #parse(line: Uint8Array): void {
    const parsed = parseLine(line);
    if (parsed !== null && "event" in parsed) this.#advance(eventEpochMs(parsed.event.ts));
  }

  #advance(epochMs: number): void {
    if (epochMs > STAMP_MAX_MS) this.#isUnsure = true;
    if (!(epochMs > this.#epochMs && epochMs >= 0 && epochMs <= STAMP_MAX_MS)) return;
    this.#epochMs = epochMs;
    this.#ts = new Date(epochMs).toISOString();
    encoder.encodeInto(this.#ts.slice(0, SECONDS_LENGTH), this.#seconds);
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
