/**
 * `scout budget`: lists the budgets of a log and their open holds.
 *
 * @module
 */
import { or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import type { BudgetTerms } from "../budget/account.ts";
import { BUDGET_UNITS, type BudgetUnit, fromAmount } from "../budget/amount.ts";
import type { Hold } from "../budget/budget_lines.ts";
import { type BudgetStatus, statusOf } from "../budget/budget.ts";
import type { BudgetLedger } from "../budget/ledger.ts";
import { readBudgets } from "../budget/read_budgets.ts";
import { counted, shownInstant, shownNumber, shownText, shownUsd } from "../shown.ts";
import { budgetReleaseCommand, budgetSetCommand, budgetSettleCommand } from "./budget_change.ts";
import { type Run, withLog } from "./command.ts";
import { orByDefault } from "./default_command.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { type ReadingOptions, readingOptions } from "./options.ts";
import type { Output } from "./terminal.ts";

const list = map(
  readingOptions,
  (options): Run => (output) => runBudget(options, output),
);

/** The `scout budget` command. */
export const budgetCommand: Parser<"sync", Run, unknown> = command(
  "budget",
  orByDefault(or(budgetReleaseCommand, budgetSettleCommand, budgetSetCommand), list),
  {
    brief: message`Lists budgets and open holds; ends a hold, sets a limit`,
    description:
      message`spent: costs and ended holds in the window. held: open holds. orphaned: holds that have not ended in time, most likely because their process died; they are charged until they leave the window. left: what can still be held. resets: when the next amount leaves the window.`,
    footer: message`Example: scout budget logs`,
  },
);

/** A budget as JSON. */
interface ShownBudget extends BudgetStatus {
  readonly budget: string;
  readonly unit: BudgetUnit;
  readonly limit: number;
  readonly hours?: number;
  readonly since?: string;
  readonly where: Readonly<Record<string, unknown>>;
}

async function runBudget(options: ReadingOptions, output: Output): Promise<number> {
  const { json, timeZone } = options;
  const nowMs = Date.now();
  await withLog(options, async (reader) => {
    const ledger = await readBudgets(reader);
    const budgets = [...ledger.names].sort().map((name) => shownBudget(ledger, name, nowMs));
    const holds = ledger.openHolds.toArray();
    if (json) output.json({ budgets, holds: holds.map(shownHold) });
    else if (budgets.length === 0) {
      const now = Temporal.Now.zonedDateTimeISO(timeZone);
      await tellNothingFound(reader, { kind: "budgets" }, now);
    } else {
      for (const line of table(budgets.map((each) => cellsOf(each, timeZone)))) output.line(line);
      for (const hold of holds) output.line(holdLine(hold, { timeZone, nowMs }));
    }
  });
  await output.flush();
  return 0;
}

function shownBudget(ledger: BudgetLedger, name: string, nowMs: number): ShownBudget {
  const { terms, limit } = ledger.account(name)!;
  const { unit, where } = terms;
  const status = statusOf(ledger, terms, nowMs);
  return {
    budget: name,
    unit,
    limit: fromAmount(limit, unit),
    ...windowOf(terms),
    where,
    ...status,
  };
}

function windowOf({ hours, sinceMs }: BudgetTerms): { hours: number } | { since: string } {
  return hours === null ? { since: new Date(sinceMs!).toISOString() } : { hours };
}

const COLUMNS = ["budget", "limit", "spent", "held", "orphaned", "left", "resets"];

function cellsOf(budget: ShownBudget, timeZone: string): string[] {
  const { unit, hours, since, resetsAt } = budget;
  const amount = (value: number) => shownAmount(value, unit);
  const window = hours === undefined
    ? `since ${shownInstant(since!, timeZone)}`
    : `in ${shownNumber(hours)} h`;
  return [
    shownText(budget.budget),
    `${amount(budget.limit)} ${window}`,
    amount(budget.spent),
    amount(budget.held),
    amount(budget.orphaned),
    amount(budget.left),
    resetsAt === null ? "-" : shownInstant(resetsAt.toISOString(), timeZone),
  ];
}

/** Returns the lines of a table with a head, whose columns are as wide as their widest cell. */
function table(rows: readonly string[][]): string[] {
  const all = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  );
}

function holdLine(
  { id, amounts, untilMs, budgets }: Hold,
  { timeZone, nowMs }: { timeZone: string; nowMs: number },
): string {
  const held = BUDGET_UNITS.flatMap((unit) => {
    const amount = amounts[unit];
    return amount === undefined ? [] : [shownAmount(fromAmount(amount, unit), unit)];
  });
  const until = shownInstant(new Date(untilMs).toISOString(), timeZone);
  const state = untilMs <= nowMs ? "orphaned since" : "until";
  return shownText(`hold ${id}  ${held.join(", ")} on ${budgets.join(", ")} ${state} ${until}`);
}

function shownHold({ id, amounts, untilMs, budgets }: Hold) {
  const held = BUDGET_UNITS.flatMap((unit) => {
    const amount = amounts[unit];
    return amount === undefined ? [] : [[unit, fromAmount(amount, unit)] as const];
  });
  return { hold: id, ...Object.fromEntries(held), until: new Date(untilMs).toISOString(), budgets };
}

function shownAmount(value: number, unit: BudgetUnit): string {
  return unit === "usd" ? shownUsd(value) : counted(value, unit.slice(0, -"s".length));
}
