import { assertEquals, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { tempDir } from "../temp_dir.ts";
import { runCli } from "./run_cli.ts";

/** A chained log of six events, three of them in an archive, and the command line over it. */
async function chainedLog() {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    const now = () => Date.UTC(2026, 1, 13);
    await using log = await AuditLog.open({ path, chain: true, sessionId: "s", now });
    for (const cost of [1, 2, 3]) await log.log("nav", { cost });
    await log.rotate();
    for (const cost of [4, 5, 6]) await log.log("nav", { cost });
  }
  return {
    path,
    run: (command: string, ...args: readonly string[]) =>
      runCli([command, "--path", path, ...args], dir.path("")),
    edit(from: string, to: string) {
      Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace(from, to));
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

Deno.test("scout verify says that nothing was found, and what it cannot show", async () => {
  using log = await chainedLog();
  const { code, stdout, stderr } = await log.run("verify");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [first, ...others] = stdout.split("\n");
  assertEquals(first, "OK: chain of 6 lines verified");
  assertEquals(others.map((line) => line.slice(0, 11)), [
    "read       ",
    "not shown  ",
    "           ",
    "",
  ]);
});

Deno.test("scout verify names file, line and reason of what was changed, with exit code 1", async () => {
  using log = await chainedLog();
  log.edit('"cost":5', '"cost":0');
  const { code, stdout, stderr } = await log.run("verify");
  assertEquals({ code, stderr }, { code: 1, stderr: "" });
  assertEquals(stdout.split("\n").slice(0, 2), [
    "FAULTS: 1",
    "fault      audit.jsonl, line 2, byte 156: it, or what is before it, was changed: its hash is another one",
  ]);
});

Deno.test("scout verify --json prints the report", async () => {
  using log = await chainedLog();
  log.edit('"cost":5', '"cost":0');
  const { code, stdout } = await log.run("verify", "--json");
  const { ok, archives, lines, faults } = JSON.parse(stdout);
  assertEquals([code, ok, archives, lines], [1, false, 1, 6]);
  assertEquals([faults.length, faults[0].path, faults[0].line], [1, log.path, 2]);
});

Deno.test("scout verify holds a log against what scout head printed", async () => {
  using log = await chainedLog();
  const head = await log.run("head");
  assertEquals([head.code, head.stderr, JSON.parse(head.stdout).seq], [0, "", 5]);
  assertEquals((await log.run("verify", "--anchor", head.stdout)).code, 0);
  const text = Deno.readTextFileSync(log.path);
  Deno.writeTextFileSync(log.path, text.slice(0, text.lastIndexOf("{")));
  assertEquals((await log.run("verify")).code, 0);
  const { code, stdout } = await log.run("verify", "--anchor", head.stdout);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "events were removed: the anchor saw seq 5, and the last one is 4");
});

Deno.test("scout verify rejects an invalid anchor, and a log that does not exist", async () => {
  using log = await chainedLog();
  const { code, stdout, stderr } = await log.run("verify", "--anchor", "{}");
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, "Cannot read anchor: it is not what scout head prints");
  for (const command of ["verify", "head"]) {
    const args = [command, "--path", `${log.path}.not`];
    const missing = await runCli(args, dirname(log.path));
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "Cannot find audit log");
  }
});
