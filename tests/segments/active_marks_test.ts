import { assertEquals } from "@std/assert";
import { addMark, lastMark, startFor } from "../../src/segments/active_marks.ts";
import type { SimulatedDisk } from "../faults/simulated_disk.ts";
import { diskWith, files } from "./log_on_disk.ts";

const LINE = `{"ts":"2026-02-13T14:30:22.123Z","event":"nav","n":1}\n`;

function marked(lockText: string, places: readonly [lines: number, boundMs: number][]) {
  const disk = diskWith({ [files.active]: LINE.repeat(30), [files.lock]: lockText });
  const process = disk.process();
  const lockFile = process.open(files.lock, "append");
  const active = process.open(files.active, "read");
  for (const [lines, boundMs] of places) {
    addMark(lockFile, active, { byteLength: lines * LINE.length, boundMs });
  }
  return { disk, fileSystem: process, active, lockFile, lockPath: files.lock };
}

function lockLinesOn(disk: SimulatedDisk): string[] {
  return (disk.snapshot()[files.lock] as string).split("\n").slice(0, -1);
}

Deno.test("startFor() begins behind the last mark that is older than what is asked for", () => {
  const log = marked("", [[10, 1_000], [20, 2_000], [30, 3_000]]);
  const starts = [1_000, 1_001, 2_000, 2_001, 9_999].map((ms) => startFor(ms, log) / LINE.length);
  assertEquals(starts, [0, 10, 10, 20, 30]);
});

Deno.test("startFor() begins at the beginning where a mark tells of other bytes", () => {
  const log = marked("", [[10, 1_000], [20, 2_000]]);
  log.disk.writeFile(files.active, LINE.repeat(15) + LINE.replace("nav", "dig").repeat(15));
  const active = log.disk.process().open(files.active, "read");
  assertEquals(startFor(9_999, { ...log, active }), 0);
  assertEquals(startFor(1_500, { ...log, active }), 10 * LINE.length);
});

Deno.test("startFor() heeds no mark behind the end of the file", () => {
  const log = marked("", [[10, 1_000], [20, 2_000]]);
  log.disk.writeFile(files.active, LINE.repeat(19));
  const active = log.disk.process().open(files.active, "read");
  assertEquals(startFor(9_999, { ...log, active }), 10 * LINE.length);
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
  Deno.test(`startFor() begins at the beginning where the lock file says ${text}`, () => {
    assertEquals(startFor(9_999, marked(`${text}\n`, [])), 0);
  });
}

for (const kind of ["symlink", "directory", "other"] as const) {
  Deno.test(`startFor() begins at the beginning where a ${kind} stands for the lock file`, () => {
    const log = marked("", []);
    log.fileSystem.remove(files.lock);
    log.disk.plant(files.lock, kind);
    assertEquals(startFor(9_999, log), 0);
  });
}

Deno.test("addMark() keeps what else is in the lock file, and forgets marks that no longer stand", () => {
  const session = '{"pid":1,"session_id":"s"}';
  const log = marked(`${session}\n`, [[10, 1_000], [20, 2_000]]);
  assertEquals(lockLinesOn(log.disk).length, 3);
  assertEquals(lastMark(lockLinesOn(log.disk).join("\n"), log.active), {
    byteLength: 20 * LINE.length,
    boundMs: 2_000,
  });
  log.disk.writeFile(files.active, LINE.replace("nav", "dig").repeat(30));
  const active = log.disk.process().open(files.active, "read");
  addMark(log.lockFile, active, { byteLength: 25 * LINE.length, boundMs: 5_000 });
  const [first, ...marks] = lockLinesOn(log.disk);
  assertEquals([first, marks.length], [session, 1]);
  assertEquals(startFor(9_999, { ...log, active }), 25 * LINE.length);
});
