/**
 * `scout budget set` and `scout budget end`: set the limit of a budget, and remove a budget.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { type AuditLog, keeperOf } from "../audit_log.ts";
import type { Account } from "../budget/account.ts";
import { BUDGET_UNITS, type BudgetUnit, toAmount } from "../budget/amount.ts";
import { BUDGET_LINE, limitFields } from "../budget/budget_lines.ts";
import type { BudgetLedger } from "../budget/ledger.ts";
import { shownAmount } from "../budget/shown_amount.ts";
import { counted, shownText } from "../shown.ts";
import { isChained, openToChange, type Run, withLog } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { amountOf, type LogOptions, logOptions, reasonOption } from "./options.ts";
import type { Output } from "./terminal.ts";

const amount = amountOf("AMOUNT");
const name = argument(string({ metavar: "NAME" }), { description: message`Name of the budget` });

/** The `scout budget set` command. */
export const budgetSetCommand: Parser<"sync", Run, unknown> = command(
  "set",
  map(
    merge(
      object("Limit", {
        name,
        usd: optional(option("--usd", amount, { description: message`The limit in USD` })),
        tokens: optional(option("--tokens", amount, { description: message`The limit in tokens` })),
        calls: optional(option("--calls", amount, { description: message`The limit in calls` })),
        hours: optional(option("--hours", amountOf("HOURS", { orZero: false }), {
          description: message`Creates a new budget with a rolling window of this length`,
        })),
      }),
      logOptions,
    ),
    (options): Run => (output) => setLimit(options, output),
  ),
  {
    brief: message`Sets the limit of a budget`,
    description:
      message`The limit counts for the next hold of every process, until a program declares a limit that differs from the one that programs declared before. An existing budget keeps its window. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget set run logs --usd 10`,
  },
);

/** The `scout budget end` command. */
export const budgetEndCommand: Parser<"sync", Run, unknown> = command(
  "end",
  map(
    merge(
      object("Budget", {
        name,
        reason: reasonOption,
      }),
      logOptions,
    ),
    (options): Run => (output) => endBudget(options, output),
  ),
  {
    brief: message`Removes a budget that is no longer used`,
    description:
      message`The events of the budget stay in the log. A program that still uses the budget gets an error at its next hold. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget end run logs`,
  },
);

interface SetOptions
  extends LogOptions, Readonly<Record<BudgetUnit | "hours", number | undefined>> {
  readonly name: string;
}

async function setLimit(options: SetOptions, output: Output): Promise<number> {
  const { name, hours } = options;
  const units = BUDGET_UNITS.filter((unit) => options[unit] !== undefined);
  const [unit] = units;
  if (unit === undefined || units.length > 1) {
    throw new CommandError("Cannot set budget: use exactly one of --usd, --tokens and --calls", 2);
  }
  const value = options[unit]!;
  await using log = await openForChange(options);
  let isNew = false;
  await keeperOf(log).decide((ledger) => {
    isNew = hours !== undefined && ledger.account(name) === undefined;
    if (isNew) return null;
    const { terms } = accountOf(ledger, name, "set");
    if (terms.unit !== unit) throw unfit(`"${name}" is in ${terms.unit}, got --${unit}`);
    if (hours !== undefined && terms.hours !== hours) {
      const window = terms.hours === null ? "is a total" : `has a window of ${terms.hours} h`;
      throw unfit(`"${name}" ${window}, which cannot be changed, got --hours ${hours}`);
    }
    const limit = toAmount(value, unit);
    const fields = limitFields({ terms, limit, isDeclared: false, sums: [] });
    return { type: BUDGET_LINE.limit, fields, ms: Date.now() };
  });
  if (isNew) await log.budget({ name, limit: { [unit]: value }, hours: hours! });
  await log.flush();
  if (options.json) output.json({ budget: name, unit, limit: value });
  else output.line(shownText(`Set budget ${name} to ${shownAmount(value, unit)}`));
  await output.flush();
  return 0;
}

async function endBudget(
  options: LogOptions & { readonly name: string; readonly reason: string | undefined },
  output: Output,
): Promise<number> {
  const { name } = options;
  let orphans = 0;
  await using log = await openForChange(options);
  await keeperOf(log).decide((ledger) => {
    accountOf(ledger, name, "end");
    const ms = Date.now();
    const counting = ledger.openHolds.filter((hold) =>
      hold.budgets.includes(name) && ledger.counts(hold, ms)
    ).toArray();
    const open = counting.filter(({ untilMs }) => untilMs > ms).length;
    orphans = counting.length - open;
    if (open > 0) {
      throw new CommandError(
        shownText(
          `Cannot end budget: "${name}" has ${
            counted(open, "open hold")
          }; settle or release them first`,
        ),
        1,
      );
    }
    return { type: BUDGET_LINE.end, fields: { budget: name, reason: options.reason }, ms };
  });
  await log.flush();
  if (options.json) output.json({ budget: name, orphans });
  else {
    const dropped = orphans === 0
      ? ""
      : `, and dropped ${counted(orphans, "orphaned hold")}, which a new budget does not count`;
    output.line(shownText(`Ended budget ${name}${dropped}`));
  }
  await output.flush();
  return 0;
}

function accountOf(ledger: BudgetLedger, name: string, action: "set" | "end"): Account {
  const account = ledger.account(name);
  if (account !== undefined) return account;
  const names = [...ledger.names].join(", ") || "none";
  const hint = action === "set" ? "; add --hours to create it" : "";
  const message = `Cannot ${action} budget: the log has no budget "${name}", only ${names}${hint}`;
  throw new CommandError(shownText(message), 1);
}

function unfit(reason: string): CommandError {
  return new CommandError(shownText(`Cannot set budget: ${reason}`), 1);
}

/** Opens the log that the options name, so that the command can change its budgets. */
export async function openForChange(options: LogOptions): Promise<AuditLog> {
  const path = await withLog(options, (reader) => Promise.resolve(reader.path));
  return await openToChange({ path, chain: await isChained(path) });
}
