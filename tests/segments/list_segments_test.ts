import { assertEquals } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { listSegments } from "../../src/segments/list_segments.ts";
import { LogFiles, type SegmentName } from "../../src/segments/segment_name.ts";
import { tempDir } from "../temp_dir.ts";

type Form = SegmentName["form"];

Deno.test("listSegments() gives each segment once, oldest first", () => {
  using dir = tempDir();
  const names = [
    "a_20260213_143024.jsonl",
    "a_20260213_143022.jsonl.gz",
    "a_20260213_143023.jsonl.gz",
    "a_20260213_143023.jsonl",
    "a.jsonl",
    "a.jsonl.lock",
    "b_20260213_143023.jsonl.gz",
  ];
  for (const name of names) Deno.writeTextFileSync(dir.path(name), "");
  assertEquals(listSegments(denoFileSystem, new LogFiles(dir.path("a.jsonl"))), [
    { stamp: "20260213_143022", forms: new Set<Form>(["archive"]) },
    { stamp: "20260213_143023", forms: new Set<Form>(["sealed", "archive"]) },
    { stamp: "20260213_143024", forms: new Set<Form>(["sealed"]) },
  ]);
});

Deno.test("listSegments() takes a file with a lock file of its own for a log", () => {
  using dir = tempDir();
  for (const name of ["run_20260213_143022.jsonl", "run_20260213_143022.jsonl.lock"]) {
    Deno.writeTextFileSync(dir.path(name), "");
  }
  assertEquals(listSegments(denoFileSystem, new LogFiles(dir.path("run.jsonl"))), []);
});

Deno.test("listSegments() finds nothing in a directory that is not there", () => {
  assertEquals(listSegments(denoFileSystem, new LogFiles("/nowhere/at/all/a.jsonl")), []);
});
