import { assertEquals, assertThrows } from "@std/assert";
import { nearestName } from "../../src/options/nearest_name.ts";
import { checkOptions, flag, integer, text, texts, time } from "../../src/options/option_checks.ts";

const KNOWN = {
  path: text,
  rotationSizeBytes: integer(1),
  redact: texts,
  limit: integer(0, true),
} as const;

Deno.test("nearestName() finds the known name that is most similar", () => {
  const names = Object.keys(KNOWN);
  for (
    const [name, nearest] of [
      ["rotateSize", "rotationSizeBytes"],
      ["rotationSize", "rotationSizeBytes"],
      ["limt", "limit"],
      ["LIMIT", "limit"],
      ["filepath", "path"],
      ["redcat", "redact"],
      ["lmiit", "limit"],
      ["filename", undefined],
      ["clock", undefined],
      ["zzz", undefined],
      ["", undefined],
    ] as const
  ) assertEquals(nearestName(name, names), nearest, name);
});

Deno.test("checkOptions() rejects an unknown option, even if it is undefined, and suggests the most similar known one", () => {
  checkOptions({ path: "x", limit: undefined }, KNOWN, "test");
  checkOptions(Object.create({ inherited: 1 }), KNOWN, "test");
  for (const value of [1, undefined, null]) {
    const { message } = assertThrows(
      () => checkOptions({ path: "x", limt: value }, KNOWN, "query audit log"),
      TypeError,
    );
    assertEquals(
      message,
      'Cannot query audit log: unknown option "limt"; did you mean "limit"?',
    );
  }
  assertThrows(
    () => checkOptions({ q: 1 }, KNOWN, "test"),
    TypeError,
    'unknown option "q"; the known options are path, rotationSizeBytes, redact, limit',
  );
  assertThrows(
    () => checkOptions({ maxArchive: 1 }, { maxArchives: integer(1) }, "test", "retention."),
    TypeError,
    'unknown option "retention.maxArchive"; did you mean "retention.maxArchives"?',
  );
  for (const options of [null, 5, "x", [], () => {}]) {
    assertThrows(() => checkOptions(options, KNOWN, "test"), TypeError, "must be an object");
  }
});

Deno.test("checkOptions() rejects a wrong type or a value out of range, and names the option and the value", () => {
  const checks = { ...KNOWN, flag, since: time };
  for (
    const [options, type, message] of [
      [{ path: 5 }, TypeError, "path must be a string, got 5"],
      [{ redact: [5] }, TypeError, "redact must be a string or an array of strings, got an array"],
      [{ limit: "5" }, TypeError, 'limit must be an integer >= 0 or Infinity, got "5"'],
      [{ limit: -1 }, RangeError, "limit must be an integer >= 0 or Infinity, got -1"],
      [{ rotationSizeBytes: Infinity }, RangeError, "rotationSizeBytes must be an integer >= 1"],
      [{ flag: 1 }, TypeError, "flag must be true or false, got 1"],
      [
        { since: "yesterday" },
        RangeError,
        "Cannot read since: the time must be a Date, a Temporal.Instant",
      ],
    ] as const
  ) {
    assertThrows(() => checkOptions(options, checks, "test"), type, message);
  }
  checkOptions({ limit: Infinity, flag: false, since: 0, redact: ["a"] }, checks, "test");
});

Deno.test("nearestName() suggests no retention limit of another kind, because that could delete archives", () => {
  const names = ["maxArchives", "maxBytes", "maxAgeSec"];
  assertEquals(nearestName("maxFiles", names), undefined);
  assertEquals(nearestName("maxDays", names), undefined);
  assertEquals(nearestName("archivesMax", names), "maxArchives");
  assertEquals(nearestName("maxAge", names), "maxAgeSec");
});
