import type {
  AuditLog,
  AuditLogOptions,
  AuditSpan,
  RetentionPolicy,
  UnfinishedSpan,
} from "@vivarium/scout";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import type { ArchiveFacts } from "../../src/segments/manifest_line.ts";
import { CountingFileSystem } from "../counting_file_system.ts";
import { joined } from "../bytes.ts";
import { sampledTest } from "../extent.ts";
import { SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";

const PATH = "/log/a.jsonl";
const MANIFEST = "/log/a.manifest.jsonl";

/**
 * A simulated process with an open log, and its spans (operations whose beginning and end are logged) that have not
 * ended.
 */
interface RunningWriter {
  readonly log: AuditLog;
  readonly process: SimulatedProcess;
  readonly session: string;
  readonly spans: AuditSpan[];
}

/**
 * Several simulated processes that log the beginnings and ends of spans (operations) in one log, and the spans that the
 * log must list as unfinished.
 */
class Writers {
  readonly disk = new SimulatedDisk();
  readonly #random: SeededRandom;
  /** The spans that were begun and not ended, in the order of their beginnings. */
  readonly #open = new Map<string, UnfinishedSpan>();
  readonly #lastSeen = new Map<string, string>();
  #writers: RunningWriter[] = [];
  #sessions = 0;
  #nowMs = Date.UTC(2026, 1, 13);
  readonly #retention: RetentionPolicy | undefined;

  /**
   * Without `retention`, the steps sometimes delete the manifest, which describes the archives. With `retention`, the
   * log deletes archives, and then only the manifest still has their unfinished spans. So the manifest is kept.
   */
  constructor(random: SeededRandom, retention?: RetentionPolicy) {
    this.#random = random;
    this.#retention = retention;
    this.disk.plant("/log", "directory");
  }

  /** The spans that the log must list as unfinished. */
  get expected(): UnfinishedSpan[] {
    return [...this.#open.values()].map((span) => ({
      ...span,
      lastSeen: this.#lastSeen.get(span.session_id!)!,
    }));
  }

  async step(): Promise<void> {
    const writer = this.#writers[this.#random.below(4)];
    if (writer === undefined) {
      if (this.#writers.length < 4) await this.#start();
      return;
    }
    const { log, spans } = writer;
    const action = this.#random.below(20);
    if (action < 7) await this.#begin(writer);
    else if (action < 13) await this.#end(writer);
    else if (action < 15) await this.#seen(writer, () => log.log("nav", { span: "no beginning" }));
    else if (action < 17) await log.rotate();
    else if (action === 17) await this.#stop(writer, () => log.close());
    else if (action === 18) await this.#stop(writer, () => writer.process.kill());
    else if (this.#retention === undefined) this.#loseManifest();
    assertEquals(new Set(spans).size, spans.length);
  }

  #loseManifest(): void {
    const process = this.disk.process();
    if (process.status(MANIFEST) !== null) process.remove(MANIFEST);
  }

  async close(): Promise<void> {
    for (const { log } of this.#writers) await log.close();
  }

  async #start(): Promise<void> {
    const process = this.disk.process();
    const session = `session ${this.#sessions++}`;
    const log = await openLogOn({ fileSystem: process, clock: new SimulatedClock() }, {
      path: PATH,
      sessionId: session,
      logger: silent,
      now: () => this.#nowMs,
      rotationSizeBytes: 2_000,
      ...this.#retention === undefined ? {} : { retention: this.#retention },
    });
    await log.recovery;
    this.#writers.push({ log, process, session, spans: [] });
  }

  async #begin(writer: RunningWriter): Promise<void> {
    const { log, session, spans } = writer;
    const event = ["tool_call", "llm_call", "turn"][this.#random.below(3)]!;
    const parent = this.#random.below(2) === 0
      ? undefined
      : spans[this.#random.below(spans.length)];
    const fields = { n: this.#random.below(100) };
    const { ts, result: span } = await this.#seen(
      writer,
      () => (parent ?? log).begin(event, fields),
    );
    spans.push(span);
    this.#open.set(span.id, {
      span: span.id,
      ...parent === undefined ? {} : { parent: parent.id },
      event,
      ts,
      session_id: session,
      fields,
    });
  }

  async #end(writer: RunningWriter): Promise<void> {
    const [span] = writer.spans.splice(this.#random.below(writer.spans.length + 1), 1);
    if (span === undefined) return;
    const isDisposed = this.#random.below(3) === 0;
    await this.#seen(writer, () => isDisposed ? span[Symbol.asyncDispose]() : span.end());
    this.#open.delete(span.id);
  }

  /**
   * Advances the clock and calls `logged`, which logs an event. Records the new time as that of the last event of the
   * writer's session.
   */
  async #seen<T>(
    { session }: { session: string },
    logged: () => PromiseLike<T>,
  ): Promise<{ ts: string; result: T }> {
    this.#nowMs += 1_000;
    const ts = new Date(this.#nowMs).toISOString();
    this.#lastSeen.set(session, ts);
    return { ts, result: await logged() };
  }

  async #stop(writer: RunningWriter, stop: () => unknown): Promise<void> {
    await stop();
    this.#writers = this.#writers.filter((other) => other !== writer);
  }
}

/** Opens a log on the disk for the session "s". */
function openOn(disk: SimulatedDisk, options: AuditLogOptions = {}): Promise<AuditLog> {
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  return openLogOn(platform, { path: PATH, sessionId: "s", logger: silent, ...options });
}

function newDisk(): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  return disk;
}

/** Returns the lines of the manifest that describe archives. */
function archiveLinesOf(disk: SimulatedDisk): ArchiveFacts[] {
  const lines = new ManifestLines();
  lines.take(disk.readFile(MANIFEST));
  return [...lines.byArchive.values()];
}

/** Resolves with the unfinished spans that a new reader lists, as in another process. */
async function unfinishedOn(
  disk: SimulatedDisk,
  fileSystem: FileSystem = disk.process(),
): Promise<UnfinishedSpan[]> {
  const platform = { fileSystem, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  return await Array.fromAsync(reader.unfinished());
}

await sampledTest(
  "AuditReader.unfinished() lists exactly the spans that random writers have begun and not ended",
  1 / 10,
  async (extent) => {
    for (const seed of extent.seeds(200)) {
      const retention = seed % 2 === 0 ? undefined : { maxArchives: 1 + seed % 3 };
      const writers = new Writers(new SeededRandom(`${seed}`), retention);
      for (let steps = 0; steps < 60; steps++) {
        await writers.step();
        if (steps % 5 === 0) {
          assertEquals(await unfinishedOn(writers.disk), writers.expected, `${seed}`);
        }
      }
      await writers.close();
      assertEquals(await unfinishedOn(writers.disk), writers.expected, `seed ${seed}`);
    }
  },
);

Deno.test("AuditLog.unfinished() reads no archive of a log whose archives contain no spans", async () => {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  await using log = await openLogOn(platform, { path: PATH, sessionId: "s", logger: silent });
  for (let archives = 0; archives < 20; archives++) {
    await log.log("nav");
    await log.rotate();
  }
  const span = await log.begin("tool_call");
  const calls = process.calls.length;
  const [listed] = await Array.fromAsync(log.unfinished());
  assertEquals(listed?.span, span.id);
  const opened = process.calls.slice(calls)
    .filter(({ name, path }) => name === "read" && path.endsWith(".gz"));
  assertEquals(opened, []);
  await span.end();
  assertEquals(await Array.fromAsync(log.unfinished()), []);
});

Deno.test("AuditReader.unfinished() lists a span whose beginning is in an archive, until its end is in the log", async () => {
  const disk = newDisk();
  await using log = await openOn(disk);
  const span = await log.begin("tool_call", { tool: "search" });
  await log.rotate();
  await log.log("nav");
  await log.rotate();
  assertEquals((await unfinishedOn(disk)).map((each) => each.fields), [{ tool: "search" }]);
  await span.end();
  await log.rotate();
  assertEquals(await unfinishedOn(disk), []);
  disk.process().remove(MANIFEST);
  assertEquals(await unfinishedOn(disk), []);
});

Deno.test("AuditReader.unfinished() does not read any of 100 archives, and reads at most 1 MiB of other files", async () => {
  const disk = newDisk();
  let nowMs = Date.UTC(2026, 1, 13);
  await using log = await openOn(disk, { now: () => nowMs += 1_000 });
  const gone = await log.begin("turn", { session_id: "gone" });
  let open: AuditSpan[] = [];
  for (let archive = 0; archive < 100; archive++) {
    const begun = await Promise.all(
      Array.from({ length: 50 }, (_, n) => log.begin("tool_call", { tool: "search", n })),
    );
    // The first 16 of the 50 spans that begin in each archive end in the next archive.
    await Promise.all([...open, ...begun.slice(16)].map((span) => span.end({ cost: 0.002 })));
    open = begun.slice(0, 16);
    await log.rotate();
  }
  const counts = new CountingFileSystem(disk.process());
  const listed = await unfinishedOn(disk, counts);
  assertEquals(listed.map(({ span }) => span), [gone, ...open].map(({ id }) => id));
  assertEquals(listed[0]!.lastSeen, listed[0]!.ts);
  assertEquals(listed[1]!.lastSeen, (await log.lastEvents(1))[0]!.ts);
  assertEquals(counts.archivesOpened, []);
  assert(counts.totalBytes <= 1024 * 1024, `${counts.totalBytes} bytes read`);
});

Deno.test("AuditReader.unfinished() decodes archives whose manifest lines do not state their spans", async () => {
  const disk = newDisk();
  await using log = await openOn(disk);
  const span = await log.begin("tool_call");
  await log.rotate();
  await log.log("nav");
  await log.rotate();
  const manifest = new ManifestLines();
  const earlier = archiveLinesOf(disk).map((line) => {
    const bytes = manifest.next({ ...line, spans: undefined });
    manifest.take(bytes);
    return bytes;
  });
  disk.writeFile(MANIFEST, joined(...earlier));
  const counts = new CountingFileSystem(disk.process());
  const [listed] = await unfinishedOn(disk, counts);
  assertEquals([listed?.span, listed?.lastSeen], [span.id, (await log.lastEvents(1))[0]!.ts]);
  assertEquals(
    counts.archivesRead.length,
    2,
    "the last event of the session is in the newest archive",
  );
  await span.end();
});

Deno.test("AuditReader.unfinished() reads an archive with an incomplete manifest line only if the archive may contain the beginning or the end of an open span", async () => {
  const disk = newDisk();
  await using log = await openOn(disk);
  const prompt = "x".repeat(700_000);
  const [first, second] = [
    await log.begin("turn", { prompt }),
    await log.begin("turn", { prompt }),
  ];
  await log.rotate();
  // The next events look like ends of spans, because they have a field named `span`, but they belong to another
  // program. After those of the type "turn", the span `first` ends.
  for (let n = 0; n < 150; n++) await log.log("turn", { span: `other ${n}` });
  await first.end();
  await log.rotate();
  for (let n = 0; n < 150; n++) await log.log("nav", { span: `other ${n}` });
  await log.rotate();
  const counts = new CountingFileSystem(disk.process());
  const listed = await unfinishedOn(disk, counts);
  assertEquals(listed.map(({ span, fields }) => [span, fields]), [[second.id, { prompt }]]);
  assertEquals(counts.archivesRead.length, 2, "the events of the type nav end no span");
  await second.end();
  assertEquals(await unfinishedOn(disk), []);
});

Deno.test("AuditReader.unfinished() lists a span once after its archive was renamed, before and after a writer opens the log", async () => {
  const disk = newDisk();
  const log = await openOn(disk);
  const span = await log.begin("turn");
  await log.rotate();
  await log.close();
  const process = disk.process();
  const [name] = process.list("/log").filter((name) => name.endsWith(".gz"));
  process.rename(`/log/${name}`, "/log/a_20200101_000000.jsonl.gz");
  assertEquals((await unfinishedOn(disk)).map((each) => each.span), [span.id]);
  const again = await openOn(disk);
  await again.recovery;
  await again.close();
  assertEquals((await unfinishedOn(disk)).map((each) => each.span), [span.id]);
});

Deno.test("AuditReader.unfinished() leaves out lastSeen of a span if a removed archive may have contained a later event of the span's session", async () => {
  const disk = newDisk();
  await using log = await openOn(disk, { retention: { maxArchives: 1 } });
  const span = await log.begin("turn", { session_id: "old" });
  await log.rotate();
  for (let n = 0; n < 101; n++) await log.log("nav", { session_id: `${n}` });
  await log.rotate();
  await log.log("nav");
  await log.rotate();
  const [listed] = await unfinishedOn(disk);
  assertEquals([listed?.span, listed?.lastSeen], [span.id, undefined]);
});

Deno.test("AuditReader.unfinished() lists a span until it ends, even if retention or a user removed its archive", async () => {
  for (const isPruned of [true, false]) {
    const disk = newDisk();
    await using log = await openOn(disk, isPruned ? { retention: { maxArchives: 1 } } : {});
    const first = await log.begin("turn");
    await log.rotate();
    const second = await log.begin("turn");
    await log.rotate();
    if (!isPruned) {
      const names = disk.process().list("/log").filter((name) => name.endsWith(".gz")).sort();
      disk.process().remove(`/log/${names[0]}`);
    }
    assertEquals((await log.query().toArray()).map(({ span }) => span), [second.id]);
    assertEquals((await unfinishedOn(disk)).map(({ span }) => span), [first.id, second.id]);
    await first.end();
    assertEquals((await unfinishedOn(disk)).map(({ span }) => span), [second.id]);
    await log.rotate();
    assertEquals((await unfinishedOn(disk)).map(({ span }) => span), [second.id]);
    await second.end();
    assertEquals(await unfinishedOn(disk), []);
  }
});

/**
 * Rotates a log twice. Returns copies of its disk: one before each file system call of the second rotation, and one
 * after `close()`. Also returns the IDs of the spans that are open during the second rotation.
 */
async function filmRotation(
  options: AuditLogOptions,
): Promise<{ frames: SimulatedDisk[]; expected: string[] }> {
  const disk = newDisk();
  const process = disk.process();
  let nowMs = Date.UTC(2026, 1, 13);
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const log = await openLogOn(platform, {
    path: PATH,
    sessionId: "s",
    logger: silent,
    now: () => nowMs += 5_000,
    ...options,
  });
  const ended = await log.begin("tool_call");
  const open = [await log.begin("turn")];
  await log.rotate();
  await ended.end();
  open.push(await log.begin("tool_call"));
  const frames: SimulatedDisk[] = [];
  process.onCall = () => void frames.push(disk.afterKill());
  await log.rotate();
  process.onCall = undefined;
  await log.close();
  frames.push(disk.afterKill());
  return { frames, expected: open.map(({ id }) => id) };
}

/**
 * A file system that accesses the disk `before` for a number of calls, and then the disk `after`. A reader of this file
 * system sees the log change between two of its calls.
 */
class CutFileSystem {
  readonly fileSystem: FileSystem;
  #callsLeft: number;

  constructor(before: SimulatedDisk, calls: number, after: SimulatedDisk) {
    this.#callsLeft = calls;
    const [first, second] = [before.process(), after.process()];
    this.fileSystem = new Proxy<FileSystem>(first, {
      get: (_, name: keyof FileSystem) => {
        const shown: FileSystem = this.#callsLeft-- > 0 ? first : second;
        return shown[name].bind(shown);
      },
    });
  }

  /** `true` if a call has accessed the disk `after`. */
  get isCut(): boolean {
    return this.#callsLeft < 0;
  }
}

await sampledTest(
  "AuditReader.unfinished() lists each span once if a writer rotates and prunes the log between any two file system calls of the reader",
  1 / 10,
  async (extent) => {
    for (const retention of [undefined, { maxArchives: 1 }, { maxAgeSec: 1 }]) {
      const options = retention === undefined ? {} : { retention };
      const { frames, expected } = await filmRotation(options);
      for (const [index, after] of frames.entries()) {
        for (let calls = 0, isReached = true; isReached; calls++) {
          if (!extent.isDrawn()) continue;
          const cut = new CutFileSystem(frames[0]!, calls, after);
          const listed = await unfinishedOn(after, cut.fileSystem);
          const where = `frame ${index} after ${calls} calls`;
          assertEquals(listed.map(({ span }) => span), expected, where);
          isReached = cut.isCut;
        }
      }
    }
  },
);

Deno.test("AuditReader.unfinished() throws for unknown options, and rejects with the reason of a signal that is aborted", async () => {
  const disk = new SimulatedDisk();
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const reader = await openReaderOn(platform, { path: PATH, logger: silent });
  assertThrows(
    () => reader.unfinished({ signals: 1 } as never),
    TypeError,
    'Cannot list unfinished spans: unknown option "signals"',
  );
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => Array.fromAsync(reader.unfinished({ signal })), Error, "enough");
  await reader.close();
  assertThrows(() => reader.unfinished(), Error, "closed");
});
