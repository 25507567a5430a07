import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { AuditEventError } from "../src/errors.ts";
import {
  checkKnownFields,
  EVENT_TYPES,
  KNOWN_FIELD_NAMES,
  shown,
  unfitReason,
} from "../src/event.ts";
import fc from "fast-check";

Deno.test("EVENT_TYPES is frozen and contains each type once", () => {
  assert(Object.isFrozen(EVENT_TYPES));
  assertEquals(EVENT_TYPES, [
    "nav",
    "brief",
    "cascade",
    "validation_fail",
    "budget",
    "skip",
    "trigger",
    "tldr",
    "tldr_auto_generated",
    "deep",
    "doc_sync",
    "commit_draft",
    "pr_snippet",
    "impact_analysis",
    "module_brief",
    "pr_synthesis",
    "roast_with_docs",
    "gate_compress",
    "gate_escalate",
  ]);
});

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

Deno.test("checkKnownFields() rejects event types that begin with budget_, but accepts budget itself", () => {
  for (const event of ["budget_hold", "budget_", "budget_x"]) {
    const error = assertThrows(() => checkKnownFields({ ...GOOD, event }), AuditEventError);
    assertEquals(
      error.message,
      `Cannot log event: the field "event" must not begin with budget_, which is reserved for budgets, got "${event}"`,
    );
  }
  for (const event of ["budget", "budgets", "my_budget_x", "budget_x_raw"]) {
    checkKnownFields({ ...GOOD, event });
  }
});

const GOOD = { event: "nav", session_id: "s" };

Deno.test("checkKnownFields() accepts the smallest and the largest valid value of each field", () => {
  checkKnownFields(GOOD);
  for (const cost of [0, -0, 0.1, Number.MAX_VALUE]) checkKnownFields({ ...GOOD, cost });
  for (const confidence of [0, 99.5, 100]) checkKnownFields({ ...GOOD, confidence });
  for (const input_t of [0, Number.MAX_SAFE_INTEGER]) checkKnownFields({ ...GOOD, input_t });
  checkKnownFields({
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
  Deno.test(`checkKnownFields() rejects the field ${field} and names its value ${shownAs}`, () => {
    const error = assertThrows(
      () => checkKnownFields({ ...GOOD, [name]: value }),
      AuditEventError,
    );
    assertEquals(error.field, field);
    assertEquals(error.value, bad);
    assertStringIncludes(error.message, `Cannot log event: the field "${field}" must be `);
    assert(error.message.endsWith(`, got ${shownAs}`), error.message);
  });
}

Deno.test("checkKnownFields() rejects an array and a function as config", () => {
  const list = assertThrows(() => checkKnownFields({ ...GOOD, config: [] }), AuditEventError);
  assertEquals(
    list.message,
    'Cannot log event: the field "config" must be an object, got an array',
  );
  const call = assertThrows(() => checkKnownFields({ ...GOOD, config() {} }), AuditEventError);
  assertEquals(
    call.message,
    'Cannot log event: the field "config" must be an object, got a function',
  );
});

Deno.test("shown() shortens a long string, and does not run code of the value", () => {
  assertEquals(shown("x".repeat(101)), `"${"x".repeat(100)}..."`);
  assertEquals(shown("a\nb"), '"a\\nb"');
  const trap = {
    toString: () => {
      throw new Error("ran");
    },
  };
  assertEquals(shown(trap), "an object");
});

Deno.test("unfitReason() accepts a value exactly if checkKnownFields() does, for random values", () => {
  const value = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.string(),
    fc.constantFrom("", -0, 2 ** 53, 0.5, Infinity, NaN, true, 10n),
    fc.anything(),
  );
  const field = fc.constantFrom("event", "session_id", ...KNOWN_FIELD_NAMES);
  fc.assert(
    fc.property(field, value, (name, value) => {
      if (value === undefined || value === null) return;
      const fields = { event: "nav", session_id: "s1", [name]: value };
      let message = null;
      try {
        checkKnownFields(fields);
      } catch (error) {
        if (!(error instanceof AuditEventError)) throw error;
        ({ message } = error);
        // Reserved types are not a matter of the type of the field.
        if (message.includes("not begin with")) return;
      }
      const reason = unfitReason(name, value);
      assertEquals(reason === null, message === null, `${name} ${reason} ${message}`);
      if (reason !== null) assertStringIncludes(message ?? "", `must be ${reason}`);
    }),
    { numRuns: 2_000 },
  );
});
