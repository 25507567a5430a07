import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  AuditClosedError,
  AuditEventError,
  AuditLog,
  type AuditRecordInput,
  AuditWriteError,
} from "@vivarium/scout";
import { openLogOn } from "../src/audit_log.ts";
import { sampledTest } from "./extent.ts";
import { SimulatedClock, WatchedFileSystem } from "./platform.ts";
import { linesOf, tempDir } from "./temp_dir.ts";
import { silent } from "./loggers.ts";

Deno.test("AuditLog.log() resolves when the line is in the file", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl"), now: () => 0 });
  await log.log("nav", { cost: 0.5 });
  assertEquals(linesOf(log.path), [
    `{"ts":"1970-01-01T00:00:00.000Z","event":"nav","session_id":"${log.sessionId}","cost":0.5}`,
  ]);
});

Deno.test("AuditLog.log() stores the fields as they are at the call, and ignores later changes", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  const config = { depth: 1, list: [1] };
  const files = ["a.ts"];
  const logged = log.log("nav", { config, files, note: config });
  config.depth = 2;
  config.list.push(2);
  files.push("b.ts");
  await logged;
  const [event] = await log.lastEvents();
  assertEquals(event?.config, { depth: 1, list: [1] });
  assertEquals(event?.note, { depth: 1, list: [1] });
  assertEquals(event?.files, ["a.ts"]);
});

Deno.test("AuditLog.log() rejects an invalid event, but logs the events before and after it", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  const before = log.log("nav", { n: 1 });
  const bad = assertRejects(() => log.log("nav", { cost: -1 }), AuditEventError, "cost");
  const after = log.log("nav", { n: 2 });
  await Promise.all([before, bad, after]);
  assertEquals((await log.query().toArray()).map((event) => event.n), [1, 2]);
});

Deno.test("AuditLog.log() rejects a line longer than maxLineBytes, but accepts a line of 15 MB by default", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  const first = log.log("nav", { n: 1 });
  const large = log.log("nav", { text: "x".repeat(15_000_000) });
  await assertRejects(
    () => log.log("nav", { text: "x".repeat(17_000_000) }),
    AuditEventError,
    "at most 16777216 bytes (maxLineBytes)",
  );
  await Promise.all([first, large, log.log("nav", { n: 2 })]);
  const events = await log.query().toArray();
  assertEquals(events.length, 3);
  assertEquals((events[1]?.text as string).length, 15_000_000);
});

await sampledTest(
  "AuditLog.log() uses limited memory when it is called in a loop without a pause",
  0.1,
  async (extent) => {
    using dir = tempDir();
    const fileSystem = new WatchedFileSystem();
    const log = await openOn(fileSystem, new SimulatedClock(), {
      path: dir.path("a.jsonl"),
      maxPendingBytes: 64 * 1024,
      rotationSizeBytes: Number.MAX_SAFE_INTEGER,
    });
    const rounds = extent.of(1_000_000);
    for (let n = 0; n < rounds; n++) log.log("nav", { n });
    // No event-loop turn has passed since the calls, so the lines that are not in the file are in memory.
    const missing = rounds - linesOf(log.path).length;
    assert(missing < 1_000, `${missing} lines are held in memory`);
    await log.close();
    const misplaced = linesOf(log.path).findIndex((line, n) => !line.endsWith(`,"n":${n}}`));
    assertEquals(misplaced, -1);
    assertEquals(linesOf(log.path).length, rounds);
  },
);

Deno.test("AuditLog.log() resolves nine calls once their lines are written, but the tenth only once its line is durable, because fsyncEveryNLines is 10 by default", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  const sync = fileSystem.holdNextSync();
  const acknowledged: number[] = [];
  const calls = Array.from(
    { length: 12 },
    (_, n) => log.log("nav", { n }).then(() => acknowledged.push(n)),
  );
  await sync.started;
  assertEquals(acknowledged, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(linesOf(log.path).length, 12);
  sync.finish();
  await Promise.all(calls);
  assertEquals(acknowledged.length, 12);
  await log.close();
});

Deno.test("AuditLog.log() writes its line even while a sync runs", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  await log.log("nav");
  const sync = fileSystem.holdNextSync();
  const flushed = log.flush();
  await sync.started;
  await log.log("nav");
  assertEquals(linesOf(log.path).length, 2);
  sync.finish();
  await flushed;
  await log.close();
});

Deno.test("AuditLog syncs the last lines once, fsyncIntervalSec later, if no further events follow", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const clock = new SimulatedClock();
  const log = await openOn(fileSystem, clock, { path: dir.path("a.jsonl") });
  for (let n = 0; n < 3; n++) await log.log("nav", { n });
  assertEquals(fileSystem.syncCount, 0);
  assertEquals(clock.timerDelaysMs, [1000]);
  clock.fireTimers();
  await log.flush();
  assertEquals(fileSystem.syncCount, 1);
  assertEquals(clock.timerDelaysMs, []);
  await log.close();
  assertEquals(fileSystem.syncCount, 1);
});

Deno.test("AuditLog.flush() resolves only after a sync of the caller's lines, even with 100 callers at once", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  const syncedBytes: number[] = [];
  fileSystem.onSynced = (byteLength) => syncedBytes.push(byteLength);
  const callers = Array.from({ length: 100 }, async (_, n) => {
    // The calls are spread over several turns of the event loop, so that some of them arrive during a sync.
    for (let turn = 0; turn < n % 10; turn++) await log.log("nav", { n, turn });
    await log.log("nav", { n });
    const writtenBytes = Deno.statSync(log.path).size;
    await log.flush();
    assert(
      syncedBytes.some((byteLength) => byteLength >= writtenBytes),
      "flush() resolved before a sync covered the line",
    );
  });
  await Promise.all(callers);
  assert(
    syncedBytes.length < 100,
    `${syncedBytes.length} syncs for 100 callers: they are not grouped`,
  );
  await log.close();
});

Deno.test("AuditLog rejects lines on a full disk, removes their partial bytes, and resumes when there is space", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  await log.log("nav", { n: 1 });
  fileSystem.bytesLeft = 20;
  const error = await assertRejects(() => log.log("nav", { n: 2 }), AuditWriteError);
  assertEquals(error.phase, "write");
  fileSystem.bytesLeft = 0;
  await assertRejects(() => log.log("nav", { n: 3 }), AuditWriteError);
  fileSystem.bytesLeft = Infinity;
  await log.log("nav", { n: 4 });
  await log.close();
  assertEquals(linesOf(log.path).map((line) => JSON.parse(line).n), [1, 4]);
});

for (const bytesLeft of [0, 20]) {
  Deno.test(`AuditLog.open() succeeds, and logs a warning, on a disk with only ${bytesLeft} bytes left`, async () => {
    using dir = tempDir();
    const fileSystem = new WatchedFileSystem();
    const warnings: unknown[] = [];
    const logger = { ...silent, warn: (text: unknown) => warnings.push(text) };
    fileSystem.bytesLeft = bytesLeft;
    const path = dir.path("a.jsonl");
    const log = await openLogOn({ fileSystem, clock: new SimulatedClock() }, {
      path,
      logger,
    });
    await assertRejects(() => log.log("nav"), AuditWriteError);
    fileSystem.bytesLeft = Infinity;
    await log.log("brief");
    await log.close();
    assertEquals(linesOf(path).map((line) => JSON.parse(line).event), ["brief"]);
    assertEquals(warnings.length, 1);
  });
}

// On a disk without latency, the log runs the first four syncs on another thread, and later ones on the calling thread.
for (
  const [place, linesBefore] of [["on another thread", 0], ["on the calling thread", 12]] as const
) {
  Deno.test(`AuditLog never reports lines as durable if their sync ${place} failed, and continues in a new file`, async () => {
    using dir = tempDir();
    const fileSystem = new WatchedFileSystem();
    const log = await openOn(fileSystem, new SimulatedClock(), {
      path: dir.path("a.jsonl"),
      logger: silent,
      fsyncEveryNLines: 3,
    });
    for (let n = 0; n < linesBefore; n++) await log.log("brief");
    await log.log("nav", { n: 1 });
    await log.log("nav", { n: 2 });
    const cause = new Error("EIO");
    fileSystem.syncError = cause;
    const refused = await assertRejects(() => log.log("nav", { n: 3 }), AuditWriteError);
    assertEquals([refused.phase, refused.cause], ["sync", cause]);
    assertEquals(fileSystem.blockingSyncCount, linesBefore === 0 ? 0 : 1);
    // From here on, syncs succeed again, as on Linux after EIO, although data may be lost. The log must not rely on
    // them.
    fileSystem.syncError = undefined;
    await Promise.all([4, 5, 6].map((n) => log.log("nav", { n })));
    assertEquals(fileSystem.unsyncedAppends, 0);
    // It stays unknown whether the lines before the failed sync are durable, so flush() and close() reject.
    assertEquals(await assertRejects(() => log.flush(), AuditWriteError), refused);
    assertEquals(assertThrows(() => log.flushSync(), AuditWriteError), refused);
    const events = await log.query({ eventType: "nav" }).toArray();
    assertEquals(events.map(({ n }) => n), [1, 2, 3, 4, 5, 6]);
    assertEquals(await assertRejects(() => log.close(), AuditWriteError), refused);
    assertEquals(linesOf(log.path).map((line) => JSON.parse(line).n), [4, 5, 6]);
  });
}

Deno.test("AuditLog lets timers fire while a caller logs and awaits one event after the other", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  /** A clock that advances by a tenth of a millisecond each time it is read. */
  const clock = new class extends SimulatedClock {
    #readMs = 0;
    override monotonicMs(): number {
      return this.#readMs += 0.1;
    }
  }();
  await using log = await openOn(fileSystem, clock, { path: dir.path("a.jsonl") });
  for (let n = 0; n < 100; n++) await log.log("nav");
  let hasTurned = false;
  const timer = setTimeout(() => hasTurned = true);
  for (let n = 0; n < 5_000 && !hasTurned; n++) await log.log("nav");
  clearTimeout(timer);
  assert(fileSystem.blockingSyncCount > 0, "no sync blocked, so the test proves nothing");
  assert(hasTurned, "a timer of 0 ms did not fire during 5,000 events");
});

Deno.test("AuditLog.flush() rejects once with the error of a log() call that was not awaited", async () => {
  using dir = tempDir();
  const messages: unknown[][] = [];
  await using log = await AuditLog.open({
    path: dir.path("a.jsonl"),
    logger: { ...silent, error: (...data) => messages.push(data) },
  });
  log.log("nav", { cost: -1 });
  log.log("nav");
  const error = await assertRejects(() => log.flush(), AuditEventError);
  assertEquals(error.field, "cost");
  assertEquals(messages.map(([text]) => text), ["An event was not logged:"]);
  await log.flush();
  assertEquals(linesOf(log.path).length, 1);
});

Deno.test("AuditLog.close() rejects with the error of a log() call that was not awaited", async () => {
  using dir = tempDir();
  const log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  log.log("nav", { cost: NaN });
  await assertRejects(() => log.close(), AuditEventError, "cost");
});

Deno.test("AuditLog.close() rejects if the sync fails, and a log() call that was not awaited does not end the program", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const path = dir.path("a.jsonl");
  const options = { path, fsyncEveryNLines: 1, logger: silent };
  const log = await openOn(fileSystem, new SimulatedClock(), options);
  await log.recovery;
  fileSystem.syncError = new Error("disk error");
  // Deno fails the test if the rejection of this call is not handled.
  log.log("nav");
  await assertRejects(() => log.close(), AuditWriteError, "disk error");
});

Deno.test("AuditLog.flush() does not reject with the error of a log() call that was awaited", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  await assertRejects(() => log.log(""), AuditEventError, "event");
  await log.flush();
});

Deno.test("AuditLog.flushSync() makes every accepted event durable before it returns", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  const calls = [1, 2, 3].map((n) => log.log("nav", { n }));
  log.flushSync();
  assertEquals(linesOf(log.path).length, 3);
  assertEquals(fileSystem.syncCount, 1);
  await Promise.all(calls);
  await log.close();
  assertEquals(linesOf(log.path).map((line) => JSON.parse(line).n), [1, 2, 3]);
});

Deno.test("AuditLog.flushSync() syncs once for all lines that it writes", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  const calls = Array.from({ length: 25 }, (_, n) => log.log("nav", { n }));
  log.flushSync();
  await Promise.all(calls);
  await log.close();
  assertEquals(fileSystem.syncCount, 1);
  assertEquals(linesOf(log.path).length, 25);
});

Deno.test("AuditLog.close() is idempotent, and later calls are rejected", async () => {
  using dir = tempDir();
  const log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  log.log("nav");
  const closing = log.close();
  assertEquals(log.close(), closing);
  await closing;
  assertInstanceOf(await log.log("nav").catch((error) => error), AuditClosedError);
  await assertRejects(() => log.flush(), AuditClosedError);
  assertThrows(() => log.query(), AuditClosedError);
  assertEquals(linesOf(log.path).length, 1);
});

Deno.test("AuditLog.query() also yields the events of log() calls that were not awaited", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  log.log("nav", { cost: 0.25 });
  log.log("nav", { cost: 0.5 });
  assertEquals(await log.hourlySpend(), 0.75);
  assertEquals((await log.query().toArray()).length, 2);
});

Deno.test("AuditLog.query() waits for events that cannot be written yet because another process holds the lock", async () => {
  using dir = tempDir();
  const clock = new SimulatedClock();
  const log = await openOn(new WatchedFileSystem(), clock, { path: dir.path("a.jsonl") });
  using other = Deno.openSync(`${log.path}.lock`, { read: true, write: true });
  other.lockSync(true);
  log.log("nav");
  const events = log.query().toArray();
  await clock.wait(0);
  other.unlockSync();
  assertEquals((await events).length, 1);
  await log.close();
});

Deno.test("AuditLog.createWritable() accepts a piped stream, makes its events durable, and leaves the log open", async () => {
  using dir = tempDir();
  const fileSystem = new WatchedFileSystem();
  const log = await openOn(fileSystem, new SimulatedClock(), { path: dir.path("a.jsonl") });
  const records = Array.from({ length: 5_000 }, (_, n): AuditRecordInput => ({ event: "nav", n }));
  await ReadableStream.from(records).pipeTo(log.createWritable());
  assertEquals(fileSystem.unsyncedAppends, 0);
  await ReadableStream.from([{ event: "nav", n: 5_000 }]).pipeTo(log.createWritable());
  await log.close();
  const numbers = linesOf(log.path).map((line) => JSON.parse(line).n);
  assertEquals(numbers, Array.from({ length: 5_001 }, (_, n) => n));
});

Deno.test("AuditLog.createWritable() fails on an invalid record without affecting the log", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  await assertRejects(
    () =>
      ReadableStream.from<AuditRecordInput>([{ event: "nav" }, { event: "nav", cost: -1 }])
        .pipeTo(log.createWritable()),
    AuditEventError,
    "cost",
  );
  await log.log("brief");
  await log.flush();
  assertEquals((await log.query().toArray()).map((event) => event.event), ["nav", "brief"]);
});

Deno.test("AuditLog.open() opens the same log for two spellings of a path, such as x/../log.jsonl", async () => {
  using dir = tempDir();
  Deno.mkdirSync(dir.path("x"));
  await using a = await AuditLog.open({ path: dir.path("log.jsonl") });
  await using b = await AuditLog.open({ path: `${dir.path("x")}/../log.jsonl` });
  assertEquals(a.path, b.path);
  const calls: Promise<void>[] = [];
  for (let n = 0; n < 500; n++) {
    calls.push(a.log("nav", { by: "a", n }), b.log("nav", { by: "b", n }));
  }
  await Promise.all(calls);
  const events = await b.query().toArray();
  for (const by of ["a", "b"]) {
    assertEquals(
      events.filter((event) => event.by === by).map((event) => event.n),
      Array.from({ length: 500 }, (_, n) => n),
    );
  }
});

Deno.test("AuditLog adds a line break after an incomplete last line, so that the next event has a line of its own", async () => {
  using dir = tempDir();
  const intact = ['{"event":"a"}', '{"event":"b","text":"é😀"}', '{"event":"c"}', '{"event":"d"}'];
  const bytes = new TextEncoder().encode(intact.map((line) => `${line}\n`).join(""));
  const firstLineBytes = intact[0]!.length + 1;
  for (let length = firstLineBytes; length <= bytes.length; length++) {
    const path = dir.path(`cut_${length}.jsonl`);
    Deno.writeFileSync(path, bytes.subarray(0, length));
    const log = await AuditLog.open({ path, logger: silent });
    await log.log("after");
    const events = await log.query().toArray();
    await log.close();
    const kept = new TextDecoder().decode(bytes.subarray(0, length));
    const whole = intact.filter((line) => kept.split("\n").includes(line));
    assertEquals(
      events.map((event) => event.event),
      [...whole.map((line) => JSON.parse(line).event), "after"],
      `cut at ${length}`,
    );
    assert(
      Deno.readTextFileSync(path).startsWith(kept.replace(/\uFFFD+$/, "")),
      "the incomplete last line was removed",
    );
  }
});

Deno.test("AuditLog appends after 4,096 NUL bytes at the end of the file, which a query reports as damage", async () => {
  using dir = tempDir();
  const path = dir.path("tail.jsonl");
  Deno.writeTextFileSync(path, `{"event":"a"}\n${"\0".repeat(4096)}`);
  await using log = await AuditLog.open({ path, logger: silent });
  await log.log("b");
  const query = log.query();
  assertEquals((await query.toArray()).map((event) => event.event), ["a", "b"]);
  assertEquals(query.damage.map(({ byteOffset, byteLength }) => [byteOffset, byteLength]), [
    [14, 4097],
  ]);
});

Deno.test("AuditLog reads a file that the original Python version of AuditLog wrote, and appends to it", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  Deno.writeTextFileSync(
    path,
    '{"ts": "2026-11-23T22:43:58.786Z", "event": "brief", "session_id": "p", "cost": 0.25, "files": ["src/na\\u00efve.py"]}\n' +
      '{"ts": "2026-11-23T22:43:58.787Z", "event": "nav", "session_id": "p", "cost": NaN, "reason": "NaN"}\n',
  );
  await using log = await AuditLog.open({
    path,
    now: () => Date.parse("2026-11-23T23:00:00Z"),
  });
  await log.log("nav", { cost: 0.5 });
  const events = await log.query().toArray();
  assertEquals(events.map((event) => event.cost), [0.25, null, 0.5]);
  assertEquals(events[0]?.files, ["src/naïve.py"]);
  assertEquals(events[1]?.reason, "NaN");
  assertEquals(await log.hourlySpend(), 0.75);
});

function openOn(
  fileSystem: WatchedFileSystem,
  clock: SimulatedClock,
  options: Parameters<typeof AuditLog.open>[0],
): Promise<AuditLog> {
  return openLogOn({ fileSystem, clock }, options ?? {});
}
