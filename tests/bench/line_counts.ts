/**
 * Counts the lines that reached the files, without using the measured code.
 *
 * @module
 */
import { join } from "@std/path";

const LINE_BREAK = 0x0a;
/** Matches files in a log's directory that do not contain events. */
const OTHERS = /\.(lock|txt)$|\.manifest\.jsonl$/;

/** Resolves with the number of lines in all logs of a directory, compressed ones included. */
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
  for await (const chunk of bytes) {
    for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, at + 1)) {
      lines++;
    }
  }
  return lines;
}
