/**
 * `scout budget release`, `settle` and `set`: end a hold whose process died, and set a limit.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { keeperOf } from "../audit_log.ts";
import { BUDGET_UNITS, type BudgetUnit, fromAmount, toAmount } from "../budget/amount.ts";
import { BUDGET_LINE, type Hold, limitFields } from "../budget/budget_lines.ts";
import type { DecidedLine } from "../budget/keeper.ts";
import type { BudgetLedger } from "../budget/ledger.ts";
import { isReservedType } from "../event.ts";
import { shownText } from "../shown.ts";
import { isChained, openToChange, type Run, withLog } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { type LogOptions, logOptions, valueOf } from "./options.ts";
import type { Output } from "./terminal.ts";

interface HoldCommandOptions extends LogOptions {
  readonly hold: string;
}

/** Minimum number of characters of an ID, so that a slip of the finger ends no hold. */
const ID_LENGTH_MIN = 4;

const hold = argument(valueOf("HOLD", parseId, "3f9c01d2"), {
  description: message`The ID of the hold, or a prefix that matches only one open hold`,
});
const amount = valueOf("AMOUNT", parseAmount, 0);

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
        cost: option("--cost", amount, { description: message`What the call cost, in USD` }),
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

/** The `scout budget set` command. */
export const budgetSetCommand: Parser<"sync", Run, unknown> = command(
  "set",
  map(
    merge(
      object("Limit", {
        name: argument(string({ metavar: "NAME" }), { description: message`Name of the budget` }),
        usd: optional(option("--usd", amount, { description: message`The limit in USD` })),
        tokens: optional(option("--tokens", amount, { description: message`The limit in tokens` })),
        calls: optional(option("--calls", amount, { description: message`The limit in calls` })),
      }),
      logOptions,
    ),
    (options): Run => (output) => setLimit(options, output),
  ),
  {
    brief: message`Sets the limit of a budget`,
    description:
      message`The limit counts for the next hold of every process, and until a program declares another limit than before. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget set run logs --usd 10`,
  },
);

function parseId(text: string): string {
  if (text.length < ID_LENGTH_MIN) {
    throw new RangeError(
      `not the ID of a hold or at least ${ID_LENGTH_MIN} characters of it; scout budget lists them`,
    );
  }
  return text;
}

function parseType(text: string): string {
  if (text === "" || isReservedType(text)) {
    throw new RangeError("not a type for a call; use a type such as llm_call");
  }
  return text;
}

function parseAmount(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value)) throw new RangeError("not a number >= 0; use 5 or 0.02");
  return value;
}

async function endHold(
  options: HoldCommandOptions,
  output: Output,
  done: string,
  lineOf: () => Omit<DecidedLine, "ms">,
): Promise<number> {
  let found: Hold;
  await change(options, (ledger) => {
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

interface SetOptions extends LogOptions, Readonly<Record<BudgetUnit, number | undefined>> {
  readonly name: string;
}

async function setLimit(options: SetOptions, output: Output): Promise<number> {
  const { name } = options;
  const units = BUDGET_UNITS.filter((unit) => options[unit] !== undefined);
  const [unit] = units;
  if (unit === undefined || units.length > 1) {
    throw new CommandError("Cannot set budget: use one of --usd, --tokens and --calls", 2);
  }
  const limit = toAmount(options[unit]!, unit);
  await change(options, (ledger) => {
    const account = ledger.account(name);
    if (account === undefined) {
      const names = [...ledger.names].join(", ") || "none";
      throw new CommandError(
        shownText(`Cannot set budget: the log has no budget "${name}", got ${names}`),
        1,
      );
    }
    if (account.terms.unit !== unit) {
      throw new CommandError(
        shownText(`Cannot set budget: "${name}" counts ${account.terms.unit}, got --${unit}`),
        1,
      );
    }
    const fields = limitFields({ terms: account.terms, limit, isDeclared: false, sums: [] });
    return { type: BUDGET_LINE.limit, fields, ms: Date.now() };
  });
  if (options.json) output.json({ budget: name, unit, limit: fromAmount(limit, unit) });
  else output.line(shownText(`Set budget ${name} to ${fromAmount(limit, unit)} ${unit}`));
  await output.flush();
  return 0;
}

/** Writes the line that a function chooses under the append lock, from the budgets as they are then. */
async function change(
  options: LogOptions,
  decide: (ledger: BudgetLedger) => DecidedLine,
): Promise<void> {
  const path = await withLog(options, (reader) => Promise.resolve(reader.path));
  await using log = await openToChange({ path, chain: await isChained(path) });
  await keeperOf(log).decide(decide);
  await log.flush();
}

function openHold(ledger: BudgetLedger, text: string): Hold {
  const named = ledger.openHolds.filter(({ id }) => id.startsWith(text)).toArray();
  const [found, ...others] = named.some(({ id }) => id === text)
    ? named.filter(({ id }) => id === text)
    : named;
  if (found !== undefined && others.length === 0) return found;
  const what = found === undefined ? "no open hold has" : `${named.length} open holds have`;
  throw new CommandError(
    `Cannot end hold: ${what} this ID, got ${shownText(text)}; scout budget lists them`,
    1,
  );
}
