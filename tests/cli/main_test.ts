import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { runProgram } from "../run_program.ts";
import { MAIN } from "./run_cli.ts";

function scout(...args: readonly string[]) {
  return runProgram(MAIN, { dir: "", args, flags: [] });
}

const COMMANDS = [
  ...["status", "tail", "query", "spend", "metrics", "diff", "inflight", "budget"],
  ...["rotate", "import", "verify", "head", "prune"],
  ...["report", "serve", "ship"],
];

Deno.test("scout --help lists the commands, and the help of each command shows an example and needs no permissions", async () => {
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
    if (command !== "import") assertMatch(help.stdout, /^ {2}LOG +The log: /m);
  }
});

Deno.test("scout, scout -h and scout --help show the same commands on standard output", async () => {
  const shown = await Promise.all([scout(), scout("-h"), scout("--help")]);
  for (const { code, stdout, stderr } of shown) {
    assertEquals([code, stderr, stdout], [0, "", shown[0]!.stdout]);
  }
  const [short, long] = await Promise.all([scout("spend", "-h"), scout("spend", "--help")]);
  assertEquals([short.code, short.stderr, short.stdout], [0, "", long.stdout]);
  const [alone, group] = await Promise.all([scout("fleet"), scout("fleet", "-h")]);
  assertEquals([alone.code, alone.stderr, alone.stdout], [0, "", group.stdout]);
});

Deno.test("scout -V and scout --version print the version of the package", async () => {
  for (const option of ["-V", "--version"]) {
    const { code, stdout } = await scout(option);
    assertEquals([code, stdout], [0, `${config.version}\n`]);
  }
});

const USAGE_ERRORS: [args: string[], message: string][] = [
  [["staus"], "Cannot run scout: `staus` is not a command; did you mean `status`?"],
  [["help", "qery"], "Cannot run scout: `qery` is not a command; did you mean `query`?"],
  [["xyzzy"], "Cannot run scout: `xyzzy` is not a command"],
  [["fleet", "spnd"], "Cannot run scout fleet: `spnd` is not a command; did you mean `spend`?"],
  [
    ["query", "--sinse", "3h"],
    "Cannot run scout query: `--sinse` is not an option; did you mean `--since`?",
  ],
  [
    ["status", "--hlep"],
    "Cannot run scout status: `--hlep` is not an option; did you mean `--help`?",
  ],
  [
    ["fleet", "tail", "--folow"],
    "Cannot run scout fleet tail: `--folow` is not an option; did you mean `--follow`?",
  ],
  [["query", "a", "b"], 'Cannot run scout query: there are too many arguments, got "b"'],
  [
    ["spend", "--color", "alway"],
    'Cannot read --color: "alway" is not auto, always or never; did you mean always?',
  ],
  [["tail", "-n", "-1"], 'Cannot read --lines: "-1" is not an integer >= 0'],
  [["query", "--since"], "Cannot run scout query: `--since` requires `TIME`"],
  [["\u001b[31m\u202e"], "Cannot run scout: `\\u001b[31m\\u202e` is not a command"],
];

Deno.test("scout reports each usage error in one line that names the action and suggests a correction", async () => {
  for (const [args, message] of USAGE_ERRORS) {
    const { code, stdout, stderr } = await scout(...args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertEquals(stderr, `scout: ${message}\n`);
  }
});

Deno.test("scout completions prints a script for each shell", async () => {
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
