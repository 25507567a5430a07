import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { AuditWriteError } from "../../src/errors.ts";
import { type AuditLogOptions, resolveOptions } from "../../src/options/log_options.ts";
import { isMarkLine } from "../../src/segments/active_marks.ts";
import { LogSink } from "../../src/write/log_sink.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { SimulatedClock } from "../platform.ts";
import { gunzipped, linesOf, tempDir } from "../temp_dir.ts";
import { bytes, isSettled, ScriptedFileSystem } from "./scripted_file_system.ts";
import { silent } from "../loggers.ts";

/** A sink, its writer, its clock and its disk. */
function setUp(path: string, options: AuditLogOptions = {}, clock = new SimulatedClock()) {
  const fileSystem = new ScriptedFileSystem();
  const messages: unknown[] = [];
  const logger = {
    debug() {},
    info() {},
    warn() {},
    error: (text: unknown) => messages.push(text),
  };
  const sink = new LogSink(
    { fileSystem, clock },
    resolveOptions({ logger, ...options, path }),
  );
  return { fileSystem, clock, sink, writer: sink.getWriter(), messages };
}

function lines(count: number): Uint8Array<ArrayBuffer> {
  return bytes("{}\n".repeat(count));
}

Deno.test("LogSink lets all who call sync() while one runs share one further sync", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer } = setUp(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const first = sink.flush();
  const running = await fileSystem.nextSync();
  await writer.write(lines(1));
  const waiters = Array.from({ length: 100 }, () => sink.flush());
  running.succeed();
  await first;
  const next = await fileSystem.nextSync();
  assertEquals(await isSettled(Promise.race(waiters)), false, "served by a sync begun too early");
  assertEquals(fileSystem.synced.length, 2);
  next.succeed();
  await Promise.all(waiters);
  assertEquals(fileSystem.synced.length, 2);
  await writer.close();
});

Deno.test("LogSink.sync() joins the running sync when nothing was written since", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer } = setUp(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await sink.flush();
  assertEquals(fileSystem.synced.length, 0, "there was nothing to sync");
  await writer.write(lines(1));
  const both = [sink.flush(), sink.flush()];
  (await fileSystem.nextSync()).succeed();
  await Promise.all(both);
  await sink.flush();
  assertEquals(fileSystem.synced.length, 1);
  await writer.close();
  assertEquals(fileSystem.synced.length, 1);
});

Deno.test("LogSink serves a waiter with a write between only after a third sync", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer } = setUp(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const first = sink.flush();
  const one = await fileSystem.nextSync();
  await writer.write(lines(1));
  const second = sink.flush();
  one.succeed();
  await first;
  const two = await fileSystem.nextSync();
  await writer.write(lines(1));
  const third = sink.flush();
  two.succeed();
  await second;
  const three = await fileSystem.nextSync();
  assertEquals(await isSettled(third), false);
  three.succeed();
  await third;
  await writer.close();
});

Deno.test("LogSink syncs a quiet log once, by its timer", async () => {
  using dir = tempDir();
  const { fileSystem, clock, sink, writer } = setUp(dir.path("a.jsonl"), { fsyncIntervalSec: 3 });
  assertEquals(clock.timerDelaysMs, []);
  await writer.write(lines(1));
  await writer.write(lines(1));
  assertEquals(clock.timerDelaysMs, [3000]);
  assertEquals(fileSystem.synced.length, 0);
  clock.fireTimers();
  await sink.flush();
  assertEquals(fileSystem.synced.length, 1);
  assertEquals(clock.timerDelaysMs, [], "a quiet log needs no timer");
  await writer.close();
  assertEquals(fileSystem.synced.length, 1);
});

Deno.test("LogSink cancels its timer when a sync covered the lines", async () => {
  using dir = tempDir();
  const { fileSystem, clock, sink, writer } = setUp(dir.path("a.jsonl"));
  await writer.write(lines(1));
  assertEquals(clock.timerDelaysMs, [1000]);
  await sink.flush();
  assertEquals(clock.timerDelaysMs, []);
  await writer.write(lines(1));
  sink.syncSync();
  assertEquals(clock.timerDelaysMs, []);
  assertEquals(fileSystem.synced.length, 2);
  await writer.close();
});

Deno.test("LogSink starts its timer again for lines written while a sync ran", async () => {
  using dir = tempDir();
  const { fileSystem, clock, sink, writer } = setUp(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const first = sink.flush();
  const running = await fileSystem.nextSync();
  await writer.write(lines(1));
  running.succeed();
  await first;
  assertEquals(clock.timerDelaysMs, [1000]);
  const closed = writer.close();
  (await fileSystem.nextSync()).succeed();
  await closed;
  assertEquals(clock.timerDelaysMs, []);
});

Deno.test("LogSink lets the batch that reaches the cadence wait until it is durable", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { fileSystem, writer } = setUp(path, { fsyncEveryNLines: 3 });
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  await writer.write(lines(1));
  assertEquals(fileSystem.synced.length, 0);
  const third = writer.write(lines(1));
  const sync = await fileSystem.nextSync();
  assertEquals(linesOf(path).length, 3, "written, but not acknowledged");
  assertEquals(await isSettled(third), false);
  sync.succeed();
  await third;
  await writer.close();
  assertEquals(fileSystem.synced.length, 1);
});

Deno.test("LogSink with a cadence of 1 makes each batch durable before it resolves", async () => {
  using dir = tempDir();
  const { fileSystem, writer } = setUp(dir.path("a.jsonl"), { fsyncEveryNLines: 1 });
  for (let batch = 1; batch <= 3; batch++) {
    await writer.write(lines(batch));
    assertEquals(fileSystem.synced.length, batch);
  }
  assertEquals(fileSystem.directorySyncs, 1);
  await writer.close();
});

Deno.test("LogSink goes on in a fresh file after a failed sync, and calls not all durable ever", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { fileSystem, clock, sink, writer, messages } = setUp(path, { now: () => 0 });
  const cause = new Error("EIO");
  const real = fileSystem.syncFile;
  fileSystem.syncFile = () => Promise.reject(cause);
  await writer.write(bytes("doubtful\n"));
  clock.fireTimers();
  await isSettled(Promise.resolve());
  assertEquals(
    messages.length,
    1,
    "nobody waits for the timer's sync, so the logger has to be told",
  );
  fileSystem.syncFile = real;
  const error = await assertRejects(() => sink.flush(), AuditWriteError, "EIO");
  assertEquals([error.phase, error.path, error.cause], ["sync", path, cause]);
  assertEquals(fileSystem.synced, ["a.jsonl"], "the file is never synced again");
  assertEquals(clock.timerDelaysMs, []);

  await writer.write(bytes("sure\n"));
  assertEquals(linesOf(path), ["sure"]);
  clock.fireTimers();
  assertEquals(await assertRejects(() => sink.flush(), AuditWriteError), error);
  assertEquals(fileSystem.synced.filter((name) => name === "a.jsonl").length, 2);
  assertEquals(await assertRejects(() => writer.close(), AuditWriteError), error);
  const archive = Deno.readFileSync(dir.path("a_19700101_000000.jsonl.gz"));
  assertEquals(await gunzipped(archive), "doubtful\n");
  assertEquals([messages.length, fileSystem.openHandles], [1, 0]);
});

Deno.test("LogSink acknowledges lines written after a failed sync, and none of before", async () => {
  using dir = tempDir();
  const fileSystem = new ScriptedFileSystem();
  const told: string[] = [];
  const sink = new LogSink(
    { fileSystem, clock: new SimulatedClock() },
    resolveOptions({ path: dir.path("a.jsonl"), fsyncEveryNLines: 1, logger: silent }),
    {
      written: (count) => told.push(`written ${count}`),
      refused: () => {},
      acknowledged: (count) => told.push(`acknowledged ${count}`),
      syncFailed: () => told.push("sync failed"),
    },
  );
  const writer = sink.getWriter();
  const real = fileSystem.syncFile;
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const running = await fileSystem.nextSync();
  // The drain fails while the sync of the same file still runs, which then is worth nothing.
  sink.writeSync(lines(1));
  fileSystem.syncFileSync = () => {
    throw new Error("EIO");
  };
  assertThrows(() => sink.syncSync(), AuditWriteError, "EIO");
  fileSystem.syncFileSync = (handle) => handle.syncDataSync();
  fileSystem.syncFile = real;
  await writer.write(lines(1));
  assertEquals(told.at(-1), "acknowledged 2", "the sync that runs is not one of this line");
  running.succeed();
  await assertRejects(() => sink.flush(), AuditWriteError, "EIO");
  assertEquals(told.filter((text) => !text.startsWith("written")), [
    "acknowledged 0",
    "sync failed",
    "acknowledged 2",
    "acknowledged 3",
  ]);
  await assertRejects(() => writer.close(), AuditWriteError);
});

Deno.test("LogSink rejects all who wait for a later sync when the running one fails", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer } = setUp(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const waiters = [sink.flush()];
  const running = await fileSystem.nextSync();
  await writer.write(lines(1));
  waiters.push(sink.flush(), sink.flush());
  running.fail(new Error("EIO"));
  const results = await Promise.allSettled(waiters);
  for (const result of results) {
    assert(result.status === "rejected");
    assertInstanceOf(result.reason, AuditWriteError);
    assertEquals(result.reason.phase, "sync");
  }
  assertEquals(fileSystem.synced.length, 1);
  await assertRejects(() => writer.close(), AuditWriteError);
  assertEquals(fileSystem.openHandles, 0);
});

Deno.test("LogSink.close() makes everything durable and closes its files", async () => {
  using dir = tempDir();
  const { fileSystem, clock, writer } = setUp(dir.path("x/a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(2));
  const closed = writer.close();
  const sync = await fileSystem.nextSync();
  assertEquals(await isSettled(closed), false);
  sync.succeed();
  await closed;
  assertEquals([fileSystem.synced, fileSystem.openHandles], [["a.jsonl"], 0]);
  assertEquals(clock.timerDelaysMs, []);
});

Deno.test("LogSink closes its files when it is aborted", async () => {
  using dir = tempDir();
  const { fileSystem, clock, writer } = setUp(dir.path("a.jsonl"));
  await writer.write(lines(1));
  await writer.abort();
  assertEquals([fileSystem.openHandles, clock.timerDelaysMs.length], [0, 0]);
});

Deno.test("LogSink leaves no timer when it is aborted while a sync runs", async () => {
  using dir = tempDir();
  const { fileSystem, clock, sink, writer, messages } = setUp(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const first = sink.flush();
  const running = await fileSystem.nextSync();
  await writer.write(lines(1));
  await writer.abort();
  running.succeed();
  await first;
  assertEquals([fileSystem.openHandles, clock.timerDelaysMs, messages], [0, [], []]);
});

Deno.test("LogSink closes its files when a failed write errors the stream", async () => {
  using dir = tempDir();
  const { fileSystem, clock, writer } = setUp(dir.path("a.jsonl"));
  const closed = assertRejects(() => writer.closed, AuditWriteError);
  await writer.write(lines(1));
  fileSystem.append = () => {
    throw new Error("ENOSPC");
  };
  const error = await assertRejects(() => writer.write(lines(1)), AuditWriteError, "ENOSPC");
  assertEquals(error.phase, "write");
  await closed;
  assertEquals([fileSystem.openHandles, clock.timerDelaysMs], [0, []]);
});

Deno.test("LogSink closes the lock file when the log at its path is refused", () => {
  using dir = tempDir();
  Deno.mkdirSync(dir.path("a.jsonl"));
  const fileSystem = new ScriptedFileSystem();
  const platform = { fileSystem, clock: new SimulatedClock() };
  try {
    new LogSink(platform, resolveOptions({ path: dir.path("a.jsonl") }));
  } catch (error) {
    assertInstanceOf(error, TypeError);
  }
  assertEquals(fileSystem.openHandles, 0);
});

Deno.test("LogSink does not write a batch again that writeSync() has written", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { sink, writer } = setUp(path);
  const batch = bytes("once\n");
  sink.writeSync(batch);
  sink.writeSync(batch);
  await writer.write(batch);
  await writer.write(bytes("after\n"));
  await writer.close();
  assertEquals(linesOf(path), ["once", "after"]);
});

Deno.test("LogSink does not write a batch again that was drained while it waited", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const waits = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  class HeldClock extends SimulatedClock {
    override async wait(delayMs: number): Promise<void> {
      waits.resolve();
      await go.promise;
      await super.wait(delayMs);
    }
  }
  const { sink, writer } = setUp(path, {}, new HeldClock());
  const other = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
  assert(other.tryLockSync(true));
  const batch = bytes("once\n");
  const written = writer.write(batch);
  await waits.promise;
  other.close();
  sink.writeSync(batch);
  sink.writeSync(bytes("after\n"));
  go.resolve();
  await written;
  await writer.close();
  assertEquals(linesOf(path), ["once", "after"]);
});

Deno.test("LogSink rejects with phase lock when another process keeps the lock", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { clock, writer } = setUp(path);
  const closed = assertRejects(() => writer.closed, AuditWriteError);
  using other = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
  assert(other.tryLockSync(true));
  const error = await assertRejects(() => writer.write(lines(1)), AuditWriteError);
  assertEquals([error.phase, clock.monotonicMs()], ["lock", 2000]);
  assertEquals(Deno.readTextFileSync(path), "");
  await closed;
});

Deno.test("LogSink tells the outcome of each line and goes on after a failed batch", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const fileSystem = new ScriptedFileSystem();
  const told: string[] = [];
  const sink = new LogSink(
    { fileSystem, clock: new SimulatedClock() },
    resolveOptions({ path, fsyncEveryNLines: 3 }),
    {
      written: (count) => told.push(`written ${count}`),
      refused: (count, error) => told.push(`refused ${count}: ${(error as AuditWriteError).phase}`),
      acknowledged: (count) => told.push(`acknowledged ${count}`),
      syncFailed: () => told.push("sync failed"),
    },
  );
  const writer = sink.getWriter();
  const { append } = fileSystem;
  await writer.write(lines(2));
  fileSystem.append = () => 0;
  await writer.write(lines(4));
  fileSystem.append = append;
  fileSystem.holdSyncs();
  await writer.write(lines(2));
  assertEquals(told, [
    "written 2",
    "acknowledged 2",
    "refused 4: write",
    "acknowledged 2",
    "written 2",
    "acknowledged 2",
  ]);
  (await fileSystem.nextSync()).succeed();
  await writer.close();
  assertEquals(told.at(-1), "acknowledged 4");
  assertEquals(linesOf(path).length, 4);
});

for (const outcome of ["succeeds", "fails"] as const) {
  Deno.test(`LogSink acknowledges lines drained beside a sync only once that ${outcome}`, async () => {
    using dir = tempDir();
    const fileSystem = new ScriptedFileSystem();
    const told: string[] = [];
    const sink = new LogSink(
      { fileSystem, clock: new SimulatedClock() },
      resolveOptions({ path: dir.path("a.jsonl"), fsyncEveryNLines: 2, logger: silent }),
      {
        written: () => {},
        refused: () => {},
        acknowledged: (count) => told.push(`acknowledged ${count}`),
        syncFailed: () => told.push("sync failed"),
      },
    );
    const writer = sink.getWriter();
    fileSystem.holdSyncs();
    await writer.write(lines(2));
    const running = await fileSystem.nextSync();
    sink.writeSync(lines(2));
    // The kernel gives the error of the disk to the sync that runs, and to this one nothing.
    sink.syncSync();
    assertEquals(told, ["acknowledged 1"]);
    const flushed = sink.flush();
    if (outcome === "succeeds") {
      running.succeed();
      await flushed;
      assertEquals(told, ["acknowledged 1", "acknowledged 4"]);
      await writer.close();
    } else {
      running.fail(new Error("EIO"));
      await assertRejects(() => flushed, AuditWriteError, "EIO");
      assertEquals(told, ["acknowledged 1", "sync failed"]);
      await assertRejects(() => writer.close(), AuditWriteError);
    }
    assertEquals(fileSystem.openHandles, 0);
  });
}

Deno.test("LogSink writes a chunk as often as it is given", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { writer } = setUp(path);
  const chunk = bytes('{"again":1}\n');
  await writer.write(chunk);
  await writer.write(chunk);
  await writer.close();
  assertEquals(linesOf(path), ['{"again":1}', '{"again":1}']);
});

/** What others may have written before a writer reads it without the lock: more than 1 MiB. */
const FOREIGN = "x".repeat(1023) + "\n";
const FOREIGN_LINES = 1_100;

Deno.test("LogSink appends while it reads what others wrote for a mark, and closes when it has", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { fileSystem, writer } = setUp(path);
  Deno.writeTextFileSync(path, FOREIGN.repeat(FOREIGN_LINES), { append: true });
  const reading = Promise.withResolvers<void>();
  fileSystem.read = async (handle, buffer, position) => {
    await reading.promise;
    return await handle.read(buffer, position);
  };
  await writer.write(lines(1));
  await writer.write(lines(300 * 1024));
  const closed = writer.close();
  assertEquals(await isSettled(closed), false, "closed before the reading ended");
  assertEquals(fileSystem.openHandles, 2, "the lock file, and the one that is read");
  reading.resolve();
  await closed;
  assertEquals(fileSystem.openHandles, 0);
  assertEquals(Deno.statSync(path).size, FOREIGN_LINES * 1024 + 3 * (1 + 300 * 1024));
});

Deno.test("LogSink marks what others wrote once it has read it", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { fileSystem, writer } = setUp(path);
  Deno.writeTextFileSync(path, FOREIGN.repeat(FOREIGN_LINES), { append: true });
  const read = Promise.withResolvers<void>();
  fileSystem.read = async (handle, buffer, position) => {
    const bytesRead = await handle.read(buffer, position);
    if (position + bytesRead >= FOREIGN_LINES * 1024) read.resolve();
    return bytesRead;
  };
  await writer.write(lines(1));
  assertEquals(marksOf(path), []);
  await read.promise;
  await writer.write(lines(100 * 1024));
  await writer.write(lines(1));
  assertEquals(marksOf(path), [FOREIGN_LINES * 1024 + 3 * (1 + 100 * 1024)]);
  await writer.close();
});

Deno.test("LogSink goes on without a mark when what others wrote cannot be read", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const warnings: unknown[] = [];
  const logger = { ...silent, warn: (text: unknown) => warnings.push(text) };
  const { fileSystem, writer } = setUp(path, { logger });
  Deno.writeTextFileSync(path, FOREIGN.repeat(FOREIGN_LINES), { append: true });
  fileSystem.read = () => Promise.reject(new Error("Input/output error"));
  await writer.write(lines(1));
  await writer.close();
  assertEquals(warnings, [`Cannot mark the age of audit log: Input/output error: ${path}`]);
  assertEquals(linesOf(path).length, FOREIGN_LINES + 1);
});

Deno.test("LogSink leaves the marks to who makes them, and goes on when that one is gone", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const writers = [setUp(path).writer, setUp(path).writer] as const;
  const batch = bytes(`{"x":"${"x".repeat(100 * 1024)}"}\n`);
  const marks = [0, 0] as [number, number];
  const write = async (index: 0 | 1) => {
    const before = marksOf(path).length;
    await writers[index].write(batch);
    marks[index] += marksOf(path).length - before;
  };
  for (let n = 0; n < 12; n++) for (const index of [0, 1] as const) await write(index);
  // Of 2,400 KiB, after each third batch.
  assertEquals(marks.toSorted(), [0, 6], "one makes them all");
  const [maker, other] = marks[0] > 0 ? [0, 1] as const : [1, 0] as const;
  await writers[maker].close();
  for (let n = 0; n < 16; n++) await write(other);
  // The first of them after 768 KiB, and then one after each third batch again.
  assert(marks[other] >= 2 && marks[other] <= 4, `${marks[other]} marks`);
  await writers[other].close();
});

/** The places that are marked in the lock file. */
function marksOf(path: string): number[] {
  const text = Deno.readTextFileSync(`${path}.lock`);
  return text.split("\n").filter(isMarkLine).map((line) => JSON.parse(line).marked_bytes);
}
