/**
 * A command that lists by default and has further commands, such as `scout inflight` and `scout inflight end`.
 *
 * @module
 */
import { or } from "@optique/core/constructs";
import { withDefault } from "@optique/core/modifiers";
import { parse, type Parser } from "@optique/core/parser";
import type { Run } from "./command.ts";
import { unexpectedInput } from "./usage_error.ts";

/** Returns a parser of the further commands, or else of the arguments of `list`, which may have none. */
export function orByDefault(
  commands: Parser<"sync", Run, unknown>,
  list: Parser<"sync", Run, unknown>,
): Parser<"sync", Run, unknown> {
  // Without any argument neither alternative matches, so the list is the default.
  return withDefault(or(commands, list, { errors: { unexpectedInput } }), () => {
    const parsed = parse(list, []);
    if (!parsed.success) throw new Error("a list needs no arguments", { cause: parsed.error });
    return parsed.value;
  });
}
