/**
 * Runs each example in examples/sdks with exactly the permission flags of its shebang.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { exampleOf } from "../../run_example.ts";
import { runCommand } from "../../run_command.ts";
import { linesOf, tempDir } from "../../temp_dir.ts";

const FOLDER = fromFileUrl(new URL("../../../examples/sdks/", import.meta.url));

/** The types of the events that each example in examples/sdks logs, without those of budgets. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  "ai_sdk.ts": ["prices", "llm_call", "llm_call"],
  "anthropic.ts": ["turn_begin", "prices", "llm_call", "llm_call", "turn"],
  "langchain.ts": ["prices", "llm_call", "llm_call"],
  "logtape.ts": ["log_info"],
  "open_telemetry.ts": ["prices", "llm_call", "llm_call"],
  "openai.ts": ["prices", "llm_call", "llm_call", "llm_call"],
};

const recipes = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) =>
  name.endsWith(".ts")
);

Deno.test("Every example in examples/sdks is tested", () => {
  assertEquals(recipes.sort(), Object.keys(EVENTS));
});

for (const name of recipes) {
  Deno.test(`${name} runs with the permissions of its shebang, and logs its calls`, async () => {
    using dir = tempDir();
    const { program, flags } = exampleOf(`sdks/${name}`);
    const args = [
      "run",
      "--no-prompt",
      "--no-check",
      "--config",
      `${FOLDER}deno.json`,
      ...flags,
      program,
    ];
    const { code, stdout, stderr } = await runCommand(Deno.execPath(), { args, cwd: dir.path("") });
    assertEquals(code, 0, stderr);
    assert(stdout.length > 0);
    const lines = linesOf(dir.path(`.demo/sdks/${name.slice(0, -3)}/audit.jsonl`));
    const events = lines.map((line) => JSON.parse(line)).filter(({ event }) =>
      !event.startsWith("budget_")
    );
    assertEquals(events.map(({ event }) => event), [...EVENTS[name]!]);
  });
}
