import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LogFiles, stampEpochMs, stampOf } from "../../src/segments/segment_name.ts";

Deno.test("LogFiles names a segment like the log, with the time of the rotation before the extension", () => {
  const stamp = "20260213_143022";
  const names: [log: string, sealed: string][] = [
    ["audit.jsonl", "audit_20260213_143022.jsonl"],
    ["my sim.v2.jsonl", "my sim.v2_20260213_143022.jsonl"],
    ["plain", "plain_20260213_143022"],
    [".hidden", ".hidden_20260213_143022"],
    ["100 % é.log", "100 % é_20260213_143022.log"],
  ];
  for (const [log, sealed] of names) {
    const files = new LogFiles(join("/d", log));
    assertEquals(files.sealed(stamp), join("/d", sealed));
    assertEquals(files.archive(stamp), join("/d", `${sealed}.gz`));
    assertEquals(files.parse(sealed), { stamp, form: "sealed" });
    assertEquals(files.parse(`${sealed}.gz`), { stamp, form: "archive" });
    assertEquals(files.unfinished(stamp), join("/d", `${sealed}.gz.tmp`));
    assertEquals(files.parse(`${sealed}.gz.tmp`), { stamp, form: "unfinished" });
  }
});

Deno.test("LogFiles.parse() returns null for all names except those of segments of its log", () => {
  const files = new LogFiles("/d/audit.jsonl");
  for (
    const name of [
      "audit.jsonl",
      "audit.jsonl.lock",
      "audit_20260213_143022",
      "audit_20260213_143022.jsonl.tmp",
      "audit.manifest.jsonl",
      "audit_20260213_143022.jsonl.bz2",
      "audit_20260213_143022_20260213_143022.jsonl",
      "audit_20260213143022.jsonl",
      "audit2_20260213_143022.jsonl",
      "xaudit_20260213_143022.jsonl",
      "audit_20260230_143022.jsonl.gz",
      "audit_20260213_243022.jsonl.gz",
    ]
  ) assertEquals(files.parse(name), null, name);
});

Deno.test("LogFiles.manifest is derived from the stem and the extension of the log", () => {
  const names = ["audit.jsonl", "audit.log", "audit", ".hidden"];
  assertEquals(
    names.map((name) => new LogFiles(join("/d", name)).manifest),
    ["audit.manifest.jsonl", "audit.manifest.log", "audit.manifest", ".hidden.manifest"]
      .map((name) => join("/d", name)),
  );
});

Deno.test("LogFiles.has() recognizes the three files with which shippers record the received archives of its log, but not those of another log", () => {
  const names = ["audit.shipped.jsonl", "audit.shipped.jsonl.tmp", "audit.shipped.jsonl.tmp.lock"];
  const files = new LogFiles("/d/audit.jsonl");
  const { shipped, unfinishedShipped, recording } = files;
  assertEquals([shipped, unfinishedShipped, recording], names.map((name) => `/d/${name}`));
  assertEquals(names.map((name) => files.has(name)), [true, true, true]);
  assertEquals(files.has("other.shipped.jsonl"), false);
});

Deno.test("stampOf() returns the date and time in UTC, down to the second", () => {
  assertEquals(stampOf(Date.UTC(2026, 1, 13, 14, 30, 22, 999)), "20260213_143022");
  assertEquals(stampOf(0), "19700101_000000");
  assertEquals(stampOf(Date.UTC(9999, 11, 31, 23, 59, 59)), "99991231_235959");
});

Deno.test("stampEpochMs() parses the time in the name of a segment as UTC, and returns NaN for an invalid time", () => {
  assertEquals(stampEpochMs("20260213_143022"), Date.UTC(2026, 1, 13, 14, 30, 22));
  assertEquals(stampEpochMs("00010101_000000"), Date.parse("0001-01-01T00:00:00Z"));
  for (const none of ["20260229_000000", "20261301_000000", "20260213_143060", "", "2026"]) {
    assertEquals(stampEpochMs(none), NaN, none);
  }
});

Deno.test("stampEpochMs() accepts exactly the dates that exist, in the years 0 to 9999", () => {
  for (let year = 0; year < 10_000; year += 1) {
    for (const day of ["0228", "0229", "0230", "0430", "0431", "1231"]) {
      const [month, date] = [day.slice(0, 2), day.slice(2)];
      const iso = `${String(year).padStart(4, "0")}-${month}-${date}T23:59:59.000Z`;
      const epochMs = Date.parse(iso);
      const expected = new Date(epochMs).toISOString() === iso ? epochMs : NaN;
      assertEquals(stampEpochMs(`${iso.slice(0, 4)}${day}_235959`), expected, iso);
    }
  }
});
