/**
 * Runs the tests of the core again under the rules of Windows, on any machine.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { sampledTest } from "./extent.ts";
import { type CommandResult, runCommand } from "./run_command.ts";

/**
 * The test files and folders that run under the rules of Windows, in groups of about ten seconds. Paths are relative to
 * this folder.
 */
const PARTS: readonly (readonly string[])[] = [
  ["segments", "faults/simulated_disk_test.ts"],
  ["write", "marked_log_test.ts", "session_test.ts"],
  ["read", "audit_reader_test.ts", "snapshot_test.ts"],
  ["verify", "chain_test.ts", "exit_test.ts"],
  ["audit_log_test.ts", "many_writers_test.ts", "missing_feature_test.ts"],
  ["rotation_test.ts", "rotation_age_test.ts", "rotation_calls_test.ts", "platform"],
  ["faults/campaign_test.ts", "faults/canaries_test.ts"],
];

/** Runs tests with the preloaded file `rules`, which applies rules of Windows to the real file system. */
function testUnder(
  rules: string,
  paths: readonly string[],
  { seed, filter = "" }: { seed: number; filter?: string },
): Promise<CommandResult> {
  const pathOf = (path: string) => fromFileUrl(new URL(path, import.meta.url));
  const args = ["test", "--no-check", "--parallel", "--allow-all", `--filter=${filter}`];
  return runCommand(Deno.execPath(), {
    args: [
      ...[...args, "--config", pathOf("../deno.json"), "--preload", pathOf(rules)],
      ...paths.map(pathOf),
    ],
    env: { SCOUT_RULES: "windows", SCOUT_TESTS: "", SCOUT_SEED: String(seed) },
  });
}

await sampledTest(
  "The tests of writing, reading, recovery and chains pass under the rules of Windows",
  1 / PARTS.length,
  async ({ seed, share }) => {
    const first = seed % PARTS.length;
    const inTurn = [...PARTS.slice(first), ...PARTS.slice(0, first)];
    const drawn = inTurn.slice(0, Math.ceil(PARTS.length * share));
    const { code, stdout } = await testUnder("windows_rules.ts", drawn.flat(), { seed });
    assert(code === 0, stdout);
  },
);

Deno.test("The rotation test fails under the rules of Windows if the log locks the file that it compresses", async () => {
  const { code, stdout } = await testUnder(
    "programs/locks_segments.ts",
    ["rotation_test.ts"],
    { seed: 0, filter: "AuditLogs on the same path in one isolate rotate as one log" },
  );
  assertEquals(code, 1);
  assertStringIncludes(stdout, "0 passed | 1 failed");
});
