/**
 * The command line in a process of its own, with the permissions that it asks for and no more.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import type { CommandResult } from "../run_command.ts";
import { runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";

/** The program. */
export const MAIN: string = fromFileUrl(new URL("../../src/cli/main.ts", import.meta.url));

/** A directory with a log in it, and the command line over it. */
export function logWith(...lines: readonly (string | Record<string, unknown>)[]) {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  const text = lines.map((line) => typeof line === "string" ? line : `${JSON.stringify(line)}\n`);
  Deno.writeTextFileSync(path, text.join(""));
  return {
    dir,
    path,
    /** Runs a command on the log, in UTC unless it names a time zone. */
    run(command: string, ...args: readonly string[]): Promise<CommandResult> {
      const zone = args.includes("--tz") ? [] : ["--tz", "UTC"];
      return runCli([command, "--path", path, ...zone, ...args], dir.path(""));
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** Runs the command line, which may read one directory. */
export function runCli(args: readonly string[], dir: string): Promise<CommandResult> {
  return runProgram(MAIN, { dir, args, flags: [`--allow-read=${dir}`] });
}
