/**
 * Rewrites the messages of the parsing library, so that they have the form `Cannot ACTION: REASON`, as all other
 * messages of the command line.
 *
 * @module
 */
import {
  formatMessage,
  type Message,
  message,
  type MessageTerm,
  text,
} from "@optique/core/message";
import { getDocPage, type Parser } from "@optique/core/parser";
import { nearestName } from "../options/nearest_name.ts";

/** The parser of all commands. It can list the names and the options of the commands. */
type Commands = Parser<"sync", unknown, unknown>;

/** The names of the options that the parsing library adds to every command. */
const RUNNER_OPTIONS = ["--help", "--version"];
/** The names of the commands that the parsing library adds. */
const RUNNER_COMMANDS = ["help", "completions"];

const UNEXPECTED = "unexpected input: ";
/** The start of the message of the parsing library for an unknown NAME in `scout help NAME`. */
const UNEXPECTED_BY_RUNNER = "Unexpected option or subcommand: ";

/** Returns the message for an unexpected argument, which {@linkcode parserMessage} rewrites. */
export function unexpectedInput(token: string): Message {
  return message`${text(UNEXPECTED)}${token}`;
}

/**
 * Rewrites a message of the parsing library as one sentence that names the action first. If the user has mistyped a
 * name, the sentence suggests the most similar known name.
 *
 * @param error The message of the parser
 * @param args All arguments of the command line
 * @param commands The parser of all commands
 */
export function parserMessage(error: Message, args: readonly string[], commands: Commands): string {
  const path = commandPath(args, commands);
  const action = `Cannot run ${["scout", ...path].join(" ")}`;
  const [first, second, ...rest] = error;
  const option = first === undefined ? undefined : optionOf(first);
  if (option !== undefined && second?.type === "text" && second.text.startsWith(": ")) {
    const reason = formatMessage([text(second.text.slice(2)), ...rest]);
    return `Cannot read ${option}: ${asClause(reason)}`;
  }
  const token = unexpectedToken(error);
  if (token !== undefined) return `${action}: ${reasonAgainst(token, path, commands)}`;
  return `${action}: ${asClause(formatMessage(error))}`;
}

/**
 * Returns the name of the option that a part of a parser message contains; undefined if the part contains no option. If
 * the option has several names, returns the last.
 */
function optionOf(term: MessageTerm): string | undefined {
  if (term.type === "optionName") return term.optionName;
  return term.type === "optionNames" ? term.optionNames.at(-1) : undefined;
}

/** Returns the argument that a message of the parser rejects; undefined if the message is about something else. */
function unexpectedToken([first, second]: Message): string | undefined {
  if (first?.type !== "text") return undefined;
  if (first.text === UNEXPECTED && second?.type === "value") return second.value;
  return first.text === UNEXPECTED_BY_RUNNER && second?.type === "optionName"
    ? second.optionName
    : undefined;
}

function reasonAgainst(token: string, path: readonly string[], commands: Commands): string {
  const known = namesOf(commands, path);
  const isOption = token.startsWith("-");
  const names = isOption
    ? [...known.options, ...RUNNER_OPTIONS]
    : [...known.commands, ...path.length === 0 ? RUNNER_COMMANDS : []];
  if (names.length === 0 || !isOption && known.takesArguments) {
    return `there are too many arguments, got "${token}"`;
  }
  const near = nearestName(token.split("=")[0]!, names);
  const suggestion = near === undefined ? "" : `; did you mean \`${near}\`?`;
  return `\`${token}\` is not ${isOption ? "an option" : "a command"}${suggestion}`;
}

function asClause(sentence: string): string {
  const [start = "", ...rest] = sentence.trim().replace(/\.$/, "");
  return start.toLowerCase() + rest.join("");
}

/** Returns the names of the command and its subcommands at the start of the arguments, such as `fleet` and `status`. */
function commandPath(args: readonly string[], commands: Commands): string[] {
  const path: string[] = [];
  for (const arg of args) {
    if (!namesOf(commands, path).commands.includes(arg)) break;
    path.push(arg);
  }
  return path;
}

/** The names that may follow a command on the command line. */
interface Known {
  readonly commands: string[];
  readonly options: string[];
  /** Whether the command takes arguments other than options, such as the path of a log. */
  readonly takesArguments: boolean;
}

/** Returns the names of the commands and options that may follow a command. */
function namesOf(commands: Commands, path: readonly string[]): Known {
  const entries = getDocPage(commands, path)?.sections.flatMap(({ entries }) => entries) ?? [];
  const terms = entries.map(({ term }) => term);
  return {
    commands: terms.flatMap((term) => term.type === "command" ? [term.name] : []),
    options: terms.flatMap((term) => term.type === "option" ? term.names : []),
    takesArguments: terms.some((term) => term.type === "argument"),
  };
}
