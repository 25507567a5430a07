/**
 * From a block of lines to its events, and a word on each line that is none.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { AuditEvent } from "../event.ts";
import type { RawLine } from "../line/line_splitter.ts";
import { LOST, parseLine } from "../line/parse_line.ts";
import type { Block } from "./blocks.ts";
import { LineTest } from "./line_test.ts";

/** How to parse. */
export interface ParseOptions {
  readonly maxLineBytes: number;
  /** Lines that do not pass are not looked at. */
  readonly lineTest: LineTest;
  /** Told of each line that is no event, with its place. */
  readonly onDamage: (line: LinePlace, reason: string) => void;
}

/** Where a line lies. */
export interface LinePlace {
  readonly byteOffset: number;
  /** Line break included. */
  readonly byteLength: number;
}

const LINE_BREAK = 0x0a;
const EVERY_LINE = new LineTest({});

// The mark is kept, so that places in the text are places in the bytes; a line with it is parsed alone.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The events of the block, in the order of its lines. */
export function eventsIn(block: Block, options: ParseOptions): AuditEvent[] {
  // Of a line that is cut off, the damage that cuts it off is told: behind it, if it is a whole event.
  if (block.isCut) options = { ...options, lineTest: EVERY_LINE, onDamage() {} };
  if (block.bytes === null) {
    options.onDamage(block, tooLong(options.maxLineBytes));
    return [];
  }
  const text = decoded(block.bytes);
  return text === null
    ? eventsInBytes(block.byteOffset, block.bytes, options)
    : eventsInText({ ...block, bytes: block.bytes, text }, options);
}

/** Null where one line at least is no UTF-8; each is then decoded by itself. */
function decoded(bytes: Uint8Array): string | null {
  // A decoder that throws takes three times as long as a look before and one that does not.
  return isUtf8(bytes) ? decoder.decode(bytes) : null;
}

interface TextBlock {
  readonly byteOffset: number;
  readonly bytes: Uint8Array;
  readonly text: string;
}

function eventsInText(block: TextBlock, options: ParseOptions): AuditEvent[] {
  const { text } = block;
  const { maxLineBytes } = options;
  const mayMatch = options.lineTest.of(text);
  const events: AuditEvent[] = [];
  for (let start = 0; start < text.length;) {
    const lineBreak = text.indexOf("\n", start);
    const end = lineBreak < 0 ? text.length : lineBreak;
    // A character has three bytes at the most, so most lines need no count.
    const mayBeTooLong = 3 * (end - start) + 1 > maxLineBytes;
    if (mayBeTooLong || mayMatch(start, end)) {
      const line = text.slice(start, end);
      const value = mayBeTooLong ? undefined : parsed(line);
      if (isEvent(value)) events.push(value);
      else {
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

/** Gives the event of one line, parsed with all the patience that there is, and tells what is wrong. */
export function eventOfLine(
  line: RawLine,
  { maxLineBytes, onDamage }: Pick<ParseOptions, "maxLineBytes" | "onDamage">,
): AuditEvent | null {
  const { byteOffset, bytes, hasLineBreak } = line;
  if (bytes === null) {
    onDamage(line, tooLong(maxLineBytes));
    return null;
  }
  const result = parseLine(bytes);
  if (result === null) return null;
  // A whole event whose line break alone is missing is an event: the next writer closes it off.
  if ("event" in result) {
    const { event, lostBytes = 0 } = result;
    if (lostBytes > 0) onDamage({ byteOffset, byteLength: lostBytes }, LOST);
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
    // It may still be blank, what Python writes, or damage, which parseLine() tells apart.
    return undefined;
  }
}

function isEvent(value: unknown): value is AuditEvent {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function byteOffsetOf({ byteOffset, bytes, text }: TextBlock, index: number): number {
  const isAscii = text.length === bytes.byteLength;
  return byteOffset + (isAscii ? index : encoder.encode(text.slice(0, index)).byteLength);
}

function tooLong(maxLineBytes: number): string {
  return `longer than maxLineBytes (${maxLineBytes})`;
}
