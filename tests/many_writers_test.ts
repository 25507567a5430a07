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

Deno.test("AuditLog proceeds when the holder of the lock is killed in the middle of a batch", async () => {
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
  assert(turns > 0, "the event loop stood still while the lock was taken");

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

Deno.test("AuditLogs of four processes append to one file, each in its own order, no line mixed", async () => {
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

    await t.step("each event is there once, in its writer's order, and no line is mixed", () => {
      assertEquals(torn, []);
      assertEquals([...numbers.keys()].sort(), ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]);
      for (const [by, found] of numbers) assertEquals(found, upTo(count), by);
    });
    await t.step("every segment is a whole archive", async () => {
      assert(archives.length >= extent.of(100), `only ${archives.length} archives`);
      assertEquals([...sealed, ...leftovers], []);
      assertEquals(await brokenArchives(dir.path(""), archives), []);
    });
    await t.step("the manifest is whole and has one line for each archive", () => {
      const manifest = readManifest(dir.path(""));
      assertEquals(manifest.faults, []);
      assertEquals(manifest.count, archives.length);
      assertEquals(manifest.lines.filter(({ rebuilt }) => rebuilt), []);
      assertEquals(manifest.lines.map(({ archive }) => archive).sort(), archives);
      assertEquals(manifest.lines.reduce((sum, line) => sum + line.lines, 0), archivedLines);
    });
    await t.step("query finds the same", async () => {
      assertEquals(await queriedNumbers(dir), numbers);
    });
  },
);

Deno.test("AuditLogs of the main isolate and a Worker go on while another Worker rotates", async () => {
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
  "AuditLogs go on as one when their file is moved away and their lock file deleted",
  async () => {
    using dir = tempDir();
    await using a = new Appender(dir, "a");
    await using b = new Appender(dir, "b");
    await Promise.all([a.goOn(200), b.goOn(200)]);
    moveAway(dir, "audit.jsonl.1");
    await Promise.all([a.goOn(200), b.goOn(200)]);
    Deno.removeSync(dir.path("audit.jsonl.lock"));
    // A newcomer makes a new lock file, which counts for those that have the deleted one open.
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

/** Renames the active file, as logrotate does, at a moment at which there is one. */
function moveAway(dir: TempDir, name: string): void {
  for (;;) {
    try {
      return Deno.renameSync(dir.path("audit.jsonl"), dir.path(name));
    } catch (error) {
      // The log has just sealed it itself.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** A process that appends until it is told to end. */
class Appender implements AsyncDisposable {
  readonly by: string;
  /** How many events it has told of. */
  acknowledged = 0;
  readonly #process: Deno.ChildProcess;
  readonly #told: ReadableStreamDefaultReader<string>;

  constructor(dir: TempDir, by: string) {
    this.by = by;
    const args = programArgs(APPENDS_UNTIL_TOLD, {
      dir: dir.path(""),
      args: [dir.path("audit.jsonl"), by, "20000"],
    });
    const command = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" });
    this.#process = command.spawn();
    this.#told = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  /** Resolves when so many further events are acknowledged. */
  async goOn(events: number): Promise<void> {
    for (let left = events; left > 0; left--) {
      const { done, value } = await this.#told.read();
      if (done) throw new Error(`The process ended after ${this.acknowledged} events`);
      assertEquals(Number(value), this.acknowledged++);
    }
  }

  /** Resolves when it has ended and told everything. */
  async end(): Promise<void> {
    await this.#process.stdin.close();
    while (!(await this.#told.read()).done) this.acknowledged++;
    assertEquals((await this.#process.status).code, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** Runs the program of two Workers on the log; gives what it prints. */
async function runWorkers(dir: TempDir, args: readonly string[]): Promise<string> {
  const result = await runProgram(WORKERS, {
    dir: dir.path(""),
    args: [dir.path("audit.jsonl"), ...args],
    // A Worker reads its own program and the library.
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
