import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runCommand } from "./run_command.ts";
import { runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

const PROGRAM = fromFileUrl(new URL("./programs/eight_agents.ts", import.meta.url));
const CONFIG = fromFileUrl(new URL("../deno.json", import.meta.url));

Deno.test("A new user's program type-checks, needs two scoped permissions, and exits with code 0", async () => {
  using dir = tempDir();
  const path = dir.path("logs/audit.jsonl");
  const checked = await runCommand(Deno.execPath(), {
    args: ["check", "--quiet", "--config", CONFIG, PROGRAM],
  });
  assertEquals([checked.code, checked.stderr], [0, ""]);
  const logs = dir.path("logs");
  const flags = [`--allow-read=${logs}`, `--allow-write=${logs}`];
  const { code, stdout, stderr } = await runProgram(PROGRAM, { dir: logs, args: [path], flags });
  assertEquals([code, stderr], [0, ""]);
  const navs = linesOf(path).filter((line) => JSON.parse(line).event === "nav");
  assert(navs.length >= 30, `only ${navs.length} steps`);
  // The program may end before it has shown the last events. It shows at least one event, and no event twice.
  const shown = stdout.trim().split("\n");
  assert(shown.length > 0 && shown.length <= navs.length, stdout);
});
