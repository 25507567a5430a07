/**
 * Runs a program of the tests in a process of its own, with the two scoped permissions of a user.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { type CommandResult, runCommand } from "./run_command.ts";

const CONFIG = fromFileUrl(new URL("../deno.json", import.meta.url));

/** How to run a program. */
export interface ProgramOptions {
  /** Directory that the program may read and write; nothing else is allowed. */
  dir: string;
  args: readonly string[];
  /** Further or other permission flags. */
  flags?: readonly string[];
  /** Working directory; the test runner's own by default. */
  cwd?: string;
  /** The whole environment of the program; the test runner's own by default. */
  env?: Readonly<Record<string, string>>;
  /** Arguments of strace, which then runs the program. */
  strace?: readonly string[];
  /** A command that runs the one behind it, which is the program's. */
  within?: readonly string[];
}

/** The command line of a program, after the name of the Deno executable. */
export function programArgs(program: string, options: ProgramOptions): string[] {
  const { dir, args, flags = [`--allow-read=${dir}`, `--allow-write=${dir}`] } = options;
  return ["run", "--no-prompt", "--config", CONFIG, ...flags, program, ...args];
}

/** Runs a program to its end. */
export async function runProgram(program: string, options: ProgramOptions): Promise<CommandResult> {
  const args = programArgs(program, options);
  const strace = options.strace === undefined ? [] : ["strace", ...options.strace];
  const [command = "", ...commandArgs] = [
    ...options.within ?? [],
    ...strace,
    Deno.execPath(),
    ...args,
  ];
  const { cwd, env } = options;
  return await runCommand(command, {
    args: commandArgs,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env, clearEnv: true }),
  });
}

/** The directory of Deno's cache, which lies in the home directory unless DENO_DIR says otherwise. */
export async function denoDir(): Promise<string> {
  const { stdout } = await runCommand(Deno.execPath(), { args: ["info", "--json"] });
  return JSON.parse(stdout).denoDir;
}
