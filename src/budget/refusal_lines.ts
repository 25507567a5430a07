/**
 * The lines that count the holds that a budget has refused: at most one line per second for each budget of a process.
 *
 * @module
 */
import type { BudgetErrorKind } from "../errors.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import type { LineFields } from "./budget_lines.ts";

/** Minimum number of milliseconds between two `budget_refused` lines of a budget. */
const EVERY_MS = 1_000;

/** The refusals of one budget since its last line. */
interface Tally {
  count: number;
  kinds: Partial<Record<BudgetErrorKind, number>>;
  /** Runs until the next line may be written. */
  timer: Timer | undefined;
}

/** Counts the refusals of one process, and logs the counts. */
export class RefusalLines {
  readonly #clock: Clock;
  readonly #log: (fields: LineFields) => void;
  readonly #tallies = new Map<string, Tally>();
  #isClosed = false;

  /** @param log Logs a `budget_refused` line with these fields. */
  constructor(clock: Clock, log: (fields: LineFields) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Counts a refusal. Logs it now or, if a line of the budget was logged within the last second, in the next line. */
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

  /** Logs the refusals that are not logged yet. */
  flush(): void {
    for (const [budget, tally] of this.#tallies) this.#writeLine(budget, tally);
  }

  /** Logs the refusals that are not logged yet. Refusals after this call are not logged. */
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
