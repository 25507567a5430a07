/**
 * Arbitrary blocks of lines, valid and damaged ones, among them lines that are not events but whose pieces are, if many
 * lines are parsed together.
 *
 * @module
 */
import fc from "fast-check";

const VALID = [
  "{}",
  '{"ts":"2026-02-13T14:30:22.123Z","event":"nav","cost":0.25}',
  '{"event":"call_begin","span":"a"}',
  '{"event":"call","span":"a","text":"é😀\\u2028},{"}',
  ' { "cost" : 1e-7 , "a" : [ { } ] }\t\r',
  '{"a":1,"a":2,"__proto__":{"x":1},"n":12345678901234567890}',
  '{"messages":[{"role":"user"},{"role":"assistant"}]}',
  '{"messages":[{"role":"user"} ,\t{"role":"assistant"}]}',
  `{"event":"nav","seq":7,"hash":"${"5f2c".repeat(16)}"}`,
];

/** Lines that are not events, but that parse as events together with lines around them, or with commas between. */
const HOSTILE = [
  '{"a":1},{"b":2}',
  '{"a":1} , {"b":2}',
  '{"a":1}\t,\r{"b":2},{}',
  '{"a":1},{"b":2',
  '{"a":[{}',
  '{"a":[1',
  "{}]}",
  "2]}",
  "]}",
  '{"a":{"b":1',
  '"c":2}}',
  '{"a":"x',
  'y"}',
  '{"a":1',
  "[{}]",
  "[",
  "]",
  "],[",
  "],[{}",
  "{}],[",
  ",",
  ",{}",
  "{},",
  "1",
  "null",
  '"text"',
  "[]",
];

const OTHER = [
  "",
  "\r",
  " \t",
  '{"cost":NaN}',
  '{"cost":-Infinity,"event":"nav"}',
  '\ufeff{"event":"nav"}',
  '\0\0{"event":"nav"}',
  "\0\0",
  '{"long":"' + "x".repeat(150) + '"}',
  "//",
];

const encoder = new TextEncoder();
const line = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...VALID) },
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 1, arbitrary: fc.constantFrom(...OTHER) },
  { weight: 1, arbitrary: fc.json() },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...VALID), fc.nat(60)).map(([text, end]) =>
      text.slice(0, end)
    ),
  },
).map((text) => encoder.encode(text));

/** A line that is not UTF-8. */
const notUtf8 = fc.constantFrom(Uint8Array.of(0xff), Uint8Array.of(0x7b, 0xc3, 0x7d));

/** Blocks of up to eight lines, with and without a line break after the last one. */
export const blockOfLines: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.tuple(
  fc.array(fc.oneof({ weight: 60, arbitrary: line }, { weight: 1, arbitrary: notUtf8 }), {
    maxLength: 8,
  }),
  fc.boolean(),
).map(([lines, hasLineBreak]) => {
  const bytes = lines.flatMap((line, index) => [
    ...line,
    ...index < lines.length - 1 || hasLineBreak ? [0x0a] : [],
  ]);
  return Uint8Array.from(bytes);
});
