/**
 * Computes the amounts that are spent and held of each budget at the end of the range of a report. A hold reserves an
 * amount before a call is made. The granted and the refused holds are counted too. Pure.
 *
 * @module
 */
import type { BudgetTerms } from "../budget/account.ts";
import { fromAmount } from "../budget/amount.ts";
import { BUDGET_LINE } from "../budget/budget_lines.ts";
import { type BudgetStatus, statusOf } from "../budget/budget_status.ts";
import { BudgetLedger } from "../budget/ledger.ts";
import type { AuditEvent } from "../event.ts";

/** The figures of one budget. */
export interface BudgetFigures extends BudgetStatus {
  /** In a report on a fleet (the logs of many machines), the name of the log that has the budget; otherwise null. */
  readonly log: string | null;
  readonly terms: BudgetTerms;
  /** The limit, in the unit of the budget. */
  readonly limit: number;
  /** Number of holds that were granted in the range of the report. */
  readonly granted: number;
  /** Number of holds that were refused in the range of the report. */
  readonly refused: number;
}

/** The budgets of one log. */
class OneLog {
  readonly ledger: BudgetLedger;
  readonly granted = new Map<string, number>();
  readonly refused = new Map<string, number>();

  constructor(ledger: BudgetLedger) {
    this.ledger = ledger;
  }

  count({ event, budget, budgets, count }: AuditEvent): void {
    if (event === BUDGET_LINE.hold && Array.isArray(budgets)) {
      for (const name of budgets) increase(this.granted, `${name}`, 1);
    } else if (event === BUDGET_LINE.refused && Number.isSafeInteger(count)) {
      increase(this.refused, `${budget}`, Number(count));
    }
  }
}

function increase(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

/** The budgets of a report. In a report on a fleet (the logs of many machines), each log has its own budgets. */
export class BudgetTally {
  readonly #logs = new Map<string | null, OneLog>();
  /** `true` if the events come from a fleet, so that each event names its log; undefined before the first event. */
  #isFleet: boolean | undefined;

  /** Sets the state of the budgets before the first event, for a report on one log. */
  begin(ledger: BudgetLedger): void {
    this.#logs.set(null, new OneLog(ledger));
  }

  /** Adds the next event of a log. Holds and refusals count only if the event is in the range of the report. */
  add(event: AuditEvent, isInRange: boolean): void {
    const { event: type, scout_log } = event;
    // In a fleet, every event has the field `scout_log`. In a single log, this field has no meaning.
    this.#isFleet ??= typeof scout_log === "string" && !this.#logs.has(null);
    const name = this.#isFleet && typeof scout_log === "string" ? scout_log : null;
    let log = this.#logs.get(name);
    if (log === undefined) {
      // A log has a `budget_state` line before its first other budget line, so events before that line are ignored.
      if (type !== BUDGET_LINE.state) return;
      this.#logs.set(name, log = new OneLog(new BudgetLedger({ isWhole: false })));
    }
    log.ledger.add(event);
    if (isInRange) log.count(event);
  }

  /** Returns the figures of each budget at an instant in epoch milliseconds, sorted by log and name. */
  figures(ms: number): BudgetFigures[] {
    return [...this.#logs].flatMap(([log, { ledger, granted, refused }]) =>
      [...ledger.names].map((name) => {
        const { terms, limit } = ledger.account(name)!;
        return {
          log,
          terms,
          limit: fromAmount(limit, terms.unit),
          ...statusOf(ledger, terms, ms),
          granted: granted.get(name) ?? 0,
          refused: refused.get(name) ?? 0,
        };
      })
    ).sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
  }
}

function keyOf({ log, terms }: BudgetFigures): string {
  return `${log ?? ""}\0${terms.name}`;
}
