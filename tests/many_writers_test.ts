import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { AuditLog, AuditWriteError } from "@vivarium/scout";
import { brokenArchives, decodeLog, readManifest, tally } from "./decoded_log.ts";
import { sampledTest } from "./extent.ts";
import { testNeeding } from "./requirements.ts";
import { programArgs, runProgram } from "./run_program.ts";
import { linesOf, type TempDir, tempDir } from "./temp_dir.ts";
import { silent } from "./loggers.ts";

const HOLDS_LOCK = fromFileUrl(new URL("./programs/holds_lock.ts", import.meta.url));
const APPENDS = fromFileUrl(new URL("./programs/appends.ts", import.meta.url));
const APPENDS_UNTIL_TOLD = fromFileUrl(
  new URL("./programs/appends_until_told.ts", import.meta.url),
);
const WORKERS = fromFileUrl(new URL("./programs/workers.ts", import.meta.url));

const ROOT = fromFileUrl(new URL("..", import.meta.url));

Deno.test("AuditLog continues after another process was killed while it held the lock and wrote a batch", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, logger: silent, lockTimeoutSec: 0.05 });
  const args = programArgs(HOLDS_LOCK, { dir: dir.path(""), args: [path] });
  await using holder = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  for await (const _holding of holder.stdout) break;

  const refused = await assertRejects(() => log.log("refused"), AuditWriteError);
  assertEquals(refused.phase, "lock");
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  await assertRejects(() => log.log("refused"), AuditWriteError, "has held the lock for 0.05 s");
  clearInterval(turning);
  assert(turns > 0, "the event loop was blocked while another process held the lock");

  holder.kill("SIGKILL");
  await holder.status;
  await log.log("after");
  assertEquals(linesOf(path), [
    '{"event":"whole"}',
    '{"event":"tor',
    linesOf(path).at(-1)!,
  ]);
  const query = log.query();
  assertEquals((await query.toArray()).map(({ event }) => event), ["whole", "after"]);
  assertEquals(query.damage.length, 1);
});

Deno.test("AuditLogs of four processes append whole lines to one file, each process in its own order", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const writers = ["a", "b", "c", "d"];
  const count = 500;
  const results = await Promise.all(
    writers.map((by) => runProgram(APPENDS, { dir: dir.path(""), args: [path, by, `${count}`] })),
  );
  for (const result of results) assertEquals(result.code, 0, result.stderr);
  const events = linesOf(path).map((line) => JSON.parse(line));
  assertEquals(events.length, writers.length * count);
  for (const by of writers) {
    assertEquals(
      events.filter((event) => event.by === by).map((event) => event.n),
      upTo(count),
    );
  }
});

await sampledTest(
  "AuditLogs of eight Workers in four processes rotate one log",
  1 / 4,
  async (extent, t) => {
    using dir = tempDir();
    const count = extent.of(2_000);
    const processes = ["a", "b", "c", "d"];
    await Promise.all(processes.map((by) => runWorkers(dir, [by, `${count}`, "20000"])));
    const { archives, sealed, leftovers, lines, archivedLines } = await decodeLog(dir.path(""));
    const { numbers, torn } = tally(lines);

    await t.step(
      "each event is in the log once, in the order of its writer, as a whole line",
      () => {
        assertEquals(torn, []);
        assertEquals([...numbers.keys()].sort(), ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]);
        for (const [by, found] of numbers) assertEquals(found, upTo(count), by);
      },
    );
    await t.step("every segment is a complete archive", async () => {
      assert(archives.length >= extent.of(100), `only ${archives.length} archives`);
      assertEquals([...sealed, ...leftovers], []);
      assertEquals(await brokenArchives(dir.path(""), archives), []);
    });
    await t.step("the manifest is complete and has one line for each archive", () => {
      const manifest = readManifest(dir.path(""));
      assertEquals(manifest.faults, []);
      assertEquals(manifest.count, archives.length);
      assertEquals(manifest.lines.filter(({ rebuilt }) => rebuilt), []);
      assertEquals(manifest.lines.map(({ archive }) => archive).sort(), archives);
      assertEquals(manifest.lines.reduce((sum, line) => sum + line.lines, 0), archivedLines);
    });
    await t.step("query() yields the same events", async () => {
      assertEquals(await queriedNumbers(dir), numbers);
    });
  },
);

Deno.test("AuditLogs of the main isolate and a Worker keep appending while another Worker rotates", async () => {
  using dir = tempDir();
  const count = 1_000;
  const printed = await runWorkers(dir, ["", `${count}`, "1000000", "holds"]);

  const { archives, sealed, leftovers, lines } = await decodeLog(dir.path(""));
  const { numbers, torn } = tally(lines);
  assertEquals(torn, []);
  assertEquals(numbers.get("rotates"), upTo(count));
  assertEquals(numbers.get("appends"), upTo(count));
  assertEquals(numbers.get("main"), upTo(Number(printed)));
  assert(archives.length >= 50, `only ${archives.length} archives`);
  assertEquals([...sealed, ...leftovers], []);
});

await testNeeding(
  "POSIX",
  "AuditLogs still share one log after its active file was moved away and its lock file was deleted",
  async () => {
    using dir = tempDir();
    await using a = new Appender(dir, "a");
    await using b = new Appender(dir, "b");
    await Promise.all([a.goOn(200), b.goOn(200)]);
    moveAway(dir, "audit.jsonl.1");
    await Promise.all([a.goOn(200), b.goOn(200)]);
    Deno.removeSync(dir.path("audit.jsonl.lock"));
    // A new process creates a new lock file. Processes with the deleted file open have to switch to the new file.
    await using c = new Appender(dir, "c");
    const appenders = [a, b, c];
    await Promise.all(appenders.map((appender) => appender.goOn(1_000)));
    moveAway(dir, "audit.jsonl.2");
    await Promise.all(appenders.map((appender) => appender.goOn(200)));
    await Promise.all(appenders.map((appender) => appender.end()));

    const { archives, sealed, leftovers, lines } = await decodeLog(dir.path(""));
    assertEquals([...sealed, ...leftovers], []);
    assert(archives.length >= 10, `only ${archives.length} archives`);
    const moved = ["audit.jsonl.1", "audit.jsonl.2"].flatMap((name) => linesOf(dir.path(name)));
    const { numbers, torn } = tally([...moved, ...lines]);
    assertEquals(torn, []);
    for (const { by, acknowledged } of appenders) {
      assertEquals(numbers.get(by)?.toSorted((x, y) => x - y), upTo(acknowledged), by);
    }
  },
);

/** Renames the active file, as logrotate does. Retries until the active file exists. */
function moveAway(dir: TempDir, name: string): void {
  for (;;) {
    try {
      return Deno.renameSync(dir.path("audit.jsonl"), dir.path(name));
    } catch (error) {
      // The file does not exist, because the log has just renamed it to a segment.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** A process that appends until its standard input is closed. */
class Appender implements AsyncDisposable {
  readonly by: string;
  /** Number of events that the process has acknowledged. */
  acknowledged = 0;
  readonly #process: Deno.ChildProcess;
  readonly #acknowledgements: ReadableStreamDefaultReader<string>;

  constructor(dir: TempDir, by: string) {
    this.by = by;
    const args = programArgs(APPENDS_UNTIL_TOLD, {
      dir: dir.path(""),
      args: [dir.path("audit.jsonl"), by, "20000"],
    });
    const command = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" });
    this.#process = command.spawn();
    this.#acknowledgements = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  /** Resolves when `events` more events are acknowledged. */
  async goOn(events: number): Promise<void> {
    for (let left = events; left > 0; left--) {
      const { done, value } = await this.#acknowledgements.read();
      if (done) throw new Error(`The process ended after ${this.acknowledged} events`);
      assertEquals(Number(value), this.acknowledged++);
    }
  }

  /** Stops the process. Resolves when it has acknowledged all of its events and exited with 0. */
  async end(): Promise<void> {
    await this.#process.stdin.close();
    while (!(await this.#acknowledgements.read()).done) this.acknowledged++;
    assertEquals((await this.#process.status).code, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** Runs the program of two Workers on the log. Returns the program's output. */
async function runWorkers(dir: TempDir, args: readonly string[]): Promise<string> {
  const result = await runProgram(WORKERS, {
    dir: dir.path(""),
    args: [dir.path("audit.jsonl"), ...args],
    // A Worker needs permission to read its own code and the library.
    flags: [`--allow-read=${dir.path("")},${ROOT}`, `--allow-write=${dir.path("")}`],
  });
  assertEquals(result.code, 0, result.stderr);
  return result.stdout;
}

async function queriedNumbers(dir: TempDir): Promise<Map<string, number[]>> {
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl") });
  const query = log.query();
  const { numbers } = tally((await query.toArray()).map((event) => JSON.stringify(event)));
  assertEquals(query.damage, []);
  return numbers;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
