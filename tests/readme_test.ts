import { assert, assertEquals, assertMatch } from "@std/assert";
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

Deno.test("The README's commands work as they are printed, after the demo", async () => {
  using dir = tempDir();
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  assert(commands().includes("deno task demo"));
  assertEquals((await runPrinted(tasks.demo.command, dir.path(""))).code, 0);
  Deno.writeTextFileSync(dir.path("calls.csv"), "time,usd,engine\n2026-02-13,0.5,small\n");
  const shown: Record<string, RegExp> = {
    spend: /^\$0\.5\d+ for \d+ events since .*\nmodel +USD +events\n/,
    query: /^(?:2026-02-13 .*nav.*\n){5}$/,
    import: /^Imported 1 of 1 events into /,
  };
  const printed = commands().filter((command) => command.includes(MAIN));
  assertEquals(printed.length, Object.keys(shown).length);
  for (const command of printed) {
    const result = await runPrinted(command, dir.path(""));
    assertEquals([result.code, result.stderr], [0, ""], command);
    const [, name = ""] = command.split(`${MAIN} `)[1]!.match(/^(\S+)/)!;
    assertMatch(result.stdout, shown[name]!);
  }
});

Deno.test("The README's tasks are those of deno.json", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const named = commands().map((command) => command.match(/(?:deno|deno@\S+) task (\S+)/)?.[1])
    .filter((task) => task !== undefined);
  assert(named.length >= 6, `only ${named}`);
  for (const task of named) assert(task in tasks, `${task} is no task`);
});
