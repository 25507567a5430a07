import { assertEquals, assertThrows } from "@std/assert";
import { nextStamp, partLength, STAMP_MAX_MS } from "../../src/segments/rotation_policy.ts";

const LINES = ['{"a":1}\n', '"é€😀"\n', '{"b":22}\n'] as const;
const BATCH = new TextEncoder().encode(LINES.join(""));
const [A, B, C] = LINES.map((line) => new TextEncoder().encode(line).byteLength) as [
  number,
  number,
  number,
];

const NOW = Date.UTC(2026, 1, 13, 14, 30, 22, 123);
const HOUR_MS = 3_600_000;
const NO_EVENT = -Infinity;

function stamp(nowMs: number, newestStamp?: string, newestEventMs = NO_EVENT): string {
  return nextStamp({ nowMs, newestStamp, newestEventMs });
}

Deno.test("partLength() ends a segment with the line that reaches the limit, in bytes", () => {
  const reached = A + B;
  assertEquals(partLength(BATCH, 0, reached + 1), A + B + C);
  assertEquals(partLength(BATCH, 0, reached), A + B);
  assertEquals(partLength(BATCH, 0, reached - 1), A + B);
  assertEquals(partLength(BATCH, 0, A + 1), A + B);
  assertEquals(partLength(BATCH, 0, A), A);
  assertEquals(partLength(BATCH, 0, 1), A);
});

Deno.test("partLength() counts the current length of the segment towards the limit", () => {
  const held = 1_000;
  for (let limit = held + 1; limit <= held + BATCH.byteLength + 2; limit++) {
    assertEquals(partLength(BATCH, held, limit), partLength(BATCH, 0, limit - held), `${limit}`);
  }
});

Deno.test("partLength() returns the length of the batch if the segment stays below the limit", () => {
  assertEquals(partLength(BATCH, 0, BATCH.byteLength + 1), BATCH.byteLength);
  assertEquals(partLength(BATCH, 0, BATCH.byteLength), BATCH.byteLength);
  assertEquals(partLength(BATCH, 5, 1_000_000), BATCH.byteLength);
});

Deno.test("partLength() never splits a line, even if it is longer than the limit", () => {
  const long = new TextEncoder().encode(`${"é".repeat(100)}\nb\n`);
  assertEquals(partLength(long, 0, 50), 201);
  assertEquals(partLength(long, 49, 50), 201);
  assertEquals(partLength(long.subarray(201), 201, 50), 2);
});

Deno.test("partLength() returns the length of the batch if the segment has already reached the limit", () => {
  for (let held = 50; held < 100; held++) {
    assertEquals(partLength(BATCH, held, 50), BATCH.byteLength, `${held}`);
  }
});

Deno.test("partLength() returns 0 for an empty batch", () => {
  for (const held of [0, 49, 50, 51]) assertEquals(partLength(new Uint8Array(0), held, 50), 0);
});

Deno.test("nextStamp() returns the time of the clock for the name of a segment, if no other segment name and no event is newer", () => {
  assertEquals(stamp(NOW), "20260213_143022");
  assertEquals(stamp(NOW, "20260213_143021", NOW - 1), "20260213_143022");
});

Deno.test("nextStamp() continues after the time in the newest segment name if the clock is set back", () => {
  assertEquals(stamp(NOW - HOUR_MS, "20260213_143022"), "20260213_143023");
  assertEquals(stamp(NOW - HOUR_MS, "20251231_235959"), "20260213_133022");
  assertEquals(stamp(Date.UTC(2025, 0, 1), "20251231_235959"), "20260101_000000");
});

Deno.test("nextStamp() returns unique, ascending times for the names of many segments in one second", () => {
  let newest: string | undefined;
  const stamps = Array.from({ length: 70 }, () => newest = stamp(NOW, newest));
  assertEquals(stamps.slice(0, 2), ["20260213_143022", "20260213_143023"]);
  assertEquals(stamps.at(-1), "20260213_143131");
  assertEquals(new Set(stamps).size, 70);
  assertEquals(stamps.toSorted(), stamps);
});

Deno.test("nextStamp() is not earlier than the newest event of the segment", () => {
  assertEquals(stamp(NOW, undefined, NOW + HOUR_MS), "20260213_153022");
  assertEquals(stamp(NOW, "20260213_143022", NOW + HOUR_MS), "20260213_153022");
  assertEquals(stamp(NOW, "20260213_160000", NOW + HOUR_MS), "20260213_160001");
});

Deno.test("nextStamp() ignores a clock with an invalid time", () => {
  for (const nowMs of [NaN, Infinity, -Infinity, -1, -1e12, 1e300]) {
    assertEquals(stamp(nowMs, "20260213_143022"), "20260213_143023", `${nowMs}`);
    assertEquals(stamp(nowMs, undefined, NOW), "20260213_143022", `${nowMs}`);
    assertEquals(stamp(nowMs), "19700101_000000", `${nowMs}`);
  }
});

Deno.test("nextStamp() ignores a clock or an event in the year 9999", () => {
  assertEquals(stamp(STAMP_MAX_MS), "99981231_235959");
  assertEquals(stamp(STAMP_MAX_MS + 1), "19700101_000000");
  assertEquals(stamp(NOW, undefined, STAMP_MAX_MS), "99981231_235959");
  assertEquals(stamp(NOW, undefined, STAMP_MAX_MS + 1), "20260213_143022");
  assertEquals(stamp(NOW, undefined, Infinity), "20260213_143022");
  assertEquals(stamp(NOW, undefined, NaN), "20260213_143022");
});

Deno.test("nextStamp() continues after a segment name with a time in the year 9999, and throws after the last possible time", () => {
  assertEquals(stamp(NOW, "99990101_000000"), "99990101_000001");
  assertEquals(stamp(NOW, "99991231_235958"), "99991231_235959");
  assertThrows(() => stamp(NOW, "99991231_235959"), RangeError, "got 99991231_235959");
});
