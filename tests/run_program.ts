/**
 * Runs a test program in a separate process. By default, the program may only read and write one directory.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { type CommandResult, runCommand } from "./run_command.ts";

const CONFIG = fromFileUrl(new URL("../deno.json", import.meta.url));

/** Options of {@linkcode runProgram}. */
export interface ProgramOptions {
  /** Directory that the program may read and write, if `flags` is not set. */
  dir: string;
  args: readonly string[];
  /** Permission flags. By default, the flags that allow reading and writing `dir`. */
  flags?: readonly string[];
  /** Working directory of the program. By default, the working directory of the test runner. */
  cwd?: string;
  /** All environment variables of the program. By default, the environment of the test runner. */
  env?: Readonly<Record<string, string>>;
  /** Arguments of strace. If they are set, strace runs the program. */
  strace?: readonly string[];
  /** A command with arguments that runs the program. The command line of the program is appended to the arguments. */
  within?: readonly string[];
}

/** Returns the command line of a program, without the Deno executable. */
export function programArgs(program: string, options: ProgramOptions): string[] {
  const { dir, args, flags = [`--allow-read=${dir}`, `--allow-write=${dir}`] } = options;
  return ["run", "--no-prompt", "--config", CONFIG, ...flags, program, ...args];
}

/** Runs a program until it exits. */
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

/** Returns the directory of Deno's cache: DENO_DIR, or a directory in the home directory if DENO_DIR is not set. */
export async function denoDir(): Promise<string> {
  const { stdout } = await runCommand(Deno.execPath(), { args: ["info", "--json"] });
  return JSON.parse(stdout).denoDir;
}
