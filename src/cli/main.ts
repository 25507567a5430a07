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
import { or } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { message } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import type { Run } from "./command.ts";
import { VERSION } from "../platform/version.ts";
import { tell } from "./messages.ts";
import { asCommandError } from "./command_error.ts";
import { budgetCommand } from "./budget.ts";
import { diffCommand } from "./diff.ts";
import { fleetCommand } from "./fleet.ts";
import { headCommand } from "./head.ts";
import { importCommand } from "./import.ts";
import { inflightCommand } from "./inflight.ts";
import { metricsCommand } from "./metrics.ts";
import { pricesCommand } from "./prices.ts";
import { pruneCommand } from "./prune.ts";
import { queryCommand } from "./query.ts";
import { reportCommand } from "./report.ts";
import { rotateCommand } from "./rotate.ts";
import { serveCommand } from "./serve.ts";
import { shipCommand } from "./ship.ts";
import { spendCommand } from "./spend.ts";
import { statsCommand } from "./stats.ts";
import { statusCommand } from "./status.ts";
import { tailCommand } from "./tail.ts";
import { columns, Output } from "./terminal.ts";
import { parserMessage, unexpectedInput } from "./usage_error.ts";
import { verifyCommand } from "./verify.ts";

/** Thrown by the callbacks of the option parser to end the program, after they have shown a help text or a message. */
class Exit extends Error {
  constructor(readonly code: number) {
    super();
  }
}

const reading: Parser<"sync", Run, unknown> = or(
  statusCommand,
  tailCommand,
  queryCommand,
  spendCommand,
  statsCommand,
  metricsCommand,
  diffCommand,
  inflightCommand,
  budgetCommand,
  reportCommand,
  serveCommand,
  { errors: { unexpectedInput } },
);
// or() accepts at most 15 parsers, and there are more commands, so the commands are in two groups.
const commands: Parser<"sync", Run, unknown> = or(
  reading,
  rotateCommand,
  importCommand,
  verifyCommand,
  headCommand,
  pruneCommand,
  shipCommand,
  fleetCommand,
  pricesCommand,
  { errors: { unexpectedInput } },
);

function parse(args: readonly string[]): Run {
  const exit = (code: number) => {
    throw new Exit(code);
  };
  // `scout`, `scout fleet` and `scout prices` without a command show their help.
  const asked = isGroup(args) ? [...args, "--help"] : args;
  return runParser(commands, "scout", asked, {
    brief: message`Audit logs of agent simulations.`,
    footer:
      message`LOG is the active file of a log, or the directory that holds it. Show the help of a command: scout COMMAND -h`,
    help: { command: true, option: { names: ["--help", "-h"] }, onShow: exit },
    version: { option: { names: ["--version", "-V"] }, value: VERSION, onShow: exit },
    completion: { command: { names: ["completions"] }, onShow: exit },
    commandList: "top-level",
    aboveError: "none",
    stderr: () => {},
    onError: (code, error) => {
      tell(parserMessage(error, asked, commands));
      return exit(code === 0 ? 0 : 2);
    },
    colors: Deno.stdout.isTerminal() && !Deno.noColor,
    maxWidth: columns(),
    termWidth: "auto",
    usageLine: [{ type: "ellipsis" }],
  });
}

function isGroup(args: readonly string[]): boolean {
  return args.length === 0 || args.length === 1 && ["fleet", "prices"].includes(args[0]!);
}

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
    return await parse(args)(new Output());
  } catch (error) {
    if (error instanceof Exit) return error.code;
    // If the process that reads standard output has closed it, as `| head` does, the command ends without an error.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    const expected = asCommandError(error);
    if (expected === null) throw error;
    tell(expected.message, expected.details);
    return expected.exitCode;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
