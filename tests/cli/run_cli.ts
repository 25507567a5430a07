/**
 * Runs the command line in a separate process, with exactly the permissions that the command needs.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { CommandResult } from "../run_command.ts";
import { runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";

/** The path of the main module of the command line. */
export const MAIN: string = fromFileUrl(new URL("../../src/cli/main.ts", import.meta.url));

/** Creates a log with these lines in a temporary directory, and returns functions that run commands on the log. */
export function logWith(...lines: readonly (string | Record<string, unknown>)[]) {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  const text = lines.map((line) => typeof line === "string" ? line : `${JSON.stringify(line)}\n`);
  Deno.writeTextFileSync(path, text.join(""));
  return {
    dir,
    path,
    /** Runs a command on the log, in UTC unless the arguments name a time zone. */
    run(command: string, ...args: readonly string[]): Promise<CommandResult> {
      const zone = args.includes("--tz") ? [] : ["--tz", "UTC"];
      return runCli([command, "--path", path, ...zone, ...args], dir.path(""));
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** Runs the command line with only the permission to read one directory. */
export function runCli(args: readonly string[], dir: string): Promise<CommandResult> {
  return runProgram(MAIN, { dir, args, flags: [`--allow-read=${dir}`] });
}

/** The program that runs several commands one after the other. */
export const COMMANDS_PROGRAM: string = fromFileUrl(
  new URL("../programs/run_commands.ts", import.meta.url),
);

/** The result of one of several commands. */
export interface EndedCommand {
  readonly command: string;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs several command lines in one process, which takes less time than a process for each. */
export async function runCommands(
  commands: readonly (readonly string[])[],
  flags: readonly string[],
): Promise<EndedCommand[]> {
  const args = [JSON.stringify(commands)];
  const result = await runProgram(COMMANDS_PROGRAM, { dir: "", args, flags });
  assertEquals(result.code, 0, result.stderr);
  const [stdout, stderr] = [result.stdout, result.stderr].map((text) =>
    text.split(/\[exit \d\]\n/)
  );
  const codes = [...result.stdout.matchAll(/\[exit (\d)\]\n/g)].map(([, code]) => Number(code));
  assertEquals(codes.length, commands.length);
  return commands.map(([command = ""], n) => ({
    command,
    code: codes[n]!,
    stdout: stdout![n]!,
    stderr: stderr![n]!,
  }));
}
