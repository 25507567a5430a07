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
import { HoldTally } from "../rollup/hold_tally.ts";

/** The figures of one budget. */
export interface BudgetFigures extends BudgetStatus {
  /** In a report on a fleet (the logs of many machines), the name of the log that has the budget; otherwise null. */
  readonly log: string | null;
  readonly terms: BudgetTerms;
  /** The limit, in the unit of the budget. */
  readonly limit: number;
  /** Number of holds (reservations of an amount before a call) that were granted in the range of the report. */
  readonly granted: number;
  /** Number of holds (reservations of an amount before a call) that were refused in the range of the report. */
  readonly refused: number;
}

/** The budgets of one log. */
class OneLog {
  ledger: BudgetLedger;
  readonly holds = new HoldTally();

  constructor(ledger: BudgetLedger) {
    this.ledger = ledger;
  }
}

/** The budgets of a report. In a report on a fleet (the logs of many machines), each log has its own budgets. */
export class BudgetTally {
  readonly #logs = new Map<string | null, OneLog>();
  /** `true` if the events come from a fleet, so that each event names its log; undefined before the first event. */
  #isFleet: boolean | undefined;

  /** Sets the state that the budgets have before the first event of the report, for a report on one log. */
  begin(ledger: BudgetLedger): void {
    this.#logs.set(null, new OneLog(ledger));
  }

  /**
   * Whether the amounts of a budget are known, so that each event that is added next may change them. Otherwise they
   * are unknown until the next `budget_state` line.
   */
  get hasBudgets(): boolean {
    return [...this.#logs.values()].some(({ ledger }) => ledger.accountCount > 0);
  }

  /**
   * Adds the holds of an archive whose other events are not added, for a report on one log. The amounts of the budgets
   * are then unknown until a `budget_state` line is added.
   */
  addArchive(holds: HoldTally): void {
    const ledger = new BudgetLedger({ isWhole: false });
    const log = this.#logs.get(null) ?? new OneLog(ledger);
    log.ledger = ledger;
    log.holds.addAll(holds);
    this.#logs.set(null, log);
  }

  /** Adds the next event of a log. Holds and refusals count only if the event is in the range of the report. */
  add(event: AuditEvent, isInRange: boolean): void {
    const { event: type, scout_log } = event;
    // In a fleet, every event has the field `scout_log`. In a single log, this field has no meaning.
    this.#isFleet ??= typeof scout_log === "string" && !this.#logs.has(null);
    const name = this.#isFleet && typeof scout_log === "string" ? scout_log : null;
    let log = this.#logs.get(name);
    if (log === undefined) {
      // The first budget line of a log is a `budget_state` line. So events before it do not matter for budgets.
      if (type !== BUDGET_LINE.state) return;
      this.#logs.set(name, log = new OneLog(new BudgetLedger({ isWhole: false })));
    }
    log.ledger.add(event);
    if (isInRange) log.holds.add(event);
  }

  /** Returns the figures of each budget at an instant in epoch milliseconds, sorted by log and name. */
  figures(ms: number): BudgetFigures[] {
    return [...this.#logs].flatMap(([log, { ledger, holds }]) =>
      [...ledger.names].map((name) => {
        const { terms, limit } = ledger.account(name)!;
        return {
          log,
          terms,
          limit: fromAmount(limit, terms.unit),
          ...statusOf(ledger, terms, ms),
          ...holds.of(name),
        };
      })
    ).sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
  }
}

function keyOf({ log, terms }: BudgetFigures): string {
  return `${log ?? ""}\0${terms.name}`;
}
