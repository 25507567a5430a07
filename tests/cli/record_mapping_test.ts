import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseIsoTime } from "../../src/cli/when.ts";
import { type MappingOptions, RecordMapping } from "../../src/cli/import/record_mapping.ts";
import { AuditEventError } from "../../src/errors.ts";
import { loadEventSchema } from "../../src/fields/known_fields.ts";

await loadEventSchema();

const NOTHING: MappingOptions = {
  ...{
    map: [],
    event: "nav",
    textColumns: [],
    scale: [],
    where: [],
    prices: undefined,
    timeZone: "UTC",
  },
  timeUnit: "s",
  timeStart: undefined,
};

function fieldsOf(
  cells: Record<string, string>,
  options: Partial<MappingOptions> = {},
): Record<string, unknown> {
  return new RecordMapping({ ...NOTHING, ...options }).ofCells({ ts: "0", ...cells }).fields;
}

Deno.test("RecordMapping turns a cell into a number or boolean only if the text of that value equals the cell", () => {
  const numbers = { count: "12", share: "-0.5", small: "1e-7", large: "9007199254740992" };
  const values = { count: 12, share: -0.5, small: 1e-7, large: 9007199254740992 };
  assertEquals(fieldsOf({ ...numbers, flag: "true" }), { ...values, flag: true });
  const texts = {
    version: "1.10",
    code: "007",
    id: "9007199254740993",
    part: "12e4567",
    serial: "4711e12",
    tiny: "3e-9999",
    hex: "0x10",
    spaced: " 1",
    signed: "+1",
    infinite: "Infinity",
    missing: "NaN",
    day: "2026-02-13",
    array: "[1]",
    nothing: "null",
  };
  assertEquals(fieldsOf(texts), texts);
  assertEquals(fieldsOf({ empty: "" }), { empty: null });
  assertEquals(fieldsOf({ release: "1.5" }, { textColumns: ["release"] }), { release: "1.5" });
});

Deno.test("RecordMapping returns a value whose text equals the cell, for random numbers and texts", () => {
  const numeric = fc.stringMatching(/^[-+]?\d{0,20}\.?\d{0,20}(?:[eE][-+]?\d{1,4})?$/);
  fc.assert(fc.property(fc.oneof(numeric, fc.double().map(String), fc.string()), (cell) => {
    if (cell !== "") assertEquals(String(fieldsOf({ value: cell }).value), cell);
  }));
});

Deno.test("RecordMapping stores a number that JavaScript would round as text, also in known fields", () => {
  const fields = fieldsOf({
    cost: "12345678901234567890",
    duration_ms: "9007199254740993",
    config: '{"seed":9007199254740993,"share":0.1}',
    confidence: "1e1",
  });
  assertEquals(fields, {
    cost_raw: "12345678901234567890",
    duration_ms_raw: "9007199254740993",
    config: { seed: "9007199254740993", share: 0.1 },
    confidence: 10,
  });
});

Deno.test("RecordMapping converts the cell of a known field to the type of that field", () => {
  const cells = {
    model: "4",
    session_id: "12",
    reason: "true",
    files: '["a", "b"]',
    config: '{"seed":1}',
    cost: "0.5",
    input_t: "many",
  };
  assertEquals(fieldsOf(cells), {
    model: "4",
    session_id: "12",
    reason: "true",
    files: ["a", "b"],
    config: { seed: 1 },
    cost: 0.5,
    input_t_raw: "many",
  });
});

Deno.test("RecordMapping renames columns, and can swap the names of two columns", () => {
  const map = [{ field: "a", column: "b" }, { field: "b", column: "a" }, {
    field: "c",
    column: "a",
  }];
  assertEquals(fieldsOf({ a: "1", b: "2" }, { map }), { a: 2, b: 1, c: 1 });
  const own = JSON.parse('{"ts":"0","__proto__":"x"}');
  const { fields } = new RecordMapping(NOTHING).ofObject(own);
  assertEquals(Object.entries(fields), [["__proto__", "x"]]);
});

Deno.test("RecordMapping rejects an object of which two members map to the same field", () => {
  const mapping = new RecordMapping({ ...NOTHING, map: [{ field: "model", column: "engine" }] });
  const object = { ts: 0, engine: "a", model: "b" };
  const error = assertThrows(() => mapping.ofObject(object), AuditEventError);
  assertEquals(
    error.message,
    'Cannot log event: the field "model" must come from a single column or member, got "b"',
  );
});

Deno.test("RecordMapping reads ISO 8601 times, seconds and milliseconds, and reads local times in its time zone", () => {
  const epochMs = (ts: unknown, timeZone = "UTC") =>
    new RecordMapping({ ...NOTHING, timeUnit: undefined, timeZone }).ofObject({ ts }).epochMs;
  const expected = Date.UTC(2026, 1, 13, 14, 30, 22, 123);
  for (
    const ts of [
      "2026-02-13T14:30:22.123Z",
      "2026-02-13T15:30:22.123456+01:00",
      "2026-02-13 14:30:22.1239999",
      expected,
      `${expected}`,
      expected / 1000,
      `${expected / 1000}`,
    ]
  ) assertEquals(epochMs(ts), expected, `${ts}`);
  assertEquals(epochMs("2026-02-13T15:30:22.123", "Europe/Berlin"), expected);
  assertEquals(epochMs("2026-02-13"), Date.UTC(2026, 1, 13));
  for (const ts of [-1, "", "soon", "2026-02-30T00:00:00Z", 1e17, NaN, null, undefined, true, {}]) {
    const error = assertThrows(() => epochMs(ts), AuditEventError);
    assertEquals([error.field, error.value], ["ts", ts]);
  }
});

Deno.test("RecordMapping reads numeric times in timeUnit, counted from timeStart", () => {
  const epochMs = (ts: unknown, options: Partial<MappingOptions>) =>
    new RecordMapping({ ...NOTHING, ...options }).ofObject({ ts }).epochMs;
  const expected = Date.UTC(2026, 1, 13, 14, 30, 22, 123);
  assertEquals(epochMs(expected / 1000, { timeUnit: "s" }), expected);
  assertEquals(epochMs(expected, { timeUnit: "ms" }), expected);
  assertEquals(epochMs(`${expected}456`, { timeUnit: "us" }), expected);
  assertEquals(epochMs(`${expected}456789`, { timeUnit: "ns" }), expected);
  assertEquals(epochMs(-1, { timeUnit: "s" }), -1_000);
  const timeStart = parseIsoTime("2026-02-13T15:30");
  const berlin = { timeZone: "Europe/Berlin", timeStart };
  assertEquals(epochMs(22.123, { ...berlin, timeUnit: undefined }), expected);
  assertEquals(epochMs(22_123, { ...berlin, timeUnit: "ms" }), expected);
  assertEquals(epochMs("2026-02-13T14:30:22.123Z", berlin), expected);
});

Deno.test("RecordMapping rejects an implausible numeric time without a unit, and shows the date that it would mean", () => {
  const mapping = new RecordMapping({ ...NOTHING, timeUnit: undefined });
  const cases: [unknown, string][] = [
    [1770993022123456, "+058090-"],
    ["20260213143022", "2612-"],
    [44970.58, "1970-01-01T12:"],
    [0, "1970-01-01T00:"],
    [Date.now() + 3 * 86_400_000, new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 8)],
  ];
  for (const [ts, shown] of cases) {
    const error = assertThrows(() => mapping.ofObject({ ts }), AuditEventError);
    const message = `a time from 2000 until tomorrow, not ${shown}`;
    assert(error.message.includes(message), error.message);
    assert(error.message.includes("add --time-unit s, ms, us or ns"), error.message);
  }
});

Deno.test("RecordMapping reads a member of a nested object by its dotted path", () => {
  const map = [{ field: "input_t", column: "message.usage.input_tokens" }, {
    field: "model",
    column: "a.b",
  }];
  const mapping = new RecordMapping({ ...NOTHING, map });
  const message = { usage: { input_tokens: 812 } };
  const { fields } = mapping.ofObject({ ts: 0, message, "a.b": "own name", a: { b: "path" } });
  assertEquals(fields, { input_t: 812, message, model: "own name", a: { b: "path" } });
  // If a record lacks a member on the dotted path, the event lacks the field. The path never leads into the members of
  // a prototype or of a string.
  assertEquals(mapping.ofObject({ ts: 0, message: { usage: 7 } }).fields, {
    message: { usage: 7 },
  });
  for (const column of ["m.constructor", "m.toString.name", "constructor", "m.text.length"]) {
    const inherited = new RecordMapping({ ...NOTHING, map: [{ field: "x", column }] });
    const object = { ts: 0, m: { text: "text" } };
    assertEquals(inherited.ofObject(object).fields, { m: { text: "text" } }, column);
  }
  const literal = new RecordMapping({ ...NOTHING, map: [{ field: "x", column: "a.b" }] });
  assertEquals(literal.ofObject({ ts: 0, "a.b": 1 }).fields, { x: 1 });
  assertEquals(literal.missingMember(), null);
});

Deno.test("RecordMapping.missingMember() names a mapped member that no object has", () => {
  const map = [{ field: "cost", column: "costUsd" }, { field: "model", column: "engine" }];
  const mapping = new RecordMapping({ ...NOTHING, map });
  assertEquals(mapping.missingMember(), null);
  mapping.ofObject({ ts: 0, engine: "small", cost_usd: 1 });
  mapping.ofObject({ ts: 0 });
  assertEquals(
    mapping.missingMember(),
    'no record has the member "costUsd" of --map cost=costUsd; did you mean "cost_usd"?',
  );
  mapping.ofObject({ ts: 0, costUsd: 1 });
  assertEquals(mapping.missingMember(), null);
  const other = new RecordMapping({ ...NOTHING, map: [{ field: "cost", column: "zzz" }] });
  other.ofObject({ ts: 0, engine: "small" });
  const message = 'no record has the member "zzz" of --map cost=zzz (members: ts, engine)';
  assertEquals(other.missingMember(), message);
});

Deno.test("RecordMapping.missingMember() accepts a mapped name that exists only as a CSV column", () => {
  const mapping = new RecordMapping({ ...NOTHING, map: [{ field: "ts", column: "TIME" }] });
  mapping.checkColumns(["TIME"], "a.csv");
  mapping.ofObject({ ts: 0 });
  assertEquals(mapping.missingMember(), null);
});

Deno.test("RecordMapping.missingMember() lists at most twenty members of the objects", () => {
  const mapping = new RecordMapping({ ...NOTHING, map: [{ field: "cost", column: "?" }] });
  for (let n = 0; n < 3_000; n++) mapping.ofObject({ ts: 0, [`member ${n}`]: n });
  const message = mapping.missingMember()!;
  assert(message.length < 500 && message.includes("(members: ts, member 0, "), message);
});
