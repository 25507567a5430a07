/**
 * A plain model of budgets, to compare with the library. It shares no code with the library: it stores every line, and
 * computes each answer from all lines. Amounts are `bigint`, and windows follow their definition.
 *
 * @module
 */

/** A line of a log with budgets. Times are epoch milliseconds, and amounts billionths, tokens or calls. */
export type ModelLine =
  | { readonly kind: "declare"; readonly ms: number; readonly budget: ModelBudget }
  | {
    readonly kind: "limit";
    readonly ms: number;
    readonly name: string;
    readonly limit: bigint;
    readonly byHand: boolean;
  }
  | {
    readonly kind: "hold";
    readonly ms: number;
    readonly id: string;
    readonly untilMs: number;
    readonly amounts: ReadonlyMap<string, bigint>;
  }
  /** A `budget_wait` line, which keeps room for a hold that waits until the time `untilMs`. */
  | {
    readonly kind: "wait";
    readonly ms: number;
    readonly id: string;
    readonly untilMs: number;
    readonly amounts: ReadonlyMap<string, bigint>;
  }
  | { readonly kind: "release" | "charge"; readonly ms: number; readonly id: string }
  /** Ends a budget. In this model, no later step declares a budget with the same name. */
  | { readonly kind: "end"; readonly ms: number; readonly name: string }
  /**
   * A `budget_state` line, which states the figures of all budgets. An amount that has left every window when the line
   * is written does not count again, even if a clock is set back later.
   */
  | { readonly kind: "state"; readonly ms: number }
  | {
    readonly kind: "cost";
    readonly ms: number;
    readonly id?: string;
    readonly agent: string;
    /** The amounts that the event states, by unit. */
    readonly stated: ReadonlyMap<string, bigint>;
  };

/** A budget of the model. */
export interface ModelBudget {
  readonly name: string;
  readonly unit: string;
  readonly limit: bigint;
  /** Length of the rolling window in milliseconds; null for a total, which has no window. */
  readonly windowMs: number | null;
  readonly sinceMs: number | null;
  /** The agent whose costs count on the budget without a hold; null if the costs of all agents count. */
  readonly agent: string | null;
}

/** Stores all lines, and computes the limits and figures of the budgets from them. */
export class PlainModel {
  readonly #lines: ModelLine[] = [];

  /** Adds the next line. */
  add(line: ModelLine): void {
    this.#lines.push(line);
  }

  /** Returns the current limit of a budget. */
  limit(name: string): bigint {
    const line = this.#lines.findLast((line) =>
      line.kind === "declare" && line.budget.name === name ||
      line.kind === "limit" && line.name === name
    );
    return line?.kind === "declare" ? line.budget.limit : line?.kind === "limit" ? line.limit : 0n;
  }

  /**
   * Returns the time of a budget: that of its newest hold, end of a hold, or `budget_state` line (all figures). If a
   * user has set the limit by hand, the time of the budget goes back to the time of that line.
   */
  clockMs(name: string, lines: number = this.#lines.length): number {
    let clockMs = -Infinity;
    const declared = this.#lines.findIndex((line) =>
      line.kind === "declare" && line.budget.name === name
    );
    for (const line of this.#lines.slice(declared, lines)) {
      if (line.kind === "state") clockMs = Math.max(clockMs, line.ms);
      if (line.kind === "limit" && line.byHand && line.name === name) clockMs = line.ms;
      const hold = line.kind === "hold" ? line : this.#holdEndedBy(line);
      if (hold?.amounts.has(name)) clockMs = Math.max(clockMs, line.ms);
    }
    return clockMs;
  }

  /** Returns the amounts that a budget has spent and holds at the time `ms`. */
  figures(name: string, ms: number): { spent: bigint; held: bigint; orphaned: bigint } {
    const declared = this.#lines.findIndex((line) =>
      line.kind === "declare" && line.budget.name === name
    );
    const { budget } = this.#lines[declared] as { budget: ModelBudget };
    const isIn = (dateMs: number, from: number) =>
      leavesMs(dateMs, budget.windowMs) > ms && !this.#hasLeft(dateMs, [name], from);
    let spent = 0n;
    let held = 0n;
    let orphaned = 0n;
    for (const [index, line] of this.#lines.entries()) {
      if (line.kind === "hold") {
        const amount = line.amounts.get(name);
        if (amount === undefined || this.#endOf(line, index) !== undefined) continue;
        if (this.#hasLeft(line.untilMs, [...line.amounts.keys()], index)) continue;
        if (line.untilMs > ms) held += amount;
        else if (leavesMs(line.untilMs, budget.windowMs) > ms) orphaned += amount;
        continue;
      }
      const hold = this.#holdEndedBy(line);
      const estimate = hold?.amounts.get(name);
      // If a clock was set back, the time of the line may be before the time of the budget. The hold then ends at the
      // time of the budget.
      const endMs = Math.max(line.ms, this.clockMs(name, index + 1));
      if (line.kind === "charge" && estimate !== undefined && isIn(endMs, index)) {
        spent += estimate;
      }
      if (line.kind !== "cost") continue;
      const stated = line.stated.get(budget.unit);
      if (estimate !== undefined) {
        if (isIn(endMs, index)) spent += budget.unit === "calls" ? 1n : stated ?? estimate;
      } else if (index > declared && matches(budget, line)) {
        if (stated !== undefined && isIn(line.ms, index)) spent += stated;
      }
    }
    return { spent, held, orphaned };
  }

  /**
   * Returns the amount that a hold must leave available for the oldest waiting hold that has a valid `budget_wait` line
   * on the budget. Returns 0 if that line belongs to the hold itself, or if no line is valid.
   */
  claimBefore(id: string, name: string, ms: number): bigint {
    let oldest: { place: number; id: string; amount: bigint } | undefined;
    for (
      const ticket of new Set(this.#lines.flatMap((line) => line.kind === "wait" ? [line.id] : []))
    ) {
      const places = this.#placesOf(ticket);
      const newest = this.#lines[places.at(-1)!] as ModelLine & { kind: "wait" } | undefined;
      const amount = newest?.amounts.get(name);
      if (amount === undefined || newest!.untilMs <= ms || newest!.untilMs > ms + 10_000) continue;
      const [place] = places as [number];
      if (oldest === undefined || place < oldest.place) oldest = { place, id: ticket, amount };
    }
    return oldest === undefined || oldest.id === id ? 0n : oldest.amount;
  }

  /**
   * Returns the indexes of the `budget_wait` lines that count for a waiting hold, because they keep its place in the
   * order. Lines before a release of the hold do not count, and neither do lines that had expired at a `budget_state`
   * line. If the hold was granted, none of its lines counts.
   */
  #placesOf(ticket: string): number[] {
    let places: number[] = [];
    let untilMs = Infinity;
    for (const [index, line] of this.#lines.entries()) {
      if (line.kind === "state" && untilMs <= line.ms) places = [];
      if ((line.kind === "hold" || line.kind === "release") && line.id === ticket) places = [];
      if (line.kind !== "wait" || line.id !== ticket) continue;
      if (this.#lines.slice(0, index).some((each) => each.kind === "hold" && each.id === ticket)) {
        continue;
      }
      places.push(index);
      ({ untilMs } = line);
    }
    return places;
  }

  /** Returns the names of the budgets that have not ended before the line with the index. */
  #there(names: readonly string[], index: number): readonly string[] {
    return names.filter((name) =>
      !this.#lines.slice(0, index).some((line) => line.kind === "end" && line.name === name)
    );
  }

  /**
   * Checks whether an amount with the date `dateMs` had left the windows of all named budgets at some `budget_state`
   * line. Looks at the lines after `from` and before `to`, and leaves out budgets that have ended.
   */
  #hasLeft(
    dateMs: number,
    names: readonly string[],
    from: number,
    to: number = this.#lines.length,
  ): boolean {
    return this.#lines.slice(0, to).some((line, index) =>
      line.kind === "state" && index > from &&
      this.#there(names, index).every((name) => {
        const declared = this.#lines.find((each) =>
          each.kind === "declare" && each.budget.name === name
        ) as { budget: ModelBudget };
        return leavesMs(dateMs, declared.budget.windowMs) <= this.clockMs(name, index + 1);
      })
    );
  }

  /**
   * Returns the hold that a line ends. Only the first line in the log that ends a hold counts, so a second end returns
   * undefined.
   */
  #holdEndedBy(line: ModelLine): ModelLine & { kind: "hold" } | undefined {
    if (line.kind !== "release" && line.kind !== "charge" && line.kind !== "cost") return undefined;
    const index = this.#lines.findIndex((each) => each.kind === "hold" && each.id === line.id);
    const hold = this.#lines[index] as ModelLine & { kind: "hold" } | undefined;
    return hold !== undefined && this.#endOf(hold, index) === line ? hold : undefined;
  }

  /**
   * Returns the first line that ends a hold. Returns undefined if the hold is open, or if a `budget_state` line before
   * the end shows that the hold had left every window.
   */
  #endOf(
    { id, untilMs, amounts }: ModelLine & { kind: "hold" },
    index: number,
  ): ModelLine | undefined {
    const end = this.#lines.findIndex((line, at) =>
      at > index && line.kind !== "hold" && line.kind !== "wait" && "id" in line && line.id === id
    );
    if (end < 0 || this.#hasLeft(untilMs, [...amounts.keys()], index, end)) return undefined;
    return this.#lines[end];
  }
}

function matches({ agent, sinceMs }: ModelBudget, line: { ms: number; agent: string }): boolean {
  return (agent === null || agent === line.agent) && (sinceMs === null || line.ms >= sinceMs);
}

/**
 * Returns the time at which an amount leaves a window: after the length of the window, rounded up to a sixtieth of that
 * length. For a total, which has no window, returns Infinity.
 */
function leavesMs(dateMs: number, windowMs: number | null): number {
  if (windowMs === null) return Infinity;
  const partMs = windowMs / 60;
  return Math.ceil((dateMs + windowMs) / partMs) * partMs;
}
