import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AuditEventError } from "../../src/errors.ts";
import type { AuditRecordInput } from "../../src/event.ts";
import { getSessionId } from "../../src/session.ts";
import { lineSerializer, SerializeStream } from "../../src/write/serialize_stream.ts";

const OPTIONS = { sessionId: "s1", now: () => 0 };
const HEAD = '{"ts":"1970-01-01T00:00:00.000Z","event":"nav","session_id":"s1"';

Deno.test("SerializeStream encodes each record as one chunk with one line", async () => {
  const records = [{ event: "nav", text: "a\nb" }, { event: "nav", n: 1 }, { event: "nav" }];
  const chunks = await Array.fromAsync(
    ReadableStream.from(records).pipeThrough(new SerializeStream(OPTIONS)),
  );
  const decoder = new TextDecoder();
  assertEquals(chunks.map((chunk) => decoder.decode(chunk)), [
    `${HEAD},"text":"a\\nb"}\n`,
    `${HEAD},"n":1}\n`,
    `${HEAD}}\n`,
  ]);
});

Deno.test("SerializeStream emits the lines before an invalid record, and then errors", async () => {
  const records = [{ event: "nav" }, { event: "nav", cost: -1 }, { event: "nav" }];
  const reader = ReadableStream.from(records).pipeThrough(new SerializeStream(OPTIONS)).getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), `${HEAD}}\n`);
  const error = await assertRejects(() => reader.read(), AuditEventError, "cost");
  assertEquals(error.value, -1);
});

Deno.test("SerializeStream rejects a write of a record without event", async () => {
  const stream = new SerializeStream(OPTIONS);
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const read = assertRejects(() => reader.read(), AuditEventError, "event");
  await assertRejects(
    () => writer.write({ cost: 1 } as unknown as AuditRecordInput),
    AuditEventError,
    '"event" must be a non-empty string, got undefined',
  );
  await assertRejects(() => writer.closed, AuditEventError);
  await read;
});

Deno.test("lineSerializer() compares maxLineBytes with the bytes of a line, including its line break", () => {
  const line = lineSerializer(OPTIONS)("nav", { text: "ü🐟" });
  const { byteLength } = new TextEncoder().encode(line);
  const same = lineSerializer({ ...OPTIONS, maxLineBytes: byteLength });
  assertEquals(same("nav", { text: "ü🐟" }), line);
  const shorter = lineSerializer({ ...OPTIONS, maxLineBytes: byteLength - 1 });
  const error = assertThrows(
    () => shorter("nav", { text: "ü🐟" }),
    AuditEventError,
    `at most ${byteLength - 1} bytes (maxLineBytes), got ${byteLength}`,
  );
  assertEquals(error.field, "maxLineBytes");
  assertEquals(error.value, byteLength);
  assertEquals(shorter("nav", { text: "x" }).at(-1), "\n");
});

Deno.test("SerializeStream errors if a line exceeds maxLineBytes", async () => {
  const lines = ReadableStream.from([{ event: "nav", text: "x".repeat(100) }])
    .pipeThrough(new SerializeStream({ ...OPTIONS, maxLineBytes: 100 }));
  await assertRejects(
    () => Array.fromAsync(lines),
    AuditEventError,
    "at most 100 bytes (maxLineBytes)",
  );
});

Deno.test("lineSerializer() reads the clock for each line, and writes the session ID of the process", () => {
  let nowMs = 0;
  const serialize = lineSerializer({ now: () => nowMs++ });
  const events = [1, 2].map(() => JSON.parse(serialize("nav", {})));
  assertEquals(events.map(({ ts }) => ts), [
    "1970-01-01T00:00:00.000Z",
    "1970-01-01T00:00:00.001Z",
  ]);
  assertEquals(events.map(({ session_id }) => session_id), [getSessionId(), getSessionId()]);
});
