/**
 * Runs the quick suite on a machine with nothing but Deno and a shell, in an unusual time zone, with a strict umask and
 * shuffled tests. No test may fail, and exactly the tests listed in `may_skip.ts` are skipped.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl, relative } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { longTest } from "./extent.ts";
import { MAY_SKIP } from "./may_skip.ts";
import type { RequirementName } from "./requirements.ts";
import { findTool, runCommand } from "./run_command.ts";
import { denoDir } from "./run_program.ts";
import { freshSeed } from "./seeded_random.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
/**
 * Test files to leave out: this file, and simulations that depend on neither tools nor environment. The files that
 * `deno.json` excludes are repeated here, because `--ignore` replaces that list.
 */
const IGNORED = [
  ...config.exclude,
  relative(ROOT, fromFileUrl(import.meta.url)),
  "tests/faults/campaign_test.ts",
  "tests/faults/canaries_test.ts",
];
/**
 * Requirements that the bare environment meets, so tests that need them run: the system is POSIX, Deno's cache contains
 * DuckDB, and tests that run as root need no `sudo`.
 */
const PRESENT: readonly RequirementName[] = [
  "POSIX",
  "duckdb",
  ...Deno.build.os !== "windows" && Deno.uid() === 0 ? ["root"] as const : [],
];

interface SuiteResult {
  readonly code: number;
  readonly output: string;
  /** Names of the skipped tests, without the suffix that names their requirements. */
  readonly skipped: readonly string[];
}

/** Runs the quick suite in the bare environment. `seed` determines the order of the tests. */
async function runQuickSuite(seed: number): Promise<SuiteResult> {
  using dir = tempDir();
  Deno.mkdirSync(dir.path("bin"));
  // This machine has a shell, because the README's commands use `npx`, which needs a shell.
  Deno.symlinkSync((await findTool("sh"))!, dir.path("bin/sh"));
  const junit = dir.path("junit.xml");
  const options = ["--allow-all", "--sanitize-ops", "--sanitize-resources", "--no-check"];
  const command = [
    ...[Deno.execPath(), "test", "--doc", "--parallel", `--shuffle=${seed}`, ...options],
    ...[`--ignore=${IGNORED.join(",")}`, `--junit-path=${junit}`],
  ];
  const { code, stdout, stderr } = await runCommand("sh", {
    args: ["-c", 'umask 077; exec "$0" "$@"', ...command],
    cwd: ROOT,
    clearEnv: true,
    env: {
      PATH: dir.path("bin"),
      HOME: Deno.env.get("HOME") ?? "",
      DENO_DIR: await denoDir(),
      TZ: "Pacific/Chatham",
      NO_COLOR: "1",
    },
  });
  const cases = Deno.readTextFileSync(junit).split("<testcase ").slice(1);
  const skipped = cases.filter((text) => text.includes("<skipped")).map(nameOf);
  return { code, output: stdout + stderr, skipped };
}

function nameOf(testCase: string): string {
  const [, name = ""] = /\bname="([^"]*)"/.exec(testCase) ?? [];
  const text = name.replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  return text.replace(/ \(needs: .*$/, "");
}

function lastLines(text: string): string {
  return text.split("\n").slice(-60).join("\n");
}

await longTest(
  "The quick suite passes on a machine without tools, and skips exactly the tests in may_skip.ts",
  async () => {
    const seed = freshSeed();
    const { code, output, skipped } = await runQuickSuite(seed);
    assertEquals(code, 0, `--shuffle=${seed}\n${lastLines(output)}`);
    const listed = Object.entries(MAY_SKIP)
      .filter(([need]) => !PRESENT.includes(need as RequirementName))
      .flatMap(([, names]) => names)
      .filter((name) => !name.endsWith(" (whole)"));
    const isPresent = (name: string) => MAY_SKIP.duckdb.includes(name);
    assertEquals(new Set(skipped.filter((name) => !isPresent(name))), new Set(listed));
  },
  ["POSIX"],
);
