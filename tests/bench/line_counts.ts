/**
 * Counts the lines that reached the files of a log, without using the measured code, so that the benchmark notices lost
 * lines.
 *
 * @module
 */
import { join } from "@std/path";

const LINE_BREAK = 0x0a;
/** Matches files in a log's directory that do not contain events. */
const OTHERS = /\.(lock|txt|rollup)$|\.manifest\.jsonl$/;

/** Offset of the event type in a line that this library writes, and the event types whose lines do not count. */
const TYPE_AT = '{"ts":"2026-02-13T14:30:22.123Z","event":"'.length;
const KEPT_BY_LOG = ["budget_state", "budget_limit"].map((type) => new TextEncoder().encode(type));

/**
 * Resolves with the number of lines in all logs of a directory, compressed ones included. Lines that a log adds for its
 * budgets do not count.
 */
export async function lineCounts(directory: string): Promise<number> {
  let lines = 0;
  for (const { name } of Deno.readDirSync(directory)) {
    if (!OTHERS.test(name)) lines += await linesIn(join(directory, name));
  }
  return lines;
}

async function linesIn(path: string): Promise<number> {
  const file = await Deno.open(path);
  const bytes = path.endsWith(".gz")
    ? file.readable.pipeThrough(new DecompressionStream("gzip"))
    : file.readable;
  let lines = 0;
  /** The beginning of a line that the next chunk continues. */
  let begun = new Uint8Array();
  for await (const part of bytes) {
    const chunk = begun.byteLength === 0 ? part : joined(begun, part);
    let start = 0;
    for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, start)) {
      if (!isKeptByLog(chunk, start + TYPE_AT)) lines++;
      start = at + 1;
    }
    begun = chunk.slice(start);
  }
  return lines;
}

function isKeptByLog(chunk: Uint8Array, at: number): boolean {
  return KEPT_BY_LOG.some((type) => type.every((byte, n) => chunk[at + n] === byte));
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(a.byteLength + b.byteLength);
  bytes.set(a);
  bytes.set(b, a.byteLength);
  return bytes;
}
