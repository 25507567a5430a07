import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { testNeeding } from "./requirements.ts";
import { runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

const ENDS = fromFileUrl(new URL("./programs/ends.ts", import.meta.url));

const MANNERS = [
  {
    manner: "awaited_then_killed",
    what: "awaited the call and is killed",
    signal: "SIGKILL",
  },
  {
    manner: "turn_over_then_killed",
    what: "is killed in the event-loop turn after the call",
    signal: "SIGKILL",
  },
  { manner: "throws", what: "throws", code: 1 },
  { manner: "throws_in_a_callback", what: "throws in a callback", code: 1 },
  { manner: "rejects", what: "has an unhandled rejection", code: 1 },
  { manner: "exits", what: "exits", code: 3 },
  { manner: "exits_in_a_microtask", what: "exits in a microtask", code: 3 },
  { manner: "exits_through_node", what: "exits through node:process", code: 3 },
  { manner: "awaits_forever", what: "awaits forever, with a session ID of its own", code: 1 },
  { manner: "ends", what: "ends normally", code: 0 },
] as const;

for (const { manner, what, ...expected } of MANNERS) {
  const name = `AuditLog stores the event of a process that ${what}`;
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

Deno.test("AuditLog prints the rejection of a call that was not awaited to standard error, and the process continues", async () => {
  using dir = tempDir();
  const args = [dir.path("audit.jsonl"), "logs_badly"];
  const result = await runProgram(ENDS, { dir: dir.path(""), args });
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stdout, "still here\n");
  assertStringIncludes(result.stderr, "An event was not logged:");
  assertStringIncludes(result.stderr, '"cost" must be a finite number >= 0 (USD), got -1');
});

const SYNCED_ONCE = [
  ["ends", "AuditLog syncs a program's lines once, before the program ends"],
  ["ends_quietly_later", "AuditLog syncs once if a program logs three lines and then only waits"],
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
    // The file is new, so its directory has to be synced too.
    assert(calls.some((call) => /fsync\(\d+<[^>]*scout_[^>]*>\)/.test(call)), calls.join("\n"));
  });
}
