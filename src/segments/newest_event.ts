/**
 * Finds the time of the newest event of a segment. The stamp of a segment, which is the time in its file name, must not
 * be older than the newest event, because a reader that needs only events after the stamp skips the segment.
 *
 * A writer calls {@linkcode NewestEvent.appended} with the lines that it appends, so that it need not read these lines
 * from the file. Lines of other writers are read from the file when the time is needed.
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
// Latin-1 decodes each byte to one character, so offsets in the text are offsets in the bytes.
const latin1 = new TextDecoder("latin1");
/** The start of a line that this library writes. Each "0" in this template matches any byte. */
const TEMPLATE = encoder.encode('{"ts":"0000-00-00T00:00:00.000Z"');
const ANY = 0x30;
const TS_AT = '{"ts":"'.length;
const TS_END = TEMPLATE.length - 1;
// The time in the name of a segment has a resolution of one second, so the milliseconds are not compared.
const SECONDS_LENGTH = "0000-00-00T00:00:00".length;

/**
 * Tracks the time of the newest event of one file. The "examined part" is the part of the file, from byte 0 on, whose
 * events are already included.
 */
export class NewestEvent {
  readonly #chunkBytes: number;
  readonly #seconds = new Uint8Array(SECONDS_LENGTH);
  #epochMs = -Infinity;
  #ts = "";
  /** Whether the examined part of the file may contain an event that is newer than `#epochMs`. */
  #isUnsure = false;
  /** The length of the examined part in bytes. If `#isWithinLine` is false, the part ends at the end of a line. */
  #byteLength = 0;
  /** Whether the examined part of the file ends within a line that is longer than a chunk. */
  #isWithinLine = false;
  /** The first and the last bytes of the examined part, by which {@linkcode forgetUnlessIn} recognizes the file. */
  #first: Uint8Array = new Uint8Array();
  #last: Uint8Array = new Uint8Array();

  /**
   * Creates the tracker of a file, of which no part is examined yet. The tracker reads `chunkBytes` bytes at a time.
   */
  constructor(chunkBytes = CHUNK_BYTES) {
    this.#chunkBytes = chunkBytes;
  }

  /** The length of the examined part of the file in bytes. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /**
   * An upper bound for the times of the events in the part of the file that was examined so far: the end of the second
   * of the newest event, in epoch milliseconds. Undefined if that part may have a newer event, whose time was not
   * read.
   */
  get boundMs(): number | undefined {
    if (this.#isUnsure || this.#isWithinLine) return undefined;
    return this.#epochMs === -Infinity ? 0 : Math.floor(this.#epochMs / 1000) * 1000 + 999;
  }

  /**
   * Resets the tracker if the file does not contain the examined part any more, because another program has truncated
   * the file. The check compares bytes, because the length is not enough: the file may have grown again.
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

  /**
   * Extends the examined part of the file to a mark that another writer has placed. A mark is an offset with a time: no
   * event before the offset is newer than this time. So the lines before the mark need not be read. If the examined
   * part already reaches the mark, does nothing.
   */
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
   * Adds complete lines that this writer has appended at the offset. If the examined part of the file does not end at
   * the offset, does nothing; the next read includes the lines.
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

  /**
   * Reads the file from the end of the examined part to the offset `byteLength`, and so extends the examined part.
   * Other calls may extend the part at the same time; no line is counted twice.
   */
  async catchUp(handle: FileHandle, byteLength: number): Promise<void> {
    for (let position = -1; position < this.#byteLength && this.#byteLength < byteLength;) {
      position = this.#byteLength;
      const chunk = new Uint8Array(Math.min(this.#chunkBytes, byteLength - position));
      const read = await handle.read(chunk, position);
      if (position === this.#byteLength) this.#takeChunk(chunk.subarray(0, read));
    }
  }

  /**
   * Reads the file from the end of the examined part to the offset `byteLength`, and so extends the examined part.
   * Returns the time of the newest event, epoch milliseconds, exact to the second; -Infinity if no event has a time.
   */
  readUpTo(handle: FileHandle, byteLength: number): number {
    for (let position = -1; position < this.#byteLength && this.#byteLength < byteLength;) {
      position = this.#byteLength;
      const chunk = new Uint8Array(Math.min(this.#chunkBytes, byteLength - position));
      const read = handle.readSync(chunk, position);
      this.#takeChunk(chunk.subarray(0, read));
    }
    return this.#epochMs;
  }

  /** Adds the complete lines of a chunk of the file. The chunk must follow the examined part. */
  #takeChunk(chunk: Uint8Array): void {
    const start = this.#isWithinLine ? chunk.indexOf(LINE_BREAK) + 1 : 0;
    const end = chunk.lastIndexOf(LINE_BREAK) + 1;
    if (end > start) this.#takeLines(chunk.subarray(start, end));
    if (end > 0) {
      this.#isWithinLine = false;
      this.#keepPrint(chunk.subarray(0, end));
      this.#byteLength += end;
    } else if (chunk.byteLength === this.#chunkBytes) {
      // The line is longer than a chunk. Only the time at its start is read, if this library wrote the line.
      if (!this.#isWithinLine && isOurs(chunk, 0)) this.#takeOurs(chunk, 0, chunk.byteLength);
      this.#isUnsure = true;
      this.#isWithinLine = true;
      this.#keepPrint(chunk);
      this.#byteLength += chunk.byteLength;
    }
  }

  /** Updates the stored first and last bytes of the examined part, to which the given bytes are about to be added. */
  #keepPrint(bytes: Uint8Array): void {
    if (this.#byteLength === 0) this.#first = firstOf(bytes);
    this.#last = lastOf(bytes);
  }

  /** Adds complete lines that any program may have written. */
  #takeLines(lines: Uint8Array): void {
    const beginnings = new LineBeginnings(latin1.decode(lines));
    for (let start = 0; start < lines.byteLength;) {
      const end = lines.indexOf(LINE_BREAK, start);
      const ts = beginnings.ts(start);
      if (ts === null || beginnings.hasOtherTs(start, end)) this.#parse(lines.subarray(start, end));
      else if (ts > this.#ts) this.#advance(eventEpochMs(ts));
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
        return this.#advance(eventEpochMs(ts));
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

/** Checks whether the line begins like a line that this library writes. */
function isOurs(lines: Uint8Array, start: number): boolean {
  for (let index = 0; index < TEMPLATE.length; index++) {
    const byte = TEMPLATE[index]!;
    if (byte !== ANY && byte !== lines[start + index]) return false;
  }
  return true;
}
