import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
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

/** Runs `deno` with the arguments of a command, one of whose words is a file of this project. */
async function run(args: readonly string[], cwd: string) {
  const config = ["--config", join(ROOT, "deno.json")];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...config, ...args],
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("The README's commands on the demo's log work as they are printed", async () => {
  using dir = tempDir();
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  assert(commands().includes("deno task demo"));
  const demo = tasks.demo.command.replace("examples/", join(ROOT, "examples/"));
  assertEquals((await run(demo.split(" ").slice(2), dir.path(""))).code, 0);
  const asked = commands().filter((command) => command.includes(MAIN));
  assertEquals(asked.length, 2);
  for (const command of asked) {
    const [deno, verb, ...args] = command.split(" ");
    assertEquals([deno, verb], ["deno", "run"]);
    const result = await run(
      args.map((arg) => arg === MAIN ? join(ROOT, MAIN) : arg),
      dir.path(""),
    );
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
