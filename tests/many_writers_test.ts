import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AuditLog, AuditWriteError, type Logger } from "@vivarium/scout";
import { programArgs, runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

const HOLDS_LOCK = fromFileUrl(new URL("./programs/holds_lock.ts", import.meta.url));
const APPENDS = fromFileUrl(new URL("./programs/appends.ts", import.meta.url));

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

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
      Array.from({ length: count }, (_, n) => n),
    );
  }
});
