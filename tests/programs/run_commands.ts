/**
 * Runs several `scout` commands one after the other in one process.
 *
 * The argument is a JSON list of argument lists. After each command, its exit code is printed to standard output
 * and standard error.
 *
 * @module
 */
import { main } from "../../src/cli/main.ts";

const commands: string[][] = JSON.parse(Deno.args[0]!);
for (const args of commands) {
  const code = await main(args);
  console.log(`[exit ${code}]`);
  console.error(`[exit ${code}]`);
}
