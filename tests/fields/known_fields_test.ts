import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AuditEventError } from "../../src/errors.ts";
import type { EventFields } from "../../src/event.ts";
import { firstInvalidField } from "../../src/fields/schema.ts";
import {
  FIELD_CHECKS,
  KNOWN_FIELD_NAMES,
  loadEventSchema,
  TEXT_FIELD_NAMES,
  unfitReason,
} from "../../src/fields/known_fields.ts";
import { encodeRecord } from "../../src/write/encode_record.ts";

await loadEventSchema();

/** Checks the fields of an event as a log does, before it encodes them. */
function check({ event, ...fields }: Record<string, unknown>): void {
  encodeRecord(event, fields as EventFields, { nowMs: 0, sessionId: "s" });
}

Deno.test("KNOWN_FIELD_NAMES is frozen and has the order of the keys in a line", () => {
  assert(Object.isFrozen(KNOWN_FIELD_NAMES));
  assertEquals(KNOWN_FIELD_NAMES, [
    "cost",
    "model",
    "input_t",
    "output_t",
    "files",
    "reason",
    "confidence",
    "duration_ms",
    "config",
    "raw_brief_path",
    "cache_read_t",
    "cache_write_t",
    "reasoning_t",
  ]);
});

const GOOD = { event: "nav", session_id: "s" };

Deno.test("encodeRecord() accepts the smallest and the largest valid value of each field", () => {
  check(GOOD);
  for (const cost of [0, -0, 0.1, Number.MAX_VALUE]) check({ ...GOOD, cost });
  for (const confidence of [0, 99.5, 100]) check({ ...GOOD, confidence });
  for (const input_t of [0, Number.MAX_SAFE_INTEGER]) check({ ...GOOD, input_t });
  check({
    ...GOOD,
    event: "a custom event type",
    model: "",
    output_t: 1,
    files: [],
    reason: "",
    duration_ms: 0.25,
    config: { nested: { "": 1n } },
    raw_brief_path: "",
  });
});

const BAD: [name: string, value: unknown, field: string, bad: unknown, shownAs: string][] = [
  ["cost", -1, "cost", -1, "-1"],
  ["cost", NaN, "cost", NaN, "NaN"],
  ["cost", Infinity, "cost", Infinity, "Infinity"],
  ["cost", "1", "cost", "1", '"1"'],
  ["cost", 1n, "cost", 1n, "1n"],
  ["model", 5, "model", 5, "5"],
  ["input_t", 1.5, "input_t", 1.5, "1.5"],
  ["input_t", -1, "input_t", -1, "-1"],
  ["output_t", true, "output_t", true, "true"],
  ["output_t", NaN, "output_t", NaN, "NaN"],
  ["files", "a.ts", "files", "a.ts", '"a.ts"'],
  ["files", ["a", 2], "files.1", 2, "2"],
  ["files", ["a", "b", null], "files.2", null, "null"],
  ["reason", Symbol.iterator, "reason", Symbol.iterator, "Symbol(Symbol.iterator)"],
  ["confidence", 101, "confidence", 101, "101"],
  ["confidence", -0.5, "confidence", -0.5, "-0.5"],
  ["duration_ms", -1, "duration_ms", -1, "-1"],
  ["duration_ms", "5", "duration_ms", "5", '"5"'],
  ["config", "x", "config", "x", '"x"'],
  ["raw_brief_path", false, "raw_brief_path", false, "false"],
  ["event", "", "event", "", '""'],
  ["event", 7, "event", 7, "7"],
  ["event", undefined, "event", undefined, "undefined"],
  ["session_id", "", "session_id", "", '""'],
  ["session_id", 1, "session_id", 1, "1"],
];

for (const [name, value, field, bad, shownAs] of BAD) {
  Deno.test(`encodeRecord() rejects the field ${field} and names its value ${shownAs}`, () => {
    const error = assertThrows(
      () => check({ ...GOOD, [name]: value }),
      AuditEventError,
    );
    assertEquals(error.field, field);
    assertEquals(error.value, bad);
    assertStringIncludes(error.message, `Cannot log event: the field "${field}" must be `);
    assert(error.message.endsWith(`, got ${shownAs}`), error.message);
  });
}

Deno.test("encodeRecord() rejects an array and a function as config", () => {
  const list = assertThrows(() => check({ ...GOOD, config: [] }), AuditEventError);
  assertEquals(
    list.message,
    'Cannot log event: the field "config" must be an object, got an array',
  );
  const call = assertThrows(() => check({ ...GOOD, config() {} }), AuditEventError);
  assertEquals(
    call.message,
    'Cannot log event: the field "config" must be an object, got a function',
  );
});

Deno.test("encodeRecord() rejects event types that begin with budget_, but accepts budget itself", () => {
  for (const event of ["budget_hold", "budget_", "budget_x"]) {
    const error = assertThrows(() => check({ ...GOOD, event }), AuditEventError);
    assertEquals(
      error.message,
      `Cannot log event: the field "event" must not begin with budget_, which is reserved for budgets, got "${event}"`,
    );
  }
  for (const event of ["budget", "budgets", "my_budget_x", "budget_x_raw"]) {
    check({ ...GOOD, event });
  }
});

Deno.test("TEXT_FIELD_NAMES names the known fields whose values are strings", () => {
  assertEquals(TEXT_FIELD_NAMES, ["event", "session_id", "model", "reason", "raw_brief_path"]);
});

/** Random values, many of which are just valid or just invalid for a known field. */
const VALUES = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.string(),
  fc.constantFrom("", -0, 100, 100.5, 2 ** 53, 2 ** 53 - 1, 0.5, Infinity, NaN, true, 10n),
  fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 3 }),
  // The checks must reject an array with a hole.
  // deno-lint-ignore no-sparse-arrays
  fc.constantFrom([], ["a", , "b"], {}, Object.create(null), new Date(NaN), () => {}),
  fc.anything(),
).filter((value) => value !== undefined && value !== null);

Deno.test("the quick checks accept a value exactly if the schema does, and so does unfitReason()", () => {
  const name = fc.constantFrom(...FIELD_CHECKS.keys());
  fc.assert(
    fc.property(name, VALUES, (name, value) => {
      const invalid = firstInvalidField({ event: "nav", session_id: "s", [name]: value });
      assertEquals(FIELD_CHECKS.get(name)!(value), invalid === null);
      const isElement = invalid !== null && invalid.path.length > 1;
      if (!isElement) assertEquals(unfitReason(name, value), invalid?.requirement ?? null);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("encodeRecord() rejects random fields exactly if the schema does, and names the same field", () => {
  const fields = fc.dictionary(fc.constantFrom("session_id", ...KNOWN_FIELD_NAMES), VALUES, {
    maxKeys: 5,
  });
  fc.assert(
    fc.property(fields, (fields) => {
      const invalid = firstInvalidField({ event: "nav", session_id: "s", ...fields });
      if (invalid === null) return check({ event: "nav", ...fields });
      const error = assertThrows(() => check({ event: "nav", ...fields }), AuditEventError);
      assertEquals(error.field, invalid.path.join("."));
      assertStringIncludes(error.message, `" must be ${invalid.requirement}, got `);
    }),
    { numRuns: 5_000 },
  );
});
