import { assertEquals } from "@std/assert";
import { ResponseFacts } from "../../src/llm/response_facts.ts";
import { StreamTail } from "../../src/llm/stream_tail.ts";

/** Returns a stream with a number of chunks. The event with its usage is longer than the others. */
function eventsOf(count: number, lineEnd: string): Uint8Array {
  const chunk = (choices: object[], more: object = {}) =>
    `data: ${JSON.stringify({ id: "c1", model: "small", choices, ...more })}${lineEnd}${lineEnd}`;
  const text = chunk([{ delta: { content: "a" } }]) +
    chunk([{ delta: { content: "é".repeat(40) } }]).repeat(count) +
    chunk([{ delta: {}, finish_reason: "stop" }]) +
    chunk([], { usage: { prompt_tokens: 10, completion_tokens: count }, note: "x".repeat(900) }) +
    `data: [DONE]${lineEnd}${lineEnd}`;
  return new TextEncoder().encode(text);
}

/**
 * Passes a stream to StreamTail in pieces of `size` bytes. Returns the facts that StreamTail has found: whether the
 * response is complete, its finish reason and its usage.
 */
function factsOf(bytes: Uint8Array, size: number): unknown[] {
  const facts = new ResponseFacts(false);
  const tail = new StreamTail(facts);
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.slice(at, at + size);
    tail.take(piece);
    // The caller may reuse the buffer, so StreamTail must have copied the bytes.
    piece.fill(0);
  }
  tail.end(true);
  return [facts.isComplete, facts.finishReason, facts.usage];
}

for (const [name, lineEnd] of [["LF", "\n"], ["CRLF", "\r\n"]] as const) {
  Deno.test(`StreamTail reads the end of a stream whose lines end with ${name}, for pieces of any size`, () => {
    // StreamTail drops the oldest pieces each time that 16 KiB more have arrived. For some numbers of events (`count`),
    // this happens close to the event with the usage.
    for (let count = 100; count < 260; count++) {
      const bytes = eventsOf(count, lineEnd);
      for (const size of [7, 61, 250, 1_100, 5_000, 40_000]) {
        assertEquals([size, ...factsOf(bytes, size)], [
          size,
          true,
          "stop",
          { input_t: 10, output_t: count },
        ]);
      }
    }
  });
}
