import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { type ProgramResult, runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const MAIN = "src/cli/main.ts";

/** The lines of the README that are commands. */
function commands(): string[] {
  const text = Deno.readTextFileSync(join(ROOT, "README.md"));
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
    block.trim().split("\n")
  );
}

/** Runs a printed `deno run` of a program of this project, with the flags that it is printed with. */
function runPrinted(command: string, cwd: string): Promise<ProgramResult> {
  const [deno, verb, ...words] = command.split(" ");
  assertEquals([deno, verb], ["deno", "run"]);
  const at = words.findIndex((word) => word.endsWith(".ts"));
  const [flags, args] = [words.slice(0, at), words.slice(at + 1)];
  return runProgram(join(ROOT, words[at]!), { dir: cwd, cwd, flags, args });
}

Deno.test("The README's commands on the demo's log work as they are printed", async () => {
  using dir = tempDir();
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  assert(commands().includes("deno task demo"));
  assertEquals((await runPrinted(tasks.demo.command, dir.path(""))).code, 0);
  const asked = commands().filter((command) => command.includes(MAIN));
  assertEquals(asked.length, 2);
  for (const command of asked) {
    const result = await runPrinted(command, dir.path(""));
    assertEquals([result.code, result.stderr], [0, ""], command);
    assert(result.stdout.split("\n").length > 3, `${command}\n${result.stdout}`);
  }
});

Deno.test("The README's tasks are those of deno.json", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const named = commands().map((command) => command.match(/(?:deno|deno@\S+) task (\S+)/)?.[1])
    .filter((task) => task !== undefined);
  assert(named.length >= 6, `only ${named}`);
  for (const task of named) assert(task in tasks, `${task} is no task`);
});
