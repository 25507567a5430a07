/**
 * Runs an example in a separate process, with exactly the permissions of its shebang.
 *
 * @module
 */
import { assert } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { CommandResult } from "./run_command.ts";
import { runProgram } from "./run_program.ts";

/** Runs an example in the directory, with exactly the permission flags of its shebang. */
export async function runExample(
  name: string,
  dir: string,
  args: string[] = [],
): Promise<CommandResult> {
  const { program, flags } = exampleOf(name);
  return await runProgram(program, { dir, args, flags, cwd: dir });
}

/** Returns the path of an example and the permission flags of its shebang. */
export function exampleOf(name: string): { program: string; flags: string[] } {
  const program = fromFileUrl(new URL(`../examples/${name}`, import.meta.url));
  const [firstLine = ""] = Deno.readTextFileSync(program).split("\n");
  const flags = firstLine.match(/--allow-\S+/g) ?? [];
  assert(flags.length > 0, `the shebang of ${name} has no permission flags`);
  return { program, flags };
}
