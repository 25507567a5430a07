/**
 * The command line: `scout COMMAND [LOG]`. The log is the argument or `--path`, else the value of
 * `SCOUT_PATH` (which needs `--allow-env=SCOUT_PATH`), else `~/.scout/audit.jsonl`. If the path is a
 * directory, the command uses the log in that directory.
 *
 * All commands on a log need `--allow-read=DIR` for its directory; the default path also needs
 * `--allow-env=HOME`. Some commands need more permissions:
 *
 * - `rotate`, `import`, `prune`, `inflight end` and the subcommands of `budget` need `--allow-write=DIR`. `import` also
 *   needs `--allow-read` for the files that it imports.
 * - `report` and `fleet report` need `--allow-read` and `--allow-write` for the file that they write.
 * - `serve` needs `--allow-net=127.0.0.1:8788`, and `ship` needs `--allow-net` for its server.
 *
 * `fleet` needs `--allow-net` for its server, and `prices` needs `--allow-read` for its file. These two commands do not
 * need permissions for the directory of a log.
 *
 *     deno run --allow-read=DIR jsr:@vivarium/scout/cli query DIR/audit.jsonl --since 3h
 *
 * Data goes to standard output and messages to standard error. Exit codes: 0 for success; 1 for a failure,
 * such as a missing log, faults that `verify` finds, or a condition of `diff --fail-if` that holds; 2 for a
 * usage or permission error; 130 if interrupted.
 *
 * @module
 */
import { tell } from "./messages.ts";
import { asCommandError } from "./command_error.ts";
import { parseCommand } from "./commands.ts";
import { Output } from "./terminal.ts";

/**
 * Runs a command line, and resolves with the exit code.
 *
 * Writes expected errors to standard error. Rejects only if the program has a bug.
 *
 * @param args The arguments, without the name of the program.
 * @returns The exit code: 0, 1, 2 or 130.
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const run = await parseCommand(args) ?? await (await import("./runner.ts")).parseAny(args);
    return await run(new Output());
  } catch (error) {
    // If the process that reads standard output has closed it, as `| head` does, the command ends without an error.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    const expected = asCommandError(error);
    if (expected === null) throw error;
    tell(expected.message, expected.details);
    return expected.exitCode;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
