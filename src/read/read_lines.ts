/**
 * From the bytes of a file to its lines.
 *
 * @module
 */
import { LineSplitter, type RawLine } from "../line_splitter.ts";

/** Gives each line of the chunks with its place; in memory that a chunk and one line bound. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<RawLine> {
  const splitter = new LineSplitter(maxLineBytes);
  for await (const chunk of chunks) yield* splitter.split(chunk);
  yield* splitter.end();
}
