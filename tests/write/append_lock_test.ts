import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { clearImmediate, setImmediate } from "node:timers";
import { AuditWriteError } from "../../src/errors.ts";
import { AppendLock } from "../../src/write/append_lock.ts";
import { SimulatedClock } from "../platform.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { tempDir } from "../temp_dir.ts";
import { ScriptedFileSystem } from "./scripted_file_system.ts";

/** Returns a lock, its clock and its disk. */
function setUp(path: string, lockTimeoutSec = 2) {
  const clock = new SimulatedClock();
  const fileSystem = new ScriptedFileSystem();
  const log = new LogDirectory(fileSystem, path);
  const lock = new AppendLock({ log, clock, lockTimeoutSec });
  return { clock, fileSystem, lock, [Symbol.dispose]: () => lock[Symbol.dispose]() };
}

/** Takes the lock through a second handle, as another process would. */
function holdLock(path: string): Deno.FsFile {
  const file = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
  assert(file.tryLockSync(true), "the lock is taken already");
  return file;
}

Deno.test("AppendLock.run() rejects if another process holds the lock, without blocking the event loop", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  using _other = holdLock(path);
  let turns = 0;
  // setImmediate() counts the turns of the event loop. A timer could not, because all attempts to take the lock may end
  // within a millisecond.
  const tick = () => {
    turns++;
    ticking = setImmediate(tick);
  };
  let ticking = setImmediate(tick);
  let ran = false;
  const error = await assertRejects(
    () =>
      system.lock.run(() => {
        ran = true;
      }),
    AuditWriteError,
    "held the lock for 2 s",
  );
  clearImmediate(ticking);
  assertEquals([error.phase, error.path, ran], ["lock", path, false]);
  assertEquals(system.clock.monotonicMs(), 2000);
  assert(turns > 0, "the event loop was blocked");
});

Deno.test("AppendLock.runSync() throws if another process holds the lock for lockTimeoutSec", () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path, 0.5);
  using _other = holdLock(path);
  const error = assertThrows(() => system.lock.runSync(() => {}), AuditWriteError, "0.5 s");
  assertEquals([error.phase, error.path], ["lock", path]);
  assertEquals(system.clock.monotonicMs(), 500);
});

Deno.test("AppendLock.run() runs the section if the other process releases the lock in time", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  const other = holdLock(path);
  const running = system.lock.run(() => "ran");
  other.close();
  assertEquals(await running, "ran");
  assert(system.clock.monotonicMs() < 2000);
});

Deno.test("AppendLock with a timeout of 0 s still takes a lock that is free", async () => {
  using dir = tempDir();
  using system = setUp(dir.path("a.jsonl"), 0);
  assertEquals(await system.lock.run(() => 1), 1);
  assertEquals(system.lock.runSync(() => 2), 2);
});

Deno.test("AppendLock.run() holds the lock only during its section, even if the section throws", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  const isFree = () => {
    using other = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
    return other.tryLockSync(true);
  };
  assertEquals(await system.lock.run(isFree), false);
  assertEquals(isFree(), true);
  const fail = () => {
    throw new RangeError("inside");
  };
  await assertRejects(() => system.lock.run(fail), RangeError, "inside");
  assertEquals(isFree(), true);
  assertThrows(() => system.lock.runSync(fail), RangeError, "inside");
  assertEquals(isFree(), true);
});

for (const how of ["deleted", "renamed away", "replaced"]) {
  Deno.test(`AppendLock uses the lock file at the path after the old lock file was ${how}`, async () => {
    using dir = tempDir();
    const path = dir.path("a.jsonl");
    using system = setUp(path);
    using old = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
    if (how === "renamed away") Deno.renameSync(new LogFiles(path).lock, dir.path("old"));
    else Deno.removeSync(new LogFiles(path).lock);
    if (how === "replaced") Deno.writeTextFileSync(new LogFiles(path).lock, "");
    await system.lock.run((lockFile) => {
      assertEquals(lockFile.status().inode, Deno.statSync(new LogFiles(path).lock).ino);
      using atPath = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
      assertEquals(atPath.tryLockSync(true), false, "the file at the path is not locked");
      assertEquals(old.tryLockSync(true), true, "the old file is still locked");
    });
    assertEquals(system.fileSystem.openHandles, 1);
  });
}

Deno.test("AppendLock can be taken again after a directory at its path was removed", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  using system = setUp(path);
  Deno.removeSync(new LogFiles(path).lock);
  Deno.mkdirSync(new LogFiles(path).lock);
  await assertRejects(() => system.lock.run(() => {}), TypeError, "a directory");
  Deno.removeSync(new LogFiles(path).lock);
  assertEquals(await system.lock.run(() => "ran"), "ran");
});
