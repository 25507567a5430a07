/**
 * The command line: `scout COMMAND`. Reading needs `--allow-read=DIR` for the directory of the log; the
 * default path also `--allow-env=HOME`; `rotate`, `import` and `prune` need `--allow-write=DIR` as well,
 * `report` both for its file, `serve` `--allow-net=127.0.0.1:8788`, and `ship` and `fleet` `--allow-net`
 * for their server, of which `fleet` needs nothing else.
 *
 *     deno run --allow-read=DIR jsr:@vivarium/scout/cli query --path DIR/audit.jsonl --since 3h
 *
 * Data goes to standard output and messages to standard error. Exit codes: 0, 1 when what was asked
 * for is not there, 2 for a wrong question, 130 when interrupted.
 *
 * @module
 */
import { or } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { message } from "@optique/core/message";
import config from "../../deno.json" with { type: "json" };
import { asCommandError, type Run, tell } from "./command.ts";
import { fleetCommand } from "./fleet.ts";
import { headCommand } from "./head.ts";
import { importCommand } from "./import.ts";
import { metricsCommand } from "./metrics.ts";
import { pruneCommand } from "./prune.ts";
import { queryCommand } from "./query.ts";
import { reportCommand } from "./report.ts";
import { rotateCommand } from "./rotate.ts";
import { serveCommand } from "./serve.ts";
import { shipCommand } from "./ship.ts";
import { spendCommand } from "./spend.ts";
import { statusCommand } from "./status.ts";
import { tailCommand } from "./tail.ts";
import { columns, Output } from "./terminal.ts";
import { verifyCommand } from "./verify.ts";

/** Thrown by the parser's callbacks once they have said all that there is to say. */
class Exit extends Error {
  constructor(readonly code: number) {
    super();
  }
}

function parse(args: readonly string[]): Run {
  const exit = (code: number) => {
    throw new Exit(code);
  };
  const commands = or(
    statusCommand,
    tailCommand,
    queryCommand,
    spendCommand,
    metricsCommand,
    reportCommand,
    serveCommand,
    rotateCommand,
    importCommand,
    verifyCommand,
    headCommand,
    pruneCommand,
    shipCommand,
    fleetCommand,
  );
  return runParser(commands, "scout", args, {
    brief: message`Audit logs of agent simulations.`,
    help: { command: true, option: true, onShow: exit },
    version: { option: true, value: config.version, onShow: exit },
    completion: { command: { names: ["completions"] }, onShow: exit },
    aboveError: args.length === 0 ? "help" : "none",
    onError: () => exit(2),
    colors: Deno.stdout.isTerminal() && !Deno.noColor,
    maxWidth: columns(),
    usageLine: [{ type: "ellipsis" }],
  });
}

/** Runs the command and gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await parse(args)(new Output());
  } catch (error) {
    if (error instanceof Exit) return error.code;
    // Nobody reads any more, as behind `| head`.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    const told = asCommandError(error);
    if (told === null) throw error;
    tell(told.message);
    return told.exitCode;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
