/**
 * Parses a block of lines into events and reports the lines that are not events.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { RawLine } from "../line/line_splitter.ts";
import { isObject, LOST, parseLine } from "../line/parse_line.ts";
import { parseLines } from "../line/parse_lines.ts";
import { decodeUtf8, UTF8_BYTES_MAX } from "../line/utf8.ts";
import type { Block } from "./blocks.ts";
import type { LineTexts } from "./line_source.ts";
import { LineTest } from "./line_test.ts";

/** Options of {@linkcode eventsIn}. */
export interface ParseOptions {
  readonly maxLineBytes: number;
  /**
   * The pre-filter for lines. If a line does not pass the pre-filter, the line may be skipped: it is not parsed, and
   * its damage is not reported.
   */
  readonly lineTest: LineTest;
  /** Called for each damaged line, with the position of the line and the reason why it is damaged. */
  readonly onDamage: (line: LinePlace, reason: string) => void;
  /** Receives the text of the line of each event. */
  readonly texts?: LineTexts | undefined;
}

/** The position of a line in its file. */
export interface LinePlace {
  readonly byteOffset: number;
  /** The length of the line in bytes, including the line break. */
  readonly byteLength: number;
}

const LINE_BREAK = 0x0a;
const EVERY_LINE = new LineTest({});

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Returns the events of the block, in the order of its lines. */
export function eventsIn(block: Block, options: ParseOptions): AuditEvent[] {
  // The block is one line that was cut off by a read error. The caller reports the read error, so no damage is reported
  // here. The line is parsed even if it does not pass the pre-filter: if it is a whole event, eventsOf() reports only
  // the bytes after the line as unreadable.
  if (block.isCut) options = { ...options, lineTest: EVERY_LINE, onDamage() {} };
  if (block.bytes === null) {
    options.onDamage(block, tooLong(options.maxLineBytes));
    return [];
  }
  // If any line is not UTF-8, the block has no text, and each line is decoded by itself.
  const text = decodeUtf8(block.bytes);
  return text === null
    ? eventsInBytes(block.byteOffset, block.bytes, options)
    : eventsInText({ ...block, bytes: block.bytes, text }, options);
}

interface TextBlock {
  readonly byteOffset: number;
  readonly bytes: Uint8Array;
  readonly text: string;
}

function eventsInText(block: TextBlock, options: ParseOptions): AuditEvent[] {
  return eventsTogether(block, options) ?? eventsLineByLine(block, options);
}

/**
 * Returns the events of a block whose lines may match and are all events. Returns null if the lines must be parsed one
 * by one, because one of them may be blank, damaged or too long, or because the text of each line is needed.
 */
function eventsTogether(
  { text }: TextBlock,
  { lineTest, maxLineBytes, texts }: ParseOptions,
): AuditEvent[] | null {
  if (texts !== undefined || mayBeTooLong(text.length, maxLineBytes)) return null;
  return parseLines(lineTest.passing(text));
}

/**
 * Checks whether a line of `length` UTF-16 code units may be too long. With this bound, the code need not count the bytes
 * of most lines, because they are clearly short enough.
 */
function mayBeTooLong(length: number, maxLineBytes: number): boolean {
  return UTF8_BYTES_MAX * length + 1 > maxLineBytes;
}

function eventsLineByLine(block: TextBlock, options: ParseOptions): AuditEvent[] {
  const { text } = block;
  const { maxLineBytes } = options;
  const mayMatch = options.lineTest.of(text);
  const events: AuditEvent[] = [];
  for (let start = 0; start < text.length;) {
    const lineBreak = text.indexOf("\n", start);
    const end = lineBreak < 0 ? text.length : lineBreak;
    const isLong = mayBeTooLong(end - start, maxLineBytes);
    if (isLong || mayMatch(start, end)) {
      const line = text.slice(start, end);
      const value = isLong ? undefined : parsed(line);
      if (isObject(value)) {
        events.push(value);
        options.texts?.set(value, line);
      } else {
        const byteOffset = byteOffsetOf(block, start);
        const bytes = encoder.encode(line);
        pushEvent(events, { byteOffset, bytes, hasLineBreak: lineBreak >= 0 }, options);
      }
    }
    start = end + 1;
  }
  return events;
}

function eventsInBytes(
  blockOffset: number,
  bytes: Uint8Array,
  options: ParseOptions,
): AuditEvent[] {
  const events: AuditEvent[] = [];
  for (let start = 0; start < bytes.byteLength;) {
    const lineBreak = bytes.indexOf(LINE_BREAK, start);
    const end = lineBreak < 0 ? bytes.byteLength : lineBreak;
    const line = { byteOffset: blockOffset + start, bytes: bytes.subarray(start, end) };
    pushEvent(events, { ...line, hasLineBreak: lineBreak >= 0 }, options);
    start = end + 1;
  }
  return events;
}

/**
 * Parses one line with {@linkcode parseLine}. Returns its event, or null if the line is blank or damaged. Reports
 * damage.
 */
export function eventOfLine(
  line: RawLine,
  { maxLineBytes, onDamage, texts }: Pick<ParseOptions, "maxLineBytes" | "onDamage" | "texts">,
): AuditEvent | null {
  const { byteOffset, bytes, hasLineBreak } = line;
  if (bytes === null) {
    onDamage(line, tooLong(maxLineBytes));
    return null;
  }
  const result = parseLine(bytes);
  if (result === null) return null;
  // A complete event without its line break is valid, because the next writer adds the line break.
  if ("event" in result) {
    const { event, lostBytes = 0 } = result;
    if (lostBytes > 0) onDamage({ byteOffset, byteLength: lostBytes }, LOST);
    texts?.set(event, decoder.decode(bytes.subarray(lostBytes)));
    return event;
  }
  onDamage(line, hasLineBreak ? result.reason : "torn tail");
  return null;
}

function pushEvent(
  events: AuditEvent[],
  { byteOffset, bytes, hasLineBreak }: Omit<RawLine, "byteLength"> & { bytes: Uint8Array },
  options: ParseOptions,
): void {
  const isTooLong = bytes.byteLength + 1 > options.maxLineBytes;
  const byteLength = bytes.byteLength + (hasLineBreak ? 1 : 0);
  const line = { byteOffset, byteLength, bytes: isTooLong ? null : bytes, hasLineBreak };
  const event = eventOfLine(line, options);
  if (event !== null) events.push(event);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // The line may be blank or damaged, or contain NaN or Infinity, which Python's json module writes but JSON.parse()
    // rejects. parseLine() distinguishes these cases.
    return undefined;
  }
}

function byteOffsetOf({ byteOffset, bytes, text }: TextBlock, index: number): number {
  const isAscii = text.length === bytes.byteLength;
  return byteOffset + (isAscii ? index : encoder.encode(text.slice(0, index)).byteLength);
}

function tooLong(maxLineBytes: number): string {
  return `longer than maxLineBytes (${maxLineBytes})`;
}
