import type { AuditLog, AuditSpan, UnfinishedSpan } from "@vivarium/scout";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import { sampledTest } from "../extent.ts";
import { SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";

const PATH = "/log/a.jsonl";

/** A process with an open log, and its spans that have not ended. */
interface RunningWriter {
  readonly log: AuditLog;
  readonly process: SimulatedProcess;
  readonly session: string;
  readonly spans: AuditSpan[];
}

/** Several processes that write spans into one log, and what their log must list. */
class Writers {
  readonly disk = new SimulatedDisk();
  readonly #random: SeededRandom;
  /** The spans that were begun and not ended, in the order of their beginnings. */
  readonly #open = new Map<string, UnfinishedSpan>();
  readonly #lastSeen = new Map<string, string>();
  #writers: RunningWriter[] = [];
  #sessions = 0;
  #nowMs = Date.UTC(2026, 1, 13);

  constructor(random: SeededRandom) {
    this.#random = random;
    this.disk.plant("/log", "directory");
  }

  /** The spans that the log must list. */
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
    else if (this.disk.process().status("/log/a.manifest.jsonl") !== null) {
      this.disk.process().remove("/log/a.manifest.jsonl");
    }
    assertEquals(new Set(spans).size, spans.length);
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

  /** Calls the function, which logs one event of the writer, at a new time. */
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

/** Lists the unfinished spans as another process does. */
async function unfinishedOn(disk: SimulatedDisk): Promise<UnfinishedSpan[]> {
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  return await Array.fromAsync(reader.unfinished());
}

await sampledTest(
  "AuditReader.unfinished() lists the spans of random writers that have begun and not ended",
  1 / 10,
  async (extent) => {
    for (const seed of extent.seeds(200)) {
      const writers = new Writers(new SeededRandom(`${seed}`));
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

Deno.test("AuditLog.unfinished() lists nothing for a log without spans, and reads none of its archives", async () => {
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
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  await using log = await openLogOn(platform, { path: PATH, sessionId: "s", logger: silent });
  const span = await log.begin("tool_call", { tool: "search" });
  await log.rotate();
  await log.log("nav");
  await log.rotate();
  assertEquals((await unfinishedOn(disk)).map((each) => each.fields), [{ tool: "search" }]);
  await span.end();
  await log.rotate();
  assertEquals(await unfinishedOn(disk), []);
  disk.process().remove("/log/a.manifest.jsonl");
  assertEquals(await unfinishedOn(disk), []);
});

Deno.test("AuditReader.unfinished() rejects unknown options, and ends when its signal aborts", async () => {
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
