/**
 * The newest event of a segment, for its stamp: no name may be older than what the file holds.
 *
 * A writer hands in what it appends, so that nothing is read again while the file is its own; what
 * others wrote in between is read when the segment is sealed.
 *
 * @module
 */
import type { FileHandle } from "../file_system.ts";
import { LineSplitter } from "../line_splitter.ts";
import { parseLine } from "../parse_line.ts";
import { eventEpochMs } from "../time.ts";
import { STAMP_MAX_MS } from "./rotation_policy.ts";

const LINE_BREAK = 0x0a;
const CHUNK_BYTES = 1024 * 1024;

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
  readonly #maxLineBytes: number;
  readonly #seconds = new Uint8Array(SECONDS_LENGTH);
  #epochMs = -Infinity;
  /** How far the file is known. */
  #byteLength = 0;

  /** Nothing is known of the file yet. Lines of more than `maxLineBytes` are not read again. */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Takes in whole lines appended at the offset; leaves them for later when others wrote before. */
  appended(byteOffset: number, lines: Uint8Array): void {
    if (byteOffset !== this.#byteLength) return;
    this.#byteLength += lines.byteLength;
    for (let start = 0; start < lines.byteLength;) {
      const lineBreak = lines.indexOf(LINE_BREAK, start);
      const end = lineBreak < 0 ? lines.byteLength : lineBreak;
      this.#take(lines, start, end);
      start = end + 1;
    }
  }

  /** The newest event, epoch milliseconds, its second at least; -Infinity if none has a time. */
  readUpTo(handle: FileHandle, byteLength: number): number {
    const splitter = new LineSplitter(this.#maxLineBytes);
    while (this.#byteLength < byteLength) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, byteLength - this.#byteLength));
      const read = handle.readSync(chunk, this.#byteLength);
      if (read === 0) break;
      this.#byteLength += read;
      for (const { bytes } of splitter.split(chunk.subarray(0, read))) {
        if (bytes !== null) this.#take(bytes, 0, bytes.byteLength);
      }
    }
    return this.#epochMs;
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
