/**
 * `scout budget`: lists the budgets of a log and their open holds. A hold is an amount that a program reserves on a
 * budget before a call.
 *
 * @module
 */
import { or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { unitsOf } from "../budget/amount.ts";
import type { Hold } from "../budget/budget_lines.ts";
import { readBudgets } from "../budget/read_budgets.ts";
import { shownAmount } from "../budget/shown_amount.ts";
import { shownInstant, shownNumber, shownText } from "../shown.ts";
import { budgetEndCommand, budgetSetCommand } from "./budget_change.ts";
import { budgetReleaseCommand, budgetSettleCommand } from "./budget_hold_end.ts";
import { type Run, withLog } from "./command.ts";
import { orByDefault } from "./default_command.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { type ReadingOptions, readingOptions } from "./options.ts";
import { budgetsIn, type ShownBudget } from "./shown_budgets.ts";
import type { Output } from "./terminal.ts";

const list = map(
  readingOptions,
  (options): Run => (output) => runBudget(options, output),
);

/** The `scout budget` command. */
export const budgetCommand: Parser<"sync", Run, unknown> = command(
  "budget",
  orByDefault(
    or(budgetReleaseCommand, budgetSettleCommand, budgetSetCommand, budgetEndCommand),
    list,
  ),
  {
    brief: message`Lists budgets and open holds; ends holds and budgets, sets limits`,
    description:
      message`spent: costs and ended holds in the window. held: open holds. orphaned: holds that have not ended in time, most likely because their process died; they are charged until they leave the window. left: what can still be held. resets: when the next amount leaves the window. Below the table: the open holds, and the holds that wait for room.`,
    footer: message`Example: scout budget logs`,
  },
);

async function runBudget(options: ReadingOptions, output: Output): Promise<number> {
  const { json, timeZone } = options;
  const nowMs = Date.now();
  await withLog(options, async (reader) => {
    const ledger = await readBudgets(reader);
    const budgets = budgetsIn(ledger, nowMs);
    const holds = ledger.openHolds.filter((hold) => ledger.counts(hold, nowMs)).toArray();
    const waits = ledger.tickets.filter(({ untilMs }) => untilMs > nowMs).toArray();
    if (json) {
      output.json({ budgets, holds: holds.map(shownHold), waits: waits.map(shownHold) });
    } else if (budgets.length === 0) {
      const now = Temporal.Now.zonedDateTimeISO(timeZone);
      await tellNothingFound(reader, { kind: "budgets" }, now);
    } else {
      for (const line of table(budgets.map((each) => cellsOf(each, timeZone)))) output.line(line);
      for (const hold of holds) output.line(holdLine(hold, { timeZone, nowMs }));
      for (const ticket of waits) output.line(ticketLine(ticket));
    }
  });
  await output.flush();
  return 0;
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

/** Returns the rows of the budgets as lines below a header line. Each column is as wide as its widest cell. */
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
  const until = shownInstant(new Date(untilMs).toISOString(), timeZone);
  const state = untilMs <= nowMs ? "orphaned since" : "until";
  return shownText(`hold ${id}  ${amountsOn({ amounts, budgets })} ${state} ${until}`);
}

/** Returns the line for a hold that waits until it fits its budgets. */
function ticketLine({ id, amounts, budgets }: Hold): string {
  return shownText(`wait ${id}  ${amountsOn({ amounts, budgets })}`);
}

function amountsOn({ amounts, budgets }: Pick<Hold, "amounts" | "budgets">): string {
  const shown = unitsOf(amounts).map(([unit, value]) => shownAmount(value, unit));
  return `${shown.join(", ")} on ${budgets.join(", ")}`;
}

function shownHold({ id, amounts, untilMs, budgets }: Hold) {
  const held = Object.fromEntries(unitsOf(amounts));
  return { hold: id, ...held, until: new Date(untilMs).toISOString(), budgets };
}
