/**
 * `scout budget release` and `settle`: end a hold whose process died.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { BUDGET_LINE, type Hold } from "../budget/budget_lines.ts";
import type { DecidedLine } from "../budget/keeper.ts";
import type { BudgetLedger } from "../budget/ledger.ts";
import { isReservedType } from "../event.ts";
import { shownText } from "../shown.ts";
import { changeBudgets } from "./budget_change.ts";
import type { Run } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { idOf, itemsWithId } from "./ids.ts";
import { amountOf, type LogOptions, logOptions, valueOf } from "./options.ts";
import type { Output } from "./terminal.ts";

interface HoldCommandOptions extends LogOptions {
  readonly hold: string;
}

const hold = argument(idOf("HOLD", { kind: "hold", command: "scout budget" }), {
  description: message`The ID of the hold, or a prefix that matches only one open hold`,
});

/** The `scout budget release` command. */
export const budgetReleaseCommand: Parser<"sync", Run, unknown> = command(
  "release",
  map(
    merge(
      object("Release", {
        hold,
        reason: optional(option("--reason", string({ metavar: "TEXT" }), {
          description: message`The field reason of the line`,
        })),
      }),
      logOptions,
    ),
    (options): Run => (output) =>
      endHold(options, output, "Released", () => ({
        type: BUDGET_LINE.release,
        fields: { reason: options.reason },
      })),
  ),
  {
    brief: message`Ends a hold, and charges nothing`,
    description:
      message`For a call that was not made. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget release 3f9c01d2 logs --reason "not sent"`,
  },
);

/** The `scout budget settle` command. */
export const budgetSettleCommand: Parser<"sync", Run, unknown> = command(
  "settle",
  map(
    merge(
      object("Settle", {
        hold,
        cost: option("--cost", amountOf("USD"), {
          description: message`What the call cost, in USD`,
        }),
        event: withDefault(
          option("--event", valueOf("TYPE", parseType, "llm_call"), {
            description: message`The type of the event to log; default llm_call`,
          }),
          "llm_call",
        ),
      }),
      logOptions,
    ),
    (options): Run => (output) =>
      endHold(options, output, "Settled", () => ({
        type: options.event,
        fields: { cost: options.cost },
      })),
  ),
  {
    brief: message`Ends a hold, and charges what the call cost`,
    description:
      message`Logs the event of a call whose process died, with its cost. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget settle 3f9c01d2 logs --cost 0.0137`,
  },
);

function parseType(text: string): string {
  if (text === "" || isReservedType(text)) {
    throw new RangeError("not a type for a call; use a type such as llm_call");
  }
  return text;
}

async function endHold(
  options: HoldCommandOptions,
  output: Output,
  done: string,
  lineOf: () => Omit<DecidedLine, "ms">,
): Promise<number> {
  let found: Hold;
  await changeBudgets(options, (ledger) => {
    found = openHold(ledger, options.hold);
    const { type, fields } = lineOf();
    return { type, fields: { ...fields, hold: found.id }, ms: Date.now() };
  });
  const { id, budgets } = found!;
  if (options.json) output.json({ hold: id, budgets });
  else output.line(shownText(`${done} hold ${id} on ${budgets.join(", ")}`));
  await output.flush();
  return 0;
}

/** Returns the open hold whose ID is the text, or else the only one whose ID begins with it. */
function openHold(ledger: BudgetLedger, text: string): Hold {
  const named = itemsWithId(ledger.openHolds.toArray(), text, ({ id }) => id);
  const [found, ...others] = named;
  if (found !== undefined && others.length === 0) return found;
  const what = found === undefined ? "no open hold has" : `${named.length} open holds have`;
  throw new CommandError(
    `Cannot end hold: ${what} this ID, got ${shownText(text)}; scout budget lists them`,
    1,
  );
}
