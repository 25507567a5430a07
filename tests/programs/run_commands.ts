/**
 * Runs several commands of the command line, one after the other, in one process.
 *
 * The argument is a JSON list of their arguments. Between them, standard output and standard error get a
 * line with the exit code.
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
