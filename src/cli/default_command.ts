/**
 * Parses a command that lists items by default and also has subcommands. An example is `scout inflight`, with the
 * subcommand `scout inflight end`.
 *
 * @module
 */
import { or } from "@optique/core/constructs";
import { withDefault } from "@optique/core/modifiers";
import { parse, type Parser } from "@optique/core/parser";
import type { Run } from "./command.ts";
import { unexpectedInput } from "./usage_error.ts";

/** Returns a parser that accepts one of the subcommands, or the arguments of `list`. No arguments also mean `list`. */
export function orByDefault(
  commands: Parser<"sync", Run, unknown>,
  list: Parser<"sync", Run, unknown>,
): Parser<"sync", Run, unknown> {
  // Without arguments, or() matches neither the subcommands nor the list, so withDefault() chooses the list.
  return withDefault(or(commands, list, { errors: { unexpectedInput } }), () => {
    const parsed = parse(list, []);
    if (!parsed.success) throw new Error("a list needs no arguments", { cause: parsed.error });
    return parsed.value;
  });
}
