import { assert, assertEquals } from "@std/assert";
import { parseLine } from "../../src/line/parse_line.ts";

const parse = (text: string) => parseLine(new TextEncoder().encode(text));

Deno.test("parseLine() reads NaN and Infinity, as Python writes them, as null", () => {
  const line =
    '{"ts": "2026-11-23T22:43:58.786Z", "cost": NaN, "a": [Infinity, -Infinity], "reason": "NaN \\"Infinity\\" \\u00e9"}';
  assertEquals(parse(line), {
    event: {
      ts: "2026-11-23T22:43:58.786Z",
      cost: null,
      a: [null, null],
      reason: 'NaN "Infinity" é',
    },
  });
});

Deno.test("parseLine() accepts an event without fields, a BOM and CRLF", () => {
  assertEquals(parse("{}"), { event: {} });
  assertEquals(parse('\uFEFF{"event":"nav"}\r'), { event: { event: "nav" } });
});

Deno.test("parseLine() returns null for blank lines", () => {
  for (const blank of ["", "  ", "\r", "\t"]) assertEquals(parse(blank), null);
});

Deno.test("parseLine() returns the reason why a line is damaged", () => {
  for (const value of ["42", "[]", "null", '"text"', "true", "NaN"]) {
    assertEquals(parse(value), { reason: "not an object" }, value);
  }
  for (const text of ['{"event":"na', "\0".repeat(4096), "{}{}", "text", "{'a':1}"]) {
    assertEquals(parse(text), { reason: "not JSON" }, text.slice(0, 20));
  }
  assertEquals(parseLine(Uint8Array.of(0x7b, 0xc3, 0x7d)), { reason: "not UTF-8" });
});

Deno.test("parseLine() reads a whole event after NUL bytes, and rejects the rest of an incomplete line after NUL bytes", () => {
  const line =
    '{"event":"nav","config":{"a":{"event":"forged"}},"text":"{\\"event\\":\\"forged\\"}"}';
  assertEquals(parse(`\0\0\0${line}`), { event: JSON.parse(line), lostBytes: 3 });
  for (let cut = 1; cut <= line.length; cut++) {
    assertEquals(parse(`\0${line.slice(cut)}`), { reason: "not JSON" }, line.slice(cut));
  }
  assertEquals(parse("\0 42"), { reason: "not JSON" });
  assertEquals(parse(`${line}\0`), { reason: "not JSON" });
});

Deno.test("parseLine() reads __proto__ and constructor as ordinary fields", () => {
  const parsed = parse('{"__proto__":{"polluted":1},"constructor":2}');
  const event = (parsed as { event: Record<string, unknown> }).event;
  assertEquals(Object.keys(event), ["__proto__", "constructor"]);
  assertEquals((event as { polluted?: unknown }).polluted, undefined);
});

Deno.test("parseLine() reads NaN in a line with a string of 15 MiB", () => {
  const text = "x".repeat(15 * 1024 * 1024);
  const parsed = parse(`{"cost": NaN, "text": "${text}"}`);
  assert(parsed !== null && "event" in parsed);
  assertEquals(parsed.event.cost, null);
  assert(parsed.event.text === text);
});

Deno.test("parseLine() rejects an incomplete line with many quotes in linear time", () => {
  // If the time grew with the square of the length, this test would take hours.
  assertEquals(parse(`{"cost": NaN, "text": "${'\\"'.repeat(2_000_000)}`), { reason: "not JSON" });
});
