import { assertEquals, assertRejects } from "@std/assert";
import { LineBufferStream } from "../../src/write/line_buffer_stream.ts";
import { bytes, isSettled } from "./scripted_file_system.ts";

function text(batch: Uint8Array | undefined): string | undefined {
  return batch === undefined ? undefined : new TextDecoder().decode(batch);
}

const INPUT = '{"a":"ü"}\n{"b":2}\n\n{"c":"🐟"}\n';

Deno.test("LineBufferStream never cuts a line, wherever the chunks of its input end", async () => {
  const input = bytes(INPUT);
  for (let a = 0; a <= input.length; a++) {
    for (let b = a; b <= input.length; b++) {
      const batches = await Array.fromAsync(
        ReadableStream.from([input.slice(0, a), input.slice(a, b), input.slice(b)])
          .pipeThrough(new LineBufferStream()),
      );
      for (const batch of batches) assertEquals(batch.at(-1), 0x0a, `cut at ${a} and ${b}`);
      assertEquals(batches.map(text).join(""), INPUT);
    }
  }
});

Deno.test("LineBufferStream adds a line break to the last line if it has none", async () => {
  const input = bytes('{"a":1}\n{"b":2}');
  for (let cut = 0; cut <= input.length; cut++) {
    const batches = await Array.fromAsync(
      ReadableStream.from([input.slice(0, cut), input.slice(cut)])
        .pipeThrough(new LineBufferStream()),
    );
    assertEquals(batches.map(text).join(""), '{"a":1}\n{"b":2}\n');
  }
});

Deno.test("LineBufferStream emits no empty batch", async () => {
  const empty = ReadableStream.from([new Uint8Array(), new Uint8Array()]);
  assertEquals(await Array.fromAsync(empty.pipeThrough(new LineBufferStream())), []);
});

Deno.test("LineBufferStream collects in one batch the lines that arrive while the reader is busy", async () => {
  const stream = new LineBufferStream();
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  await writer.write(bytes("a\n"));
  assertEquals(text((await reader.read()).value), "a\n");
  for (const part of ["b\n", "c", "\nd", "d\ne\n", "f"]) await writer.write(bytes(part));
  assertEquals(text((await reader.read()).value), "b\nc\ndd\ne\n");
  const closed = writer.close();
  assertEquals(text((await reader.read()).value), "f\n");
  assertEquals((await reader.read()).done, true);
  await closed;
});

Deno.test("LineBufferStream collects the lines of one event-loop turn in one batch for a waiting reader", async () => {
  const stream = new LineBufferStream();
  const reader = stream.readable.getReader();
  const read = reader.read();
  await Promise.resolve();
  for (const line of ["a\n", "b\n", "c\n"]) stream.push(line);
  assertEquals(text((await read).value), "a\nb\nc\n");
});

Deno.test("LineBufferStream answers two pending reads in their order", async () => {
  const stream = new LineBufferStream();
  const reader = stream.readable.getReader();
  const reads = [reader.read(), reader.read()];
  stream.push("a\n");
  assertEquals(text((await reads[0])?.value), "a\n");
  stream.push("b\n");
  assertEquals(text((await reads[1])?.value), "b\n");
});

Deno.test("LineBufferStream delays a write beyond maxPendingBytes until the reader reads", async () => {
  const stream = new LineBufferStream({ maxPendingBytes: 4 });
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  await writer.write(bytes("ab\n"));
  const second = writer.write(bytes("c\n"));
  assertEquals(await isSettled(second), false);
  assertEquals(stream.byteLength, 5);
  assertEquals(text((await reader.read()).value), "ab\nc\n");
  await second;
  await writer.write(bytes("d\n"));
  assertEquals(text((await reader.read()).value), "d\n");
});

Deno.test("LineBufferStream.byteLength includes the batch that the reader has received until the reader requests the next batch", async () => {
  const stream = new LineBufferStream();
  const reader = stream.readable.getReader();
  stream.push("a\n");
  await reader.read();
  stream.push("bb\n");
  assertEquals(stream.byteLength, 5);
  await reader.read();
  assertEquals(stream.byteLength, 3);
  const waiting = reader.read();
  assertEquals(stream.byteLength, 0);
  stream.push("c\n");
  await waiting;
});

Deno.test("LineBufferStream makes its writable side fail when its readable side is cancelled", async () => {
  const stream = new LineBufferStream({ maxPendingBytes: 4 });
  const writer = stream.writable.getWriter();
  const waiting = writer.write(bytes("abcd\n"));
  assertEquals(await isSettled(waiting), false);
  const closed = assertRejects(() => writer.closed, Error, "enough");
  await stream.readable.cancel(new Error("enough"));
  await waiting;
  await closed;
  await assertRejects(() => writer.write(bytes("e\n")), Error, "enough");
  assertEquals(stream.takeUnwritten(), []);
});

Deno.test("LineBufferStream makes its readable side fail when its writable side is aborted, and drops the buffered lines", async () => {
  const stream = new LineBufferStream();
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  await writer.write(bytes("a\nb"));
  await writer.abort(new Error("stop"));
  await assertRejects(() => reader.read(), Error, "stop");
  assertEquals(stream.takeUnwritten(), []);
});

Deno.test("LineBufferStream makes its readable side fail when its writable side is aborted while a write waits", async () => {
  const stream = new LineBufferStream({ maxPendingBytes: 1 });
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const waiting = writer.write(bytes("a\n"));
  waiting.catch(() => {});
  assertEquals(await isSettled(waiting), false);
  const aborted = writer.abort(new Error("stop"));
  assertEquals(await isSettled(aborted), true, "abort() waits for a reader that never comes");
  await assertRejects(() => reader.read(), Error, "stop");
});

Deno.test("LineBufferStream.takeUnwritten() returns the batch that the reader took, followed by the buffered lines", async () => {
  const stream = new LineBufferStream();
  const reader = stream.readable.getReader();
  assertEquals(stream.takeUnwritten(), []);
  stream.push("a\n");
  const { value } = await reader.read();
  stream.push("b\n");
  stream.push("c\n");
  const unwritten = stream.takeUnwritten();
  assertEquals(unwritten.map(text), ["a\n", "b\nc\n"]);
  assertEquals(
    unwritten[0] === value,
    true,
    "not the same object, by which the sink recognizes the batch",
  );
  // `takeUnwritten()` has removed the buffered lines, so the reader receives only later lines.
  const read = reader.read();
  stream.push("d\n");
  assertEquals(text((await read).value), "d\n");
});

Deno.test("LineBufferStream.takeUnwritten() resolves a write that waits for room", async () => {
  const stream = new LineBufferStream({ maxPendingBytes: 1 });
  const writer = stream.writable.getWriter();
  const waiting = writer.write(bytes("a\n"));
  assertEquals(await isSettled(waiting), false);
  assertEquals(stream.takeUnwritten().map(text), ["a\n"]);
  await waiting;
});
