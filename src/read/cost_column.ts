/**
 * Costs and their times, in the order in which they were read. What a window holds wholly is not
 * summed one by one, so a question takes no longer the more events an hour has.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { costOf, isInWindow, type SpendWindow } from "../cost/spend.ts";

/** How many costs are summed once and for all. */
const BLOCK_COSTS = 256;

/** From when to when costs were, epoch milliseconds. */
export interface CostSpan {
  readonly minMs: number;
  readonly maxMs: number;
}

/** When the costs of a file were, and their sum in USD; null where that has to be found out. */
export interface CostSummary extends CostSpan {
  readonly usd: number | null;
}

/** Whether none of the costs can be in the window. */
export function isOutside({ minMs, maxMs }: CostSpan, window: SpendWindow): boolean {
  return !(maxMs >= window.sinceMs && minMs <= window.untilMs);
}

/** Whether all of the costs are in the window. */
export function isInside({ minMs, maxMs }: CostSpan, window: SpendWindow): boolean {
  return minMs >= window.sinceMs && maxMs <= window.untilMs;
}

/** Costs that follow one another, and the sum of all. */
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

/** The costs of a file, or of a part of it. */
export class CostColumn {
  #blocks: CostBlock[] = [];

  /** Adds those of the events that cost something and have a time. */
  add(events: readonly AuditEvent[]): void {
    for (const event of events) {
      const cost = costOf(event);
      if (cost === null) continue;
      let block = this.#blocks.at(-1);
      if (block === undefined || block.isFull) this.#blocks.push(block = new CostBlock());
      block.add(cost);
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#blocks = [];
  }

  /** Adds those of the window to the sum. */
  addTo(sum: PreciseSum, window: SpendWindow): void {
    for (const block of this.#blocks) block.addTo(sum, window);
  }

  /** When they were, and what they come to. */
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
