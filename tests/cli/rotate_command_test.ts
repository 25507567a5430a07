import { assertEquals, assertMatch } from "@std/assert";
import { runProgram } from "../run_program.ts";
import { gunzipped, linesOf } from "../temp_dir.ts";
import { logWith, MAIN, runCli } from "./run_cli.ts";

const EVENT = { ts: "2026-02-13T14:00:00.000Z", event: "nav", session_id: "s1" };

function rotate(log: ReturnType<typeof logWith>, ...args: readonly string[]) {
  return runProgram(MAIN, {
    dir: log.dir.path(""),
    args: ["rotate", "--path", log.path, ...args],
  });
}

function archivesIn(log: ReturnType<typeof logWith>): string[] {
  return [...Deno.readDirSync(log.dir.path(""))].map(({ name }) => name)
    .filter((name) => name.endsWith(".gz"));
}

Deno.test("scout rotate archives the content of the active file, to which writers append", async () => {
  using log = logWith(EVENT);
  const { code, stdout, stderr } = await rotate(log);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [name = ""] = archivesIn(log);
  assertEquals(stdout, `Archived ${name}\n`);
  const text = await gunzipped(Deno.readFileSync(log.dir.path(name)));
  assertEquals(text, `${JSON.stringify(EVENT)}\n`);
  assertEquals(linesOf(log.dir.path("audit.manifest.jsonl")).length, 1);
});

Deno.test("scout rotate --json names the new archives, if any", async () => {
  using log = logWith(EVENT);
  const first = await rotate(log, "--json");
  assertEquals(JSON.parse(first.stdout), { archived: archivesIn(log) });
  const again = await rotate(log, "--json");
  assertEquals([again.code, JSON.parse(again.stdout)], [0, { archived: [] }]);
  assertMatch((await rotate(log)).stdout, /^Nothing to archive/);
  assertEquals(archivesIn(log).length, 1);
});

Deno.test("scout rotate does not create a missing log", async () => {
  using log = logWith();
  Deno.removeSync(log.path);
  const { code, stdout, stderr } = await rotate(log);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(
    stderr,
    /^scout: Cannot find audit log: there is neither an active file nor an archive: \S+\n$/,
  );
  assertEquals([...Deno.readDirSync(log.dir.path(""))], []);
});

Deno.test("scout rotate reports missing permissions in one line", async () => {
  using log = logWith(EVENT);
  const dir = log.dir.path("");
  const { code, stdout, stderr } = await runCli(["rotate", "--path", log.path], dir);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(
    stderr,
    `scout: Cannot open audit log: run again with --allow-read=${dir} --allow-write=${dir}\n`,
  );
  assertEquals(archivesIn(log), []);
});
