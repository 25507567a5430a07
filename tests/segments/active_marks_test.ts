import { assertEquals } from "@std/assert";
import { addMark, lastMark, startFor } from "../../src/segments/active_marks.ts";
import type { SimulatedDisk } from "../faults/simulated_disk.ts";
import { diskWith, files, logOn } from "./log_on_disk.ts";

const LINE = `{"ts":"2026-02-13T14:30:22.123Z","event":"nav","n":1}\n`;

function marked(lockText: string, places: readonly [lines: number, boundMs: number][]) {
  const disk = diskWith({ [files.active]: LINE.repeat(30), [files.lock]: lockText });
  const process = disk.process();
  const lockFile = process.open(files.lock, "update");
  const active = process.open(files.active, "read");
  for (const [lines, boundMs] of places) {
    addMark(lockFile, active, { byteLength: lines * LINE.length, boundMs });
  }
  return { disk, log: logOn(process), active, lockFile };
}

function lockLinesOn(disk: SimulatedDisk): string[] {
  return (disk.snapshot()[files.lock] as string).split("\n").slice(0, -1);
}

Deno.test("startFor() returns the offset of the last mark (a time and an offset in the lock file) whose time is before the requested time", () => {
  const file = marked("", [[10, 1_000], [20, 2_000], [30, 3_000]]);
  const starts = [1_000, 1_001, 2_000, 2_001, 9_999].map((ms) => startFor(ms, file) / LINE.length);
  assertEquals(starts, [0, 10, 10, 20, 30]);
});

Deno.test("startFor() returns 0 if the active file does not match the digest in the last mark before the requested time, so that the whole file is read", () => {
  const file = marked("", [[10, 1_000], [20, 2_000]]);
  file.disk.writeFile(files.active, LINE.repeat(15) + LINE.replace("nav", "dig").repeat(15));
  const active = file.disk.process().open(files.active, "read");
  assertEquals(startFor(9_999, { ...file, active }), 0);
  assertEquals(startFor(1_500, { ...file, active }), 10 * LINE.length);
});

Deno.test("startFor() ignores a mark in the lock file whose offset is past the end of the active file", () => {
  const file = marked("", [[10, 1_000], [20, 2_000]]);
  file.disk.writeFile(files.active, LINE.repeat(19));
  const active = file.disk.process().open(files.active, "read");
  assertEquals(startFor(9_999, { ...file, active }), 10 * LINE.length);
});

for (
  const text of [
    "",
    "null",
    "[]",
    '{"marked_bytes":53}',
    '{"marked_bytes":-1,"bound_ms":0,"sha256":""}',
    '{"marked_bytes":"53","bound_ms":0,"sha256":""}',
    '{"marked_bytes":53,"bound_ms":1e999,"sha256":""}',
    '{"marked_bytes":53,"bound_ms":0,"sha256":null}',
  ]
) {
  Deno.test(`startFor() returns 0 if the lock file contains '${text}'`, () => {
    assertEquals(startFor(9_999, marked(`${text}\n`, [])), 0);
  });
}

for (const kind of ["symlink", "directory", "other"] as const) {
  Deno.test(`startFor() returns 0 if the lock file is not a regular file (${kind})`, () => {
    const file = marked("", []);
    file.log.fileSystem.remove(files.lock);
    file.disk.plant(files.lock, kind);
    assertEquals(startFor(9_999, file), 0);
  });
}

Deno.test("addMark() preserves the lines of the lock file that are not marks, and removes marks that do not match the active file", () => {
  const session = '{"pid":1,"session_id":"s"}';
  const file = marked(`${session}\n`, [[10, 1_000], [20, 2_000]]);
  assertEquals(lockLinesOn(file.disk).length, 3);
  assertEquals(lastMark(lockLinesOn(file.disk).join("\n"), file.active), {
    byteLength: 20 * LINE.length,
    boundMs: 2_000,
  });
  file.disk.writeFile(files.active, LINE.replace("nav", "dig").repeat(30));
  const active = file.disk.process().open(files.active, "read");
  addMark(file.lockFile, active, { byteLength: 25 * LINE.length, boundMs: 5_000 });
  const [first, ...marks] = lockLinesOn(file.disk);
  assertEquals([first, marks.length], [session, 1]);
  assertEquals(startFor(9_999, { ...file, active }), 25 * LINE.length);
});
