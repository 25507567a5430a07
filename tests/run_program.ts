/**
 * Runs a test program in a separate process, by default with the two scoped permissions of a user.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { type CommandResult, runCommand } from "./run_command.ts";

const CONFIG = fromFileUrl(new URL("../deno.json", import.meta.url));

/** Options of {@linkcode runProgram}. */
export interface ProgramOptions {
  /** Directory that the program may read and write. Other permissions need `flags`. */
  dir: string;
  args: readonly string[];
  /** Permission flags, instead of those for `dir`. */
  flags?: readonly string[];
  /** Working directory of the program. By default, that of the test runner. */
  cwd?: string;
  /** The program's whole environment. By default, that of the test runner. */
  env?: Readonly<Record<string, string>>;
  /** Arguments of strace. If present, strace runs the program. */
  strace?: readonly string[];
  /** A command and its arguments, after which the program's command line is appended. */
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

/** Returns the directory of Deno's cache: DENO_DIR, else a directory in the home directory. */
export async function denoDir(): Promise<string> {
  const { stdout } = await runCommand(Deno.execPath(), { args: ["info", "--json"] });
  return JSON.parse(stdout).denoDir;
}
