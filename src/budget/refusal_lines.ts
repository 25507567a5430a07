/**
 * Writes how many holds (reservations) a budget has refused. A process writes at most one line per second for each
 * budget, so that many refusals cannot fill the log.
 *
 * @module
 */
import type { BudgetErrorKind } from "../errors.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import type { LineFields } from "./budget_lines.ts";

/** Minimum number of milliseconds between two `budget_refused` lines of one budget. */
const EVERY_MS = 1_000;

/** The refused holds of one budget since its last `budget_refused` line. */
interface Tally {
  count: number;
  kinds: Partial<Record<BudgetErrorKind, number>>;
  /** Runs until the next `budget_refused` line of the budget may be written; undefined if it may be written now. */
  timer: Timer | undefined;
}

/** Counts the holds that the budgets of one process have refused, and logs the counts. */
export class RefusalLines {
  readonly #clock: Clock;
  readonly #log: (fields: LineFields) => void;
  readonly #tallies = new Map<string, Tally>();
  #isClosed = false;

  /** @param log Logs a `budget_refused` line with the given fields, which count the refused holds of a budget. */
  constructor(clock: Clock, log: (fields: LineFields) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Counts a refused hold. Logs it now or, if a line of the budget was logged within the last second, in the next line.
   */
  add(budget: string, kind: BudgetErrorKind): void {
    if (this.#isClosed) return;
    const tally = this.#tallies.getOrInsertComputed(
      budget,
      () => ({ count: 0, kinds: {}, timer: undefined }),
    );
    tally.count++;
    tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1;
    if (tally.timer === undefined) this.#write(budget, tally);
  }

  /** Logs the number of refused holds that is not logged yet. */
  flush(): void {
    for (const [budget, tally] of this.#tallies) this.#writeLine(budget, tally);
  }

  /** Logs the number of refused holds that is not logged yet. Holds that are refused after this call are not logged. */
  close(): void {
    this.flush();
    this.#isClosed = true;
    for (const { timer } of this.#tallies.values()) timer?.cancel();
  }

  #write(budget: string, tally: Tally): void {
    if (!this.#writeLine(budget, tally)) return;
    tally.timer = this.#clock.startTimer(EVERY_MS, () => {
      tally.timer = undefined;
      this.#write(budget, tally);
    });
  }

  #writeLine(budget: string, tally: Tally): boolean {
    const { count, kinds } = tally;
    if (count === 0) return false;
    tally.count = 0;
    tally.kinds = {};
    this.#log({ budget, count, kinds });
    return true;
  }
}
