/**
 * The parser of all commands. It shows the help, the version and the completion scripts, and reports usage errors.
 *
 * @module
 */
import { or } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { message } from "@optique/core/message";
import { VERSION } from "../platform/version.ts";
import type { Run } from "./command.ts";
import { type Command, loadCommands } from "./commands.ts";
import { tell } from "./messages.ts";
import { columns } from "./terminal.ts";
import { parserMessage, unexpectedInput } from "./usage_error.ts";

/** Thrown by the callbacks of the option parser to end the parsing, after they have shown a help text or a message. */
class Exit extends Error {
  constructor(readonly code: number) {
    super();
  }
}

/**
 * Parses any command line. If it asks for help or is wrong, shows the help or a message, and resolves with a function
 * that only returns the exit code.
 */
export async function parseAny(args: readonly string[]): Promise<Run> {
  const commands = await allCommands();
  try {
    return parse(args, commands);
  } catch (error) {
    if (error instanceof Exit) return () => Promise.resolve(error.code);
    throw error;
  }
}

/** Loads all commands and returns the parser of all commands. */
export async function allCommands(): Promise<Command> {
  const { reading, others } = await loadCommands();
  const options = { errors: { unexpectedInput } };
  return or(or(...reading, options), ...others, options);
}

function parse(args: readonly string[], commands: Command): Run {
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
