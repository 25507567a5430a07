import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AuditLog } from "@vivarium/scout";
import { runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import { MAIN, runCli } from "./run_cli.ts";

/** Creates a log with three old archives, and returns functions that run commands on the log. */
async function archivedLog() {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path, now: () => Date.UTC(2026, 1, 13) });
    for (const cost of [1, 2, 3]) {
      await log.log("nav", { cost });
      await log.rotate();
    }
  }
  const archives = () =>
    [...Deno.readDirSync(dir.path(""))].map(({ name }) => name)
      .filter((name) => name.endsWith(".gz")).sort();
  const args = (...args: readonly string[]) => ["prune", "--path", path, ...args];
  return {
    archives,
    read: (...more: readonly string[]) => runCli(args(...more), dir.path("")),
    run: (...more: readonly string[]) =>
      runProgram(MAIN, { dir: dir.path(""), args: args(...more) }),
    ask: (command: string, ...more: readonly string[]) =>
      runCli([command, "--path", path, "--tz", "UTC", ...more], dir.path("")),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

Deno.test("scout prune --dry-run shows what would be removed, without write permission", async () => {
  using log = await archivedLog();
  const before = log.archives();
  const { code, stdout, stderr } = await log.read("--dry-run", "--max-archives", "1");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [first = "", second = "", total = ""] = stdout.split("\n");
  assertMatch(first, new RegExp(`^${before[0]}  1\\d\\d bytes  too many archives$`));
  assertMatch(second, new RegExp(`^${before[1]}  `));
  assertMatch(total, /^2 archives would be removed, \d+ bytes$/);
  assertEquals(log.archives(), before);
});

Deno.test("scout prune removes the oldest archives, and lists the removed archives", async () => {
  using log = await archivedLog();
  const [first, ...others] = log.archives();
  const { code, stdout, stderr } = await log.run("--max-archives", "2");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /\n1 archive removed, \d+ bytes\n$/);
  assertStringIncludes(stdout, `${first}`);
  assertEquals(log.archives(), others);
  const again = await log.run("--max-archives", "2");
  assertEquals(again.stdout, "Nothing removed, 0 bytes\n");
});

Deno.test("scout prune --json lists each removed archive with the reason", async () => {
  using log = await archivedLog();
  const { stdout } = await log.run("--json", "--max-age", "30d", "--max-bytes", "1GB");
  const { dryRun, bytes, pruned } = JSON.parse(stdout);
  assertEquals(dryRun, false);
  assertEquals(pruned.map(({ reason }: { reason: string }) => reason), ["age", "age", "age"]);
  assertEquals(bytes, pruned[0].bytes + pruned[1].bytes + pruned[2].bytes);
  assertEquals(log.archives().length, 0);
});

Deno.test("scout spend, stats, status and metrics state up to which time scout prune has removed the events", async () => {
  using log = await archivedLog();
  await log.run("--max-archives", "1");
  const spend = await log.ask("spend", "--since", "2026-02-01");
  assertMatch(spend.stdout, /^\$3\.00 for 1 call since/);
  const until = "until 2026-02-13 00:00 (UTC)";
  assertEquals(
    spend.stderr,
    `scout: the costs leave out all events ${
      until.replace("until", "up to")
    }, because retention has removed them\n`,
  );
  const later = await log.ask("spend", "--since", "2026-02-14");
  assertMatch(later.stderr, /^scout: no events with a cost since [^\n]+\n$/);
  const stats = await log.ask("stats", "--since", "2026-02-01");
  assertEquals(stats.stderr, spend.stderr.replace("costs", "figures"));
  const laterStats = await log.ask("stats", "--since", "2026-02-14");
  assert(!laterStats.stderr.includes("retention"), laterStats.stderr);
  const status = await log.ask("status");
  assertStringIncludes(
    status.stdout,
    `\n          retention has removed the events until 2026-02-13 00:00\n`,
  );
  const metrics = await log.ask("metrics", "--since", "2026-02-01");
  assertStringIncludes(metrics.stderr, "The figures leave out events up to");
});

Deno.test("scout prune rejects a missing and an invalid limit", async () => {
  using log = await archivedLog();
  const refused: [args: string[], message: string][] = [
    [[], "Cannot prune: a limit is missing"],
    [["--max-bytes", "much"], "not a size; use"],
    [["--max-bytes", "5XB"], "not a size; use"],
    [["--max-age", "old"], "not a duration; use"],
    [["--max-archives", "0"], "--max-archives"],
  ];
  for (const [args, message] of refused) {
    const { code, stdout, stderr } = await log.read(...args);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, message);
  }
});

Deno.test("scout prune reports a missing permission in one line", async () => {
  using log = await archivedLog();
  const { code, stderr } = await log.read("--max-archives", "1");
  assertEquals(code, 2);
  assertMatch(stderr, /^scout: .*--allow-write=.*\n$/);
  assertEquals(log.archives().length, 3);
});

Deno.test("scout prune removes the newest archive only if it is too old, and otherwise reports that it is kept", async () => {
  using log = await archivedLog();
  const newest = log.archives().at(-1);
  const limits: [limit: string[], why: string | null][] = [
    [["--max-bytes", "1"], "too many bytes"],
    [["--max-archives", "1"], null],
    [["--max-bytes", "1MB"], null],
  ];
  for (const [limit, why] of limits) {
    const { stdout, stderr } = await log.read("--dry-run", ...limit);
    const kept = stdout.split("\n").filter((line) => line.includes(" kept: "));
    const expected =
      `${newest}  kept: the newest archive is removed only because of its age (${why})`;
    assertEquals([stderr, kept], ["", why === null ? [] : [expected]], limit.join(" "));
    const asJson = JSON.parse((await log.read("--dry-run", "--json", ...limit)).stdout);
    assertEquals(asJson.kept?.archive, why === null ? undefined : newest);
    assertEquals(
      asJson.pruned.some(({ archive }: { archive: string }) => archive === newest),
      false,
    );
  }
  const tooOld = await log.read("--dry-run", "--json", "--max-age", "1d");
  const { pruned, kept } = JSON.parse(tooOld.stdout);
  assertEquals([pruned.at(-1).archive, kept], [newest, null]);
});
