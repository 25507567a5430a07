/**
 * The amounts that the budgets of a log have spent and hold at the end of a report, and the numbers of their holds and
 * refusals. Pure.
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
  /** Name of its log in a fleet; null in a report on one log. */
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

/** The budgets of a report. The events of a fleet are those of several logs, whose budgets are not shared. */
export class BudgetTally {
  readonly #logs = new Map<string | null, OneLog>();
  /** Whether the events have the name of their log; undefined before the first event. */
  #isFleet: boolean | undefined;

  /** Continues with what is known of the budgets of one log before its first event. */
  begin(ledger: BudgetLedger): void {
    this.#logs.set(null, new OneLog(ledger));
  }

  /** Adds the next event of a log. Holds and refusals count only if the event is in the range of the report. */
  add(event: AuditEvent, isInRange: boolean): void {
    const { event: type, scout_log } = event;
    // In a fleet every event has this field. In the events of one log it is any other field.
    this.#isFleet ??= typeof scout_log === "string" && !this.#logs.has(null);
    const name = this.#isFleet && typeof scout_log === "string" ? scout_log : null;
    let log = this.#logs.get(name);
    if (log === undefined) {
      // A log has a state line before its first budget. The ledger begins there.
      if (type !== BUDGET_LINE.state) return;
      this.#logs.set(name, log = new OneLog(new BudgetLedger({ isWhole: false })));
    }
    log.ledger.add(event);
    if (isInRange) log.count(event);
  }

  /** Returns the figures of each budget at a time, by log and name. */
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
