import { assert, assertEquals, assertMatch } from "@std/assert";
import { testNeeding } from "../requirements.ts";
import { runCommand } from "../run_command.ts";
import { programArgs } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import { COMMANDS_PROGRAM, type EndedCommand, runCommands } from "./run_cli.ts";
import { UNSAFE } from "./unsafe_text.ts";

/** Every command that needs a log, with the arguments that follow the log. */
const COMMANDS: readonly (readonly string[])[] = [
  ["status", "--tz", "UTC"],
  ["tail", "--tz", "UTC"],
  ["query", "--tz", "UTC"],
  ["spend", "--tz", "UTC"],
  ["metrics", "--tz", "UTC"],
  ["diff", "--range", "..", "--range", "..", "--by", "model", "--tz", "UTC"],
  ["inflight", "--tz", "UTC"],
  ["budget", "--tz", "UTC"],
  ["report", "--out", "-", "--tz", "UTC"],
  ["verify"],
  ["head"],
  ["prune", "--dry-run", "--max-archives", "1"],
  ["rotate"],
  ["ship", "--once", "--server", "127.0.0.1:9", "--fleet", "f", "--log", "a"],
];
/** The commands that only read, so that they need no server and no write permission. */
const READING = COMMANDS.filter(([name]) => name !== "rotate" && name !== "ship");

/** Runs each command on the log, with the same permissions. */
function runEach(
  commands: readonly (readonly string[])[],
  log: string,
  flags: readonly string[],
): Promise<EndedCommand[]> {
  return runCommands(commands.map(([name = "", ...options]) => [name, log, ...options]), flags);
}

/** Files that are not logs, and the message with which every command rejects them. */
const NOT_LOGS: [name: string, content: string | Uint8Array | null, reason: RegExp][] = [
  ["none.jsonl", null, /^scout: Cannot find audit log: there is neither .*: \S+none\.jsonl\n$/],
  [
    "a.png",
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10),
    /^scout: Cannot read audit log: the file is a PNG image, not .*\n$/,
  ],
  [
    "a.csv",
    "ts,event\n2026-02-13,nav\n",
    /^scout: Cannot read audit log: the file is a table .*\n$/,
  ],
];
for (const [name, content, reason] of NOT_LOGS) {
  Deno.test(`Every command rejects ${name} with a one-line message and exit code 1`, async () => {
    using dir = tempDir();
    const path = dir.path(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else if (content !== null) Deno.writeFileSync(path, content);
    const before = [...Deno.readDirSync(dir.path(""))].map(({ name }) => name);
    const flags = [`--allow-read=${dir.path("")}`, `--allow-write=${dir.path("")}`];
    for (const { command, code, stdout, stderr } of await runEach(COMMANDS, path, flags)) {
      assertEquals([code, stdout], [1, ""], command);
      assertMatch(stderr, reason, command);
    }
    assertEquals([...Deno.readDirSync(dir.path(""))].map(({ name }) => name), before);
  });
}

Deno.test("Every command reports a missing permission in one line that names the flag, and exits with 2", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  Deno.writeTextFileSync(path, '{"event":"nav"}\n');
  for (const { command, code, stdout, stderr } of await runEach(COMMANDS, path, [])) {
    assertEquals([code, stdout], [2, ""], command);
    assertMatch(stderr, /^scout: Cannot [^\n]*: run again with --allow-read=\S+\n$/, command);
  }
});

Deno.test("Every command rejects the argument LOG together with the option --path, and exits with 2", async () => {
  const twice = COMMANDS.map((args) => [...args, "--path", "b.jsonl"]);
  for (const { command, code, stdout, stderr } of await runEach(twice, "a.jsonl", [])) {
    assertEquals([code, stdout], [2, ""], command);
    assertEquals(
      stderr,
      "scout: Cannot choose the log: use either the argument LOG or --path, got a.jsonl and --path b.jsonl\n",
    );
  }
});

Deno.test("Every command that only reads succeeds on an empty log, and prints no meaningless figures such as NaN", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  Deno.writeTextFileSync(path, "");
  const flags = [`--allow-read=${dir.path("")}`];
  for (const { command, code, stdout, stderr } of await runEach(READING, dir.path(""), flags)) {
    assertEquals(code, 0, command);
    assert(!/NaN|undefined|100(\.\d+)? %/.test(stdout.replace(/<style>.*<\/style>/s, "")), stdout);
    const isQuestion = ["tail", "query", "spend", "metrics", "inflight", "budget"].includes(
      command,
    );
    const expected = isQuestion
      ? "scout: the log has no events\n"
      : command === "diff"
      ? "scout: A: the log has no events\nscout: B: the log has no events\n"
      : command === "head"
      ? "scout: the anchor covers archives only, because the log has no chain; open the log with the option chain: true\n"
      : "";
    assertEquals(stderr, expected, command);
  }
});

const UNSAFE_TEXT = "\u001b[31m\u0007\u009b1m\u202e\u2066\u200f\u0085\u007f";

Deno.test("No command prints control characters from a log, the name of a log or an argument", async () => {
  using dir = tempDir();
  // Windows has no control characters in names.
  const name = Deno.build.os === "windows"
    ? [...UNSAFE_TEXT].filter((char) => char >= " ").join("")
    : UNSAFE_TEXT;
  const path = dir.path(`${name}.jsonl`);
  const event = {
    ts: new Date().toISOString(),
    event: UNSAFE_TEXT,
    session_id: UNSAFE_TEXT,
    model: UNSAFE_TEXT,
    cost: 1,
    error: "\ud800",
    [UNSAFE_TEXT]: { [UNSAFE_TEXT]: [UNSAFE_TEXT] },
  };
  const damaged = `{"torn${UNSAFE_TEXT}\n`;
  Deno.writeTextFileSync(path, `${JSON.stringify(event)}\n${damaged}${JSON.stringify(event)}\n`);
  const flags = [`--allow-read=${dir.path("")}`];
  const commands = [
    ...READING.filter(([name]) => name !== "report"),
    ...["model", "event", "session"].map((by) => ["spend", "--by", by]),
    ["query", "--event", UNSAFE_TEXT, "--session", `${UNSAFE_TEXT}x`],
    ["query", "--session", UNSAFE_TEXT, "--where", `x=${UNSAFE_TEXT}`],
    ["query", "--since", UNSAFE_TEXT],
    ["diff", "--session", UNSAFE_TEXT, "--session", `${UNSAFE_TEXT}x`, "--by", UNSAFE_TEXT],
    ["diff", "--range", UNSAFE_TEXT],
    ["diff", "--fail-if", `${UNSAFE_TEXT}>5`],
    ["query", "--tz", UNSAFE_TEXT],
    ["spend", "--by", UNSAFE_TEXT],
    ["tail", "-n", UNSAFE_TEXT],
    ["verify", "--anchor", UNSAFE_TEXT],
    ["verify", "--anchor", `{${UNSAFE_TEXT}`],
    ["prune", "--max-bytes", UNSAFE_TEXT],
    ["query", UNSAFE_TEXT],
    ["query", `--${UNSAFE_TEXT}`],
  ];
  for (const { command, stdout, stderr } of await runEach(commands, path, flags)) {
    const shown = (stdout + stderr).replaceAll("\n", "");
    const found = UNSAFE.exec(shown);
    assertEquals(found, null, `${command}: ${JSON.stringify(stdout + stderr)}`);
  }
});

await testNeeding(
  "POSIX",
  "Every reading command exits with 0 if standard output is closed",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    Deno.writeTextFileSync(path, `${JSON.stringify({ event: "nav", cost: 1 })}\n`.repeat(10));
    const commands = READING.map(([name = "", ...options]) => [name, path, ...options]);
    const args = programArgs(COMMANDS_PROGRAM, {
      dir: "",
      args: [JSON.stringify(commands)],
      flags: [`--allow-read=${dir.path("")}`],
    });
    // The reading process closes its end of the pipe before the first command begins.
    const script =
      '{ until [ -e "$0" ]; do :; done; "$@"; echo "ended $?" >&2; } | { exec <&-; : > "$0"; }';
    const { stderr } = await runCommand("sh", {
      args: ["-c", script, dir.path("closed"), Deno.execPath(), ...args],
    });
    const lines = stderr.split("\n").filter((line) => !line.startsWith("scout: no "));
    assertEquals(lines, [...READING.map(() => "[exit 0]"), "ended 0", ""]);
  },
);
