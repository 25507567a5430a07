import { assertEquals, assertThrows } from "@std/assert";
import { CommandError } from "../../src/cli/command_error.ts";
import { checkKind } from "../../src/cli/log_kind.ts";
import { gzipped, tempDir } from "../temp_dir.ts";

const LINE = '{"ts":"2026-02-13T14:00:00.000Z","event":"nav"}\n';
const encoder = new TextEncoder();

function check(path: string): void {
  checkKind({ path, source: "command line" });
}

const OTHERS: [name: string, content: string | Uint8Array, reason: string][] = [
  [
    "a.png",
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0),
    "the file is a PNG image, not an audit log",
  ],
  ["a.jpg", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), "the file is a JPEG image, not an audit log"],
  ["audit.jsonl.gz", await gzipped(LINE), "the file is a gzip file, not an audit log"],
  [
    "a.csv",
    "ts,event\n2026-02-13,nav\n",
    "the file is a table (use scout import), not an audit log",
  ],
  ["a.bin", Uint8Array.of(0, 255, 10, 254), "the file is binary data, not an audit log"],
  ["a.txt", "hello\n", "no line of the file is a JSON object"],
  ["a.json", "[\n  1\n]\n", "no line of the file is a JSON object"],
  ["numbers.jsonl", "1\n2\n", "no line of the file is a JSON object"],
  ["long.txt", `${"x".repeat(99)}\n`.repeat(10_000), "no line of the file is a JSON object"],
];
for (const [name, content, reason] of OTHERS) {
  Deno.test(`checkKind() rejects ${name}: ${reason}`, () => {
    using dir = tempDir();
    const bytes = typeof content === "string" ? encoder.encode(content) : content;
    Deno.writeFileSync(dir.path(name), bytes);
    const error = assertThrows(() => check(dir.path(name)), CommandError);
    assertEquals(error.message, `Cannot read audit log: ${reason}: ${dir.path(name)}`);
    assertEquals(error.exitCode, 1);
  });
}

const LOGS: [what: string, content: string][] = [
  ["an empty file", ""],
  ["one event", LINE],
  ["an event without a line break", LINE.trimEnd()],
  ["a file that contains only a torn line", LINE.slice(0, 20)],
  ["damage before an event", `\0\0\0\n{"torn\n${LINE}`],
  ["much damage before an event", `${"x".repeat(200_000)}\n${LINE}`],
  ["much damage after an event", `${LINE}${"x".repeat(200_000)}`],
  [
    "a line longer than the part of the file that it reads",
    `{"event":"nav","x":"${"y".repeat(200_000)}"}\n`,
  ],
];
for (const [what, content] of LOGS) {
  Deno.test(`checkKind() accepts ${what}`, () => {
    using dir = tempDir();
    Deno.writeTextFileSync(dir.path("audit.jsonl"), content);
    check(dir.path("audit.jsonl"));
  });
}

Deno.test("checkKind() accepts a damaged file if a lock file, manifest or archive of the log is next to it", () => {
  for (
    const beside of ["audit.jsonl.lock", "audit.manifest.jsonl", "audit_20260213_143022.jsonl.gz"]
  ) {
    using dir = tempDir();
    Deno.writeTextFileSync(dir.path("audit.jsonl"), "damaged\n");
    Deno.writeTextFileSync(dir.path(beside), "");
    check(dir.path("audit.jsonl"));
  }
});

Deno.test("checkKind() rejects a directory, and accepts a path that does not exist", () => {
  using dir = tempDir();
  assertThrows(
    () => check(dir.path("")),
    CommandError,
    "the path must be a regular file, got a directory",
  );
  check(dir.path("none.jsonl"));
});
