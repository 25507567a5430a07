/**
 * Keeps the calls of all sources of an import, each with its largest usage and the amounts that a log already has.
 * Decides which events to append, so that each call counts once.
 *
 * @module
 */
import { type PriceTable, qualifiedName } from "../llm/price_table.ts";
import { type CallCost, costOf } from "../llm/prices.ts";
import type { TokenUsage } from "../llm/usage.ts";
import type { AuditEvent } from "../event.ts";
import { copiedIdOf } from "./codex.ts";
import type { StatedCall, UsageListener } from "./stated_call.ts";
import { difference, growth, largest, rounded, sum, usageIn } from "./usage_sum.ts";

/** A call that sources state. */
interface KnownCall {
  /** The earliest time at which a source states the call. */
  epochMs: number;
  /** The largest of each token count over all sources; `undefined` if the sources do not state a usage. */
  usage: TokenUsage | undefined;
  /** The tokens and the cost that the log has for the call; `undefined` if the log does not contain the call. */
  recorded: TokenUsage | undefined;
  readonly event: StatedCall["event"];
  readonly model: string | undefined;
  readonly provider: string | undefined;
  /** Whether all sources that state the call have copied it. */
  isCopy: boolean;
}

/** The amounts that an import adds for a call. */
export interface AddedAmounts {
  readonly event: StatedCall["event"];
  readonly model: string | undefined;
  /** The tokens to add; `undefined` if no source states a usage. */
  readonly usage: TokenUsage | undefined;
  /** The cost to add; `undefined` if it is unknown. */
  readonly cost: CallCost | undefined;
  /** `true` if the log does not have the call; `false` if it has the call with smaller amounts, or without a cost. */
  readonly isNew: boolean;
}

/** The amounts to append for a call that a source states. */
export interface CallToAppend extends AddedAmounts {
  readonly call: StatedCall;
  readonly epochMs: number;
  /** The amounts that the log has for the call afterwards. */
  readonly total: TokenUsage;
}

/**
 * The calls that sources state. Each takes some 300 bytes of memory; its texts are not kept.
 *
 * Invariant: each call is appended once, at its earliest time and with its largest usage. Amounts that the log already
 * has are never appended again.
 */
export class KnownCalls {
  readonly #calls = new Map<string, KnownCall>();
  /** The calls whose copies have another ID, by that ID. */
  readonly #originals = new Map<string, KnownCall>();
  readonly #prices: PriceTable | undefined;
  #fromMs = Infinity;
  #toMs = -Infinity;
  #hasCopies = false;

  /** @param prices The prices from which costs are computed that the sources do not state. */
  constructor(prices?: PriceTable) {
    this.#prices = prices;
  }

  /** Number of calls. */
  get size(): number {
    return this.#calls.size;
  }

  /**
   * The earliest and the latest time that the calls can have in the log, in milliseconds since the epoch. A copy may have
   * a later time than its original.
   */
  get range(): { readonly fromMs: number; readonly toMs: number } {
    return { fromMs: this.#hasCopies ? -Infinity : this.#fromMs, toMs: this.#toMs };
  }

  /** Adds a call that a source states. If it is known, reports its usage as one that is stated again. */
  observe(call: StatedCall, listener: UsageListener): void {
    const { id, copiedId, epochMs, usage, isCopy = false } = call;
    this.#fromMs = Math.min(this.#fromMs, epochMs);
    this.#toMs = Math.max(this.#toMs, epochMs);
    if (isCopy) this.#hasCopies = true;
    const known = this.#find(call);
    if (known === undefined) {
      const { event, fields: { model, provider } } = call;
      const added = { epochMs, usage, recorded: undefined, event, model, provider, isCopy };
      this.#calls.set(id, added);
      if (copiedId !== undefined) this.#takeOver(copiedId, added, listener);
      return;
    }
    // The time of a copy may be that of the fork. It counts only as long as no source states the call itself.
    if (known.isCopy === isCopy) known.epochMs = Math.min(known.epochMs, epochMs);
    else if (known.isCopy) known.epochMs = epochMs;
    known.isCopy &&= isCopy;
    mergeUsage(known, usage, listener);
  }

  /** Lets a call replace a copy of it that another source has stated before. */
  #takeOver(copiedId: string, call: KnownCall, listener: UsageListener): void {
    this.#originals.getOrInsert(copiedId, call);
    const copy = this.#calls.get(copiedId);
    if (copy?.isCopy !== true) return;
    this.#calls.delete(copiedId);
    call.recorded = copy.recorded;
    mergeUsage(call, copy.usage, listener);
  }

  /** Adds an event of the log. Ignores events that do not belong to a call of the sources. */
  addLogged(event: AuditEvent): void {
    const id = event.adjusts ?? event.import_id;
    if (typeof id !== "string") return;
    const copy = this.#calls.get(copiedIdOf(id) ?? "");
    // If the file of the original was missing at an earlier import, the log has the call from a copy.
    const original = event.copied === true ? this.#originals.get(id) : undefined;
    const known = this.#calls.get(id) ?? (copy?.isCopy ? copy : original);
    if (known !== undefined) known.recorded = sum(known.recorded ?? {}, usageIn(event));
  }

  /** Returns the known call with the ID of a stated one; `undefined` if no source has stated it yet. */
  #find({ id, isCopy }: StatedCall): KnownCall | undefined {
    return this.#calls.get(id) ?? (isCopy ? this.#originals.get(id) : undefined);
  }

  /**
   * Returns the call if the log does not have it, the missing amounts if the log has smaller ones, and otherwise `null`.
   * Also returns `null` for a call that was not observed. Afterwards the call counts as recorded, so that it is appended
   * once.
   */
  take(call: StatedCall): CallToAppend | null {
    const known = this.#find(call);
    if (known === undefined) return null;
    const { epochMs, usage: total = {}, recorded } = known;
    // Another source states the call itself, or with an earlier time. The call belongs to the session of that source.
    const isOthers = call.epochMs > epochMs || call.isCopy === true && !known.isCopy;
    if (recorded === undefined && isOthers) return null;
    const added = this.#added(known);
    if (added === null) return null;
    const { cost } = added.cost ?? {};
    known.recorded = { ...recorded, ...total, ...(cost === undefined ? {} : { cost }) };
    return { ...added, call, epochMs, total };
  }

  /** Yields the amounts that an import would add. */
  *addedAmounts(): Generator<AddedAmounts> {
    for (const known of this.#calls.values()) {
      const added = this.#added(known);
      if (added !== null) yield added;
    }
  }

  /** Returns the amounts that the log lacks of a call; null if it has all of them. */
  #added({ event, model, provider, usage, recorded }: KnownCall): AddedAmounts | null {
    const costIn = (usage: TokenUsage) =>
      costOf(usage, this.#prices, qualifiedName(provider, model));
    if (recorded === undefined) {
      const cost = usage === undefined ? undefined : costIn(usage);
      return { event, model, usage, cost, isNew: true };
    }
    if (usage === undefined) return null;
    const grown = growth(usage, recorded);
    const cost = recorded.cost === undefined
      // The call was imported without a cost, so the whole cost is added.
      ? costIn(usage)
      : grown === undefined
      // A cost in the log stays as it is, even if the prices are different now.
      ? undefined
      : grownCost(grown, costIn(usage), costIn(tokensOf({ ...usage, ...recorded })));
    if (grown === undefined && cost === undefined) return null;
    return { event, model, usage: grown, cost, isNew: false };
  }

  /** Reports the usage of each call that the log already has, without the amounts that it lacks. */
  reportRecorded(report: (usage: TokenUsage, records: number) => void): void {
    for (const { usage, recorded } of this.#calls.values()) {
      if (usage === undefined || recorded === undefined) continue;
      const grown = growth(usage, recorded);
      report(grown === undefined ? usage : difference(usage, grown), 1);
    }
  }
}

/** Adds the usage of another source to a call. Reports the part that does not count because it is stated again. */
function mergeUsage(
  known: KnownCall,
  usage: TokenUsage | undefined,
  listener: UsageListener,
): void {
  if (usage === undefined) return;
  const merged = known.usage === undefined ? usage : largest(known.usage, usage);
  listener.leftOut(
    "calls that are stated again",
    difference(sum(known.usage ?? {}, usage), merged),
    known.usage === undefined ? 0 : 1,
  );
  known.usage = merged;
}

/** Returns a usage without the cost that a source states. */
function tokensOf({ cost: _, ...tokens }: TokenUsage): TokenUsage {
  return tokens;
}

/** Returns the cost by which a call has grown: as the source states it, or the difference of the costs by the prices. */
function grownCost(
  grown: TokenUsage,
  total: CallCost | undefined,
  recorded: CallCost | undefined,
): CallCost | undefined {
  if (grown.cost !== undefined) return { cost: grown.cost, source: "provider" };
  if (total?.source !== "prices" || recorded === undefined) return undefined;
  const cost = rounded(total.cost - recorded.cost);
  return cost > 0 ? { cost, source: "prices" } : undefined;
}
