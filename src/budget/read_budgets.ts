/**
 * Reads the budgets of a log without its lock, for programs that may only read.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { AuditQuery } from "../read/query.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { BUDGET_LINE, stateOf } from "./budget_lines.ts";
import { BudgetLedger } from "./ledger.ts";

/** Resolves with the ledger of a log as it is now. Reads the log back to the newest state of its budgets. */
export async function readBudgets(
  log: { query(options: QueryOptions): AuditQuery },
): Promise<BudgetLedger> {
  const where = (event: AuditEvent) => stateOf(event) !== null;
  const states = log.query({ eventType: BUDGET_LINE.state, order: "desc", limit: 1, where });
  const hasState = (await states.toArray()).length > 0;
  const ledger = new BudgetLedger({ isWhole: !hasState });
  if (!hasState) return ledger;
  const newest: AuditEvent[] = [];
  for await (const event of log.query({ order: "desc" })) {
    newest.push(event);
    if (event.event === BUDGET_LINE.state && where(event)) break;
  }
  for (const event of newest.reverse()) ledger.add(event);
  return ledger;
}
