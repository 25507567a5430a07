import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { AuditEventError } from "../../src/errors.ts";
import type { EventFields } from "../../src/event.ts";
import { encodeRecord } from "../../src/write/encode_record.ts";
import { Redaction } from "../../src/write/redaction.ts";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { KNOWN_FIELD_NAMES, loadEventSchema } from "../../src/fields/known_fields.ts";

await loadEventSchema();

const CONTEXT = { nowMs: 0, sessionId: "s1" };
const HEAD = '{"ts":"1970-01-01T00:00:00.000Z","event":"nav","session_id":"s1"';

/** Encodes the fields, checks that the text is exactly one line, and returns the record that a reader parses. */
function roundTrip(fields: unknown): Record<string, unknown> {
  const text = encodeRecord("nav", fields as EventFields, CONTEXT);
  assert(!/[\n\r]/.test(text), "a line break inside the line");
  assert(text.isWellFormed(), "a lone surrogate in the line");
  assert(text.startsWith(HEAD), text.slice(0, 200));
  return JSON.parse(text);
}

Deno.test("encodeRecord() orders ts, event, session_id, the known fields, then the other fields", () => {
  const text = encodeRecord("nav", {
    z: 1,
    reasoning_t: 5,
    cache_write_t: 4,
    cache_read_t: 3,
    raw_brief_path: "p",
    config: { b: 1, a: 2 },
    duration_ms: 1.5,
    a: 2,
    confidence: 50,
    reason: "r",
    files: ["f"],
    output_t: 2,
    input_t: 1,
    model: "m",
    cost: 0.5,
    session_id: "s2",
  }, CONTEXT);
  assertEquals(
    text,
    '{"ts":"1970-01-01T00:00:00.000Z","event":"nav","session_id":"s2","cost":0.5,"model":"m",' +
      '"input_t":1,"output_t":2,"files":["f"],"reason":"r","confidence":50,"duration_ms":1.5,' +
      '"config":{"b":1,"a":2},"raw_brief_path":"p","cache_read_t":3,"cache_write_t":4,"reasoning_t":5,"z":1,"a":2}',
  );
});

Deno.test("encodeRecord() rejects the field hold, which is reserved for budgets, unless its value is undefined", () => {
  const error = assertThrows(() => encodeRecord("nav", { hold: "x" }, CONTEXT), AuditEventError);
  assertEquals(
    error.message,
    'Cannot log event: the field "hold" must not be set, because it is reserved for budgets, got "x"',
  );
  assertEquals(encodeRecord("nav", { hold: undefined }, CONTEXT), `${HEAD}}`);
});

Deno.test("encodeRecord() writes a field named 0 after ts, event and session_id, not before them", () => {
  assertEquals(encodeRecord("nav", { b: 1, 0: 2 }, CONTEXT), `${HEAD},"0":2,"b":1}`);
});

Deno.test("encodeRecord() leaves out fields whose value is undefined or null", () => {
  const fields = { cost: undefined, model: null, files: null, a: undefined, b: null, c: 0 };
  assertEquals(encodeRecord("nav", fields, CONTEXT), `${HEAD},"c":0}`);
  assertEquals(encodeRecord("nav", {}, CONTEXT), `${HEAD}}`);
});

Deno.test("encodeRecord() ignores ts and event among the fields", () => {
  let reads = 0;
  const fields = {
    event: "forged",
    get ts() {
      reads++;
      return "2000-01-01";
    },
  };
  assertEquals(encodeRecord("nav", fields, CONTEXT), `${HEAD}}`);
  assertEquals(reads, 0);
});

Deno.test("encodeRecord() prefers the session_id of the fields to that of the context, unless it is null", () => {
  const text = encodeRecord("nav", { session_id: "mine" }, CONTEXT);
  assertEquals(JSON.parse(text).session_id, "mine");
  assertEquals(encodeRecord("nav", { session_id: null }, CONTEXT), `${HEAD}}`);
  assertThrows(
    () => encodeRecord("nav", { session_id: "" }, CONTEXT),
    AuditEventError,
    "session_id",
  );
});

Deno.test("encodeRecord() writes the time of the context, even after the year 9999", () => {
  const text = encodeRecord("nav", {}, { ...CONTEXT, nowMs: Date.UTC(10000, 0, 1) });
  assertStringIncludes(text, '{"ts":"+010000-01-01T00:00:00.000Z",');
  const error = assertThrows(
    () => encodeRecord("nav", {}, { ...CONTEXT, nowMs: NaN }),
    AuditEventError,
    "NaN",
  );
  assertEquals(error.field, "ts");
});

for (const fields of [null, [], "x", 5]) {
  Deno.test(`encodeRecord() rejects ${JSON.stringify(fields)} as fields`, () => {
    const error = assertThrows(
      () => encodeRecord("nav", fields as unknown as EventFields, CONTEXT),
      AuditEventError,
      "fields must be an object",
    );
    assertEquals(error.field, "fields");
  });
}

const STORED_AS: [what: string, value: unknown, stored: unknown][] = [
  ["a BigInt", 2n ** 64n, "18446744073709551616"],
  ["NaN", NaN, "NaN"],
  ["Infinity", Infinity, "Infinity"],
  ["-Infinity", -Infinity, "-Infinity"],
  ["a symbol", Symbol("mark"), "Symbol(mark)"],
  ["a function", function walk() {}, "[Function: walk]"],
  ["a class", class Walker {}, "[Function: Walker]"],
  ["an invalid Date", new Date(NaN), "Invalid Date"],
  ["a Date", new Date(0), "1970-01-01T00:00:00.000Z"],
  ["a RegExp", /a+/g, "/a+/g"],
  ["a URL", new URL("https://example.com/a"), "https://example.com/a"],
  ["bytes", Uint8Array.of(1, 2, 255), { base64: "AQL/" }],
  ["bytes of Node", Buffer.from("hello"), { base64: "aGVsbG8=" }],
  ["a Set", new Set([1n, "a"]), ["1", "a"]],
  ["Headers", new Headers({ accept: "*/*" }), { accept: "*/*" }],
  ["URLSearchParams", new URLSearchParams("a=1&b=2"), { a: "1", b: "2" }],
  ["a Map of text", new Map([["a", new Map([["b", 2n]])]]), { a: { b: "2" } }],
  ["a Blob", new Blob(["x"]), "[Blob]"],
  ["an object with null in it", { a: null, b: [null, undefined] }, { a: null, b: [null, null] }],
  ["a Map of numbers", new Map([[1, 2]]), [[1, 2]]],
  ["a toJSON", { toJSON: () => ({ a: 1n }) }, { a: "1" }],
  ["an Error with a toJSON", Object.assign(new Error("e"), { toJSON: () => 1 }), 1],
];
for (const [what, value, stored] of STORED_AS) {
  Deno.test(`encodeRecord() stores ${what} in a field without a fixed type, at any depth`, () => {
    assertEquals(roundTrip({ x: value }).x, stored);
    assertEquals(roundTrip({ x: [{ y: value }] }).x, [{ y: stored }]);
    assertEquals(roundTrip({ config: { y: value } }).config, { y: stored });
  });
}

Deno.test("encodeRecord() stores an Error with its stack, its cause and its own fields", () => {
  const cause = new TypeError("refused");
  const error = Object.assign(new Error("call failed", { cause }), { status: 429 });
  const { x } = roundTrip({ x: error }) as { x: Record<string, Record<string, unknown>> };
  assertEquals([x.name, x.message, x.status, x.cause?.message], [
    "Error",
    "call failed",
    429,
    "refused",
  ] as unknown[]);
  assertStringIncludes(`${x.stack}`, "call failed");
  const own: Error & { self?: unknown } = new Error("own", { cause: new AggregateError([error]) });
  own.self = own;
  const record = roundTrip({ config: { own } }).config as { own: Record<string, unknown> };
  assertEquals(record.own.self, "[Circular]");
  assertEquals((record.own.cause as { errors: { status: number }[] }).errors[0]?.status, 429);
  let chain = new Error("0");
  for (let n = 1; n <= 20; n++) chain = new Error(`${n}`, { cause: chain });
  let depth = 0;
  let next: unknown = roundTrip({ x: chain }).x;
  for (; typeof next === "object"; depth++) next = (next as { cause: unknown }).cause;
  assertEquals([depth, next], [8, "Error: 12"]);
});

Deno.test("encodeRecord() stores [Too deep] where a value is too deep for the call stack", () => {
  const deep = (depth: number) => {
    let value: unknown = "end";
    for (let n = 0; n < depth; n++) value = n % 2 === 0 ? [value] : { a: value };
    return value;
  };
  assertEquals(roundTrip({ x: deep(500) }).x, deep(500));
  const record = roundTrip({ x: deep(100_000), config: { deep: deep(100_000) }, after: 1 });
  const text = JSON.stringify(record);
  assertEquals(text.split('"[Too deep]"').length - 1, 2);
  assertEquals(record.after, 1);
});

Deno.test("encodeRecord() redacts members of a Map, of Headers and of an Error", () => {
  const redaction = new Redaction(["token", "x.headers.authorization"]);
  const error = Object.assign(new Error("e"), { token: "secret" });
  const value = {
    headers: new Headers({ authorization: "secret", accept: "*/*" }),
    map: new Map([["token", "secret"]]),
    error,
  };
  const line = encodeRecord("nav", { x: value }, { ...CONTEXT, redaction });
  assertEquals(line.includes("secret"), false, line);
  assertEquals(line.split("[redacted]").length - 1, 3);
});

Deno.test("encodeRecord() stores a cycle as [Circular]", () => {
  const self: Record<string, unknown> = { a: 1 };
  self.self = self;
  assertEquals(roundTrip({ x: self }).x, { a: 1, self: "[Circular]" });
  const deep: Record<string, unknown> = { list: [{ inner: {} }], after: 1 };
  (deep.list as { inner: Record<string, unknown> }[])[0]!.inner.top = deep;
  const stored = { list: [{ inner: { top: "[Circular]" } }], after: 1 };
  assertEquals(roundTrip({ x: deep }).x, stored);
  assertEquals(roundTrip({ config: deep }).config, stored);
  const list: unknown[] = [];
  list.push(list);
  assertEquals(roundTrip({ x: list }).x, ["[Circular]"]);
});

Deno.test("encodeRecord() stores fields that contain themselves, with [Circular] in place of the repetition", () => {
  const fields: Record<string, unknown> = { a: 1 };
  fields.all = fields;
  assertEquals(roundTrip(fields).all, { a: 1, all: "[Circular]" });
});

Deno.test("encodeRecord() stores a repeated reference each time, because it is not a cycle", () => {
  const shared = { n: [1] };
  const value = { a: shared, b: { c: shared }, d: [shared, shared] };
  const copy = { n: [1] };
  assertEquals(roundTrip({ x: value }).x, { a: copy, b: { c: copy }, d: [copy, copy] });
});

Deno.test("encodeRecord() stores the error message if the getter of a field without a fixed type throws", () => {
  const fields = {
    before: 1,
    get trap(): unknown {
      throw new Error("no entry");
    },
    after: 2,
  };
  const record = roundTrip(fields);
  assertEquals([record.before, record.trap, record.after], [1, "[Throws: no entry]", 2]);
  assertEquals(roundTrip({ x: { y: fields } }).x, "[Throws: no entry]");
});

Deno.test("encodeRecord() rejects a known field whose getter throws", () => {
  const cause = new Error("no entry");
  const fields = {
    get cost(): number {
      throw cause;
    },
  };
  const error = assertThrows(
    () => encodeRecord("nav", fields, CONTEXT),
    AuditEventError,
    'reading the field "cost" throws: no entry',
  );
  assertEquals(error.field, "cost");
  assertEquals(error.cause, cause);
});

Deno.test('encodeRecord() rejects the field "files" with an AuditEventError if reading an element throws', () => {
  const files = ["a"];
  Object.defineProperty(files, 0, {
    enumerable: true,
    get() {
      throw new Error("no entry");
    },
  });
  const error = assertThrows(() => encodeRecord("nav", { files }, CONTEXT), AuditEventError);
  assertStringIncludes(error.field, "files");
});

Deno.test('encodeRecord() stores the field "files" as an array of strings, even if the array has a toJSON()', () => {
  const files = Object.assign(["a"], { toJSON: () => 42 });
  try {
    assertEquals(roundTrip({ files }).files, ["a"]);
  } catch (error) {
    if (!(error instanceof AuditEventError)) throw error;
  }
});

Deno.test('encodeRecord() rejects the field "config" if reading it throws, and names the field', () => {
  const config = {
    get depth(): number {
      throw new Error("no entry");
    },
  };
  const error = assertThrows(
    () => encodeRecord("nav", { config }, CONTEXT),
    AuditEventError,
    'reading the field "config" throws: no entry',
  );
  assertEquals(error.field, "config");
});

Deno.test("encodeRecord() leaves out a value whose toJSON() returns undefined", () => {
  const nothing = { toJSON: () => undefined };
  const record = roundTrip({ a: 1, x: nothing, y: [nothing], z: { nothing }, config: nothing });
  assertEquals(Object.keys(record), ["ts", "event", "session_id", "a", "y", "z"]);
  assertEquals([record.y, record.z], [[null], {}]);
});

Deno.test("encodeRecord() stores the error message if the toJSON() of a value throws", () => {
  const throwing = (thrown: unknown) => ({
    toJSON() {
      throw thrown;
    },
  });
  assertEquals(roundTrip({ x: throwing(new Error("no")) }).x, "[Throws: no]");
  assertEquals(roundTrip({ x: throwing("text") }).x, "[Throws: text]");
  const unreadable = {
    toString() {
      throw new Error("neither");
    },
  };
  assertEquals(roundTrip({ x: throwing(unreadable) }).x, "[Throws: unreadable]");
  assertEquals(roundTrip({ x: throwing(Object.create(null)) }).x, "[Throws: unreadable]");
});

Deno.test("encodeRecord() stores 100,000 keys", () => {
  const fields = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i]));
  const record = roundTrip(fields);
  assertEquals(Object.keys(record).length, 100_003);
  assertEquals(record.k99999, 99_999);
  assertEquals(Object.keys(roundTrip({ x: fields }).x as object).length, 100_000);
});

Deno.test("encodeRecord() stores keys named like members of a prototype as any other key", () => {
  const fields = JSON.parse(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"toJSON":"t",' +
      '"hasOwnProperty":3,"x":{"__proto__":{"polluted":4}}}',
  );
  const text = encodeRecord("nav", fields, CONTEXT);
  assertEquals(
    text,
    `${HEAD},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},` +
      '"toJSON":"t","hasOwnProperty":3,"x":{"__proto__":{"polluted":4}}}',
  );
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test("encodeRecord() stores a function named toJSON and does not call it", () => {
  const fields = { cost: 1, toJSON: () => ({ event: "forged" }) };
  assertEquals(
    encodeRecord("nav", fields, CONTEXT),
    `${HEAD},"cost":1,"toJSON":"[Function: toJSON]"}`,
  );
});

Deno.test("encodeRecord() stores fields without a prototype, and does not store inherited fields", () => {
  const bare = Object.assign(Object.create(null), { a: 1 });
  assertEquals(encodeRecord("nav", bare, CONTEXT), `${HEAD},"a":1}`);
  const child = Object.assign(Object.create({ inherited: 1, cost: -1 }), { a: 1 });
  assertEquals(encodeRecord("nav", child, CONTEXT), `${HEAD},"a":1}`);
});

const REVOKED = Proxy.revocable({}, {});
REVOKED.revoke();
function trap(name: keyof ProxyHandler<object>): object {
  return new Proxy({ cost: 1 }, {
    [name]() {
      throw new Error("mine");
    },
  });
}
const WITHOUT_LENGTH = {
  get length(): number {
    throw new Error("mine");
  },
};

for (
  const [what, field, event, fields] of [
    ["fields that are a revoked proxy", "fields", "nav", REVOKED.proxy],
    ["fields whose names cannot be listed", "fields", "nav", trap("ownKeys")],
    [
      "fields whose properties cannot be read",
      "fields",
      "nav",
      trap("getOwnPropertyDescriptor"),
    ],
    ["an event that is a revoked proxy", "event", REVOKED.proxy, {}],
    ["an event whose length throws", "event", WITHOUT_LENGTH, {}],
    ["a session_id whose length throws", "session_id", "nav", { session_id: WITHOUT_LENGTH }],
    ["a config that is a revoked proxy", "config", "nav", { config: REVOKED.proxy }],
  ] as const
) {
  Deno.test(`encodeRecord() rejects ${what}, and names the field`, () => {
    const error = assertThrows(
      () => encodeRecord(event, fields as EventFields, CONTEXT),
      AuditEventError,
    );
    assertEquals(error.field, field);
  });
}

const TEXTS: [what: string, text: string][] = [
  ["a line break", "a\nb\r\nc"],
  ["U+2028 and U+2029", "a\u2028b\u2029"],
  ["ESC", "\x1b[31mred\x1b[0m"],
  ["every control character", String.fromCharCode(...Array(32).keys(), 127, 0x85)],
  ["a forged line", '}\n{"event":"forged"}'],
  ["quotes and backslashes", '"\\"\\\\n'],
  ["an emoji and a byte order mark", "\ufeff🐟"],
  ["lone surrogates", "\ud800a\udc00\udfff"],
];
for (const [what, text] of TEXTS) {
  Deno.test(`encodeRecord() keeps ${what} inside one line, in any key or value`, () => {
    const record = roundTrip({
      reason: text,
      files: [text],
      session: text,
      [`key ${text}`]: 1,
      config: { [text]: text },
      list: [text],
      symbol: Symbol(text),
    });
    assertEquals(record.reason, text);
    assertEquals(record.files, [text]);
    assertEquals(record.session, text);
    assertEquals(record[`key ${text}`], 1);
    assertEquals(record.config, { [text]: text });
    assertEquals(record.list, [text]);
    assertEquals(record.symbol, `Symbol(${text})`);
    assertEquals(record.event, "nav");
    const typed = encodeRecord(text, { session_id: text }, CONTEXT);
    assert(!typed.includes("\n"));
    assertEquals(JSON.parse(typed).event, text);
    assertEquals(JSON.parse(typed).session_id, text);
  });
}

Deno.test("encodeRecord() reports a fraction as confidence, but not a redacted or an invalid one", () => {
  const fractions: number[] = [];
  const context = {
    ...CONTEXT,
    onFraction: (confidence: number) => void fractions.push(confidence),
  };
  const encode = (fields: EventFields, redact: readonly string[] = []) =>
    encodeRecord("nav", fields, { ...context, redaction: new Redaction(redact) });
  assertEquals(
    encode({ confidence: 0.25 }, ["confidence"]),
    `${HEAD},"confidence":"[redacted]"}`,
  );
  assertThrows(() => encode({ confidence: 0.5, cost: -1 }), AuditEventError);
  assertEquals(fractions, []);
  assertEquals(encode({ confidence: 0.75 }), `${HEAD},"confidence":0.75}`);
  assertEquals(fractions, [0.75]);
});

Deno.test("encodeRecord() keeps no reference to the caller's objects", () => {
  const note = { n: 1 };
  const text = encodeRecord("nav", { note, config: note }, CONTEXT);
  note.n = 2;
  assertEquals(text, `${HEAD},"config":{"n":1},"note":{"n":1}}`);
});

/** Encodes fields of JSON values by the definition of a line, one `JSON.stringify()` for each name and value. */
function encodedByDefinition(event: string, fields: Record<string, unknown>): string {
  const { session_id = "s1", ...others } = fields;
  const known = KNOWN_FIELD_NAMES.filter((name) => Object.hasOwn(others, name));
  const further = Object.keys(others).filter((name) => !KNOWN_FIELD_NAMES.includes(name));
  const ts = "1970-01-01T00:00:00.000Z";
  const members = [["ts", ts], ["event", event], ["session_id", session_id]]
    .concat([...known, ...further].map((name) => [name, others[name]]));
  const texts = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${texts.join()}}`;
}

Deno.test("encodeRecord() writes random fields in any order as the definition of a line says, byte for byte", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("critic", '"', "\ud800"));
  const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
  const count = fc.maxSafeNat();
  const json = fc.jsonValue().filter((value) => value !== null);
  const known = fc.record({
    session_id: text.filter((value) => value !== ""),
    cost: amount,
    model: text,
    input_t: count,
    output_t: count,
    files: fc.array(text, { maxLength: 3 }),
    reason: text,
    confidence: fc.double({ min: 0, max: 100, noNaN: true }),
    duration_ms: amount,
    config: fc.dictionary(text, json),
    cache_read_t: count,
  }, { requiredKeys: [] });
  const further = fc.dictionary(
    text.filter((name) => !["ts", "event", "hold"].includes(name)),
    json,
    { maxKeys: 5 },
  );
  const records = fc.tuple(known, further, fc.infiniteStream(fc.nat()))
    .map(([known, further, order]) => {
      const ranked = Object.entries({ ...further, ...known })
        .map((entry) => ({ entry, rank: order.next().value! }));
      return Object.fromEntries(ranked.sort((a, b) => a.rank - b.rank).map(({ entry }) => entry));
    });
  const names = new Set<string>();
  fc.assert(
    fc.property(records, (fields) => {
      names.add(Object.keys(fields).join());
      const event = "nav";
      assertEquals(
        encodeRecord(event, fields as EventFields, CONTEXT),
        encodedByDefinition(event, fields),
      );
    }),
    { numRuns: 500 },
  );
  assert(names.size > 200, `only ${names.size} different lists of names`);
});
