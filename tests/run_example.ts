/**
 * Runs an example in a process of its own, with the permissions that it asks for and no more.
 *
 * @module
 */
import { assert } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { CommandResult } from "./run_command.ts";
import { runProgram } from "./run_program.ts";

/** Runs an example in the directory with exactly the flags of its first line. */
export async function runExample(
  name: string,
  dir: string,
  args: string[] = [],
): Promise<CommandResult> {
  const { program, flags } = exampleOf(name);
  return await runProgram(program, { dir, args, flags, cwd: dir });
}

/** An example, and the flags of its first line. */
export function exampleOf(name: string): { program: string; flags: string[] } {
  const program = fromFileUrl(new URL(`../examples/${name}`, import.meta.url));
  const [firstLine = ""] = Deno.readTextFileSync(program).split("\n");
  const flags = firstLine.match(/--allow-\S+/g) ?? [];
  assert(flags.length > 0, `${name} names no flags`);
  return { program, flags };
}
