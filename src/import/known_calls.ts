/**
 * Keeps the calls of all sources of an import, each with its largest usage and the amounts that a log already has.
 * Decides which events to append, so that each call counts once.
 *
 * @module
 */
import type { TokenUsage } from "../llm/usage.ts";
import type { AuditEvent } from "../event.ts";
import { copiedIdOf } from "./codex.ts";
import type { StatedCall, UsageListener } from "./stated_call.ts";
import { difference, growth, largest, sum, usageIn } from "./usage_sum.ts";

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

/** A call to append, or the amounts by which a call in the log has grown. */
export interface CallToAppend {
  readonly call: StatedCall;
  readonly epochMs: number;
  /** The amounts to append; `undefined` if no source states a usage. */
  readonly usage: TokenUsage | undefined;
  /** The amounts that the log has of the call afterwards. */
  readonly total: TokenUsage;
  /** Whether the log has the call already, and `usage` is what it lacks. */
  readonly isGrowth: boolean;
}

/** The amounts that an import would add for a call, for the sums of `--dry-run`. */
export interface NewAmounts {
  readonly event: StatedCall["event"];
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly usage: TokenUsage | undefined;
  /** `true` if the log does not have the call; `false` if only the amounts have grown. */
  readonly isNew: boolean;
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
  #fromMs = Infinity;
  #toMs = -Infinity;

  /** Number of calls. */
  get size(): number {
    return this.#calls.size;
  }

  /** The earliest and the latest time of the calls, in milliseconds since the epoch. */
  get range(): { readonly fromMs: number; readonly toMs: number } {
    return { fromMs: this.#fromMs, toMs: this.#toMs };
  }

  /** Adds a call that a source states. If it is known, reports its usage as one that is stated again. */
  observe(call: StatedCall, listener: UsageListener): void {
    const { id, copiedId, epochMs, usage, isCopy = false } = call;
    this.#fromMs = Math.min(this.#fromMs, epochMs);
    this.#toMs = Math.max(this.#toMs, epochMs);
    const known = this.#find(call);
    if (known === undefined) {
      const { event, fields: { model, provider } } = call;
      const added = { epochMs, usage, recorded: undefined, event, model, provider, isCopy };
      this.#calls.set(id, added);
      if (copiedId !== undefined) this.#originals.getOrInsert(copiedId, added);
      return;
    }
    known.isCopy &&= isCopy;
    known.epochMs = Math.min(known.epochMs, epochMs);
    if (usage === undefined) return;
    const merged = known.usage === undefined ? usage : largest(known.usage, usage);
    listener.leftOut(
      "calls that are stated again",
      difference(sum(known.usage ?? {}, usage), merged),
      known.usage === undefined ? 0 : 1,
    );
    known.usage = merged;
  }

  /** Adds an event of the log. Ignores events that do not belong to a call of the sources. */
  addLogged(event: AuditEvent): void {
    const id = String(event.adjusts ?? event.import_id);
    const copy = this.#calls.get(copiedIdOf(id) ?? "");
    // If the file of the original was missing at an earlier import, the log has the call from a copy.
    const known = this.#calls.get(id) ?? (copy?.isCopy ? copy : this.#originals.get(id));
    if (known !== undefined) known.recorded = sum(known.recorded ?? {}, usageIn(event));
  }

  /** Returns the known call with the ID of a stated one; `undefined` if no source has stated it yet. */
  #find({ id, isCopy }: StatedCall): KnownCall | undefined {
    return this.#calls.get(id) ?? (isCopy ? this.#originals.get(id) : undefined);
  }

  /**
   * Returns the call if the log does not have it, its growth if the log has smaller amounts, and otherwise `null`.
   * Afterwards the call counts as recorded, so that it is appended once.
   */
  take(call: StatedCall): CallToAppend | null {
    const known = this.#find(call)!;
    const { epochMs, usage, recorded } = known;
    const total = usage ?? {};
    if (recorded === undefined) {
      // Another source states the call itself, or with an earlier time. The call belongs to the session of that source.
      if (call.epochMs > epochMs || call.isCopy === true && !known.isCopy) return null;
      known.recorded = total;
      return { call, epochMs, usage, total, isGrowth: false };
    }
    const grown = growth(total, recorded);
    if (grown === undefined) return null;
    known.recorded = total;
    return { call, epochMs, usage: grown, total, isGrowth: true };
  }

  /** Yields the amounts that an import would add. */
  *newAmounts(): Generator<NewAmounts> {
    for (const { event, model, provider, usage, recorded } of this.#calls.values()) {
      if (recorded === undefined) yield { event, model, provider, usage, isNew: true };
      else {
        const grown = growth(usage ?? {}, recorded);
        if (grown !== undefined) yield { event, model, provider, usage: grown, isNew: false };
      }
    }
  }

  /** Reports the usage of each call that the log already has, and whether the log has all of it. */
  reportRecorded(report: (usage: TokenUsage, records: number) => void): void {
    for (const { usage, recorded } of this.#calls.values()) {
      if (usage === undefined || recorded === undefined) continue;
      const grown = growth(usage, recorded);
      report(grown === undefined ? usage : difference(usage, grown), 1);
    }
  }
}
