import { assertEquals, assertThrows } from "@std/assert";
import { sealActive, type Sealing } from "../../src/segments/rotate.ts";
import {
  type CallName,
  ioError,
  noSpace,
  type SimulatedProcess,
  systemErrors,
} from "../faults/simulated_disk.ts";
import { SeededRandom } from "../seeded_random.ts";
import { diskWith, files, logOn, ODDITIES } from "./log_on_disk.ts";

const STAMP = "20260213_143022";
const NEXT_STAMP = "20260213_143023";
const TIMES: Sealing = {
  nowMs: Date.UTC(2026, 1, 13, 14, 30, 22),
  newestEventMs: -Infinity,
  ownership: null,
};

function seal(process: SimulatedProcess, times = TIMES): string {
  return sealActive(logOn(process), times);
}

/** Lets call number `nth` of the function `name`, counted from 0, and all later calls of this function fail. */
function failFrom(process: SimulatedProcess, name: CallName, nth = 0): void {
  let seen = 0;
  process.failOn((call) => call.name === name && seen++ >= nth, ioError, Infinity);
}

Deno.test("sealActive() reserves the name of the segment, renames the active file to that name and syncs the directory", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  assertEquals(seal(process), STAMP);
  assertEquals(process.calls.map(({ name, path, to }) => ({ name, path, to })), [
    { name: "list", path: files.directory, to: undefined },
    { name: "status", path: files.manifest, to: undefined },
    { name: "open", path: files.sealed(STAMP), to: undefined },
    { name: "status", path: files.sealed(STAMP), to: undefined },
    { name: "status", path: files.sealed(STAMP), to: undefined },
    { name: "rename", path: files.active, to: files.sealed(STAMP) },
    { name: "syncDirectory", path: files.directory, to: undefined },
  ]);
  assertEquals(disk.snapshot(), { [files.sealed(STAMP)]: "a\n" });
  assertEquals(disk.afterPowerLoss(() => false).snapshot(), { [files.sealed(STAMP)]: "a\n" });
  assertEquals(process.openHandles, 0);
});

Deno.test("sealActive() names the segment with a time that is later than the times of the archives in the last lines of the manifest, but ignores times in the year 9999", () => {
  const line = (seq: number, stamp: string) =>
    `{"v":1,"seq":${seq},"pruned":"audit_${stamp}.jsonl.gz"}\n`;
  const manifest = line(0, "20260213_150000") + line(1, "99991231_000000") +
    `${"x".repeat(80_000)}\n`;
  const disk = diskWith({ [files.active]: "a\n", [files.manifest]: manifest });
  assertEquals(seal(disk.process()), "20260213_150001");
});

Deno.test("sealActive() warns and seals if the manifest cannot be read", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  disk.plant(files.manifest, "directory");
  assertEquals(seal(disk.process()), STAMP);
});

Deno.test("sealActive() names the segment with a time that is later than the times in all file names of the directory", () => {
  const taken = {
    [files.sealed(STAMP)]: "sealed\n",
    [files.archive(NEXT_STAMP)]: "archive",
    [files.unfinished("20260213_143024")]: "temp",
    [files.sealed("20260213_143025")]: "another log\n",
    [`${files.sealed("20260213_143025")}.lock`]: "",
  };
  const disk = diskWith({ ...taken, [files.active]: "a\n" });
  disk.plant(files.sealed("20260213_143026"), "directory");
  disk.plant(files.archive("20260213_143027"), "symlink");
  assertEquals(seal(disk.process()), "20260213_143028");
  assertEquals(disk.snapshot(), { ...taken, [files.sealed("20260213_143028")]: "a\n" });
});

for (const [what, kind] of [["a file", "file"], ...ODDITIES] as const) {
  Deno.test(`sealActive() names the segment with a time one second later if ${what} with the first name is created in the meantime`, () => {
    const disk = diskWith({ [files.active]: "a\n" });
    const process = disk.process();
    process.onCall = ({ name, path }) => {
      if (name !== "open" || path !== files.sealed(STAMP)) return;
      if (kind === "file") disk.writeFile(path, "taken\n");
      else disk.plant(path, kind);
    };
    assertEquals(seal(process), NEXT_STAMP);
    assertEquals(process.status(files.sealed(STAMP))?.kind, kind);
    assertEquals(disk.snapshot(), {
      ...(kind === "file" ? { [files.sealed(STAMP)]: "taken\n" } : {}),
      [files.sealed(NEXT_STAMP)]: "a\n",
    });
  });
}

for (const name of ["list", "open", "rename", "syncDirectory"] as const) {
  Deno.test(`sealActive() changes no file if ${name}() fails`, () => {
    for (const error of Object.values(systemErrors)) {
      const disk = diskWith({ [files.active]: "a\n" });
      const process = disk.process();
      process.failOn((call) => call.name === name, error);
      assertThrows(() => seal(process), Error, error().message);
      assertEquals([disk.snapshot(), process.openHandles], [{ [files.active]: "a\n" }, 0]);
      assertEquals(seal(process), STAMP);
      assertEquals(disk.snapshot(), { [files.sealed(STAMP)]: "a\n" });
    }
  });
}

Deno.test("sealActive() leaves an empty segment if the rename fails and removing the reserved name fails too", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  failFrom(process, "rename");
  process.failOn(({ name }) => name === "remove", noSpace);
  const error = assertThrows(() => seal(process), AggregateError, "Input/output error");
  assertEquals(error.errors.map(({ message }) => message), [
    ioError().message,
    noSpace().message,
  ]);
  assertEquals(disk.snapshot(), { [files.active]: "a\n", [files.sealed(STAMP)]: "" });
});

Deno.test("sealActive() keeps the content under the name of the segment if the rename cannot be undone", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  failFrom(process, "syncDirectory");
  failFrom(process, "rename", 1);
  assertThrows(() => seal(process), AggregateError, "Input/output error");
  assertEquals(disk.snapshot(), { [files.sealed(STAMP)]: "a\n" });
});

for (const when of ["before", "after"] as const) {
  Deno.test(`sealActive() loses no line if it is killed ${when} any file system call`, () => {
    for (let index = 0; index < 4; index++) {
      const disk = diskWith({ [files.active]: "a\n" });
      const process = disk.process();
      process.killAt(index, when);
      assertThrows(() => seal(process), Error, "The process is dead");
      const left = Object.values(disk.snapshot()).filter((text) => text !== "");
      assertEquals(left, ["a\n"], `call ${index}`);
      disk.writeFile(files.active, "b\n");
      seal(disk.process());
      const contents = Object.values(disk.snapshot()).filter((text) => text !== "");
      assertEquals(contents.at(-1), "b\n", `call ${index}`);
    }
  });
}

Deno.test("sealActive() loses no segment if the power fails after the next active file is created", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  seal(disk.process());
  const handle = disk.process().open(files.active, "create");
  handle.appendSync(new TextEncoder().encode("b\n"));
  for (const choice of [() => true, () => false]) {
    assertEquals(disk.afterPowerLoss(choice).snapshot()[files.sealed(STAMP)], "a\n");
  }
});

Deno.test("sealActive() names segments with times in the order of their content if the clock jumps back and forth (seed 1)", () => {
  const random = new SeededRandom(1);
  const disk = diskWith({});
  const stamps: string[] = [];
  for (let index = 0; index < 200; index++) {
    disk.writeFile(files.active, `${index}\n`);
    // First, 100 segments are created within one second. Then the clock jumps back and forth by up to an hour.
    const nowMs = TIMES.nowMs + (index < 100 ? 5 * index : random.below(7_200_000) - 3_600_000);
    const newestEventMs = index % 10 === 0 ? nowMs + random.below(10_000) : -Infinity;
    stamps.push(seal(disk.process(), { ...TIMES, nowMs, newestEventMs }));
  }
  assertEquals([...new Set(stamps)].sort(), stamps);
  const contents = stamps.map((stamp) => disk.snapshot()[files.sealed(stamp)]);
  assertEquals(contents, stamps.map((_, index) => `${index}\n`));
});
