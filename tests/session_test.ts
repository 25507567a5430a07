import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AuditLog, getSessionId } from "@vivarium/scout";
import { runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

const GLOBALS = fromFileUrl(new URL("./programs/globals.ts", import.meta.url));
const SESSIONS = fromFileUrl(new URL("./programs/sessions.ts", import.meta.url));
const FOREIGN_ID = "00000000-0000-4000-8000-000000000000";

Deno.test("getSessionId() returns one UUID v4 per process", () => {
  assertMatch(
    getSessionId(),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assertEquals(getSessionId(), getSessionId());
});

Deno.test("AuditLog.open() uses one session ID for all Workers of a process, and lets the process exit", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const { pid: _, ids } = await sessionsOf(dir.path(""), path, "main_first");
  assertEquals(ids.length, 3);
  assertEquals(new Set(ids).size, 1);
  const logged = linesOf(path).map((line) => JSON.parse(line).session_id);
  assertEquals(logged, [ids[0], ids[0]]);
});

Deno.test("AuditLog.open() uses the same session ID while Workers open and close logs repeatedly", async () => {
  using dir = tempDir();
  const { ids } = await sessionsOf(dir.path(""), dir.path("audit.jsonl"), "reopening");
  assertEquals(new Set(ids).size, 1);
  assertEquals(ids.length, 3);
});

Deno.test("AuditLog.open() uses a different session ID in each process", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const first = await sessionsOf(dir.path(""), path, "main_first");
  const second = await sessionsOf(dir.path(""), path, "main_first");
  assertNotEquals(first.ids[0], second.ids[0]);
  assertEquals(linesOf(`${path}.lock`).length, 2);
});

Deno.test("AuditLog.open() does not reuse the session ID of a dead process with the same pid", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  // The lock file has a record of a dead process for every pid below 40,000, so most likely also for the pid of the new
  // process.
  const records = Array.from({ length: 40_000 }, (_, n) => ({
    pid: n,
    session_id: FOREIGN_ID,
  }));
  Deno.writeTextFileSync(
    `${path}.lock`,
    records.map((record) => `${JSON.stringify(record)}\n`).join(""),
  );
  const { pid, ids } = await sessionsOf(dir.path(""), path, "worker_only");
  assert(pid < records.length || Deno.build.os !== "linux", `pid ${pid} had no record`);
  assertNotEquals(ids[0], FOREIGN_ID);
});

Deno.test("AuditLog.open() keeps at most 64 session records in the lock file, and ignores invalid records", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const records = Array.from({ length: 500 }, (_, n) => ({ pid: -n - 1, session_id: FOREIGN_ID }));
  Deno.writeTextFileSync(
    `${path}.lock`,
    `not JSON\n42\n{"pid":"x"}\n${records.map((record) => `${JSON.stringify(record)}\n`).join("")}`,
  );
  await using log = await AuditLog.open({ path });
  assertEquals(log.sessionId, getSessionId());
  const lines = linesOf(`${path}.lock`);
  assertEquals(lines.length, 64);
  assertEquals(JSON.parse(lines.at(-1)!), { pid: Deno.pid, session_id: getSessionId() });
});

Deno.test("AuditLog.open() uses the session ID of its options", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), sessionId: "mine" });
  await log.log("nav");
  await log.log("nav", { session_id: "another" });
  const ids = (await log.query().toArray()).map((event) => event.session_id);
  assertEquals(ids, ["mine", "another"]);
});

async function sessionsOf(
  dir: string,
  path: string,
  order: string,
): Promise<{ pid: number; ids: string[] }> {
  const result = await runProgram(SESSIONS, {
    dir,
    args: [path, order],
    flags: [
      `--allow-read=${dir},${fromFileUrl(new URL("..", import.meta.url))}`,
      `--allow-write=${dir}`,
    ],
  });
  assertEquals(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

Deno.test("AuditLog.open() does not change the global objects of a program", async () => {
  using dir = tempDir();
  const result = await runProgram(GLOBALS, { dir: dir.path(""), args: [dir.path("audit.jsonl")] });
  assertEquals([result.code, result.stdout], [0, "[]\n"], result.stderr);
});
