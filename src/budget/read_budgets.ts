/**
 * Reads the budgets of a log without its lock, for programs that may only read.
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
 * Resolves with the ledger of a log as it is now or, with `until`, as it was before that time. Reads the log backwards
 * to the newest `budget_state` line. If the log has no such line, the ledger has no budgets until one is added.
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
