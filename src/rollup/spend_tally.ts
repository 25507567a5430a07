/**
 * Sums up the costs and tokens of events. Tallies can be merged, and stored as numbers. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { amountIn, finite } from "../cost/spend.ts";
import { type AuditEvent, isReservedType, typeBegunBy } from "../event.ts";

/**
 * The content of a {@linkcode SpendTally} as numbers: events, paid calls, input and output tokens, number of costs, the
 * three parts of their sum, and the number of costs that are not numbers. Zeros at the end are left out.
 */
export type SpendState = readonly number[];

/** The cost in USD and the tokens of an event, each null if it is missing or not a number. */
export interface SpendFacts {
  readonly usd: number | null;
  /** Whether the event has a cost that is not a number. */
  readonly hasBadCost: boolean;
  readonly input: number | null;
  readonly output: number | null;
  /** `true` if the event only adds amounts to a call of another event, see {@linkcode isAdjustment}. */
  readonly isAdjustment: boolean;
}

/**
 * Returns the cost and the tokens of an event. Tokens count only for calls: if an event that begins a span states
 * tokens, so does the event that ends it.
 */
export function spendFacts(event: AuditEvent): SpendFacts {
  const { cost, input_t, output_t } = event;
  const usd = finite(cost);
  const hasBadCost = usd === null && cost !== undefined;
  const [input, output] = [amountIn(input_t), amountIn(output_t)];
  const isCall = usd !== null || (input === null && output === null) || mayBeCall(event);
  const facts = { usd, hasBadCost, isAdjustment: isAdjustment(event) };
  return isCall ? { ...facts, input, output } : { ...facts, input: null, output: null };
}

/**
 * Checks whether an event only adds amounts to the call of an earlier event, which the field `adjusts` names. An import
 * appends such an event if a call has grown since it was imported. Its amounts count, but it is not another call.
 */
export function isAdjustment({ adjusts, import_id }: AuditEvent): boolean {
  return typeof adjusts === "string" && typeof import_id === "string";
}

/** Checks whether an event without a cost may be a call: not if it is a line of a budget or begins a span. */
export function mayBeCall({ event: type, span }: AuditEvent): boolean {
  if (typeof type !== "string") return true;
  return !isReservedType(type) && (typeof span !== "string" || typeBegunBy(type) === null);
}

/**
 * Checks whether an event states tokens. An event that adjusts a call without stating tokens adds the cost of a call
 * that had none, so one more cost is known.
 */
export function hasTokens({ input, output }: Pick<SpendFacts, "input" | "output">): boolean {
  return input !== null || output !== null;
}

/** The costs and tokens of a group of events. */
export class SpendTally {
  /** Number of events. */
  events = 0;
  /** Number of calls that state a cost or tokens. */
  paid = 0;
  inputTokens = 0;
  outputTokens = 0;
  /** Number of calls whose cost is known. */
  costs = 0;
  /** Number of events whose cost is not a number. */
  badCosts = 0;
  readonly sum: PreciseSum;

  /** Creates a tally without events. The costs of events are added to `sum`. */
  constructor(sum: PreciseSum = new PreciseSum()) {
    this.sum = sum;
  }

  /** Adds an event. */
  add(event: AuditEvent): void {
    this.addFacts(spendFacts(event));
  }

  /** Adds an event by its cost and tokens. */
  addFacts({ usd, hasBadCost, input, output, isAdjustment }: SpendFacts): void {
    this.events++;
    if (usd !== null) {
      if (!isAdjustment || !hasTokens({ input, output })) this.costs++;
      this.sum.add(usd);
    } else if (hasBadCost) this.badCosts++;
    if (!isAdjustment && (usd !== null || input !== null || output !== null)) this.paid++;
    this.inputTokens += input ?? 0;
    this.outputTokens += output ?? 0;
  }

  /** Adds the events of another tally. */
  addAll(other: SpendTally): void {
    this.events += other.events;
    this.paid += other.paid;
    this.inputTokens += other.inputTokens;
    this.outputTokens += other.outputTokens;
    this.costs += other.costs;
    this.badCosts += other.badCosts;
    this.sum.addSum(other.sum);
  }

  /** Returns the content as numbers. */
  state(): SpendState {
    const { events, paid, inputTokens, outputTokens, costs, sum, badCosts } = this;
    const numbers = [events, paid, inputTokens, outputTokens, costs, ...sum.parts, badCosts];
    return numbers.slice(0, numbers.findLastIndex((number) => number !== 0) + 1);
  }

  /** Returns the tally whose content {@linkcode state} has returned. */
  static from(
    [
      events = 0,
      paid = 0,
      inputTokens = 0,
      outputTokens = 0,
      costs = 0,
      sum = 0,
      rest = 0,
      restOfRest = 0,
      badCosts = 0,
    ]: SpendState,
  ): SpendTally {
    const tally = new SpendTally(PreciseSum.from([sum, rest, restOfRest]));
    tally.events = events;
    tally.paid = paid;
    tally.inputTokens = inputTokens;
    tally.outputTokens = outputTokens;
    tally.costs = costs;
    tally.badCosts = badCosts;
    return tally;
  }
}
