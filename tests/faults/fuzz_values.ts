/**
 * Generates arbitrary events to log, with types, names and values that a caller should not pass but might.
 *
 * @module
 */
import fc from "fast-check";
import { FORGED, HOSTILE, type Maker, throwing } from "./fuzz_hostile.ts";

/** The arguments of a call of `log()`. */
export interface FuzzedEvent {
  readonly type: unknown;
  readonly fields: unknown;
}

const TEXTS = [
  ...["", "nav", "a\nb\r\nc", "\u2028\u2029\u0085", "\x1b[31mred", "\ud800", "\udfff\ud800", "\0"],
  ...[
    FORGED,
    '"',
    "\\",
    '\\"',
    "\ufeff\u{1f41f}",
    "__proto__",
    "\\u000a",
    "NaN",
    "x".repeat(2_000),
  ],
];
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.1,
  40,
  100,
  100.5,
  2 ** 53,
  1e308,
  5e-324,
  NaN,
  Infinity,
  -Infinity,
];

/**
 * Checks whether JSON.parse() reads the name of a member correctly in every position. V8 15.0 has a bug with names that
 * end in a backslash: after `{"\\":1}`, JSON.parse() reads the name in `{"\"":1}` as a backslash, because both names
 * are equal up to an escape and in the same position.
 */
export function isReadable(name: string): boolean {
  return !name.endsWith("\\");
}

const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: "binary", maxLength: 12 }));
const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.double());

const name = text.filter(isReadable);

const anything = fc.anything({
  key: fc.string({ maxLength: 8 }).filter(isReadable),
  maxDepth: 2,
  maxKeys: 4,
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

/** Generates values that JSON can represent. */
export const jsonValue: fc.Arbitrary<unknown> = fc.anything({
  key: name,
  maxDepth: 3,
  maxKeys: 4,
  values: [
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  ],
});

/** Generates functions that return the same value at each call. */
function made<T>(values: fc.Arbitrary<T>): fc.Arbitrary<Maker> {
  return values.map((value) => () => value);
}

const hostile = fc.constantFrom(...HOSTILE);

const value = fc.oneof(
  { weight: 4, arbitrary: made(text) },
  { weight: 4, arbitrary: made(number) },
  { weight: 3, arbitrary: made(jsonValue) },
  { weight: 4, arbitrary: hostile },
  { weight: 3, arbitrary: made(anything) },
  { weight: 1, arbitrary: made(fc.constantFrom(undefined, null, true, false)) },
);

const KNOWN_NAMES = [
  ...["cost", "model", "input_t", "output_t", "files", "reason", "confidence", "duration_ms"],
  ...["config", "raw_brief_path", "session_id", "cache_read_t", "cache_write_t", "reasoning_t"],
];
const ODD_NAMES = [
  ...["ts", "event", "__proto__", "constructor", "prototype", "toJSON", "hasOwnProperty", "then"],
  ...["", "0", "-1", "length", "a\nb", FORGED, "\ud800", '"', "toString", "Cost", "session_id "],
];

/** Generates valid values for some of the known fields. Without them, the log would reject most events. */
const goodMembers: fc.Arbitrary<[string, unknown][]> = fc.constantFrom<[string, unknown][]>(
  [],
  [],
  [["cost", 0.25], ["model", FORGED], ["files", ["a", "\n"]]],
  [["input_t", 1], ["output_t", 0], ["reason", ""], ["confidence", 100]],
  [["duration_ms", 1.5], ["config", { a: [null, "\n"], __proto__: null }], ["session_id", "mine"]],
);

const member = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...ODD_NAMES), value) },
  { weight: 3, arbitrary: fc.tuple(name, value) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...KNOWN_NAMES), value) },
);

/** Creates an object with the members as own properties, even if a member is named `__proto__`. */
function objectOf(members: readonly (readonly [string, unknown])[], prototype: object | null) {
  const object = Object.create(prototype);
  for (const [name, value] of members) define(object, name, { value, writable: true });
  return object;
}

function define(object: object, name: string, what: PropertyDescriptor): object {
  return Object.defineProperty(object, name, { ...what, enumerable: true, configurable: true });
}

const plainFields: fc.Arbitrary<Maker<object>> = fc.tuple(
  goodMembers,
  fc.array(member, { maxLength: 4 }),
  fc.constantFrom("Object", "Object", "null", "other"),
).map(([good, members, prototype]) => () => {
  const values = members.map(([name, make]) => [name, make()] as const);
  return objectOf([...good, ...values], PROTOTYPES[prototype]);
});

const PROTOTYPES = { Object: Object.prototype, null: null, other: { cost: -1, inherited: 1 } };

const fields: fc.Arbitrary<Maker> = fc.oneof(
  { weight: 60, arbitrary: plainFields },
  {
    weight: 4,
    arbitrary: fc.tuple(plainFields, fc.constantFrom(...ODD_NAMES, ...KNOWN_NAMES))
      .map(([make, name]) => () => define(make(), name, { get: throwing })),
  },
  { weight: 3, arbitrary: hostile },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 10_000 }).map((count) => () =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))
    ),
  },
  { weight: 1, arbitrary: made(fc.constantFrom(undefined, null, 5, "text", [], [1])) },
);

const type = fc.oneof(
  { weight: 30, arbitrary: made(text) },
  { weight: 1, arbitrary: made(number) },
  { weight: 1, arbitrary: hostile },
);

/** Generates events. */
export const fuzzedEvent: fc.Arbitrary<Maker<FuzzedEvent>> = fc.tuple(type, fields)
  .map(([makeType, makeFields]) => () => ({ type: makeType(), fields: makeFields() }));
