import { assertEquals, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { runProgram } from "../run_program.ts";
import { MAIN } from "./run_cli.ts";

function scout(...args: readonly string[]) {
  return runProgram(MAIN, { dir: "", args, flags: [] });
}

const COMMANDS = [
  ...["status", "tail", "query", "spend", "metrics"],
  ...["rotate", "import", "verify", "head", "prune"],
  ...["report", "serve", "ship"],
];

Deno.test("scout --help lists the commands, and each has help with an example, without a permission", async () => {
  const { code, stdout, stderr } = await scout("--help");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  for (const command of [...COMMANDS, "completions"]) {
    assertStringIncludes(stdout, `  ${command}  `);
  }
  for (const command of COMMANDS) {
    const help = await scout(command, "--help");
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, `Example: scout ${command} `);
    assertStringIncludes(help.stdout, "--path FILE");
  }
});

Deno.test("scout without a command shows its help as an error", async () => {
  const { code, stdout, stderr } = await scout();
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, "Usage: scout");
  assertStringIncludes(stderr, "  query  ");
});

Deno.test("scout names a command that it does not know, and the nearest that it does", async () => {
  const { code, stdout, stderr } = await scout("qery");
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, "`qery`");
  assertStringIncludes(stderr, "`query`");
});

Deno.test("scout --version gives the version of the package", async () => {
  const { code, stdout } = await scout("--version");
  assertEquals([code, stdout], [0, `${config.version}\n`]);
});

Deno.test("scout completions gives a script for each shell", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout, stderr } = await scout("completions", shell);
    assertEquals([code, stderr], [0, ""], shell);
    assertStringIncludes(stdout, "scout", shell);
  }
  const { stdout } = await scout("completions", "bash", "spend", "--by", "");
  assertEquals(
    stdout.split("\n").filter((line) => /^(hour|day|model|event|session)\b/.test(line)).length,
    5,
  );
});
