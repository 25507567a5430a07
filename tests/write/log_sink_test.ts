import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { AuditWriteError } from "../../src/errors.ts";
import { type AuditLogOptions, resolveOptions } from "../../src/options/log_options.ts";
import { isMarkLine } from "../../src/segments/active_marks.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { LogSink } from "../../src/write/log_sink.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { SimulatedClock } from "../platform.ts";
import { gunzipped, linesOf, tempDir } from "../temp_dir.ts";
import { bytes, isSettled, ScriptedFileSystem } from "./scripted_file_system.ts";
import { silent } from "../loggers.ts";

/** Returns a sink, its writer, its clock, its disk and its error messages. */
function setUp(path: string, options: AuditLogOptions = {}, clock = new SimulatedClock()) {
  const fileSystem = new ScriptedFileSystem();
  const messages: unknown[] = [];
  const logger = {
    debug() {},
    info() {},
    warn() {},
    error: (text: unknown) => messages.push(text),
  };
  const log = new LogDirectory(fileSystem, path);
  const sink = new LogSink(log, { ...resolveOptions({ logger, ...options, path }), clock });
  return { fileSystem, clock, sink, writer: sink.getWriter(), messages };
}

function lines(count: number): Uint8Array<ArrayBuffer> {
  return bytes("{}\n".repeat(count));
}

Deno.test("LogSink starts only one further sync for all flush() calls that arrive during a sync", async () => {
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
  assertEquals(
    await isSettled(Promise.race(waiters)),
    false,
    "served by a sync that began too early",
  );
  assertEquals(fileSystem.synced.length, 2);
  next.succeed();
  await Promise.all(waiters);
  assertEquals(fileSystem.synced.length, 2);
  await writer.close();
});

Deno.test("LogSink.flush() shares the running sync if nothing was written since that sync began", async () => {
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

Deno.test("LogSink starts a third sync for a flush if a line was written during the second sync", async () => {
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

Deno.test("LogSink syncs lines once, by its timer, if no further lines follow", async () => {
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

Deno.test("LogSink cancels its timer after a sync of all lines", async () => {
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

Deno.test("LogSink restarts its timer for lines that were written during a sync", async () => {
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

Deno.test("LogSink resolves the write of a batch only when the batch is durable, if this batch completes fsyncEveryNLines lines", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { fileSystem, writer } = setUp(path, { fsyncEveryNLines: 3 });
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  await writer.write(lines(1));
  assertEquals(fileSystem.synced.length, 0);
  const third = writer.write(lines(1));
  const sync = await fileSystem.nextSync();
  assertEquals(linesOf(path).length, 3, "all lines must be written before the sync ends");
  assertEquals(await isSettled(third), false);
  sync.succeed();
  await third;
  await writer.close();
  assertEquals(fileSystem.synced.length, 1);
});

Deno.test("LogSink makes each batch durable before its write resolves, if fsyncEveryNLines is 1", async () => {
  using dir = tempDir();
  const { fileSystem, writer } = setUp(dir.path("a.jsonl"), { fsyncEveryNLines: 1 });
  for (let batch = 1; batch <= 3; batch++) {
    await writer.write(lines(batch));
    assertEquals(fileSystem.synced.length, batch);
  }
  assertEquals(fileSystem.directorySyncs, 1);
  await writer.close();
});

/** Returns a sink like {@linkcode setUp}, after as many quick syncs as allow the next sync to block the thread. */
async function setUpQuick(path: string) {
  const parts = setUp(path);
  for (let sync = 0; sync < 4; sync++) {
    await parts.writer.write(lines(1));
    await parts.sink.sync(0);
  }
  return parts;
}

Deno.test("LogSink.sync() blocks the thread on a quick disk, once for all written lines; flush() does not", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer } = await setUpQuick(dir.path("a.jsonl"));
  const syncs = { blocking: 0, before: fileSystem.synced.length };
  fileSystem.syncFileSync = (handle) => {
    syncs.blocking++;
    handle.syncDataSync();
  };
  await writer.write(lines(3));
  await Promise.all([sink.sync(0), sink.sync(0), sink.sync(0)]);
  assertEquals([syncs.blocking, fileSystem.synced.length - syncs.before], [1, 1]);
  await writer.write(lines(1));
  await sink.flush();
  assertEquals([syncs.blocking, fileSystem.synced.length - syncs.before], [1, 2]);
  await writer.close();
});

Deno.test("LogSink.sync() does not block the thread while another sync runs", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer } = await setUpQuick(dir.path("a.jsonl"));
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const flushed = sink.flush();
  const running = await fileSystem.nextSync();
  fileSystem.syncFileSync = () => assert(false, "blocked");
  await writer.write(lines(1));
  const synced = sink.sync(0);
  running.succeed();
  await flushed;
  (await fileSystem.nextSync()).succeed();
  await synced;
  fileSystem.syncFile = (handle) => handle.syncData();
  await writer.close();
});

Deno.test("LogSink.sync() rejects for every caller whose lines a failed sync has abandoned, and resolves for later lines", async () => {
  using dir = tempDir();
  const { fileSystem, sink, writer, messages } = await setUpQuick(dir.path("a.jsonl"));
  await writer.write(lines(3));
  fileSystem.syncFileSync = () => {
    throw new Deno.errors.BrokenPipe("disk error");
  };
  assertEquals(sink.failedSyncs, 0);
  const callers = [sink.sync(0), sink.sync(0), sink.syncFile(0)];
  for (const caller of callers) {
    const error = await assertRejects(() => caller, AuditWriteError);
    assertEquals(error.phase, "sync");
  }
  await assertRejects(() => sink.sync(0), AuditWriteError);
  assertEquals([sink.failedSyncs, messages.length], [1, 1]);
  fileSystem.syncFileSync = (handle) => handle.syncDataSync();
  await writer.write(lines(1));
  await Promise.all([sink.sync(1), sink.syncFile(1)]);
  await assertRejects(() => sink.flush(), AuditWriteError);
  await assertRejects(() => writer.close(), AuditWriteError);
});

Deno.test("LogSink continues in a new file after a failed sync, and every later flush rejects", async () => {
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
    "no caller waits for the timer's sync, so the failure must be logged",
  );
  fileSystem.syncFile = real;
  const error = await assertRejects(() => sink.flush(), AuditWriteError, "EIO");
  assertEquals([error.phase, error.path, error.cause], ["sync", path, cause]);
  assertEquals(fileSystem.synced, ["a.jsonl"], "a file is not synced again after a failed sync");
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

Deno.test("LogSink acknowledges lines that are written after a failed sync, and no earlier lines", async () => {
  using dir = tempDir();
  const fileSystem = new ScriptedFileSystem();
  const reports: string[] = [];
  const log = new LogDirectory(fileSystem, dir.path("a.jsonl"));
  const sink = new LogSink(log, {
    ...resolveOptions({ path: log.files.active, fsyncEveryNLines: 1, logger: silent }),
    clock: new SimulatedClock(),
    outcomes: {
      written: (count) => reports.push(`written ${count}`),
      inserted() {},
      refused: () => {},
      acknowledged: (count) => reports.push(`acknowledged ${count}`),
      syncFailed: () => reports.push("sync failed"),
    },
  });
  const writer = sink.getWriter();
  const real = fileSystem.syncFile;
  fileSystem.holdSyncs();
  await writer.write(lines(1));
  const running = await fileSystem.nextSync();
  // A synchronous sync fails while an asynchronous sync of the same file runs. After the failure, the success of the
  // asynchronous sync would prove nothing, so LogSink must ignore it.
  sink.writeSync(lines(1));
  fileSystem.syncFileSync = () => {
    throw new Error("EIO");
  };
  assertThrows(() => sink.syncSync(), AuditWriteError, "EIO");
  fileSystem.syncFileSync = (handle) => handle.syncDataSync();
  fileSystem.syncFile = real;
  await writer.write(lines(1));
  assertEquals(reports.at(-1), "acknowledged 2", "the new line does not wait for the old sync");
  running.succeed();
  await assertRejects(() => sink.flush(), AuditWriteError, "EIO");
  assertEquals(reports.filter((text) => !text.startsWith("written")), [
    "acknowledged 0",
    "sync failed",
    "acknowledged 2",
    "acknowledged 3",
  ]);
  await assertRejects(() => writer.close(), AuditWriteError);
});

Deno.test("LogSink rejects every flush that waits for a later sync if the running sync fails", async () => {
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

Deno.test("LogSink closes its files if it is aborted", async () => {
  using dir = tempDir();
  const { fileSystem, clock, writer } = setUp(dir.path("a.jsonl"));
  await writer.write(lines(1));
  await writer.abort();
  assertEquals([fileSystem.openHandles, clock.timerDelaysMs.length], [0, 0]);
});

Deno.test("LogSink leaves no timer if it is aborted during a sync", async () => {
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

Deno.test("LogSink closes its files if a failed write makes the stream fail", async () => {
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

Deno.test("LogSink closes the lock file if the active file cannot be opened", () => {
  using dir = tempDir();
  Deno.mkdirSync(dir.path("a.jsonl"));
  const fileSystem = new ScriptedFileSystem();
  const log = new LogDirectory(fileSystem, dir.path("a.jsonl"));
  const clock = new SimulatedClock();
  try {
    new LogSink(log, { ...resolveOptions({ path: log.files.active }), clock });
  } catch (error) {
    assertInstanceOf(error, TypeError);
  }
  assertEquals(fileSystem.openHandles, 0);
});

Deno.test("LogSink does not write a batch that writeSync() has already written", async () => {
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

Deno.test("LogSink does not write a batch that writeSync() wrote while the batch waited for the lock", async () => {
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

Deno.test("LogSink rejects with an error whose phase is lock if another process holds the lock too long", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { clock, writer } = setUp(path);
  const closed = assertRejects(() => writer.closed, AuditWriteError);
  using other = Deno.openSync(new LogFiles(path).lock, { read: true, write: true });
  assert(other.tryLockSync(true));
  const error = await assertRejects(() => writer.write(lines(1)), AuditWriteError);
  assertEquals([error.phase, clock.monotonicMs()], ["lock", 2000]);
  assertThrows(() => Deno.lstatSync(path), Deno.errors.NotFound);
  await closed;
});

Deno.test("LogSink reports the outcome of each line, and continues after a failed batch", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const fileSystem = new ScriptedFileSystem();
  const reports: string[] = [];
  const log = new LogDirectory(fileSystem, path);
  const sink = new LogSink(log, {
    ...resolveOptions({ path: log.files.active, fsyncEveryNLines: 3 }),
    clock: new SimulatedClock(),
    outcomes: {
      written: (count) => reports.push(`written ${count}`),
      inserted() {},
      refused: (count, error) =>
        reports.push(`refused ${count}: ${(error as AuditWriteError).phase}`),
      acknowledged: (count) => reports.push(`acknowledged ${count}`),
      syncFailed: () => reports.push("sync failed"),
    },
  });
  const writer = sink.getWriter();
  const { append } = fileSystem;
  await writer.write(lines(2));
  fileSystem.append = () => 0;
  await writer.write(lines(4));
  fileSystem.append = append;
  fileSystem.holdSyncs();
  await writer.write(lines(2));
  assertEquals(reports, [
    "written 2",
    "acknowledged 2",
    "refused 4: write",
    "acknowledged 2",
    "written 2",
    "acknowledged 2",
  ]);
  (await fileSystem.nextSync()).succeed();
  await writer.close();
  assertEquals(reports.at(-1), "acknowledged 4");
  assertEquals(linesOf(path).length, 4);
});

for (const outcome of ["succeeds", "fails"] as const) {
  Deno.test(`LogSink acknowledges or rejects lines that writeSync() wrote during a sync only when that sync ${outcome}`, async () => {
    using dir = tempDir();
    const fileSystem = new ScriptedFileSystem();
    const reports: string[] = [];
    const log = new LogDirectory(fileSystem, dir.path("a.jsonl"));
    const sink = new LogSink(log, {
      ...resolveOptions({ path: log.files.active, fsyncEveryNLines: 2, logger: silent }),
      clock: new SimulatedClock(),
      outcomes: {
        written: () => {},
        inserted() {},
        refused: () => {},
        acknowledged: (count) => reports.push(`acknowledged ${count}`),
        syncFailed: () => reports.push("sync failed"),
      },
    });
    const writer = sink.getWriter();
    fileSystem.holdSyncs();
    await writer.write(lines(2));
    const running = await fileSystem.nextSync();
    sink.writeSync(lines(2));
    // The kernel may report a disk error only to the running sync. So the success of `syncSync()` does not prove that
    // the lines are durable.
    sink.syncSync();
    assertEquals(reports, ["acknowledged 1"]);
    const flushed = sink.flush();
    if (outcome === "succeeds") {
      running.succeed();
      await flushed;
      assertEquals(reports, ["acknowledged 1", "acknowledged 4"]);
      await writer.close();
    } else {
      running.fail(new Error("EIO"));
      await assertRejects(() => flushed, AuditWriteError, "EIO");
      assertEquals(reports, ["acknowledged 1", "sync failed"]);
      await assertRejects(() => writer.close(), AuditWriteError);
    }
    assertEquals(fileSystem.openHandles, 0);
  });
}

Deno.test("LogSink acknowledges lines that writeSync() writes after a failed sync, even while an older sync still runs", async () => {
  using dir = tempDir();
  const fileSystem = new ScriptedFileSystem();
  const reports: string[] = [];
  const log = new LogDirectory(fileSystem, dir.path("a.jsonl"));
  const sink = new LogSink(log, {
    ...resolveOptions({ path: log.files.active, fsyncEveryNLines: 2, logger: silent }),
    clock: new SimulatedClock(),
    outcomes: {
      written: () => {},
      inserted() {},
      refused: () => {},
      acknowledged: (count) => reports.push(`acknowledged ${count}`),
      syncFailed: () => reports.push("sync failed"),
    },
  });
  const writer = sink.getWriter();
  const { syncFile, syncFileSync } = fileSystem;
  fileSystem.holdSyncs();
  await writer.write(lines(2));
  const running = await fileSystem.nextSync();
  fileSystem.syncFile = syncFile;
  fileSystem.syncFileSync = () => {
    throw new Error("EIO");
  };
  assertThrows(() => sink.flushSync(), AuditWriteError, "EIO");
  fileSystem.syncFileSync = syncFileSync;
  sink.writeSync(lines(2));
  assertThrows(() => sink.flushSync(), AuditWriteError, "EIO");
  assertEquals(reports, ["acknowledged 1", "sync failed", "acknowledged 4"]);
  running.succeed();
  await assertRejects(() => writer.close(), AuditWriteError, "EIO");
  assertEquals(reports, ["acknowledged 1", "sync failed", "acknowledged 4"]);
  assertEquals(fileSystem.openHandles, 0);
});

Deno.test("LogSink writes a chunk twice if the caller writes the same chunk twice", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const { writer } = setUp(path);
  const chunk = bytes('{"again":1}\n');
  await writer.write(chunk);
  await writer.write(chunk);
  await writer.close();
  assertEquals(linesOf(path), ['{"again":1}', '{"again":1}']);
});

/**
 * A line of another writer. {@linkcode FOREIGN_LINES} such lines exceed 1 MiB, so the sink reads them without holding
 * the lock.
 */
const FOREIGN = "x".repeat(1023) + "\n";
const FOREIGN_LINES = 1_100;

Deno.test("LogSink appends while it reads other writers' lines to place a mark for readers in the lock file, and close() waits for the read", async () => {
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
  assertEquals(await isSettled(closed), false, "closed before the read ended");
  assertEquals(fileSystem.openHandles, 2, "expected the lock file and the file that is read");
  reading.resolve();
  await closed;
  assertEquals(fileSystem.openHandles, 0);
  assertEquals(Deno.statSync(path).size, FOREIGN_LINES * 1024 + 3 * (1 + 300 * 1024));
});

Deno.test("LogSink writes a mark, at which a reader can start, to the lock file after it has read other writers' lines", async () => {
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

Deno.test("LogSink continues without marks in the lock file if other writers' lines cannot be read", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const warnings: unknown[] = [];
  const logger = { ...silent, warn: (text: unknown) => warnings.push(text) };
  const { fileSystem, writer } = setUp(path, { logger });
  Deno.writeTextFileSync(path, FOREIGN.repeat(FOREIGN_LINES), { append: true });
  fileSystem.read = () => Promise.reject(new Error("Input/output error"));
  await writer.write(lines(1));
  await writer.close();
  assertEquals(warnings, [
    `Cannot write marks (places in the log where queries start), so queries read more of the log: Input/output error: ${path}`,
  ]);
  assertEquals(linesOf(path).length, FOREIGN_LINES + 1);
});

Deno.test("LogSink leaves it to another writer to write marks to the lock file, and writes marks after that writer has closed", async () => {
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
  // A mark is a place in the lock file at which readers may start. Only one writer places marks, at least 256 KiB apart
  // and only after its own batches. Its batches are every second batch of 100 KiB, so a mark follows every fourth
  // batch.
  assertEquals(marks.toSorted(), [0, 6], "both writers placed marks");
  const [maker, other] = marks[0] > 0 ? [0, 1] as const : [1, 0] as const;
  await writers[maker].close();
  for (let n = 0; n < 16; n++) await write(other);
  // After the first writer has closed, the second writer places its first mark at least 768 KiB after the last mark of
  // the first writer. Its second mark follows another 768 KiB later.
  assert(marks[other] >= 2 && marks[other] <= 4, `${marks[other]} marks`);
  await writers[other].close();
});

/** Returns the offsets of the marks in the lock file, at which a query can start to read. */
function marksOf(path: string): number[] {
  const text = Deno.readTextFileSync(`${path}.lock`);
  return text.split("\n").filter(isMarkLine).map((line) => JSON.parse(line).marked_bytes);
}
