import { assertEquals, assertThrows } from "@std/assert";
import { type MappingOptions, RecordMapping } from "../../src/cli/record_mapping.ts";
import { AuditEventError } from "../../src/errors.ts";

const NOTHING: MappingOptions = { map: [], event: "nav", text: [], timeZone: "UTC" };

function fieldsOf(
  cells: Record<string, string>,
  options: Partial<MappingOptions> = {},
): Record<string, unknown> {
  return new RecordMapping({ ...NOTHING, ...options }).ofCells({ ts: "0", ...cells }).fields;
}

Deno.test("RecordMapping reads a cell as a number or boolean, unless its text would change", () => {
  const cells = {
    count: "12",
    share: "-0.50",
    large: "1e3",
    flag: "true",
    padded: "007",
    id: "9007199254740993",
    day: "2026-02-13",
    empty: "",
    array: "[1]",
  };
  assertEquals(fieldsOf(cells), {
    count: 12,
    share: -0.5,
    large: 1000,
    flag: true,
    padded: "007",
    id: "9007199254740993",
    day: "2026-02-13",
    empty: null,
    array: "[1]",
  });
  assertEquals(fieldsOf({ version: "1.10" }, { text: ["version"] }), { version: "1.10" });
});

Deno.test("RecordMapping reads the cell of a known field as the type of the field", () => {
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
    // The validation of the field rejects this value later.
    input_t: "many",
  });
});

Deno.test("RecordMapping renames fields, also to the name of another column", () => {
  const map = [{ field: "a", column: "b" }, { field: "b", column: "a" }, {
    field: "c",
    column: "a",
  }];
  assertEquals(fieldsOf({ a: "1", b: "2" }, { map }), { a: 2, b: 1, c: 1 });
  const own = JSON.parse('{"ts":"0","__proto__":"x"}');
  const { fields } = new RecordMapping(NOTHING).ofObject(own);
  assertEquals(Object.entries(fields), [["__proto__", "x"]]);
});

Deno.test("RecordMapping rejects an object with two members for one field", () => {
  const mapping = new RecordMapping({ ...NOTHING, map: [{ field: "model", column: "engine" }] });
  const object = { ts: 0, engine: "a", model: "b" };
  const error = assertThrows(() => mapping.ofObject(object), AuditEventError);
  assertEquals(error.message, 'Cannot log event: model must have a single source, got "b"');
});

Deno.test("RecordMapping reads ISO 8601 times, seconds and milliseconds, and uses its time zone for local times", () => {
  const epochMs = (ts: unknown, timeZone = "UTC") =>
    new RecordMapping({ ...NOTHING, timeZone }).ofObject({ ts }).epochMs;
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
  assertEquals(epochMs(-1), -1000);
  for (const ts of ["", "soon", "2026-02-30T00:00:00Z", 1e17, NaN, null, undefined, true, {}]) {
    const error = assertThrows(() => epochMs(ts), AuditEventError);
    assertEquals([error.field, error.value], ["ts", ts]);
  }
});

Deno.test("RecordMapping rejects integers that were rounded, at any depth", () => {
  const mapping = new RecordMapping(NOTHING);
  const deep = JSON.parse(
    `{"ts":0,"a":${"[".repeat(5_000)}12345678901234567890${"]".repeat(5_000)}}`,
  );
  assertEquals(assertThrows(() => mapping.ofObject(deep), AuditEventError).field, "a");
  assertEquals(mapping.ofObject({ ts: 0, a: [{ b: 2 ** 53 - 1, c: 0.1 + 0.2 }] }).fields, {
    a: [{ b: 2 ** 53 - 1, c: 0.1 + 0.2 }],
  });
});
