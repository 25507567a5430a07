import { assertEquals } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import type { SegmentName } from "../../src/segments/segment_name.ts";
import { tempDir } from "../temp_dir.ts";
import { diskWith, files, logOn } from "./log_on_disk.ts";

type Form = SegmentName["form"];

Deno.test("LogDirectory.segments() lists each segment once, oldest first", () => {
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
  assertEquals(new LogDirectory(denoFileSystem, dir.path("a.jsonl")).segments(), [
    { stamp: "20260213_143022", forms: new Set<Form>(["archive"]) },
    { stamp: "20260213_143023", forms: new Set<Form>(["sealed", "archive"]) },
    { stamp: "20260213_143024", forms: new Set<Form>(["sealed"]) },
  ]);
});

Deno.test("LogDirectory.segments() does not list a file with its own lock file, because it is another log", () => {
  using dir = tempDir();
  for (const name of ["run_20260213_143022.jsonl", "run_20260213_143022.jsonl.lock"]) {
    Deno.writeTextFileSync(dir.path(name), "");
  }
  assertEquals(new LogDirectory(denoFileSystem, dir.path("run.jsonl")).segments(), []);
});

Deno.test("LogDirectory.segments() lists nothing if the directory does not exist", () => {
  assertEquals(new LogDirectory(denoFileSystem, "/nowhere/at/all/a.jsonl").segments(), []);
});

Deno.test("LogDirectory.newestStamp() returns the latest time in a file name, even in that of another log or an unfinished archive", () => {
  using dir = tempDir();
  const log = new LogDirectory(denoFileSystem, dir.path("a.jsonl"));
  assertEquals(log.newestStamp(), undefined);
  Deno.writeTextFileSync(log.files.archive("20260213_143022"), "");
  assertEquals(log.newestStamp(), "20260213_143022");
  Deno.writeTextFileSync(log.files.unfinished("20260213_143024"), "");
  assertEquals(log.newestStamp(), "20260213_143024");
  Deno.writeTextFileSync(log.files.sealed("20260213_143025"), "");
  Deno.writeTextFileSync(`${log.files.sealed("20260213_143025")}.lock`, "");
  assertEquals(log.newestStamp(), "20260213_143025");
});

Deno.test("LogDirectory opens files, closes the files when the stack is disposed, and returns null for a missing file", () => {
  const stamp = "20260213_143022";
  const disk = diskWith({
    [files.active]: "active",
    [files.sealed(stamp)]: "sealed",
    [files.archive(stamp)]: "archive",
    [files.lock]: "lock",
  });
  const process = disk.process();
  const log = logOn(process);
  {
    using stack = new DisposableStack();
    const opened = [
      log.openActive(stack),
      log.openSealed(stamp, stack),
      log.openArchive(stamp, stack),
      log.openLock(stack),
      log.open(files.manifest, stack),
    ];
    assertEquals(opened.map((handle) => handle?.status().byteLength), [6, 6, 7, 4, undefined]);
    assertEquals(process.openHandles, 4);
  }
  assertEquals(process.openHandles, 0);
  const active = log.openActive();
  assertEquals(process.openHandles, 1);
  active?.close();
});

Deno.test("LogDirectory.isAt() distinguishes the open file from a file that has replaced it at the path", () => {
  const log = logOn(diskWith({ [files.active]: "a\n" }).process());
  using stack = new DisposableStack();
  const active = log.openActive(stack)!;
  assertEquals(log.isAt(files.active, active), true);
  log.fileSystem.rename(files.active, files.sealed("20260213_143022"));
  assertEquals(log.isAt(files.active, active), false);
  assertEquals(log.isAt(files.sealed("20260213_143022"), active), true);
  log.fileSystem.open(files.active, "create").close();
  assertEquals(log.isAt(files.active, active), false);
});
