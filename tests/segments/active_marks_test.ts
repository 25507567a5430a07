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
  assertEquals(lastMark(file.lockFile, file.active), {
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

/** A mark, as a line of the lock file, that matches no file. */
const STALE = `{"marked_bytes":${5 * LINE.length},"bound_ms":500,"sha256":"${"0".repeat(64)}"}`;

for (
  const [what, lockText, kept] of [
    ["whose last line is torn within a mark", `{"pid":1}\n{"marked_by`, [
      '{"pid":1}',
      '{"marked_by',
    ]],
    ["whose last line is torn before its line break", `{"pid":1}\n${STALE}`, ['{"pid":1}']],
    ["whose last line is no mark", `${STALE}\n{"pid":1}\n`, ['{"pid":1}']],
    ["whose last line is longer than a mark", `{"pid":1,"x":"${"y".repeat(300)}"}\n`, [
      `{"pid":1,"x":"${"y".repeat(300)}"}`,
    ]],
    ["without lines", "", []],
  ] as const
) {
  Deno.test(`addMark() and lastMark() work with a lock file ${what}`, () => {
    const file = marked(lockText, [[10, 1_000], [20, 2_000]]);
    const lines = lockLinesOn(file.disk);
    assertEquals(lines.slice(0, -2), [...kept]);
    assertEquals(lastMark(file.lockFile, file.active), {
      byteLength: 20 * LINE.length,
      boundMs: 2_000,
    });
    assertEquals(startFor(1_500, file), 10 * LINE.length);
    assertEquals(startFor(9_999, file), 20 * LINE.length);
  });
}

Deno.test("addMark() and lastMark() read only the end of a lock file with many marks", () => {
  const text = "x".repeat(10_000) + "\n";
  const file = marked(text, [[1, 1_000]]);
  const read: number[] = [];
  const lockFile = {
    ...file.lockFile,
    status: () => file.lockFile.status(),
    appendSync: (bytes: Uint8Array) => file.lockFile.appendSync(bytes),
    readSync(bytes: Uint8Array, offset: number) {
      read.push(bytes.byteLength);
      return file.lockFile.readSync(bytes, offset);
    },
  } as typeof file.lockFile;
  for (let line = 2; line <= 30; line++) {
    addMark(lockFile, file.active, { byteLength: line * LINE.length, boundMs: 1_000 * line });
    assertEquals(lastMark(lockFile, file.active)?.boundMs, 1_000 * line);
  }
  assertEquals(Math.max(...read) <= 256, true, `${read}`);
  assertEquals(lockLinesOn(file.disk).length, 31);
});
