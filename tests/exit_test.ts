import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runProgram } from "./run_program.ts";
import { hasStrace } from "./strace.ts";
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
  Deno.test(`AuditLog keeps the event of a process that ${manner.replaceAll("_", " ")}`, async () => {
    // There is no SIGKILL on Windows.
    if (Deno.build.os === "windows" && "signal" in expected) return;
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    const result = await runProgram(ENDS, { dir: dir.path(""), args: [path, manner] });
    if ("signal" in expected) assertEquals(result.signal, expected.signal);
    else assertEquals(result.code, expected.code, result.stderr);
    assertEquals(linesOf(path).map((line) => JSON.parse(line).event), ["nav"]);
  });
}

Deno.test("AuditLog survives a rejection that nobody awaited and tells it on standard error", async () => {
  using dir = tempDir();
  const args = [dir.path("audit.jsonl"), "logs_badly"];
  const result = await runProgram(ENDS, { dir: dir.path(""), args });
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stdout, "still here\n");
  assertStringIncludes(result.stderr, "An event was not logged:");
  assertStringIncludes(result.stderr, "cost must be a finite number >= 0 (USD): -1");
});

Deno.test("AuditLog syncs a program's lines before it ends, and three lines of a quiet one once", async (t) => {
  if (!await hasStrace()) return; // Only Linux counts system calls; CI installs strace there.
  for (
    const { manner, syncs } of [{ manner: "ends", syncs: 1 }, {
      manner: "ends_quietly_later",
      syncs: 1,
    }]
  ) {
    await t.step(manner, async () => {
      using dir = tempDir();
      const trace = dir.path("trace");
      const args = [dir.path("audit.jsonl"), manner];
      const strace = ["-f", "-qq", "-y", "-o", trace, "-e", "trace=fdatasync,fsync"];
      const result = await runProgram(ENDS, { dir: dir.path(""), args, strace });
      assertEquals(result.code, 0, result.stderr);
      const calls = Deno.readTextFileSync(trace).split("\n");
      const ofTheLog = calls.filter((call) => /fdatasync\(\d+<.*audit\.jsonl>/.test(call));
      assertEquals(ofTheLog.length, syncs, calls.join("\n"));
      // The file is new, so its name has to be made durable too.
      assert(calls.some((call) => /fsync\(\d+<[^>]*scout_[^>]*>\)/.test(call)), calls.join("\n"));
    });
  }
});
