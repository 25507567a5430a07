/**
 * Reads the budgets of a log without taking the append lock, for programs that may read but not write the log.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { AuditQuery } from "../read/query.ts";
import type { QueryOptions } from "../read/query_options.ts";
import type { TimeLike } from "../time.ts";
import { BUDGET_LINE, stateOf } from "./budget_lines.ts";
import { BudgetLedger } from "./ledger.ts";

/**
 * Resolves with the amounts of all budgets of a log as they are now or, with `until`, as they were before that time.
 * Reads the log backwards to the newest `budget_state` line, which summarizes all lines before it. If the log has no
 * `budget_state` line, the ledger has no budgets until one is added.
 */
export async function readBudgets(
  log: { query(options: QueryOptions): AuditQuery },
  { until, signal }: { until?: TimeLike; signal?: AbortSignal | undefined } = {},
): Promise<BudgetLedger> {
  const where = (event: AuditEvent) => stateOf(event) !== null;
  const options: QueryOptions = {
    order: "desc",
    ...until === undefined ? {} : { until },
    ...signal === undefined ? {} : { signal },
  };
  const states = log.query({ ...options, eventType: BUDGET_LINE.state, limit: 1, where });
  const ledger = new BudgetLedger({ isWhole: false });
  if ((await states.toArray()).length === 0) return ledger;
  const newest: AuditEvent[] = [];
  for await (const event of log.query(options)) {
    newest.push(event);
    if (event.event === BUDGET_LINE.state && where(event)) break;
  }
  for (const event of newest.reverse()) ledger.add(event);
  return ledger;
}
