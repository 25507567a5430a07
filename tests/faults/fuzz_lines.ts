/**
 * Generates arbitrary lines of a log: events in every spelling, lines that are not events, and damaged lines of both
 * kinds.
 *
 * @module
 */
import fc from "fast-check";
import { jsonValue } from "./fuzz_values.ts";
import { joined } from "../bytes.ts";

/** Bytes whose buffer is not shared between threads. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Maximum length of a line of a fuzzed log in bytes, including its line break. */
export const MAX_LINE_BYTES = 400;

const encoder = new TextEncoder();

// Values of fields, as JSON text. Some of them are names such as NaN, which only Python's JSON module accepts.
const TYPES = [
  ...['"nav"', '"nav"', '"nav"', '"brief"', '"validation_fail"', '"gate_compress"'],
  ...['"gate_escalate"', '"na\\u0076"', '"navv"', '""', '"__proto__"', '"pr\u00fcfung \u{1f680}"'],
  ...['"\\ud800"', "42", "null", '["nav"]', "NaN"],
  ...['"nav_begin"', '"brief_begin"', '"na\\u0076_begin"', '"_begin"'],
];
const TIMES = [
  ...['"2026-02-13T14:30:22.123Z"', '"2026-02-13T14:30:22.124Z"', '"2026-02-13T15:00:00.000Z"'],
  ...['"2026-02-13T13:30:22.123456+00:00"', '"2026-02-13T16:30:22.000+02:00"', "1771000000000"],
  ...['"2026-02-13T12:00:00.123"', '"2026-02-30T10:00:00.000Z"', '"9999-12-31T23:59:59.999Z"'],
  ...['"+275760-09-13T00:00:00.000Z"', '"-000001-01-01T00:00:00Z"', '"yesterday"', '""', "null"],
  ...["{}", "1e999", "-0"],
];
const COSTS = [
  ...["0.25", "0.001", "1e-3", "0", "-0", "null", "NaN", "-Infinity", "Infinity", '"0.5"'],
  ...["1e400", "-2.5", "[1]", "0.1000000000000000055", "true", "1E16"],
];
const MEMBERS = [
  "",
  "",
  "",
  ',"reason":"stale_cascade","confidence":40',
  ',"reason":"ok","confidence":87.5',
  ',"reason":"parse_fail","confidence":90',
  ',"confidence":NaN',
  ',"confidence":"90","reason":7',
  ',"event":"brief"',
  ',"span":"1"',
  ',"span":"2","parent":"1"',
  ',"span":"\\u0031","parent":null',
  ',"event":"nav_begin","span":"1"',
  ',"event":"nav","span":"1"',
  ',"span":1',
  ',"event":"nav","event":"nav"',
  ',"ts":"1999-01-01T00:00:00.000Z"',
  ',"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}',
  ',"__proto__":null',
  ',"toJSON":1,"then":2,"length":-1,"next":3',
  ',"note":"}\\n{\\"event\\":\\"forged\\",\\"cost\\":5}"',
  ',"note":"\u2028\u2029\ufeff\u00a0 NaN, Infinity"',
  ',"note":"\\u007d\\u000a"',
  ',"config":{"event":"nav","ts":"2026-02-13T14:30:22.123Z","cost":7}',
  ',"":{"":[[],{},""]}',
  `,"deep":${"[".repeat(60)}${"]".repeat(60)}`,
];
const NO_EVENTS = [
  ...[
    "42",
    "[]",
    '"nav"',
    "null",
    "true",
    "-1.5e3",
    '[{"event":"nav"}]',
    " 7 ",
    "NaN",
    "-Infinity",
  ],
  ...["{", "nul", "{'event':'nav'}", '{"event":"nav",}', '{"event":"nav"}}', "]", "{]", "\\", '"'],
  ...['{"event":"nav"}{"event":"nav"}', '\u00a0{"event":"nav"}', '{"event":"nav","cost":.5}'],
  ...['{"event":"na\tv"}', '{"event":"nav","x":undefined}', '{"a":1e}', "{NaN:1}", '{"a":-NaN}'],
  ...['{"\\ud800\\u00":1}', '{"a":01}', '{"a":"\\x41"}', '{"a":+1}', "//", '{"a":0x1}'],
  ...["\0".repeat(40), "[".repeat(150), '{"a":'.repeat(60), "{}{}", "\u2028", "\ufeff\ufeff{}"],
];
const BLANKS = ["", " ", "\t \r", "\u00a0", "\ufeff", "\u3000"];

/** Functions that each spell the same JSON differently, for example with other white space or escapes. */
const SPELLINGS: readonly ((json: string) => string)[] = [
  (json) => json,
  (json) => json,
  (json) => json,
  (json) => json.replaceAll(',"', ', "').replaceAll('":', '": '),
  (json) => `\t ${json} \r`,
  (json) => json.replaceAll(/(?<=")[a-z](?=[a-z_]*":)/g, escapeOf),
  (json) => `{"ts":"1999-01-01T00:00:00.000Z","event":"nav","cost":3,${json.slice(1)}`,
  (json) => `\ufeff${json}`,
];

function escapeOf(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const eventText = fc.tuple(
  fc.nat(99_999),
  fc.constantFrom(...TYPES),
  fc.constantFrom(...TIMES),
  fc.constantFrom(...COSTS),
  fc.constantFrom(...MEMBERS),
  fc.constantFrom(...SPELLINGS),
).map(([n, type, ts, cost, members, spell]) =>
  spell(`{"ts":${ts},"event":${type},"session_id":"s","cost":${cost}${members},"n":${n}}`)
);

const jsonText = jsonValue.map((value) => `{"event":"nav","value":${JSON.stringify(value)}}`);

// Generates a line whose length is about the maximum, so that it is just accepted or just rejected.
const longText = fc.tuple(eventText, fc.integer({ min: -2, max: 3 })).map(([text, surplus]) => {
  const start = `${text.slice(0, text.lastIndexOf("}"))},"pad":"`;
  const left = MAX_LINE_BYTES + surplus - encoder.encode(start).byteLength - 3;
  return `${start}${"x".repeat(Math.max(0, left))}"}`;
});

const blankText = fc.oneof(
  fc.constantFrom(...BLANKS),
  fc.integer({ min: -2, max: 2 }).map((surplus) => " ".repeat(MAX_LINE_BYTES + surplus)),
);

const lineText = fc.oneof(
  { weight: 60, arbitrary: eventText },
  { weight: 4, arbitrary: jsonText },
  { weight: 6, arbitrary: longText },
  { weight: 12, arbitrary: fc.constantFrom(...NO_EVENTS) },
  { weight: 4, arbitrary: blankText },
  { weight: 2, arbitrary: fc.constant("{}") },
);

/** Changes the bytes at an index. `byte` is a random number that the change may use. */
type Damage = (bytes: Bytes, index: number, byte: number) => Bytes;

const BAD_UTF8 = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]];

const DAMAGES: readonly Damage[] = [
  (bytes, index, byte) => bytes.map((old, at) => at === index ? old ^ (1 << byte % 8) : old),
  (bytes, index, byte) => bytes.map((old, at) => at === index ? byte : old),
  (bytes, index) => bytes.slice(0, index),
  (bytes, index) => bytes.slice(index),
  (bytes, index, byte) => inserted(bytes, index, [byte]),
  (bytes, index) => inserted(bytes, index, [0x0a]),
  (bytes, index) => inserted(bytes, index, [0xef, 0xbb, 0xbf]),
  (bytes, index, byte) => inserted(bytes, index, BAD_UTF8[byte % BAD_UTF8.length]!),
  (bytes, index, byte) => bytes.map((old, at) => at >= index && at < index + byte ? 0 : old),
  (bytes, index, byte) => inserted(bytes, index, bytes.subarray(index, index + byte)),
  (bytes, index, byte) => inserted(bytes.slice(0, index), index, bytes.subarray(index + byte)),
  (bytes) => inserted(bytes, bytes.byteLength, bytes),
];

function inserted(bytes: Bytes, index: number, more: ArrayLike<number>): Bytes {
  const result = new Uint8Array(bytes.byteLength + more.length);
  result.set(bytes.subarray(0, index));
  result.set(more, index);
  result.set(bytes.subarray(index), index + more.length);
  return result;
}

/** Generates functions that damage bytes. An empty array stays empty. */
export const damage: fc.Arbitrary<(bytes: Bytes) => Bytes> = fc.tuple(
  fc.constantFrom(...DAMAGES),
  fc.nat(9_999),
  fc.nat(255),
).map(([damage, place, byte]) => (bytes) =>
  damage(bytes, Math.floor(place / 10_000 * bytes.byteLength), byte)
);

const damagedLine = fc.tuple(lineText, fc.array(damage, { minLength: 1, maxLength: 3 }))
  .map(([text, damages]) => damages.reduce((bytes, each) => each(bytes), encoder.encode(text)));

const line: fc.Arbitrary<Bytes> = fc.oneof(
  { weight: 60, arbitrary: lineText.map((text) => encoder.encode(text)) },
  { weight: 35, arbitrary: damagedLine },
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 24 }) },
);

const LINE_BREAKS = ["\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\n\n"].map((text) =>
  encoder.encode(text)
);

/** Generates the requested number of lines. The last line may lack its line break. */
export function lines(count: { minLength?: number; maxLength: number }): fc.Arbitrary<Bytes> {
  const broken = fc.tuple(line, fc.constantFrom(...LINE_BREAKS));
  return fc.tuple(fc.array(broken, count), fc.integer({ min: 0, max: 2 })).map(
    ([parts, ending]) => {
      const bytes = joined(...parts.flat());
      // In one case of three, the last line break or a part of it is missing.
      return ending === 0 ? bytes.slice(0, -1) : bytes;
    },
  );
}
