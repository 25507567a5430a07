import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { testNeeding } from "./requirements.ts";
import { runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

const ENDS = fromFileUrl(new URL("./programs/ends.ts", import.meta.url));

const MANNERS = [
  { manner: "awaited_then_killed", signal: "SIGKILL" },
  { manner: "turn_over_then_killed", signal: "SIGKILL" },
  { manner: "throws", code: 1 },
  { manner: "throws_in_a_callback", code: 1 },
  { manner: "rejects", code: 1 },
  { manner: "exits", code: 3 },
  { manner: "exits_in_a_microtask", code: 3 },
  { manner: "exits_through_node", code: 3 },
  { manner: "ends", code: 0 },
] as const;

for (const { manner, ...expected } of MANNERS) {
  const name = `AuditLog keeps the event of a process that ${manner.replaceAll("_", " ")}`;
  const test = async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    const result = await runProgram(ENDS, { dir: dir.path(""), args: [path, manner] });
    if ("signal" in expected) assertEquals(result.signal, expected.signal);
    else assertEquals(result.code, expected.code, result.stderr);
    assertEquals(linesOf(path).map((line) => JSON.parse(line).event), ["nav"]);
  };
  if ("signal" in expected) await testNeeding("POSIX", name, test);
  else Deno.test(name, test);
}

Deno.test("AuditLog survives a rejection that nobody awaited and tells it on standard error", async () => {
  using dir = tempDir();
  const args = [dir.path("audit.jsonl"), "logs_badly"];
  const result = await runProgram(ENDS, { dir: dir.path(""), args });
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stdout, "still here\n");
  assertStringIncludes(result.stderr, "An event was not logged:");
  assertStringIncludes(result.stderr, "cost must be a finite number >= 0 (USD), got -1");
});

const SYNCED_ONCE = [
  ["ends", "AuditLog syncs a program's lines once, before it ends"],
  ["ends_quietly_later", "AuditLog syncs three lines of a quiet program once"],
] as const;

for (const [manner, name] of SYNCED_ONCE) {
  await testNeeding("strace", name, async () => {
    using dir = tempDir();
    const trace = dir.path("trace");
    const args = [dir.path("audit.jsonl"), manner];
    const strace = ["-f", "-qq", "-y", "-o", trace, "-e", "trace=fdatasync,fsync"];
    const result = await runProgram(ENDS, { dir: dir.path(""), args, strace });
    assertEquals(result.code, 0, result.stderr);
    const calls = Deno.readTextFileSync(trace).split("\n");
    const ofTheLog = calls.filter((call) => /fdatasync\(\d+<.*audit\.jsonl>/.test(call));
    assertEquals(ofTheLog.length, 1, calls.join("\n"));
    // The file is new, so its name has to be made durable too.
    assert(calls.some((call) => /fsync\(\d+<[^>]*scout_[^>]*>\)/.test(call)), calls.join("\n"));
  });
}
