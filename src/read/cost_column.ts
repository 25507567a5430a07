/**
 * Costs and their times, in the order in which they were read. The costs are stored in blocks, each with its sum. If
 * all costs of a block are in a time window, only the sum of the block is added. If only some of them are, the costs
 * are checked and added one by one.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { costOf, isInWindow, type SpendWindow } from "../cost/spend.ts";

/** Maximum number of costs in one block, the unit for which a sum is stored. */
const BLOCK_COSTS = 256;

/** The earliest and the latest time of some costs, in epoch milliseconds. */
export interface CostSpan {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The time span of the costs of a file, and their sum in USD. The sum is null if it is not known yet. */
export interface CostSummary extends CostSpan {
  readonly usd: number | null;
}

/**
 * Checks whether all costs between two times are outside of a time window, so that none of them is added to its sum.
 */
export function isOutside({ minMs, maxMs }: CostSpan, window: SpendWindow): boolean {
  return !(maxMs >= window.sinceMs && minMs <= window.untilMs);
}

/** Checks whether all costs between two times are in a time window, so that their sum can be added as a whole. */
export function isInside({ minMs, maxMs }: CostSpan, window: SpendWindow): boolean {
  return minMs >= window.sinceMs && maxMs <= window.untilMs;
}

/** Consecutive costs and their sum. */
class CostBlock {
  readonly #epochMs: number[] = [];
  readonly #usd: number[] = [];
  readonly #sum = new PreciseSum();
  minMs = Infinity;
  maxMs = -Infinity;

  get isFull(): boolean {
    return this.#usd.length === BLOCK_COSTS;
  }

  add({ epochMs, usd }: { epochMs: number; usd: number }): void {
    this.#epochMs.push(epochMs);
    this.#usd.push(usd);
    this.#sum.add(usd);
    this.minMs = Math.min(this.minMs, epochMs);
    this.maxMs = Math.max(this.maxMs, epochMs);
  }

  addTo(sum: PreciseSum, window: SpendWindow): void {
    if (isOutside(this, window)) return;
    if (isInside(this, window)) return sum.addSum(this.#sum);
    for (let index = 0; index < this.#usd.length; index++) {
      if (isInWindow(window, this.#epochMs[index]!)) sum.add(this.#usd[index]!);
    }
  }
}

/** The costs of a whole file, or of a part of a file. */
export class CostColumn {
  #blocks: CostBlock[] = [];

  /** Adds the costs of those events that have both a cost and a time. */
  add(events: readonly AuditEvent[]): void {
    for (const event of events) {
      const cost = costOf(event);
      if (cost === null) continue;
      let block = this.#blocks.at(-1);
      if (block === undefined || block.isFull) this.#blocks.push(block = new CostBlock());
      block.add(cost);
    }
  }

  /** Removes all costs. */
  clear(): void {
    this.#blocks = [];
  }

  /** Adds the costs whose times are in the window to `sum`. */
  addTo(sum: PreciseSum, window: SpendWindow): void {
    for (const block of this.#blocks) block.addTo(sum, window);
  }

  /** Returns the times of the earliest and the latest cost, and the sum of all costs. */
  summary(): CostSummary {
    const sum = new PreciseSum();
    this.addTo(sum, { sinceMs: -Infinity, untilMs: Infinity });
    return {
      minMs: this.#blocks.reduce((least, { minMs }) => Math.min(least, minMs), Infinity),
      maxMs: this.#blocks.reduce((most, { maxMs }) => Math.max(most, maxMs), -Infinity),
      usd: sum.value,
    };
  }
}
